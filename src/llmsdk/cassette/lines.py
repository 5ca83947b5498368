"""The lines of a cassette: one exchange each, as JSON, checked when read and without secrets when written."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..utils.codings import CodingError, make_decoder
from ..utils.secrets import Secrets, is_secret_name, masked
from ..utils.shapes import is_list, is_mapping, is_unicode
from .asked import MAX_DEPTH, Asked, is_deep

VERSION = 1  # of the format of a line; another one is refused rather than read wrong
ENDS = ("complete", "closed", "broken")
_HEADER_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_CONTROL = r"[\x00-\x08\x0a-\x1f\x7f]"
_MAX_MS = 86_400_000  # a day; `realtime` waits as long
# They describe a transfer that is over; the recorded body is decoded.
_TRANSFER_HEADERS = frozenset(
    {"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive", "set-cookie", "trailer"}
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a body, and the milliseconds that it came after what stood before it."""

    ms: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the reply to it.

    Attributes:
        ms: Time until the headers of the reply were there.
        end: `complete`; `closed` by the reader before its end, as a stream is after its end mark; or `broken`.
        error: Class and text of the exception that broke it.
        line: Where it stands in the file.
    """

    asked: Asked
    status: int
    headers: tuple[tuple[str, str], ...]
    ms: float
    pieces: tuple[Piece, ...]
    end: str
    error: tuple[str, str] = ("", "")
    line: int = 0


def write_line(exchange: Exchange) -> bytes:
    """Write an exchange as one line."""
    value: dict[str, Any] = {
        "v": VERSION,
        "request": {"method": exchange.asked.method, "url": exchange.asked.url, **exchange.asked.body},
        "status": exchange.status,
        "headers": [list(pair) for pair in exchange.headers],
        "ms": round(exchange.ms, 1),  # more digits would only make diffs
        "chunks": [_written(piece) for piece in exchange.pieces],
        "end": exchange.end,
    }
    if exchange.end == "broken":
        value["error"] = list(exchange.error)
    # Readable in a diff, so not ASCII alone; half a character, which UTF-8 has not, becomes its escape.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def _written(piece: Piece) -> dict[str, Any]:
    try:
        return {"ms": round(piece.ms, 1), "text": piece.data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"ms": round(piece.ms, 1), "base64": base64.b64encode(piece.data).decode("ascii")}


def read_line(raw: bytes, line: int) -> Exchange:
    """Read a line."""
    try:
        value: Any = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not is_mapping(value):
        raise ValueError("it is not a JSON object")
    if is_deep(value):
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if _field(value, "v", int) != VERSION:
        raise ValueError(f"its version is {str(value['v'])[:20]}, known is {VERSION}")
    request = _field(value, "request", dict)
    end = _field(value, "end", str)
    if end not in ENDS:
        raise ValueError(f"its end must be one of {', '.join(ENDS)}")
    error = _texts(value, "error") if end == "broken" else ["", ""]
    if len(error) != 2:
        raise ValueError("error must be a list of two strings")
    return Exchange(
        asked=Asked(
            method=_field(request, "method", str),
            url=_field(request, "url", str),
            body=_body(request),
        ),
        status=_number(value, "status", int, 100, 999),
        headers=tuple(_pair(item) for item in _field(value, "headers", list)),
        ms=_number(value, "ms", (int, float), 0, _MAX_MS),
        pieces=tuple(_piece(item) for item in _field(value, "chunks", list)),
        end=end,
        error=(error[0], error[1]),
        line=line,
    )


def _field(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    if name not in value:
        raise ValueError(f"{name} is missing")
    if not isinstance(value[name], kind) or isinstance(value[name], bool):
        raise ValueError(f"{name} is of the wrong type, {type(value[name]).__name__}")
    return value[name]


def _body(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if "json" in request:
        return {"json": request["json"]}
    return {name: _field(request, name, str) for name in ("text", "base64") if name in request}


def _number(value: Mapping[str, Any], name: str, kind: type | tuple[type, ...], low: int, high: int) -> Any:
    number = _field(value, name, kind)
    if not low <= number <= high:  # which NaN, that Python reads as JSON, is not either
        raise ValueError(f"{name} must be from {low} to {high}")
    return number


def _texts(value: Mapping[str, Any], name: str) -> list[str]:
    items = _field(value, name, list)
    if not all(isinstance(item, str) for item in items):
        raise ValueError(f"{name} must hold strings")
    return list(items)


def _pair(item: Any) -> tuple[str, str]:
    if not is_list(item) or len(item) != 2 or not all(isinstance(part, str) for part in item):
        raise ValueError("headers must be pairs of strings")
    if not re.fullmatch(_HEADER_NAME, item[0]) or re.search(_CONTROL, item[1]) or not is_unicode(item[1]):
        raise ValueError("a header has a name or a value that no header can have")
    return item[0], item[1]


def _piece(item: Any) -> Piece:
    if not is_mapping(item) or ("text" in item) == ("base64" in item):
        raise ValueError("each of chunks must have either text or base64")
    ms = _number(item, "ms", (int, float), 0, _MAX_MS)
    if "text" in item:
        return Piece(ms, str(_field(item, "text", str)).encode("utf-8", "surrogatepass"))
    try:
        return Piece(ms, base64.b64decode(_field(item, "base64", str), validate=True))
    except binascii.Error:
        raise ValueError("base64 of a chunk is broken") from None


def kept_headers(headers: Iterable[tuple[str, str]], secrets: Secrets) -> tuple[tuple[str, str], ...]:
    """Choose and mask the headers that are written."""
    return tuple(
        (name.lower(), masked(value, secrets))
        for name, value in headers
        if name.lower() not in _TRANSFER_HEADERS and not is_secret_name(name)
    )


def kept_pieces(
    pieces: Iterable[Piece], coding: str | None, secrets: Secrets, *, whole: bool
) -> tuple[list[Piece], str]:
    """Decode and mask the pieces of a body; where they were cut stays.

    Args:
        whole: Whether it came to its end, and its coding must have come to one too.

    Returns:
        The pieces, and what is wrong with their coding, "" where nothing is.
    """
    decoded: list[Piece] = []
    trouble = ""
    try:
        decoder = make_decoder(coding)
        for piece in pieces:
            parts: list[bytes] = []
            try:
                parts.extend(decoder.decode(piece.data))
            finally:  # what came before the fault is kept
                decoded.append(Piece(piece.ms, b"".join(parts)))
        rest = b"".join(decoder.flush()) if whole else b""  # a body that was cut has no end to look at
        if rest:
            decoded.append(Piece(0.0, rest))
    except CodingError as exc:
        trouble = str(exc)
    joined = b"".join(piece.data for piece in decoded)
    for form in secrets.masks:
        # Stars of the same length: a secret may lie across two pieces.
        joined = joined.replace(form.encode("utf-8"), b"*" * len(form.encode("utf-8")))
    masked_pieces: list[Piece] = []
    start = 0
    for piece in decoded:
        masked_pieces.append(Piece(piece.ms, joined[start : start + len(piece.data)]))
        start += len(piece.data)
    return masked_pieces, trouble
