"""Connections as the pools keep them: httpcore's HTTP/1.1 over a line of ours, and the replies that come over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self, cast

import anyio
import httpcore
import httpx

from ..utils.headers import Headers
from .loops import exhaust
from .network import AsyncBackend, Backend
from .pool import Pool, may_follow
from .requests import Content, OwnRequest

# Read of the rest of a reply at the most, to use its connection again: a last chunk and trailers are some bytes.
_TAIL_BYTES = 1 << 16
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class CoreRequest(httpcore.Request):
    """A request as httpcore's connections take it."""

    # Without httpcore's constructor, which looks at the type of every header for 6 us.

    def __init__(self, request: OwnRequest) -> None:
        self.method = request.method.encode()
        self.url = request.target
        self.headers = request.headers
        self.stream = cast(Any, Content(request.content or b""))
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

    def is_ready(self, patience_s: float) -> bool:
        """Read what comes of an unread reply within that time; whether another request can be sent."""
        reply, self.unread = self.unread, None
        if reply is not None:
            self.line.poll(patience_s)
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


class _NoLock:
    """Stands where httpcore has a lock."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


_NO_LOCK = _NoLock()


class AsyncConnection(_Connection):
    """An async connection."""

    __slots__ = ()

    def unlock(self) -> None:
        """Take httpcore's locks from a connection, which one call has at a time.

        Each use of them gives way to the event loop: three rounds of it in a call, and 1.86 million instructions where
        it takes 1.62 without. No public way leads here; were an attribute gone, only this would be lost.
        """
        for holder, name in ((self.http, "_request_lock"), (getattr(self.http, "_connection", None), "_state_lock")):
            if hasattr(holder, name):
                setattr(holder, name, _NO_LOCK)

    async def is_ready(self, patience_s: float) -> bool:
        """Read what comes of an unread reply within that time; whether another request can be sent."""
        if (reply := self.unread) is not None:
            self.line.poll(patience_s)
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
        reply, self.unread = self.unread, None
        if reply is not None:
            _end(reply.body)
        await self.http.aclose()
        if reply is not None and not at_loop_end:
            await exhaust(reply.body)


class _Body:
    """The body of an async reply, as httpcore's own iterator gives it.

    That one is two generators, which keep the last piece twice until the next is asked for: of a reply that came in
    large pieces and was left unread, 120 kB for as long as its connection waits for another call.

    Attributes:
        ag_running: As of a generator.
        is_over: Whether it has ended, or its reply was closed: what comes from here on belongs to another.
    """

    __slots__ = ("_receive", "_stream", "ag_running", "is_over")

    def __init__(self, stream: Any, receive: Any) -> None:
        self._stream = stream
        self._receive = receive
        self.ag_running = False
        self.is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.ag_running:
            raise RuntimeError("the body is being read already")
        if self.is_over:
            raise StopAsyncIteration
        self.ag_running = True
        try:
            data = getattr(await self._receive(), "data", None)
        except BaseException:
            self.is_over = True
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        finally:
            self.ag_running = False
        if data is None:
            self.is_over = True
            raise StopAsyncIteration
        return bytes(data)


def _end(body: Any) -> None:
    if isinstance(body, _Body):
        body.is_over = True


# httpx's response takes 2 us more to make, and puts two generators between the socket and every chunk of a stream.
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
        # Held here: httpcore closes the connection of an iterator that is dropped, and a stream may be left unread.
        self.body = iter(self.stream)
        return cast("Iterator[bytes]", self.body)

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        # No public way leads here; were this one gone, only memory and time would be lost.
        receive = getattr(getattr(self.stream, "_connection", None), "_receive_event", None)
        self.body = self.stream.__aiter__() if receive is None else _Body(self.stream, receive)
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
        _end(self.body)
        try:
            if hasattr(self.stream, "aclose"):
                await self.stream.aclose()
        finally:
            if not self._keep(connection):
                await connection.aclose()

    def leave(self) -> bool:
        """Return the connection back with the rest of the body unread; False if no other reply can follow on it.

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


def new_connection(origin: httpcore.Origin, options: dict[str, Any]) -> Connection:
    """Make a connection, through a proxy or not; it connects with its first request."""
    # httpcore's pool is asked for a connection and forgotten: only it chooses between direct ones and those of proxies.
    backend = Backend()
    return Connection(httpcore.ConnectionPool(network_backend=backend, **options).create_connection(origin), backend)


def new_async_connection(origin: httpcore.Origin, options: dict[str, Any]) -> AsyncConnection:
    """Make the async twin of `new_connection`."""
    backend = AsyncBackend()
    pool = httpcore.AsyncConnectionPool(network_backend=backend, **options)
    connection = AsyncConnection(pool.create_connection(origin), backend)
    connection.unlock()
    return connection
