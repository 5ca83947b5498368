"""Answers that come before the whole request was sent: those of a server that refuses an upload, and closes.

A server that resets at once throws away what it has not sent; over TLS often its answer, which Nagle's algorithm holds
back behind the session tickets: 10 to 35 of 40 came, and 40 of 40 with TCP_NODELAY. With aiohttp fewer are read, as
asyncio's own TLS protocol stands before the socket.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute

# A write of no more is done before the answer can come: it fits into the buffers of the system.
_SMALL = 1 << 16


def copied(sock: Any) -> socket.socket | None:
    """Copy a socket that asyncio lends; None where that cannot be: with uvloop, or without a free descriptor."""
    if sock is None or hasattr(sock, "recv"):  # asyncio lends its own without these methods
        return None
    try:
        copy: socket.socket = sock.dup()
    except OSError:
        return None
    return copy


def arrived(sock: socket.socket) -> bytes:
    """Read what has arrived at a socket whose connection is broken, and close it."""
    found = b""
    with sock:
        sock.setblocking(False)
        try:
            while data := sock.recv(_SMALL):
                found += data
        except OSError:
            pass  # that was all
    return found


class SavingStream(ByteStream):
    """anyio's stream over a socket, which still hands out what had arrived when a write failed.

    asyncio closes the socket then, and drops what it has not read: a second descriptor of the same socket holds it.

    Attributes:
        has_failed: Whether a large write has failed. It does not say so itself: TLS over it would read no more.
        read: Reads with a time limit, past this object: where the stream can, and nothing may have been saved.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._sock: Any = stream.extra_attributes[SocketAttribute.raw_socket]()
        self._copy: socket.socket | None = None  # from a large write until the next request
        self._is_answered = False
        self._saved = b""
        self.has_failed = False
        self.read: Any = None
        self._go_past()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What is known of the connection."""
        found: Mapping[Any, Callable[[], Any]] = self._stream.extra_attributes
        return found

    @property
    def has_unread(self) -> bool:
        """Whether something has left the socket that no task has read, or its end has come."""
        return bool(self._saved) or getattr(self._stream, "has_unread", False)

    async def receive(self, max_bytes: int = _SMALL) -> bytes:
        """Read what comes, or what was saved when a write failed."""
        if not self._saved:
            try:
                data: bytes = await self._stream.receive(max_bytes)
            except anyio.BrokenResourceError:
                # asyncio still writes the last 64 KiB when `send` has returned, and may fail only then.
                self._save()
                if not self._saved:
                    raise
            else:
                self._is_answered = True
                return data
        data, self._saved = self._saved[:max_bytes], self._saved[max_bytes:]
        return data

    async def send(self, item: bytes) -> None:
        """Write; what has arrived is saved if that fails."""
        if self._is_answered:  # this is another request
            self._release()
        if len(item) <= _SMALL:
            await self._stream.send(item)
            return
        if self._copy is None:
            self._copy = copied(self._sock)
            vars(self).pop("receive", None)
            self.read = None
        try:
            await self._stream.send(item)
            if self._copy is not None:
                await anyio.lowlevel.checkpoint()  # a failure shows in the next turn of the event loop
        except anyio.BrokenResourceError:
            self.has_failed = True
        finally:
            self._save()

    def _save(self) -> None:
        """Take what has arrived, if asyncio has closed its socket."""
        if self._copy is not None and self._sock.fileno() < 0:
            self.has_failed = True
            copy, self._copy = self._copy, None
            self._saved += arrived(copy)

    def _release(self) -> None:
        copy, self._copy, self._is_answered = self._copy, None, False
        if copy is not None:
            copy.close()
        self._go_past()

    def _go_past(self) -> None:
        """Have reads cost nothing more than those of the stream itself."""
        vars(self)["receive"] = self._stream.receive
        self.read = getattr(self._stream, "read", None)

    async def send_eof(self) -> None:
        """Say that no more will be written."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        self._release()
        await self._stream.aclose()
