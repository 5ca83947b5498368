"""Observers: objects that are told of every call, from its start to its end, that of a stream included."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from .errors import ReplyMeta, SDKError
from .utils.headers import check_header

_logger = logging.getLogger("llmsdk")


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What an observer is told when a call starts; with failover, of its first server.

    `params` are the parameters as the caller gave them; they may hold what nobody else should read.
    """

    operation_id: str
    resource: str
    server: str
    base_url: str
    params: Mapping[str, Any]
    stream: bool


class Observation(Protocol):
    """One call under observation; `finished`, `abandoned` or `failed` comes once and last."""

    def headers(self) -> Mapping[str, str]:
        """Headers to add to each attempt, such as a trace context."""
        ...

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """A server's turn has come: the first one, and with failover each further one."""
        ...

    def first_event(self) -> None:
        """The first event of a stream has arrived."""
        ...

    def finished(self, reply: Any, meta: ReplyMeta | None) -> None:
        """The reply has come; of a stream that was closed early, what had come of it."""
        ...

    def abandoned(self, reply: Any, meta: ReplyMeta | None) -> None:
        """A stream was dropped, neither read to its end nor closed; runs in a finalizer and must take no lock."""
        ...

    def failed(self, error: BaseException, partial: Any) -> None:
        """The call raised; `partial` is what had come of its stream, or None."""
        ...


class Observer(Protocol):
    """What `SDK(observers=[...])` takes; it serves all threads and event loops at once."""

    def start(self, call: CallInfo) -> Observation | None:
        """A call starts, in the context of its caller; None where it is of no interest."""
        ...


class Observed:
    """One call and those who watch it; a failure of theirs is logged and hurts nobody."""

    def __init__(self, observers: tuple[Observer, ...], call: CallInfo) -> None:
        self._watching: list[Observation] = []
        self._is_over = False
        for observer in observers:
            watching = _tell(observer.start, call)
            if watching is not None:
                self._watching.append(watching)

    def headers(self) -> dict[str, str]:
        """Collect the headers to add, without those that no header can have."""
        headers: dict[str, str] = {}
        for watching in self._watching:
            headers |= _tell(_checked, watching) or {}
        return headers

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """Tell whose turn it is."""
        for watching in self._watching:
            _tell(watching.at_server, server, base_url, model)

    def begun(self, result: Any) -> Any:
        """Take what the call answers with: a reply, or a stream that is followed to its end."""
        progress = getattr(result, "_progress", None)
        if progress is None:
            self._end("finished", result, getattr(result, "meta", None))
            return result
        progress.observed = self
        if progress.ahead is not None:
            self.first_event()
        else:
            progress.decoder.accumulator = _FirstNoted(progress.decoder, self)
        return result

    def first_event(self) -> None:
        """Tell that a stream's first event is here."""
        for watching in self._watching:
            _tell(watching.first_event)

    def abandoned(self, progress: Any) -> None:
        """Tell that a stream was dropped."""
        self._end("abandoned", progress.build(), progress.meta)

    def ended(self, progress: Any) -> None:
        """Tell how a stream ended."""
        error: SDKError | None = progress.error
        if error is not None:
            self._end("failed", error, getattr(error, "partial", None))
        else:
            self._end("finished", progress.build(), progress.meta)

    def _end(self, how: str, *told: Any) -> None:
        if self._is_over:
            return
        self._is_over = True
        for watching in self._watching:
            _tell(getattr(watching, how), *told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._end("failed", error, getattr(error, "partial", None))


class _FirstNoted:
    """An accumulator until its first event, which it tells of."""

    def __init__(self, decoder: Any, observed: Observed) -> None:
        self._decoder = decoder
        self._inner = decoder.accumulator
        self._observed: Observed | None = observed
        self._decoder.accumulator = self

    def add(self, event: Any) -> None:
        """Take an event."""
        observed, self._observed = self._observed, None
        if observed is not None:
            self._decoder.accumulator = self._inner
            observed.first_event()
        self._inner.add(event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _checked(watching: Observation) -> dict[str, str]:
    headers = {name.lower(): value for name, value in watching.headers().items()}
    for name, value in headers.items():
        check_header(name, value)
    return headers


def _tell(method: Callable[..., Any], *told: Any) -> Any:
    try:
        return method(*told)
    except Exception as exc:
        # Its text may hold anything; the class says enough to find the place.
        _logger.warning("an observer failed in %s: %s", getattr(method, "__qualname__", method), type(exc).__name__)
        return None
