"""Network streams under httpcore's connections: each read and write obeys the time limit of the attempt under way."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import anyio
import httpcore

from ..utils.descriptors import is_last
from .lines import AsyncLine, Line, SyncLine

if TYPE_CHECKING:
    from .early import SavingStream

# The head of a request waits for its body up to this size: one packet and one system call for both.
_HELD_BACK = 1 << 16

# Hosts that need no thread to be waited for: they are not looked up, and accept or refuse at once.
_AT_ONCE = ("127.0.0.1", "::1")

SocketOptions = Iterable[Any] | None
LineT = TypeVar("LineT", bound=Line)


class _Stream(Generic[LineT]):
    """What the sync and the async stream share."""

    def __init__(self, stream: Any, line: LineT) -> None:
        self._stream = stream
        self._line = line
        self._unsent = b""
        line.stream = self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    # h11 writes head and body apart, and with TCP_NODELAY each would be a packet of its own.
    def _hold_back(self, buffer: bytes) -> bool:
        self._unsent += buffer
        return len(self._unsent) <= _HELD_BACK


class Stream(_Stream[SyncLine], httpcore.NetworkStream):
    """A sync network stream."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        line = self._line
        if self._unsent:
            try:
                self._flush()
            except httpcore.WriteError:
                pass  # a server may answer and close before it has read all: see what it said
        left = line.limit.left()  # not line.left(): one call less for every chunk of a stream
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this attempt is over")
        data = self._stream.read(max_bytes, left)
        if data:
            line.received = True
        return cast(bytes, data)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        held_back = self._hold_back(buffer)
        del buffer  # as below
        if not held_back:
            self._flush()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            self._stream.write(unsent, self._line.left(httpcore.WriteTimeout))
        except BaseException:
            del unsent  # it holds the key, and tracebacks may show locals
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        line, left = self._line, self._line.connect_left()
        inner = line.wait_for(partial(self._stream.start_tls, ssl_context, server_hostname, left), left)
        line.received = False  # what a proxy said is no part of the reply
        return Stream(inner, line)


class AsyncStream(_Stream[AsyncLine], httpcore.AsyncNetworkStream):
    """An async network stream, under asyncio and trio."""

    _decrypted = b""
    _tls: Any = None

    def __init__(self, stream: Any, line: AsyncLine, saving: SavingStream | None = None) -> None:
        super().__init__(stream, line)
        self._saving = saving  # directly under this one: no TLS is between

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        line = self._line
        if self._unsent:
            try:
                await self._flush()
            except httpcore.WriteError:
                pass  # a server may answer and close before it has read all: see what it said
        while (left := line.limit.left()) > 0:
            try:
                if self._decrypted:
                    data, self._decrypted = self._decrypted, b""
                elif (saving := self._saving) is not None and saving.read is not None:
                    data = await saving.read(max_bytes, left)
                else:
                    data = await self._stream.read(max_bytes, left)
            except httpcore.ReadTimeout:
                continue  # a busy machine may have come to bytes too late that are there, and may be read still
            if data:
                line.received = True
            return data
        raise httpcore.ReadTimeout("the time for this attempt is over")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        held_back = self._hold_back(buffer)
        del buffer  # as below
        if not held_back:
            await self._flush()

    async def _flush(self) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            await self._stream.write(unsent, self._line.left(httpcore.WriteTimeout))
        except BaseException:
            del unsent  # it holds the key, and tracebacks may show locals
            raise
        if (saving := self._line.saving) is not None and saving.has_failed:
            raise httpcore.WriteError("the server has closed the connection")

    def get_extra_info(self, info: str) -> Any:
        found = super().get_extra_info(info)
        if info != "is_readable" or found:
            return found
        return ((saving := self._line.saving) is not None and saving.has_unread) or self._has_decrypted()

    def _has_decrypted(self) -> bool:
        """Look for bytes that have left the socket: a TLS record is decrypted in memory, behind the one read last."""
        if self._tls is None:
            self._tls = self._stream.get_extra_info("ssl_object") or False  # asked once: it takes 12 us, and stays so
        if self._tls and not self._decrypted:
            try:
                self._decrypted = self._tls.read(1 << 16)
            except ssl.SSLError:
                pass  # nothing is there; an end is for the next read to find
        return bool(self._decrypted)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        line = self._line
        try:
            with line.opening():
                left = line.left(httpcore.ConnectTimeout)
                stream = await self._stream.start_tls(ssl_context, server_hostname, left)
        except BaseException:  # httpcore closes after an Exception only, which cancellation is not
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        line.received = False  # as above
        return AsyncStream(stream, line)


class Backend(SyncLine, httpcore.NetworkBackend):
    """Opens the sync stream of one connection."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        left = self.connect_left()
        connect = partial(httpcore.SyncBackend().connect_tcp, host, port, left, local_address, socket_options)
        # This machine answers at once, and is not looked up.
        stream = connect() if host in _AT_ONCE else self.wait_for(connect, left)
        self.is_last = is_last(stream.get_extra_info("socket").fileno())
        return Stream(stream, self)


class AsyncBackend(AsyncLine, httpcore.AsyncNetworkBackend):
    """Opens the async stream of one connection."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        # For async lines alone: what anyio has behind it takes 1.5 ms to import. And before there is a socket, which
        # would be left open if that failed for want of descriptors.
        from .opening import open_stream

        with self.opening():
            left = self.left(httpcore.ConnectTimeout)
            stream, self.saving = await open_stream(host, port, left, local_address, socket_options)
        self.is_last = is_last(stream.get_extra_info("socket").fileno())
        return AsyncStream(stream, self, self.saving)
