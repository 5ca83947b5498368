"""Streams of sounds and texts as they arrive: those that end with an event, and files in pieces."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

from ...errors import ResponseValidationError, StreamInterruptedError
from ...models.folding import Accumulator
from ...utils.secrets import Secrets
from ..effects import TransportFailure
from ..reply.bare import begins_as_events, begins_as_json, may_begin_otherwise
from ..reply.body import BodyReader
from ..reply.decode import without_secrets
from ..reply.ends import MAX_FILE_BYTES
from .events import EventDecoder


class EndingDecoder(EventDecoder):
    """Ends a stream with the event that says that it is the last; of a chat, token counts may come behind it.

    Not in `EventDecoder` itself, where the question would be asked for each chunk of a chat.
    """

    def feed(self, raw: bytes) -> Generator[Any, None, bool]:
        """Take raw bytes and hand out the events that are complete, up to the last; as `EventDecoder.feed`."""
        some = False
        for event in super().feed(raw):
            some = True
            yield event
            if self.accumulator.ended:
                self.done = True
                self.check_end()
                break
        return some


class PieceDecoder:
    """Hands out the bytes of a file as they come; `done`, `feed` and `end` are those of `EventDecoder`.

    Args:
        events: Takes over where the file turns out to be an event stream or JSON.
        make: Makes an event of bytes.
        check_end: Refuses a body that ended with its connection, and not in order.
    """

    def __init__(
        self, events: EventDecoder, make: Callable[[bytes], Any], *, coding: str | None, check_end: Callable[[], None]
    ) -> None:
        self._events = events
        self._make = make
        self._check_end = check_end
        self._body = BodyReader(coding, MAX_FILE_BYTES)
        self._left = MAX_FILE_BYTES
        self._head: bytes | None = b""  # until it is known what comes
        self._is_file = True

    @property
    def done(self) -> bool:
        """Whether an event has ended the stream; the end of a file is that of its bytes."""
        return not self._is_file and self._events.done

    @property
    def accumulator(self) -> Accumulator[Any, Any]:
        """What folds the events."""
        return self._events.accumulator

    @property
    def secrets(self) -> Secrets:
        """What errors must not show."""
        return self._events.secrets

    @property
    def unread(self) -> bytes:
        """What came and makes no event."""
        return b"" if self._is_file else self._events.unread

    def feed(self, raw: bytes) -> Generator[Any, None, bool]:
        """Take raw bytes and hand out an event for them; the result is whether there was one."""
        some = False
        for piece in self._body.decoded(raw):
            if self._head is not None:
                self._head += piece
                if may_begin_otherwise(self._head):
                    continue
                piece, self._head = self._head, None
                self._is_file = not (begins_as_events(piece) or begins_as_json(piece))
            if not self._is_file:
                some = (yield from self._events.feed(piece)) or some
            else:
                yield self._taken(piece)
                some = True
        return some

    def end(self) -> Iterator[Any]:
        """Take the end of the bytes.

        Raises:
            StreamInterruptedError: The file was cut.
            ResponseValidationError: Nothing came.
        """
        try:
            self._body.finish()
            self._check_end()
        except TransportFailure as exc:
            meta = without_secrets(self._events.meta, self.secrets)
            raise StreamInterruptedError(f"the file was cut: {exc}", reason="truncated", meta=meta) from exc.__cause__
        head, self._head = self._head, None
        if head:
            yield self._taken(head)
        if not self._is_file:
            yield from self._events.end()
        elif self.accumulator.is_empty:
            meta = without_secrets(self._events.meta, self.secrets)
            raise ResponseValidationError("the body is empty", status_code=meta.status_code, meta=meta)

    def _taken(self, piece: bytes) -> Any:
        self._left -= len(piece)
        if self._left < 0:
            meta = without_secrets(self._events.meta, self.secrets)
            raise ResponseValidationError(f"the file is larger than {MAX_FILE_BYTES} bytes", meta=meta)
        event = self._make(piece)
        self.accumulator.add(event)
        return event
