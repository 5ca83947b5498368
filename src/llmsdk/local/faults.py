"""Faults: what a scripted reply does other than answer well."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import ConfigurationError
from ..utils.shapes import described, is_list, is_mapping, quoted
from .checks import FLAG, HEADER_TEXT, PAYLOAD, RAW, SECONDS, Kind, check, check_headers, count, refused

MAX_STALL_S = 600.0
"""No pause is longer, whatever a script says."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One reply that goes wrong; every default means that this part goes well.

    Attributes:
        status: Status to answer with, 100 to 999; from 400 on the body is the dialect's error object unless `body` is
            given.
        retry_after: Value of Retry-After, in seconds or any text.
        headers: Headers added or replaced.
        body: Body to send: bytes, text, or anything that JSON can hold.
        content_type: Content-Type to claim.
        content_encoding: `gzip` compresses the body; any other word is only claimed.
        delay_s: Wait before the status line.
        chunk_delay_s: Wait before every piece of the body.
        split: Cut what is sent into pieces of this many bytes.
        end_after_events: End a stream in good order after this many events, without its sentinel.
        in_band_error: After how many events an error event ends the stream, and its payload (None for the dialect's
            own error object, text to send as it is).
        cut_before_headers: Close the connection without an answer.
        cut_after, cut_after_events: Close after so many bytes of the body, or events; a number beyond the end closes
            where the end of the body should be told.
        reset: Whether a cut is a TCP reset instead of an orderly close.
        stall_after, stall_after_events, stall_s: Fall silent for `stall_s` after so many bytes of the body, or events.
        close_after: Send `Connection: close` and close when the reply is complete.
        raw: Exact bytes to send instead of a reply; the connection is closed after them.
    """

    status: int | None = None
    retry_after: float | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    content_type: str | None = None
    content_encoding: str | None = None
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    split: int | None = None
    end_after_events: int | None = None
    in_band_error: tuple[int, Any] | None = None
    cut_before_headers: bool = False
    cut_after: int | None = None
    cut_after_events: int | None = None
    reset: bool = False
    stall_after: int | None = None
    stall_after_events: int | None = None
    stall_s: float = 60.0
    close_after: bool = False
    raw: bytes | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None or item.default is not None:
                kind, name = _CHECKS[str(item.type).removesuffix(" | None")], f"fault field {item.name!r}"
                check(value, name, kind) if isinstance(kind, Kind) else kind(value, name)
        if self.status is not None:
            check(self.status, "fault field 'status'", count(100, 999))

    @classmethod
    def parse(cls, value: Fault | Mapping[str, Any] | str) -> Fault:
        """Read a fault from a mapping or its JSON text.

        Raises:
            ConfigurationError: It names a field that does not exist, or gives one a value that cannot be.
        """
        if isinstance(value, Fault):
            return value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise ConfigurationError("fault: must be a JSON object, got a str that is not JSON") from None
        if not is_mapping(value):
            raise ConfigurationError(f"fault: must be a Fault, a mapping or a JSON object, got {described(value)}")
        given = dict(value)
        known = [item.name for item in fields(cls)]
        if unknown := [name for name in given if name not in known]:
            raise ConfigurationError(f"unknown fault field {quoted(unknown[0])}; known: {', '.join(known)}")
        if isinstance(given.get("raw"), str):
            given["raw"] = given["raw"].encode("latin-1", "replace")
        if is_list(given.get("in_band_error")) and given["in_band_error"]:
            after, *payload = given["in_band_error"]
            given["in_band_error"] = (after, payload[0] if payload else None)
        return cls(**given)

    def events(self, events: list[bytes], error_event: bytes) -> list[bytes]:
        """Change which events a stream has."""
        if self.end_after_events is not None:
            events = events[: self.end_after_events]
        if self.in_band_error is not None:
            events = [*events[: self.in_band_error[0]], error_event]
        return events


def _check_in_band(value: Any, name: str) -> None:
    pair: Any = value
    if not isinstance(value, tuple) or len(pair) != 2:
        raise refused(name, "a number of events and a payload", pair)
    check(pair[0], name, count())
    check(pair[1], name, PAYLOAD)


def _check_retry_after(value: Any, name: str) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    check(f"{value:g}" if is_number else value, name, HEADER_TEXT)


# By the type that the class statement gives a field.
_CHECKS: Mapping[str, Kind | Callable[[Any, str], None]] = {
    "int": count(),
    "float": SECONDS,
    "float | str": _check_retry_after,
    "str": HEADER_TEXT,
    "bool": FLAG,
    "bytes": RAW,
    "Any": PAYLOAD,
    "Mapping[str, str]": check_headers,
    "tuple[int, Any]": _check_in_band,
}


@dataclass(frozen=True)
class Data:
    """Bytes of a body; `announced` is the length of the chunk that they begin."""

    content: bytes
    announced: int


@dataclass(frozen=True)
class Silence:
    """Silence."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The end of the connection, before the end of the body."""


Step = Data | Silence | Cut


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress pieces so that each can be read when it arrives."""
    packer = zlib.compressobj(wbits=31)  # 15 for the window, 16 for gzip's frame
    for piece in pieces:
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


def plan(pieces: Iterable[bytes], fault: Fault) -> Iterator[Step]:
    """Turn the pieces of a body into what the connection does with them."""
    sent = 0
    stall_at = fault.stall_after
    for index, piece in enumerate(pieces):
        if index == fault.cut_after_events:
            yield Cut()
            return
        if index == fault.stall_after_events:
            yield Silence(fault.stall_s)
        for part in _parts(piece, fault.split):
            if fault.chunk_delay_s:
                yield Silence(fault.chunk_delay_s)
            if stall_at is not None and sent + len(part) > stall_at:
                head, part = part[: stall_at - sent], part[stall_at - sent :]
                stall_at = None
                if head:
                    yield Data(head, len(head))
                    sent += len(head)
                yield Silence(fault.stall_s)
            if fault.cut_after is not None and sent + len(part) > fault.cut_after:
                yield Data(part[: fault.cut_after - sent], len(part))
                yield Cut()
                return
            yield Data(part, len(part))
            sent += len(part)
    if fault.cut_after is not None or fault.cut_after_events is not None:
        yield Cut()


def _parts(piece: bytes, size: int | None) -> Iterator[bytes]:
    if size is None or size < 1:
        yield piece
        return
    for start in range(0, len(piece), size):
        yield piece[start : start + size]
