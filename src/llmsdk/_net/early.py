"""Answers that come before the whole request was sent: those of a server that refuses an upload, and closes."""

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
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._sock: Any = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - has nothing to do with Django
        self._saved = b""
        self.has_failed = False
        vars(self)["receive"] = stream.receive  # itself, so that a read costs nothing more

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What is known of the connection."""
        found: Mapping[Any, Callable[[], Any]] = self._stream.extra_attributes
        return found

    async def receive(self, max_bytes: int = _SMALL) -> bytes:
        """Read what was saved, and then what comes."""
        if not self._saved:
            data: bytes = await self._stream.receive(max_bytes)
            return data
        data, self._saved = self._saved[:max_bytes], self._saved[max_bytes:]
        return data

    async def send(self, item: bytes) -> None:
        """Write; what has arrived is saved if that fails."""
        if len(item) <= _SMALL:
            await self._stream.send(item)
            return
        copy = copied(self._sock)
        try:
            await self._stream.send(item)
            if copy is not None:
                await anyio.lowlevel.checkpoint()  # a failure shows in the next turn of the event loop
        except anyio.BrokenResourceError:
            self.has_failed = True
        finally:
            if copy is not None:
                self._save(copy)

    def _save(self, copy: socket.socket) -> None:
        with copy:
            if self._sock.fileno() < 0:  # asyncio has closed it
                self.has_failed = True
                self._saved += arrived(copy)
                vars(self).pop("receive", None)

    async def send_eof(self) -> None:
        """Say that no more will be written."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()
