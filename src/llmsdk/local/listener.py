"""A listening socket: each connection is served by a thread of its own, and closing ends them all."""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable

_CLOSE_S = 5.0
_PAUSE_S = 0.05
_BACKLOG = 1024


class Listener:
    """Accepts connections until it is closed.

    Args:
        serve: What a thread does with a connection, which is closed after it, until the event is set.
    """

    def __init__(self, address: tuple[str, int], serve: Callable[[socket.socket, threading.Event], None]) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._serve = serve
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        # A selector does not see that its socket was closed by another thread; it sees a byte, or the end, of this one.
        self._wake, self._woken = socket.socketpair()
        self.closing = threading.Event()
        host, port = self._socket.getsockname()[:2]
        self.origin = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._pid = os.getpid()
        self._acceptor = threading.Thread(target=self._accept, name="llmsdk-local", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._acceptor.start()
        # A thread that is inside of pydantic's Rust code when Python ends its threads takes the process along: SIGABRT
        # in 10 of 12 runs that made it likely, of a server left open.
        atexit.register(self.close)

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._connections)

    def close(self) -> None:
        """Close all connections and wait for their threads, but not for long."""
        atexit.unregister(self.close)
        if os.getpid() != self._pid:
            return  # a forked child shares them with its parent
        deadline = time.monotonic() + _CLOSE_S
        self.closing.set()
        self._wake.close()
        self._acceptor.join(_CLOSE_S)
        for end in (self._socket, self._woken):
            end.close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # which, unlike a close, wakes the thread that reads
        for thread in connections.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.closing.is_set():
                selector.select()
                try:
                    connection, _ = self._socket.accept()
                except BlockingIOError:
                    continue
                except OSError:  # out of file descriptors, or the client has gone already
                    self.closing.wait(_PAUSE_S)
                    continue
                thread = threading.Thread(
                    target=self._run, args=(connection,), name="llmsdk-local-connection", daemon=True
                )
                with self._lock:
                    self._connections[connection] = thread
                try:
                    thread.start()
                except RuntimeError:  # no more threads
                    self._forget(connection)

    def _run(self, connection: socket.socket) -> None:
        try:
            # Events are small; Nagle's algorithm would hold each back until the one before is acknowledged.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(connection, self.closing)
        except OSError:
            pass  # the client has gone, or was silent for too long
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.pop(connection, None)
        connection.close()
