"""A loopback server that answers with bytes written down beforehand and keeps the bytes that came."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

_WAIT_S = 10.0


@dataclass(frozen=True)
class Request:
    """A request as it came; `connection` counts connections from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection, in the hands of a script."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self._sock = sock
        self._file = sock.makefile("rb")
        self.number = number

    def read(self) -> Request | None:
        """Read a request; None where the client has closed."""
        try:
            method, target, _ = self._file.readline().decode("latin-1").split(" ", 2)
        except ValueError:
            return None
        headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode("latin-1"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self._file.read(int(headers.get("content-length", 0)))
        return Request(method, target, headers, body, self.number)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def head(self, status: int = 200, **headers: str) -> None:
        """Begin a reply of chunked encoding; underscores in names are dashes."""
        lines = [f"HTTP/1.1 {status} Canned", "Transfer-Encoding: chunked"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """Send one chunk; an empty one ends the body."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def saw_close(self) -> bool:
        """Wait until the client closes; False if it does not."""
        self._sock.settimeout(_WAIT_S)
        try:
            return self._file.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self, *, reset: bool = False) -> None:
        """Hang up, politely or with a reset."""
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        try:
            self._sock.shutdown(socket.SHUT_RDWR) if not reset else None
        except OSError:
            pass  # the client was first
        with contextlib.suppress(ValueError):  # another thread closes it at this very moment
            self._file.close()
        self._sock.close()


Script = Callable[[Connection, Request], Any]
"""Answers one request; a true answer keeps the connection for the next."""


class CannedServer:
    """Serves whatever script is set, on a port of its own; `requests` are those that came."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.problems: list[BaseException] = []
        self.connections = 0
        self.script: Script = lambda connection, request: None
        self._live: set[Connection] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections the client keeps open, as far as the server has noticed."""
        return len(self._live)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def reply(self, status: int = 200, body: Any = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer every request like this; anything but bytes is sent as JSON."""
        is_raw = isinstance(body, bytes)
        content: bytes = body if is_raw else json.dumps(body).encode()
        given = {"content-type": "text/plain" if is_raw else "application/json", **(headers or {})}
        lines = [f"HTTP/1.1 {status} Canned", *(f"{name}: {value}" for name, value in given.items())]
        lines += [f"Content-Length: {len(content)}", "", ""]
        whole = "\r\n".join(lines).encode("latin-1") + content

        def script(connection: Connection, _: Request) -> bool:
            connection.send(whole)
            return True

        self.script = script

    def stream(self, body: bytes, *, content_type: str = "text/event-stream") -> None:
        """Answer every request with an event stream."""
        self.reply(200, body, {"content-type": content_type})

    def close(self) -> None:
        # shutdown wakes the thread that waits in accept; close alone would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._live):
            connection.close()
        for thread in self._threads:
            thread.join(_WAIT_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            connection = Connection(sock, self.connections)
            self._live.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            while request := connection.read():
                self.requests.append(request)
                if not self.script(connection, request):
                    return
        except (OSError, ValueError):
            pass  # the client hung up, or the test is over
        except AssertionError as exc:
            self.problems.append(exc)
        finally:
            self._live.discard(connection)
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
        assert not self.problems, self.problems
