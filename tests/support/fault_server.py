"""A loopback server that breaks off, stalls, drips or floods at any byte it is told to, and watches what clients do."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close() sends RST
_LONGEST_STALL_S = 20.0
_MAX_FLOOD = 1 << 30


@dataclass(frozen=True)
class Fin:
    """Close, politely."""


@dataclass(frozen=True)
class Bye:
    """Close a connection over TLS as its protocol wants it: with close_notify."""


@dataclass(frozen=True)
class Rst:
    """Reset the connection."""


@dataclass(frozen=True)
class Stall:
    """Send nothing until the client closes, `seconds` at the most."""

    seconds: float = _LONGEST_STALL_S


@dataclass(frozen=True)
class Drip:
    """Send one byte at a time."""

    data: bytes
    every_s: float = 0.05


@dataclass(frozen=True)
class Flood:
    """Send the same again and again until the client closes, `limit` bytes at the most."""

    data: bytes
    limit: int = _MAX_FLOOD


@dataclass(frozen=True)
class Wait:
    """Send nothing for a while."""

    seconds: float


Step = bytes | Fin | Bye | Rst | Stall | Drip | Flood | Wait | Callable[[], object]
"""Bytes to send, or something to do; a function is called, to tell a test how far a play is or to wait for the test."""
Play = Sequence[Step]


@dataclass(frozen=True)
class Seen:
    """A request as it came; `connection` counts connections from 1, `at` is the monotonic clock."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[Seen], Play]


@dataclass
class FaultServer:
    """Plays one script per request; connections stay open after a play that does not end them.

    Attributes:
        records: Whether to keep requests and closes: a soak has too many.
        requests: What came, in order.
        connections: How many were accepted.
        client_closes: Connection number and moment of each close by the client.
        sent: Bytes sent by floods.
    """

    tls: ssl.SSLContext | None = None
    records: bool = True
    requests: list[Seen] = field(default_factory=list)
    connections: int = 0
    client_closes: dict[int, float] = field(default_factory=dict)
    sent: int = 0

    def __post_init__(self) -> None:
        self._queue: deque[Play] = deque()
        self._always: Script = lambda _: reply()
        self._greeting: Play = ()
        self._lock = threading.Condition()
        self._live: dict[int, socket.socket] = {}
        self._closing = False
        self._held: socket.socket | None = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._live)

    def play(self, *plays: Play) -> None:
        """Queue plays, one per request."""
        self._queue.extend(plays)

    def always(self, script: Script | Play) -> None:
        """Say what is played once the queue is empty."""
        if callable(script):
            self._always = script
        else:
            steps = script
            self._always = lambda _: steps

    def greet(self, *steps: Step) -> None:
        """Say what is played on accept, before a request is read; nothing as from the start."""
        self._greeting = steps

    def saw_close(self, connection: int | None = None, within_s: float = 5.0) -> bool:
        """Wait until the client has closed a connection: the last one, or that number."""
        with self._lock:
            number = connection or self.connections
            return self._lock.wait_for(lambda: number in self.client_closes, within_s)

    def wait_for(self, claim: Callable[[], bool], within_s: float = 5.0) -> bool:
        """Wait until something is true of what the server has seen."""
        with self._lock:
            return self._lock.wait_for(claim, within_s)

    def drained(self, within_s: float = 5.0) -> bool:
        """Wait until no connection is open."""
        return self.wait_for(lambda: not self._live, within_s)

    def close(self) -> None:
        self._closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass  # not every system can
        self._listener.close()
        with self._lock:
            for sock in self._live.values():
                _hang_up(sock)
        self._thread.join(5)
        self.drained()
        if self._held is not None:
            self._held.close()

    def refuse(self) -> None:
        """Refuse every connection; the port stays taken until `close`, so that no other server gets the requests."""
        self.close()
        self._held = socket.socket()  # bound, and not listening
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", self.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------- serving

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                number = self.connections
                self._live[number] = sock
                self._lock.notify_all()
            threading.Thread(target=self._serve, args=(sock, number), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        by_client = False
        try:
            if self.tls is not None:
                sock.settimeout(_LONGEST_STALL_S)
                sock = self.tls.wrap_socket(sock, server_side=True)
            sock.settimeout(None)
            if self._greeting and self._run(sock, self._greeting):
                return
            rest = b""
            while True:
                found = _read_request(sock, number, rest)
                if found is None:
                    by_client = True
                    return
                seen, rest = found
                with self._lock:
                    if self.records:
                        self.requests.append(seen)
                    play = self._queue.popleft() if self._queue else self._always(seen)
                    self._lock.notify_all()
                if self._run(sock, play):
                    return
        except _ClientClosed:
            by_client = True
        except OSError:
            by_client = not self._closing
        finally:
            with self._lock:
                if by_client and self.records:
                    self.client_closes[number] = time.monotonic()
                self._live.pop(number, None)
                self._lock.notify_all()
            sock.close()

    def _run(self, sock: socket.socket, play: Iterable[Step]) -> bool:
        """Play; the answer is whether the connection is over."""
        for step in play:
            match step:
                case bytes():
                    sock.sendall(step)
                case Fin():
                    _hang_up(sock)
                    return True
                case Bye():
                    _say_bye(sock)
                    return True
                case Rst():
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return True
                case Stall():
                    _await_close(sock, step.seconds)
                    return True
                case Wait():
                    time.sleep(step.seconds)
                case Drip():
                    for place in range(len(step.data)):
                        sock.sendall(step.data[place : place + 1])
                        time.sleep(step.every_s)
                case Flood():
                    left = step.limit
                    while left > 0:
                        sock.sendall(step.data)
                        left -= len(step.data)
                        self.sent += len(step.data)
                case _:
                    step()
        return False


class _ClientClosed(Exception):
    pass


def _say_bye(sock: socket.socket) -> None:
    try:
        assert isinstance(sock, ssl.SSLSocket)
        sock.unwrap()
    except OSError:
        pass  # the client has hung up without a word
    _hang_up(sock)


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


def _await_close(sock: socket.socket, seconds: float) -> None:
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return
    raise _ClientClosed


def _read_request(sock: socket.socket, number: int, rest: bytes) -> tuple[Seen, bytes] | None:
    data = rest
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(headers.get("content-length", 0))
    while len(body) < size:
        more = sock.recv(65536)
        if not more:
            return None
        body += more
    return Seen(method, target, headers, body[:size], number, time.monotonic()), body[size:]


# -------------------------------------------------------------------- bytes

COMPLETION = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1_700_000_000,
    "model": "m",
    "choices": [{"index": 0, "text": "Hello there", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def completion(text: str) -> bytes:
    """Make the JSON of a completion."""
    return json.dumps({**COMPLETION, "choices": [{"index": 0, "text": text, "finish_reason": "stop"}]}).encode()


WHOLE = json.dumps(COMPLETION).encode()


def event(text: str, finish_reason: str | None = None) -> bytes:
    """Make one event of a completion's stream."""
    choice = {"index": 0, "text": text, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"id": "cmpl-1", "object": "c", "choices": [choice]}).encode() + b"\n\n"


EVENTS = (event("Hel"), event("lo "), event("there", "stop"))
DONE = b"data: [DONE]\n\n"


def head(status: int | str = 200, *headers: str) -> bytes:
    """Make a status line and headers; the status may be a whole status line."""
    line = f"HTTP/1.1 {status} Made" if isinstance(status, int) else status
    return "\r\n".join([line, *headers, "", ""]).encode("latin-1")


def reply(body: bytes = WHOLE, status: int = 200, *headers: str, content_type: str = "application/json") -> Play:
    """Make a whole reply with its length."""
    return (head(status, f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers) + body,)


def chunk(data: bytes) -> bytes:
    """Make one chunk of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")


def stream(*events: bytes, end: bool = True) -> Play:
    """Make a whole event stream, one chunk per event; without `end` the last chunk is left out."""
    return (STREAM_HEAD + b"".join(map(chunk, events)) + (chunk(b"") if end else b""),)


GOOD_STREAM = stream(*EVENTS, DONE)
