"""HTTP/1.1 messages: requests read from byte streams, responses and the heads of these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qs

MAX_LINE = 65_536
MAX_HEADERS = 200
MAX_BODY = 64 << 20

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e]+")


class Refusal(Exception):
    """A request that is answered with an error; `param` is the parameter that is to blame."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param = status, param


@dataclass(kw_only=True)
class Request:
    """A request as it came, and what became of it.

    Attributes:
        path: As sent, percent-encoding kept, without the query.
        query: Last value of each name.
        headers: Names in lower case; repeated ones joined by a comma.
        operation: Id of the operation that it asked for, once known.
        status: Status that was answered; None if the connection was cut before.
        completed: Whether the whole reply was handed to the network. False while it is being sent, after a scripted
            cut, and after the client went away.
    """

    method: str
    path: str
    version: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    operation: str | None = None
    status: int | None = None
    completed: bool = False

    @property
    def json(self) -> Any:
        """The body as JSON, None if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wants to use the connection again."""
        words = {word.strip() for word in self.headers.get("connection", "").lower().split(",")}
        return "keep-alive" in words if self.version == "HTTP/1.0" else "close" not in words


@dataclass(kw_only=True)
class Response:
    """An answer: a body in one piece, or the events of a stream."""

    status: int = 200
    body: bytes = b""
    events: list[bytes] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])


def read_head(stream: BinaryIO) -> Request | None:
    """Read a request up to its body; None if the client closed the connection instead.

    Raises:
        Refusal: It is no request.
        ConnectionError: The client closed the connection in the middle.
    """
    line = _line(stream)
    if line == b"\r\n":  # RFC 9112, 2.2: an empty line before the request is passed over
        line = _line(stream)
    if not line:
        return None
    words = line.decode("latin-1").split()
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise Refusal(400, "malformed request line.")
    method, target, version = words
    if version not in {"HTTP/1.0", "HTTP/1.1"}:
        raise Refusal(505 if version.startswith("HTTP/") else 400, "only HTTP/1.0 and HTTP/1.1 are supported.")
    if target.startswith(("http://", "https://")):  # the absolute form, which proxies are asked in: RFC 9112, 3.2.2
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    path, _, query = target.partition("?")
    parsed = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    return Request(method=method, path=path, version=version, query=parsed, headers=_headers(stream))


def read_body(stream: BinaryIO, headers: dict[str, str]) -> bytes:
    """Read what the headers announce.

    Raises:
        Refusal: The length is not clear, or too large.
        ConnectionError: The client closed the connection in the middle.
    """
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        # Both at once is how requests are smuggled past a proxy: RFC 9112, 11.2.
        if coding.lower() != "chunked" or length is not None:
            raise Refusal(400, "a body takes either a Content-Length or a chunked Transfer-Encoding.")
        return _chunked(stream)
    if length is None:
        return b""
    if not length.isascii() or not length.isdigit():
        raise Refusal(400, "Content-Length is not a number.")
    return _exactly(stream, _bounded(int(length[:20])))


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write a status line and headers."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise Refusal(431, "a line of the request is too long.")
    if line and not line.endswith(b"\n"):
        raise ConnectionError("closed in the middle of a line")
    return line


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = _line(stream)
        if not line:
            raise ConnectionError("closed in the middle of the headers")
        text = line.decode("latin-1").rstrip("\r\n")
        if not text:
            return headers
        name, colon, value = text.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name) or "\0" in value:
            raise Refusal(400, "malformed header line.")
        if name == "content-length" and headers.get(name, value) != value:
            raise Refusal(400, "two different Content-Lengths.")
        headers[name] = f"{headers[name]}, {value}" if name in headers and name != "content-length" else value
    raise Refusal(431, f"more than {MAX_HEADERS} headers.")


def _chunked(stream: BinaryIO) -> bytes:
    pieces: list[bytes] = []
    total = 0
    while True:
        text = _line(stream).partition(b";")[0].strip()
        try:
            size = int(text[:16], 16) if text.isalnum() else -1
        except ValueError:
            size = -1
        if size < 0:
            raise Refusal(400, "malformed chunk size.")
        if size == 0:
            break
        total = _bounded(total + size)
        pieces.append(_exactly(stream, size))
        if _line(stream).strip():
            raise Refusal(400, "a chunk is longer than it says.")
    while _line(stream).strip():  # trailers
        pass
    return b"".join(pieces)


def _bounded(size: int) -> int:
    if size > MAX_BODY:
        raise Refusal(413, f"a body may have {MAX_BODY} bytes.")
    return size


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise ConnectionError("closed in the middle of a body")
    return content
