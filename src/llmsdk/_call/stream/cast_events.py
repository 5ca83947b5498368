"""Streams of paths that no model of ours describes: each event as the type that the caller names."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import RootModel, ValidationError

from ...errors import ReplyMeta
from ...models.folding import Accumulator
from ...providers.spec import Route
from ...utils.secrets import Secrets
from ...utils.shapes import is_list, is_object
from ..reply.cast import Cast
from ..reply.decode import parse_json
from ..reply.reading import place_of
from .events import EventDecoder

if TYPE_CHECKING:
    from ..plan import Plan


class Event(RootModel[Any]):
    """An event on its way through the decoder, which knows models."""


class Events(Accumulator[Event, list[Any]]):
    """Keeps the events of a stream in a list: how they would fold, only the caller knows."""

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._usage: Any = None
        self._is_open = False

    def note(self, document: Any) -> None:
        """Look at what an event is for the fields that all servers have in common."""
        if not is_object(document):
            return
        self._usage = document.get("usage") or self._usage
        choices = document.get("choices")
        if is_list(choices) and choices and all(map(is_object, choices)):
            self._is_open = not all(choice.get("finish_reason") for choice in choices)

    def add(self, chunk: Event) -> None:
        self._events.append(chunk.root)

    def build(self) -> list[Any]:
        return list(self._events)

    @property
    def is_open(self) -> bool:
        """Whether there are choices that have not said why they end."""
        return self._is_open

    @property
    def finished(self) -> bool:
        return False

    @property
    def is_empty(self) -> bool:
        return not self._events

    @property
    def usage(self) -> Any:
        return self._usage


class CastDecoder(EventDecoder):
    """Turns the bytes of one streamed reply into values of one type.

    A stream without an end mark ends with its connection, unless it has choices that came to no end.
    """

    def __init__(self, plan: Plan, secrets: Secrets, meta: ReplyMeta, coding: str | None, cast: Cast) -> None:
        super().__init__(
            plan.operation,
            plan.target.provider,
            meta,
            secrets,
            coding=coding,
            max_event_bytes=plan.limits.max_event_bytes,
            max_response_bytes=plan.limits.max_response_bytes,
        )
        self._cast = cast
        self._validate: Any = self._read
        self._events: Events = self.accumulator  # type: ignore[assignment] # the operation says which it makes

    def feed(self, raw: bytes) -> Generator[Any, None, bool]:
        """Take raw bytes and hand out the values that are complete; as `EventDecoder.feed`."""
        some = False
        for event in super().feed(raw):
            some = True
            yield event.root
        return some

    def end(self) -> Iterator[Any]:
        """Take the end of the bytes; as `EventDecoder.end`."""
        if self._events.is_open:
            self._route = Route()  # whose streams have an end mark
        for event in super().end():
            yield event.root

    def _read(self, data: bytes) -> Event:
        document = parse_json(data)
        if self._cast.is_failure(self._provider, document):
            raise self._stated(document)
        if document is None:
            raise ValueError
        event = Event(self._cast.of(data))
        self._events.note(document)
        return event

    def _second_look(self, data: bytes) -> Any:
        if parse_json(data) is None:  # some servers send one between events to keep the connection alive
            return None
        try:
            self._cast.of(data)
        except (ValueError, RecursionError) as exc:
            problem = (
                place_of(exc) if isinstance(exc, ValidationError) else f"its validator raised {type(exc).__name__}"
            )
            raise self._invalid(f"an event is not what cast_to names: {problem}", data) from None
        raise AssertionError("an event that could not be read can be read")  # pragma: no cover - it is the same

    def _synthesized(self, body: bytes) -> Event:
        event = self._read(body)
        self.accumulator.add(event)
        self.done = True
        return event
