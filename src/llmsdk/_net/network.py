"""Network streams under httpcore's connections: each read and write obeys the time limit of the attempt under way."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, Protocol, TypeVar, cast

import anyio
import httpcore

from ..utils.descriptors import is_last
from .errands import Errand

CONNECT_S = 5.0
"""Bound of connecting, and of the TLS handshake, within the attempt's own."""

# The head of a request waits for its body up to this size: one packet and one system call for both.
_HELD_BACK = 1 << 16
# For a read of bytes that have arrived; only a part of a TLS record takes that long.
_POLL_S = 0.01

# Hosts that need no thread to be waited for: they are not looked up, and accept or refuse at once.
_AT_ONCE = ("127.0.0.1", "::1")

SocketOptions = Iterable[Any] | None
LineT = TypeVar("LineT", bound="Line")


class Limit(Protocol):
    """What bounds the reads and writes of an attempt: its countdown."""

    def left(self) -> float: ...


class _Nothing:
    """The limit of a line that no attempt uses."""

    def left(self) -> float:
        return 0.0


class _Arrived:
    """A limit that allows to read what has arrived, and not to wait for more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def left(self) -> float:
        return _POLL_S if self._stream.get_extra_info("is_readable") else 0.0


class Line:
    """The line under one connection: what its streams, its pool and the attempt that uses it know of it.

    httpcore hands a timeout to each read and write, which is ignored: it is a number made before the first one.

    Attributes:
        limit: Of the attempt that uses it.
        is_reused: Whether it had carried a reply before this attempt.
        received: Whether a byte of the attempt's reply has arrived.
        is_hung_up: Whether it was given up, maybe before there was a stream.
        is_last: Whether it has one of the last descriptors, and is not to be kept.
        stream: The network stream, once there is one.
    """

    limit: Limit = _Nothing()
    is_reused = False
    received = False
    is_hung_up = False
    is_last = False
    stream: Any = None

    def begin(self, limit: Limit) -> None:
        """Prepare for the next attempt."""
        self.limit = limit
        self.is_reused = self.is_reused or self.received
        self.received = False

    def poll(self) -> None:
        """Have reads return what has arrived, and raise a timeout where they would have to wait."""
        self.limit = _Arrived(self.stream)

    def left(self, expired: type[Exception]) -> float:
        """Return what the next step may take.

        Raises:
            Exception: An `expired`; the limit has passed.
        """
        left = self.limit.left()
        if left <= 0:
            raise expired("the time for this attempt is over")
        return left

    def connect_left(self) -> float:
        """Return what connecting, or a handshake, may take."""
        return min(CONNECT_S, self.left(httpcore.ConnectTimeout))


class SyncLine(Line):
    """The line under a sync connection."""

    _errand: Errand[Any] | None = None

    def wait_for(self, step: Callable[[], Any], seconds: float) -> Any:
        """Open the line, or begin TLS on it, in a thread of its own: `hang_up` could not end that otherwise.

        Raises:
            httpcore.ConnectError: It failed, or was given up.
            httpcore.ConnectTimeout: It took too long.
        """
        errand = self._errand = Errand(step, lambda stream: stream.close())
        try:
            return self._kept(errand.result(seconds))
        except TimeoutError as exc:
            raise httpcore.ConnectTimeout(str(exc)) from exc
        except OSError as exc:
            raise httpcore.ConnectError(str(exc)) from exc
        finally:
            self._errand = None

    def _kept(self, stream: Any) -> Any:
        if self.is_hung_up:  # by a thread that came before there was an errand
            stream.close()
            raise ConnectionAbortedError("it was given up")
        return stream

    def hang_up(self) -> None:
        """Wake the thread that uses the line, which fails; may be called from any other."""
        self.is_hung_up = True
        errand = self._errand
        if errand is not None:
            errand.give_up()
        if self.stream is not None:
            hang_up(self.stream)


class AsyncLine(Line):
    """The line under an async connection."""

    _scope: anyio.CancelScope | None = None

    @contextmanager
    def opening(self) -> Generator[None]:
        """Have what is done inside end with `hang_up`.

        Raises:
            httpcore.ConnectError: It was given up.
        """
        with anyio.CancelScope() as scope:
            self._scope = scope
            if self.is_hung_up:
                scope.cancel()
            yield
        self._scope = None
        if scope.cancelled_caught:
            raise httpcore.ConnectError("it was given up")

    def hang_up(self) -> None:
        """Give up what is being opened; what is open is closed by its connection."""
        self.is_hung_up = True
        if self._scope is not None:
            self._scope.cancel()


def is_readable(sock: Any) -> bool:
    """Return whether something has arrived at a socket, its end among that."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def hang_up(stream: Any) -> None:
    """Shut the socket of a network stream down."""
    sock = stream.get_extra_info("socket")
    if sock is None:
        return
    # The method of an SSLSocket takes away the TLS state that the waiting thread needs.
    shutdown = partial(socket.socket.shutdown, sock) if isinstance(sock, ssl.SSLSocket) else sock.shutdown
    try:
        shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed already


class _Stream(Generic[LineT]):
    """What the sync and the async stream share."""

    def __init__(self, stream: Any, line: LineT) -> None:
        self._stream = stream
        self._line = line
        self._unsent = b""
        line.stream = self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

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

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        line = self._line
        if self._unsent:
            try:
                await self._flush()
            except httpcore.WriteError:
                pass  # a server may answer and close before it has read all: see what it said
        left = line.limit.left()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this attempt is over")
        if self._decrypted:
            data, self._decrypted = self._decrypted, b""
        else:
            data = await self._stream.read(max_bytes, left)
        if data:
            line.received = True
        return data

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

    def get_extra_info(self, info: str) -> Any:
        found = super().get_extra_info(info)
        return found or self._has_decrypted() if info == "is_readable" else found

    def _has_decrypted(self) -> bool:
        """Look for bytes that have left the socket: a TLS record is decrypted in memory, behind the one read last."""
        tls = self._stream.get_extra_info("ssl_object")
        if tls is not None and not self._decrypted:
            try:
                self._decrypted = tls.read(1 << 16)
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
                stream = await self._stream.start_tls(ssl_context, server_hostname, line.connect_left())
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
        backend: httpcore.AsyncNetworkBackend = cast(Any, httpcore).AnyIOBackend()
        with self.opening():
            stream = await backend.connect_tcp(host, port, self.connect_left(), local_address, socket_options)
        self.is_last = is_last(stream.get_extra_info("socket").fileno())
        return AsyncStream(stream, self)
