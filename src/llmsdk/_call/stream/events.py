"""A streamed reply as it arrives: bytes in, typed events out, and the one way in which it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ...errors import RemoteError, ReplyMeta, ResponseValidationError, SDKError, StreamInterruptedError
from ...models._thoughts import THOUGHTS, TagReader
from ...providers.spec import END, Provider
from ...utils.jsonpaths import MISSING
from ...utils.secrets import Secrets, masked
from ...utils.shapes import is_object
from ...utils.sse import EventTooLarge, Frame, SSEDecoder, framed
from ..effects import TransportFailure
from ..operation import Operation
from ..reply.bare import is_text
from ..reply.body import BodyReader
from ..reply.decode import (
    MAX_ERROR_BODY,
    json_fault,
    map_document,
    parse_json,
    shown_text,
    stated_error,
    without_secrets,
)
from ..reply.ends import MAX_FILE_BYTES
from ..reply.error_bodies import is_error, states_error
from ..reply.reading import decode_reply
from .remarks import Remarks

_UNREADABLE = (ValidationError, ValueError, RecursionError)
_LONGEST_MARK = 64  # bytes of an end mark, blanks and all
_NONE: frozenset[str] = frozenset()  # one for all streams: each would take 216 bytes of its own
_MAX_SNIFFED = 1 << 16  # blanks in front of a reply, before it is taken for an event stream


_STREAM = b":deir"  # how a comment and the fields begin
_NO_STREAM = (b"{", b"[", b"<", b"\0")  # a NUL is half a character of UTF-16
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_HALF_MARKS = (b"\xff", b"\xfe")
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_FIELD = 6  # bytes of "event:" and of "retry:"


class EventDecoder:
    """Turns the bytes of one streamed reply into events, and folds them.

    Whatever ends the reply is asked here: `done` once the sentinel has come, `end()` where the bytes end.
    """

    def __init__(
        self,
        operation: Operation,
        provider: Provider,
        meta: ReplyMeta,
        secrets: Secrets,
        *,
        coding: str | None,
        max_event_bytes: int,
        max_response_bytes: int,
        is_single: bool = False,
        results: int = 0,
        is_streamed: bool = False,
    ) -> None:
        if operation.chunk is None or operation.accumulator is None:
            raise AssertionError(f"{operation.id} does not stream")
        self._operation = operation
        self._provider = provider
        self._route = provider.routes[operation.id] if operation.own is None else operation.own.route
        self._meta = meta
        self._secrets = secrets
        codec = self._route.codec
        self._decode = None if codec is None or codec.decoder is None else codec.decoder()
        self._beside = frozenset(source[2:].partition(".")[0] for source in self._route.rare_event.values()) or _NONE
        self._frames = SSEDecoder(max_event_bytes)
        self._validate: Any = operation.read_chunk
        self._body = BodyReader(coding, max_response_bytes)
        self._is_coded = bool(coding)
        self._results = results
        self._whole: BodyReader | None = None
        # Of what is not kept, there may be more than memory would hold.
        self._left = self._longest = MAX_FILE_BYTES if is_streamed and operation.of_piece else max_response_bytes
        self._max_response_bytes = max_response_bytes
        self._begun = "text/event-stream" in meta.headers.get("content-type", "").lower()
        self._head = b""
        self._dumb: bytes | None = b""  # what came before the first event, which may turn out to be no stream at all
        self._short: bytes | None = None  # the first short event, which is rarely one with results
        self._remarks = Remarks(provider)
        self.accumulator = operation.accumulator()
        self.accumulator.is_single = is_single
        self.accumulator.is_streamed = is_streamed
        self._tags = TagReader() if meta.tags_reasoning else None
        self.done = False

    @property
    def unread(self) -> bytes:
        """What came and makes no event: part of one, or of a reply that is no stream."""
        if self._whole is not None:
            return self._whole.received()
        return self._dumb or self._frames.strays + self._head + self._frames.pending

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the call."""
        return self._meta

    @property
    def secrets(self) -> Secrets:
        """What errors must not show."""
        return self._secrets

    def feed(self, raw: bytes) -> Generator[Any, None, bool]:
        """Take raw bytes and hand out the events that are complete.

        Returns:
            Whether there were any.

        Raises:
            APIStatusError: An event is an error object.
            ResponseValidationError: An event is not what the operation streams, or a bound was passed.
            TransportFailure: The content coding is broken.
        """
        some = False
        parse = self._parsed if self._route.event else self._validate
        add = self.accumulator.add if self._tags is None else self._add_tagged
        for piece in self._body.decoded(raw) if self._is_coded else (raw,):
            self._left -= len(piece)
            if self._left < 0:
                raise self._invalid(f"the stream is larger than {self._longest} bytes", b"")
            if not self._begun:
                piece = self._sniffed(piece)
            if self._whole is not None:
                self._whole.feed(piece)
                continue
            try:
                found: list[Any] = self._frames.split(piece)
            except EventTooLarge as exc:
                raise self._too_large(exc) from None
            if self._decode is not None:
                found = [data for event in found for data in self._recoded(self._decode, framed(event))]
            if self._dumb is not None:
                self._dumb = None if found or len(self._dumb) > _MAX_SNIFFED else self._dumb + piece
            for data in found:
                # Bare data too long for an end mark is nearly every event there is: the shortest way for it. The length
                # of a frame is that of a tuple.
                if len(data) > _LONGEST_MARK:
                    try:
                        event = parse(data)
                    except _UNREADABLE:
                        event = self._second_look(data)
                        if event is None:
                            continue
                else:
                    frame = framed(data)
                    data = frame.data
                    event = self._rare(frame)
                    if self.done:
                        self.check_end()
                        return some
                    if event is None:
                        continue
                if event.__pydantic_extra__:
                    event = self._looked_through(event, data)
                add(event)
                some = True
                yield event
        return some

    def _recoded(self, decode: Callable[[dict[str, Any]], Iterable[Any]], frame: Frame) -> Iterator[Any]:
        """Translate one event of a protocol of its own into events of ours; what is no object stays as it came."""
        document = parse_json(frame.data)
        if not is_object(document):
            # The end mark of OpenAI's, which some proxies add, is not the end that a protocol of its own has.
            if not self._is_end_mark(frame):
                yield frame
            return
        for chunk in decode(document):
            yield self._provider.sentinel if chunk is END else to_json(chunk, inf_nan_mode="constants")

    def _add_tagged(self, event: Any) -> None:
        """Find the reasoning in an event's text, where models write it there."""
        if self._tags is not None and (thought := self._tags.feed(event.text)):
            vars(event)[THOUGHTS] = thought
        self.accumulator.add(event)

    def end(self) -> Iterator[Any]:
        """Take the end of the bytes; hands out the one event of a reply that was no stream.

        Raises:
            StreamInterruptedError: The stream was cut before it was complete.
            APIStatusError: The reply, or a choice that never finished, is an error.
            ResponseValidationError: The reply is neither a stream nor what the operation answers with.
        """
        try:
            self._body.finish()
        except TransportFailure as exc:
            if self._whole is not None:
                raise
            raise self._truncated(f"the stream was cut: {exc}", self.unread) from exc.__cause__
        if self._head and not self._begun and self._operation.of_text is not None:
            self._whole = BodyReader(None, self._max_response_bytes)  # a text shorter than the name of a field
            self._whole.feed(self._head)
        if self._whole is not None:
            yield self._synthesized(self._whole.finish())
            return
        if self._head and not self._begun:
            raise self._invalid("the body is not an event stream", self._head)
        unread = self.unread
        try:
            last = self._frames.flush()
        except EventTooLarge as exc:
            raise self._too_large(exc) from None
        if last is not None and self._is_end_mark(last):
            self.done = True
        elif self._dumb and self._is_reply(self._dumb):
            yield self._synthesized(self._dumb)  # JSON that calls itself a stream
            return
        self._check_choices()
        may_end = self._route.ends_with_connection and self._dumb is None and not unread
        if not (self.done or self.accumulator.finished or may_end):
            self._check_reason()
            came = unread or (self._came if self.accumulator.is_empty else b"")
            raise self._truncated("the stream ended without finish reason and without end mark", came)
        self._check_results()

    def _truncated(self, message: str, unread: bytes) -> StreamInterruptedError:
        text, meta = shown_text(unread, self._secrets), without_secrets(self._meta, self._secrets)
        return StreamInterruptedError(message, reason="truncated", body=text, meta=meta)

    def _is_reply(self, body: bytes) -> bool:
        document = parse_json(body)
        return is_object(document) or is_error(self._provider, document)

    def _rare(self, frame: Frame) -> Any | None:
        """Read a frame that is named or short; None for the end mark and for what says nothing."""
        if frame.event == "ping" or not frame.data or frame.data.isspace():
            return None
        if frame.event == "error":
            raise self._error_event(frame.data)
        if self._is_end_mark(frame):
            self.done = True
            return None
        self._short = self._short or frame.data
        try:
            return self._parsed(frame.data)
        except _UNREADABLE:
            return self._second_look(frame.data)

    def _is_end_mark(self, frame: Frame) -> bool:
        return len(frame.data) <= _LONGEST_MARK and frame.data.strip() == self._provider.sentinel

    def _parsed(self, data: bytes) -> Any:
        if self._route.event:
            return map_document(self._route.event, self._operation.chunk or dict, from_json(data))
        return self._validate(data)

    def _looked_through(self, event: Any, data: bytes) -> Any:
        """Look at fields that are not ours: they may say that it is an error, or hold what the dialect puts there."""
        if states_error(self._provider, event):
            raise self._stated(parse_json(data))
        extra = event.__pydantic_extra__
        if not getattr(event, self._operation.content, None):
            self._remarks.add(data)
        if self._beside.isdisjoint(extra):
            return event
        event = self._mapped(parse_json(data))
        if states_error(self._provider, event):
            raise self._stated(event.model_extra)
        return event

    def _mapped(self, document: Any) -> Any:
        mapping = {**self._route.event, **self._route.rare_event}
        return map_document(mapping, self._operation.chunk or dict, document)

    def _second_look(self, data: bytes) -> Any:
        """Read an event that is no plain match: broken UTF-8, or an error in a shape of its own; None for a null.

        A null carries nothing, and some servers send one between events to keep the connection alive.
        """
        document = parse_json(data)
        if document is None:
            return None
        if is_error(self._provider, document):
            raise self._stated(document)
        if document is not MISSING:
            try:
                return self._mapped(document)
            except ValidationError as exc:
                raise self._invalid(f"an event is not what was asked for{_place(exc)}", data) from None
        raise self._invalid(f"an event is {json_fault(data)}", data)

    def _error_event(self, data: bytes) -> SDKError:
        document = parse_json(data)
        is_text = document is MISSING
        return self._stated(data.decode("utf-8", "replace") if is_text else document, is_text=is_text)

    def _stated(self, document: Any, *, is_text: bool = False) -> SDKError:
        return stated_error(self._provider, document, meta=self._meta, secrets=self._secrets, is_text=is_text)

    def _sniffed(self, piece: bytes) -> bytes:
        """Look at the first byte of a reply that does not say that it is a stream; blanks are kept until one comes."""
        self._head += piece
        start = self._head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1]
        if self._head in _HALF_MARKS or (not start and len(self._head) < _MAX_SNIFFED):
            return b""
        is_bare = self._operation.of_text is not None and is_text(self._meta.headers)
        if is_bare and len(self._head) < _LONGEST_FIELD:
            return b""
        self._begun = True
        is_json = "json" in self._meta.headers.get("content-type", "") and start not in _STREAM
        is_bare = is_bare and not self._head.lstrip(b"\xef\xbb\xbf\r\n").startswith(_FIELDS)
        if is_bare or is_json or start in _NO_STREAM or self._head[:2] in _UTF_16_MARKS:
            self._whole = BodyReader(None, self._max_response_bytes)
        head, self._head = self._head, b""
        return head

    def _synthesized(self, body: bytes) -> Any:
        reply = decode_reply(
            self._operation,
            self._provider,
            body,
            content_type=self._meta.headers.get("content-type", ""),
            meta=self._meta,
            secrets=self._secrets,
            results=self._results,
        )
        if self._operation.as_chunk is None:
            raise AssertionError(f"{self._operation.id} has no chunk to make")
        event = self._operation.as_chunk(reply)
        self.accumulator.add(event)
        self.accumulator.whole = reply
        self.done = True
        return event

    def check_end(self) -> None:
        """Refuse to call a stream finished that is not.

        Raises:
            APIStatusError: A choice failed.
            ResponseValidationError: Nothing came of what was asked for.
        """
        self._check_choices()
        self._check_results()

    def _check_choices(self) -> None:
        """Refuse to call a stream finished in which a choice failed and never came to its end."""
        error = self.accumulator.failed_choice()
        if error is not None:
            raise self._stated({"error": error})

    @property
    def _came(self) -> bytes:
        """What there is to show of a stream without results."""
        return self._remarks.first or self._short or self.unread

    def _check_results(self) -> None:
        """Refuse to call a stream finished in which nothing came of what was asked for, or an end without a reason."""
        if self._route.optional_result:
            return
        if not self.accumulator.finished:
            self._check_reason()
        if not self.accumulator.is_empty:
            return
        said = self.accumulator.build().model_dump(exclude={"object"}, exclude_none=True)
        # An end mark alone is how some servers answer when the model had no token to give.
        if self._results and (self._came or any(said.values())):
            raise self._invalid(f"the stream ended without {self._operation.content}", self._came)

    def _check_reason(self) -> None:
        """Raise the reason for a stream without a whole answer, where something in it is one."""
        document = self._remarks.reason(self.unread, beside_answer=not self.accumulator.is_empty)
        if document is not MISSING:
            raise self._stated(document)

    def _too_large(self, exc: EventTooLarge) -> RemoteError:
        return self._invalid(f"an event is larger than {exc.limit} bytes", self._frames.pending)

    def _invalid(self, message: str, data: bytes) -> RemoteError:
        text = masked(data[:MAX_ERROR_BODY].decode("utf-8", "replace"), self._secrets)
        meta = without_secrets(self._meta, self._secrets)
        return ResponseValidationError(message, status_code=meta.status_code, body=text, meta=meta)


def _place(exc: ValidationError) -> str:
    """Return where an event is wrong; a pydantic error's own text would quote it."""
    found = exc.errors(include_input=False)[0]["loc"]
    parts = [str(part) for part in found if part != "value"]  # the name of a choice, see `OrEmpty`
    return f", at {'.'.join(parts)}" if parts else ""


def fold_whole(decoder: EventDecoder, body: bytes) -> Any:
    """Fold an event stream that came where one reply was asked for.

    Raises:
        RemoteError: As a stream, with what had come as `.partial`.
    """
    try:
        for _ in decoder.feed(body):
            pass
        if not decoder.done:
            for _ in decoder.end():
                pass
    except RemoteError as exc:
        exc.partial = decoder.accumulator.build()
        raise
    return decoder.accumulator.build()
