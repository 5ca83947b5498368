"""HTTP/1.1 messages by the letter of RFC 9112: requests read from connections, responses and the heads of these.

What is no request, is too large or takes too long is a `Refusal`; a client that leaves in the middle, a
`ConnectionError`.
"""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

MAX_HEAD = 65_536  # bytes of a request line and its headers, or of a body's trailers
MAX_HEADERS = 200
MAX_BODY = 64 << 20
SMALL_BODY = 1 << 20  # of which there may be as many at once as there are connections
IDLE_S = 75.0  # how long a kept connection may be silent, and a client may refuse to read
HEAD_S = 20.0  # from the first byte of a request to the end of its headers, however slowly they drip
BODY_S = 300.0

_RECEIVED = 1 << 16  # bytes asked of the network at once; for more, each buffer would be mapped and unmapped

# RFC 9112, 3: single spaces, and what no target has is no target.
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) (HTTP/)?([ -~]{1,20})")
# RFC 9112, 5: no blank before the colon, and no line that goes on with the next.
_HEADER_NAME = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # which no value may hold: RFC 9110, 5.5
# RFC 9110, 8.6, and RFC 9112, 7.1: digits and nothing else, but no endless row of zeros.
_LENGTH = re.compile(r"[0-9]{1,20}")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?")


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
        host: Host that it is for, with its port; None where an old client names none.
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
    host: str | None = None
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


class Reader:
    """The bytes that a client sends, each taken within a time that is bounded as a whole."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._ends = 0.0

    def within(self, seconds: float) -> None:
        """Bound what is read from now on."""
        self._ends = time.monotonic() + seconds

    def begins(self) -> bool:
        """Wait for a request; the result is whether one begins."""
        self.within(IDLE_S)
        try:
            return bool(self._buffer) or self._more()
        except Refusal:
            return False

    def line(self, room: int) -> bytes:
        """Read a line, and give it without its end."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and len(self._buffer) <= room:
            searched = len(self._buffer)
            if not self._more():
                raise ConnectionError("closed in the middle of a line")
        if not 0 <= end < room:
            raise Refusal(431, "the head of the request, or its trailers, are too long.")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r\n"):  # a bare LF, which some take for an end and others do not: RFC 9112, 2.2
            raise Refusal(400, "a line must end with CRLF.")
        return line[:-2]

    def exactly(self, size: int, body: io.BytesIO) -> None:
        """Read this many bytes."""
        while size:
            if not self._buffer and not self._more():
                raise ConnectionError("closed in the middle of a body")
            piece = self._buffer[:size]
            del self._buffer[:size]
            size -= len(piece)
            body.write(piece)

    def _more(self) -> bool:
        left = self._ends - time.monotonic()
        try:
            # A timeout of zero would not wait at all, and raise another error.
            self._connection.settimeout(max(left, 0.001))
            received = self._connection.recv(_RECEIVED)
        except TimeoutError:
            raise Refusal(408, "the request took too long.") from None
        self._buffer += received
        return bool(received)


def read_head(reader: Reader) -> Request | None:
    """Read a request up to its body; None if the client closed the connection instead."""
    if not reader.begins():
        return None
    reader.within(HEAD_S)
    line = reader.line(MAX_HEAD)
    if not line:  # RFC 9112, 2.2: an empty line before the request is passed over
        if not reader.begins():
            return None
        line = reader.line(MAX_HEAD)
    found = _REQUEST_LINE.fullmatch(line)
    if found is None or found[3] is None:
        raise Refusal(400, "malformed request line.")
    method, target, version = (found[at].decode("ascii") for at in (1, 2, 4))
    if version not in {"1.0", "1.1"}:
        raise Refusal(505, "only HTTP/1.0 and HTTP/1.1 are supported.")
    headers = _headers(reader, MAX_HEAD - len(line))
    host = headers.get("host")
    if host is None and version == "1.1":
        raise Refusal(400, "a request needs a Host header.")
    if target.startswith(("http://", "https://")):  # RFC 9112, 3.2.2: its host is the one that counts
        host, slash, rest = target.partition("://")[2].partition("/")
        target = slash + rest or "/"
    path, _, query = target.partition("?")
    parsed = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
    version = f"HTTP/{version}"
    return Request(method=method, path=path, version=version, query=parsed, headers=headers, host=host)


def body_length(request: Request) -> int | None:
    """Return how long a request's body is; None if it says so itself, in chunks."""
    coding, length = request.headers.get("transfer-encoding"), request.headers.get("content-length")
    if coding is not None:
        # Both at once is how requests are smuggled past a proxy, and HTTP/1.0 has no chunks: RFC 9112, 6.1 and 11.2.
        if coding.lower() != "chunked" or length is not None or request.version == "HTTP/1.0":
            raise Refusal(400, "a body takes either a Content-Length or, in HTTP/1.1, a chunked Transfer-Encoding.")
        return None
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise Refusal(400, "Content-Length is not a number.")
    return _bounded(int(length))


def read_body(reader: Reader, length: int | None, take: Callable[[int], None]) -> bytes:
    """Read a body.

    Args:
        take: Called with the memory that a large body needs, once its beginning has come; waits until there is so much.
    """
    body = io.BytesIO()  # which gives its bytes without a copy; pieces to be joined would need the memory twice
    if length is not None:
        reader.within(BODY_S)
        reader.exactly(min(length, SMALL_BODY), body)
        if length > SMALL_BODY:
            take(length)  # and not before: who only announces a body keeps nobody waiting
            reader.within(BODY_S)
            reader.exactly(length - SMALL_BODY, body)
        return body.getvalue()
    reader.within(BODY_S)
    while size := _chunk_size(reader):
        if body.tell() <= SMALL_BODY < _bounded(body.tell() + size):
            take(MAX_BODY)  # what is still to come is not known
        reader.exactly(size, body)
        if reader.line(MAX_HEAD):
            raise Refusal(400, "a chunk is longer than it says.")
    _headers(reader, MAX_HEAD)  # trailers
    return body.getvalue()


def _chunk_size(reader: Reader) -> int:
    found = _CHUNK_LINE.fullmatch(reader.line(MAX_HEAD))
    if found is None:
        raise Refusal(400, "malformed chunk size.")
    return int(found[1], 16)


def _bounded(size: int) -> int:
    if size > MAX_BODY:
        raise Refusal(413, f"a body may have {MAX_BODY} bytes.")
    return size


def _headers(reader: Reader, room: int) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = reader.line(room)
        room -= len(line) + 2
        if not line:
            return headers
        found = _HEADER_NAME.match(line)
        if found is None or _CONTROL.search(line, found.end()):
            raise Refusal(400, "malformed header line.")
        name, value = found[1].decode("ascii").lower(), line[found.end() :].strip(b" \t").decode("latin-1")
        # Two that differ are two requests, or two hosts, to two readers; two that are alike are a mistake all the same.
        if name in headers and name in {"content-length", "host", "transfer-encoding"}:
            raise Refusal(400, f"more than one {name} header.")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    raise Refusal(431, f"more than {MAX_HEADERS} headers.")


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Write a status line and headers."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")
