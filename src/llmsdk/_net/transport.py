"""The default transports, sync and async: httpcore's connections in pools of our own, without a client around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Self, cast

import anyio
import httpcore
import httpx

from .._call.countdown import Countdown
from .._call.effects import TransportFailure
from ..utils.headers import Headers
from .failures import failure_of
from .hook_views import show
from .loops import exhaust
from .network import AsyncBackend, Backend
from .pool import Pool, Pools, may_follow
from .requests import OwnRequest, own_of

CLOSE_S = 2.0
"""Closing is never waited for longer, not even by a cancelled task."""

# Read of the rest of a reply at the most, to use its connection again.
_TAIL_BYTES = 1 << 16
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class _Content:
    """The body of a request, to be sent once; no async generator, which trio warns of where a send breaks off."""

    __slots__ = ("_pieces",)

    def __init__(self, content: bytes) -> None:
        self._pieces = iter((content,))

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class _CoreRequest(httpcore.Request):
    """A request as httpcore's connections take it; its constructor looks at the type of every header."""

    def __init__(self, request: OwnRequest) -> None:
        self.method = request.method.encode()
        self.url = request.target
        self.headers = request.headers
        self.stream = cast(Any, _Content(request.content or b""))
        self.extensions = {}  # no timeouts: the line has the attempt's


class _Connection:
    """What the sync and the async connection share.

    Attributes:
        http: httpcore's connection, which speaks HTTP/1.1.
        line: What it speaks over.
        unread: The last reply, where its end was left unread.
    """

    __slots__ = ("http", "line", "unread")

    def __init__(self, http: Any, line: Any) -> None:
        self.http = http
        self.line = line
        self.unread: Reply | None = None

    def is_clean(self, stream: Any) -> bool:
        """Whether the last reply has come to its end, and nothing behind it: that would answer the next request.

        h11 holds such bytes, and the end of the connection where that was the end of the reply, where neither httpcore
        nor the socket shows them; were these attributes gone, only this guard would be lost.
        """
        state = getattr(getattr(stream, "_connection", None), "_h11_state", None)
        return self.http.is_idle() and (state is None or not any(state.trailing_data))


class Connection(_Connection):
    """A sync connection."""

    __slots__ = ()

    def is_ready(self) -> bool:
        """Read what has arrived of an unread reply, without waiting; whether another request can be sent."""
        reply, self.unread = self.unread, None
        if reply is not None:
            self.line.poll()
            left = _TAIL_BYTES
            try:
                for piece in reply.body:
                    left -= len(piece)
                    if left < 0:
                        return False
                reply.stream.close()
            except _BROKEN:
                return False
            if not self.is_clean(reply.stream):
                return False
        return not self.http.has_expired()

    def close(self) -> None:
        """Close it; may be called again."""
        self.http.close()


class AsyncConnection(_Connection):
    """An async connection."""

    __slots__ = ()

    async def is_ready(self) -> bool:
        """Read what has arrived of an unread reply, without waiting; whether another request can be sent."""
        if (reply := self.unread) is not None:
            self.line.poll()
            left = _TAIL_BYTES
            try:
                async for piece in reply.body:
                    left -= len(piece)
                    if left < 0:
                        return False
                await reply.stream.aclose()
            except _BROKEN:
                return False
            self.unread = None
            if not self.is_clean(reply.stream):
                return False
        return not self.http.has_expired()

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close it; may be called again.

        Args:
            at_loop_end: Whether the event loop closes all async generators at this moment, and so the unread body.
        """
        await self.http.aclose()
        reply, self.unread = self.unread, None
        if reply is not None and not at_loop_end:
            await exhaust(reply.body)


class Reply:
    """A response of our own transports, as light as the flow needs it; hooks are shown httpx's instead."""

    __slots__ = ("_connection", "_pool", "body", "extensions", "headers", "request", "status_code", "stream")

    is_stream_consumed = False
    shown_as = httpx.Response

    def __init__(self, response: httpcore.Response, request: Any, pool: Pool[Any], connection: _Connection) -> None:
        self.status_code = response.status
        self.headers = Headers(response.headers)
        self.extensions: dict[str, Any] = cast(Any, response).extensions
        self.request = request
        self.stream: Any = response.stream
        self.body: Any = None
        self._pool = pool
        self._connection: Any = connection

    @property
    def reason_phrase(self) -> str:
        """What the server wrote behind the status."""
        reason: bytes = self.extensions.get("reason_phrase", b"")
        return reason.decode("latin-1")

    def iter_raw(self) -> Iterator[bytes]:
        """Iterate the body as it arrives."""
        self.body = iter(self.stream)
        return cast("Iterator[bytes]", self.body)

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        self.body = self.stream.__aiter__()
        return cast("AsyncIterator[bytes]", self.body)

    def close(self) -> None:
        """Let go of the connection, unless the reply was left; may be called again."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if hasattr(self.stream, "close"):
                self.stream.close()
        finally:
            if not self._keep(connection):
                connection.close()

    async def aclose(self) -> None:
        """Let go of the connection, unless the reply was left; may be called again."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if hasattr(self.stream, "aclose"):
                await self.stream.aclose()
        finally:
            if not self._keep(connection):
                await connection.aclose()

    def leave(self) -> bool:
        """Give the connection back with the rest of the body unread; False if no other reply can follow on it.

        An event stream is over with its end mark, and its caller does not wait for the last chunk of the body.
        """
        connection = self._connection
        if connection is None or self._pool.is_closed or connection.line.is_last or not may_follow(self.headers):
            return False
        self._connection = None
        connection.unread = self
        self._pool.push_unread(connection)
        return True

    def _keep(self, connection: _Connection) -> bool:
        if self._pool.is_closed or connection.line.is_last or not connection.is_clean(self.stream):
            self._pool.forget(connection)
            return False
        self._pool.push_idle(connection)
        return True


class SyncTransport:
    """Keeps the sync connections of one SDK.

    Args:
        is_hooked: Whether hooks are to see requests and responses.
    """

    def __init__(self, *, is_hooked: bool = False) -> None:
        self._is_hooked = is_hooked
        self._pools = Pools(_connection)

    def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request.

        Raises:
            TransportFailure: There is no reply.
        """
        own = own_of(request, countdown)
        pool = self._pools.to(own.target)
        try:
            reply = self._exchange(own, request, pool, self._free(pool) or pool.new())
        except TransportFailure as failure:
            if not failure.stale or countdown.left() <= 0:
                raise
            reply = self._exchange(own, request, pool, pool.new())
        return show(reply) if self._is_hooked else reply

    def pieces(self, response: Any, countdown: Countdown) -> Iterator[bytes]:
        """Iterate a body; each read obeys the countdown that its request was sent with."""
        return cast("Iterator[bytes]", response.iter_raw())

    def interrupt(self, countdowns: Collection[Countdown]) -> None:
        """Hang up on the attempts that obey one of these countdowns."""
        for connection in self._pools.connections():
            if connection.line.limit in countdowns:
                connection.line.hang_up()

    def close(self) -> None:
        """Close every connection; threads that wait for one are woken."""
        in_use, free = self._pools.close()
        for connection in in_use:
            connection.line.hang_up()  # whoever uses it closes it: a socket that a thread waits for must not be
        for connection in free:
            connection.close()

    def _free(self, pool: Pool[Connection]) -> Connection | None:
        while (connection := pool.pop_expired()) is not None:
            connection.close()
        while (connection := pool.pop_idle() or pool.pop_unread()) is not None:
            was_unread = connection.unread is not None
            if connection.is_ready():
                return connection
            pool.forget(connection)
            connection.close()
            if was_unread:
                break
        return None

    def _exchange(self, own: OwnRequest, request: Any, pool: Pool[Connection], connection: Connection) -> Reply:
        line = connection.line
        line.begin(own.countdown)
        try:
            response = connection.http.handle_request(_CoreRequest(own))
        except BaseException as exc:
            pool.forget(connection)
            connection.close()
            if (failure := failure_of(exc, began=line.received, is_reused=line.is_reused)) is None:
                raise
            raise failure from exc
        return Reply(response, request, pool, connection)


class AsyncTransport:
    """Keeps the connections of one SDK in one event loop; the arguments are those of the sync one."""

    def __init__(self, *, is_hooked: bool = False) -> None:
        self._is_hooked = is_hooked
        self._pools = Pools(_async_connection)

    async def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request.

        Raises:
            TransportFailure: There is no reply.
        """
        own = own_of(request, countdown)
        pool = self._pools.to(own.target)
        try:
            reply = await self._exchange(own, request, pool, await self._free(pool) or pool.new())
        except TransportFailure as failure:
            if not failure.stale or countdown.left() <= 0:
                raise
            reply = await self._exchange(own, request, pool, pool.new())
        return show(reply) if self._is_hooked else reply

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close every connection.

        Args:
            at_loop_end: Whether the event loop closes all async generators at this moment.
        """
        in_use, free = self._pools.close()
        for connection in in_use:
            connection.line.hang_up()
        for connection in (*in_use, *free):
            await connection.aclose(at_loop_end=at_loop_end)

    async def _free(self, pool: Pool[AsyncConnection]) -> AsyncConnection | None:
        while (connection := pool.pop_expired()) is not None:
            await connection.aclose()
        while (connection := pool.pop_idle() or pool.pop_unread()) is not None:
            was_unread = connection.unread is not None
            try:
                if await connection.is_ready():
                    return connection
            except BaseException:
                await _drop(pool, connection)
                raise
            await _drop(pool, connection)
            if was_unread:
                break
        return None

    async def _exchange(
        self, own: OwnRequest, request: Any, pool: Pool[AsyncConnection], connection: AsyncConnection
    ) -> Reply:
        line = connection.line
        line.begin(own.countdown)
        try:
            response = await connection.http.handle_async_request(_CoreRequest(own))
        except BaseException as exc:
            await _drop(pool, connection)
            if (failure := failure_of(exc, began=line.received, is_reused=line.is_reused)) is None:
                raise
            raise failure from exc
        return Reply(response, request, pool, connection)


async def _drop(pool: Pool[AsyncConnection], connection: AsyncConnection) -> None:
    pool.forget(connection)
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_S):
        await connection.aclose()


def _connection(origin: httpcore.Origin, options: dict[str, Any]) -> Connection:
    backend = Backend()
    return Connection(httpcore.ConnectionPool(network_backend=backend, **options).create_connection(origin), backend)


def _async_connection(origin: httpcore.Origin, options: dict[str, Any]) -> AsyncConnection:
    backend = AsyncBackend()
    pool = httpcore.AsyncConnectionPool(network_backend=backend, **options)
    return AsyncConnection(pool.create_connection(origin), backend)
