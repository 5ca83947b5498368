"""httpcore's connections as the drivers use them: no client, no pool and no copies around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from typing import Any, Self, cast

import anyio
import httpcore
import httpx

from .._call.countdown import Countdown
from ..utils.headers import Headers
from .connections import Host, Hosts
from .network import AsyncBackend, AsyncStream, Backend, Stream


@lru_cache(maxsize=256)
def target_of(url: str) -> httpcore.URL:
    """Parse a URL as the pools take it; an application calls few of them, many times."""
    parsed = httpx.URL(url)
    return httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)


class OwnRequest:
    """A request for our own transports, as light as the flow needs it; hooks are shown httpx's instead."""

    __slots__ = ("content", "countdown", "headers", "method", "target", "url")

    def __init__(
        self,
        method: str,
        url: httpx.URL,
        target: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        content: bytes | None,
        countdown: Countdown,
    ) -> None:
        self.method = method
        self.url = url
        self.target = target
        self.headers = headers
        self.content = content
        self.countdown = countdown


def timeouts(countdown: Countdown) -> dict[str, Any]:
    """Write a countdown as httpx's extension."""
    return {"timeout": {"connect": countdown, "read": countdown, "write": countdown, "pool": countdown}}


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
    """A request as httpcore's connections take it, without the look of its constructor at the type of every header."""

    def __init__(self, request: OwnRequest) -> None:
        self.method = request.method.encode()
        self.url = request.target
        self.headers = request.headers
        self.stream = cast(Any, _Content(request.content or b""))
        self.extensions = timeouts(request.countdown)


class Reply:
    """A response of our own transport, as light as the flow needs it; hooks are shown httpx's instead."""

    __slots__ = ("_connection", "_host", "_stream", "extensions", "headers", "request", "status_code")

    is_stream_consumed = False

    def __init__(self, response: httpcore.Response, request: Any, host: Host[Any], connection: Any) -> None:
        self.status_code = response.status
        self.headers = Headers(response.headers)
        self.extensions: dict[str, Any] = cast(Any, response).extensions
        self.request = request
        self._stream: Any = response.stream
        self._host = host
        self._connection = connection

    @property
    def reason_phrase(self) -> str:
        """What the server wrote behind the status."""
        reason: bytes = self.extensions.get("reason_phrase", b"")
        return reason.decode("latin-1")

    def iter_raw(self) -> Iterator[bytes]:
        """Iterate the body as it arrives."""
        return iter(self._stream)

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        iterator: AsyncIterator[bytes] = self._stream.__aiter__()
        return iterator

    def close(self) -> None:
        """Let go of the connection; may be called again."""
        self._spoil_if_overfull()
        try:
            if hasattr(self._stream, "close"):
                self._stream.close()
        finally:
            self._leave()

    async def aclose(self) -> None:
        """Let go of the connection; may be called again."""
        self._spoil_if_overfull()
        try:
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            self._leave()

    def _spoil_if_overfull(self) -> None:
        """Take a connection out of use whose server sent more than the reply: the rest would answer the next request.

        h11 holds such bytes where neither httpcore nor the socket shows them; were these attributes gone, only this
        guard would be lost.
        """
        state = getattr(getattr(self._stream, "_connection", None), "_h11_state", None)
        network_stream = self.extensions.get("network_stream")
        if state is not None and state.trailing_data[0] and isinstance(network_stream, Stream | AsyncStream):
            network_stream.spoilt = True

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._host.bring_back(connection)


class SyncTransport:
    """Keeps the sync connections of one SDK."""

    def __init__(self) -> None:
        self._hosts: Hosts[httpcore.ConnectionInterface] = Hosts(_sync_maker)

    def send(self, request: OwnRequest, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as hooks know it, for `Reply.request`.
        """
        host = self._hosts.of(request.target)
        connection = host.take()
        try:
            while host.stale:
                host.stale.popleft().close()
            response = connection.handle_request(_CoreRequest(request))
        except BaseException:
            host.lose(connection)
            raise
        return Reply(response, shown, host, connection)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._hosts.take_all():
            connection.close()


class AsyncTransport:
    """Keeps the connections of one SDK in one event loop."""

    def __init__(self) -> None:
        self._hosts: Hosts[httpcore.AsyncConnectionInterface] = Hosts(_async_maker)

    async def send(self, request: OwnRequest, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as hooks know it, for `Reply.request`.
        """
        host = self._hosts.of(request.target)
        while host.is_full:
            await _wait(host, request.countdown)
        connection = host.take()
        try:
            while host.stale:
                await host.stale.popleft().aclose()
            response = await connection.handle_async_request(_CoreRequest(request))
        except BaseException:
            host.lose(connection)
            raise
        return Reply(response, shown, host, connection)

    async def aclose(self) -> None:
        """Close every connection."""
        for connection in self._hosts.take_all():
            await connection.aclose()


def _sync_maker(options: dict[str, Any]) -> Callable[[httpcore.Origin], httpcore.ConnectionInterface]:
    return httpcore.ConnectionPool(network_backend=Backend(), **options).create_connection


def _async_maker(options: dict[str, Any]) -> Callable[[httpcore.Origin], httpcore.AsyncConnectionInterface]:
    return httpcore.AsyncConnectionPool(network_backend=AsyncBackend(), **options).create_connection


async def _wait(host: Host[Any], countdown: Countdown) -> None:
    """Wait until a connection may be free."""
    turn = anyio.Event()
    host.waiting.append(turn.set)
    try:
        with anyio.fail_after(max(0.0, countdown.left())):
            await turn.wait()
    except BaseException:
        if turn.is_set():
            host.wake()  # the turn belongs to somebody else
        else:
            host.waiting.remove(turn.set)
        raise
