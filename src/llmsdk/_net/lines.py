"""The line under one connection: how it is opened, how long it is waited for, and what is known of it."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import httpcore

from .._call.countdown import CONNECT_S
from .errands import Errand
from .patience import Patience

if TYPE_CHECKING:
    from .early import SavingStream

# For a read of bytes that have arrived; only a part of a TLS record takes that long.
_POLL_S = 0.01
# For all of them: a busy machine may come to them late.
_BUSY_S = 1.0


class Limit(Protocol):
    """What bounds the reads and writes of an attempt: its countdown."""

    def left(self) -> float: ...


# A connection between two calls has nothing to read or write; what is tried all the same fails at once.
class _Nothing:
    """The limit of a line that no attempt uses."""

    def left(self) -> float:
        return 0.0


class _Arrived:
    """A limit that allows to read what has arrived, and to wait a moment for more."""

    def __init__(self, stream: Any, seconds: float) -> None:
        self._stream = stream
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        left = self._until - time.monotonic()
        return _POLL_S if left > -_BUSY_S and self._stream.get_extra_info("is_readable") else left


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

    def poll(self, seconds: float) -> None:
        """Have reads return what has arrived, and raise a timeout where they would have to wait for longer."""
        self.limit = _Arrived(self.stream, seconds)

    def left(self, expired: type[Exception]) -> float:
        """Return what the next step may take.

        Raises:
            Exception: An `expired`; the limit has passed.
        """
        left = self.limit.left()
        if left <= 0:
            raise expired("the time for this attempt is over")
        return left


class SyncLine(Line):
    """The line under a sync connection."""

    _errand: Errand[Any] | None = None

    def connect_left(self) -> float:
        """Return what connecting, or a handshake, may take."""
        return min(CONNECT_S, self.left(httpcore.ConnectTimeout))

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
        self.is_hung_up = True  # first: the other thread looks at it last
        errand = self._errand
        if errand is not None:
            errand.give_up()
        if self.stream is not None:
            hang_up(self.stream)


class AsyncLine(Line):
    """The line under an async connection."""

    _scope: anyio.CancelScope | None = None
    saving: SavingStream | None = None  # under the stream, once there is one

    @contextmanager
    def opening(self) -> Generator[None]:
        """Have what is done inside end with `hang_up`, and once it has taken as long as a connection may.

        Raises:
            httpcore.ConnectError: It was given up.
            httpcore.ConnectTimeout: It took too long.
        """
        with anyio.CancelScope() as scope:
            self._scope = scope
            if self.is_hung_up:
                scope.cancel()
            patience = Patience(scope, CONNECT_S)
            try:
                yield
            finally:
                patience.stop()
        self._scope = None
        if scope.cancelled_caught and self.is_hung_up:
            raise httpcore.ConnectError("it was given up")
        if scope.cancelled_caught:
            raise httpcore.ConnectTimeout("it took too long")

    def hang_up(self) -> None:
        """Give up what is being opened; what is open is closed by its connection."""
        self.is_hung_up = True
        if self._scope is not None:
            self._scope.cancel()


def is_readable(sock: Any) -> bool:
    """Return whether something has arrived at a socket, its end among that."""
    if hasattr(select, "poll"):  # Windows has none; select() takes no descriptor above 1,023 elsewhere
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
