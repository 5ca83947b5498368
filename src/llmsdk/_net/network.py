"""Network streams that obey a Countdown at every single read and write, in both colours."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, cast

import anyio
import httpcore

from .._call.countdown import Countdown

CONNECT_S = 5.0
"""Bound of connecting, and of the TLS handshake, within the attempt's own."""

_HELD_BACK = 1 << 16  # a request's head waits for its body up to this size: one packet and one system call for both
_POLL_S = 0.01  # for bytes that are known to have arrived

SocketOptions = Iterable[Any] | None


def _left(timeout: float | None, expired: type[Exception]) -> float | None:
    """Answer with what a step may take, as a plain float."""
    if not isinstance(timeout, Countdown):
        return timeout
    left = timeout.left()
    if left <= 0:
        raise expired("the time for this attempt is over")
    return left


def _connect_left(timeout: float | None) -> float:
    left = _left(timeout, httpcore.ConnectTimeout)
    return CONNECT_S if left is None else min(CONNECT_S, left)


class _Traffic:
    """What a connection tells the attempts that it carries."""

    _carried = False
    spoilt = False  # the server sent more than its reply: nothing more may be asked on this connection

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._unsent = b""

    def get_extra_info(self, info: str) -> Any:
        # The pool asks this of an idle connection, and closes it where there is something to read.
        return True if self.spoilt and info == "is_readable" else self._stream.get_extra_info(info)

    def _writing(self, timeout: float | None) -> None:
        if isinstance(timeout, Countdown):
            timeout.reused = self._carried
            timeout.carrier = self

    def _received(self, timeout: float | None, data: bytes) -> bytes:
        if data:
            self._carried = True
            if isinstance(timeout, Countdown):
                timeout.received = True
        return data

    def _read_left(self, timeout: float | None, stream: Any) -> float | None:
        if not isinstance(timeout, Countdown):
            return timeout
        if timeout.polling:
            if stream.get_extra_info("is_readable"):
                return _POLL_S
            raise httpcore.ReadTimeout("nothing more has arrived")
        left = timeout.left()  # not by _left(): one call less for every chunk of a stream
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this attempt is over")
        return left


class Stream(_Traffic, httpcore.NetworkStream):
    """A sync network stream."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            try:
                self._flush(timeout)
            except httpcore.WriteError:
                pass  # a server may answer and close before it has read all: see what it said
        return self._received(timeout, self._stream.read(max_bytes, self._read_left(timeout, self._stream)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writing(timeout)
        held_back = len(self._unsent) + len(buffer) <= _HELD_BACK
        self._unsent += buffer
        del buffer  # as below
        if not held_back:
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            self._stream.write(unsent, _left(timeout, httpcore.WriteTimeout))
        except BaseException:
            del unsent  # it holds the key, and tracebacks may show locals
            raise

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return Stream(self._stream.start_tls(ssl_context, server_hostname, _connect_left(timeout)))


class AsyncStream(_Traffic, httpcore.AsyncNetworkStream):
    """An async network stream."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._unsent:
            try:
                await self._flush(timeout)
            except httpcore.WriteError:
                pass  # a server may answer and close before it has read all: see what it said
        return self._received(timeout, await self._stream.read(max_bytes, self._read_left(timeout, self._stream)))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._writing(timeout)
        held_back = len(self._unsent) + len(buffer) <= _HELD_BACK
        self._unsent += buffer
        del buffer  # as below
        if not held_back:
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            await self._stream.write(unsent, _left(timeout, httpcore.WriteTimeout))
        except BaseException:
            del unsent  # it holds the key, and tracebacks may show locals
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return AsyncStream(await self._stream.start_tls(ssl_context, server_hostname, _connect_left(timeout)))
        except BaseException:  # httpcore closes after an Exception only, which cancellation is not
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise


class Backend(httpcore.NetworkBackend):
    """Opens sync streams."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        return Stream(self._backend.connect_tcp(host, port, _connect_left(timeout), local_address, socket_options))


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens async streams, under asyncio and trio."""

    def __init__(self) -> None:
        self._backend: httpcore.AsyncNetworkBackend = cast(Any, httpcore).AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, _connect_left(timeout), local_address, socket_options)
        return AsyncStream(stream)
