"""httpcore's pools as the drivers use them: no client and no copies around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any, cast

import httpcore
import httpx

from .._core.countdown import Countdown
from ..utils.headers import Headers
from .network import AsyncBackend, AsyncStream, Backend, Stream
from .shards import Shard, Shards


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


def _core(request: OwnRequest) -> httpcore.Request:
    return httpcore.Request(
        request.method.encode(),
        request.target,
        headers=request.headers,
        content=request.content,
        extensions=timeouts(request.countdown),
    )


class Reply:
    """A response of our own transport, as light as the flow needs it; hooks are shown httpx's instead."""

    __slots__ = ("_shard", "_stream", "extensions", "headers", "request", "status_code")

    is_stream_consumed = False

    def __init__(self, response: httpcore.Response, request: Any, shard: Shard[Any]) -> None:
        self.status_code = response.status
        self.headers = Headers(response.headers)
        self.extensions: dict[str, Any] = cast(Any, response).extensions
        self.request = request
        self._stream: Any = response.stream
        self._shard: Shard[Any] | None = shard

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
        if hasattr(self._stream, "close"):
            self._stream.close()
        self._leave()

    async def aclose(self) -> None:
        """Let go of the connection; may be called again."""
        self._spoil_if_overfull()
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()
        self._leave()

    def _spoil_if_overfull(self) -> None:
        """Take a connection out of use whose server sent more than the reply: the rest would answer the next request.

        h11 holds such bytes where neither httpcore nor the socket shows them; were these attributes gone, only this
        guard would be lost.
        """
        connection = getattr(getattr(self._stream, "_stream", None), "_connection", None)
        state = getattr(connection, "_h11_state", None)
        network_stream = self.extensions.get("network_stream")
        if state is not None and state.trailing_data[0] and isinstance(network_stream, Stream | AsyncStream):
            network_stream.spoilt = True

    def _leave(self) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            shard.leave()


class SyncTransport:
    """Shards of sync pools per host."""

    def __init__(self) -> None:
        self._shards: Shards[httpcore.ConnectionPool] = Shards(
            lambda options: httpcore.ConnectionPool(network_backend=Backend(), **options)
        )

    def send(self, request: OwnRequest, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as hooks know it, for `Reply.request`.
        """
        shard = self._shards.enter(request.target)
        try:
            return Reply(shard.pool.handle_request(_core(request)), shown, shard)
        except BaseException:
            shard.leave()
            raise

    def close(self) -> None:
        """Close every connection."""
        for pool in self._shards.take():
            pool.close()


class AsyncTransport:
    """Shards of async pools per host."""

    def __init__(self) -> None:
        self._shards: Shards[httpcore.AsyncConnectionPool] = Shards(
            lambda options: httpcore.AsyncConnectionPool(network_backend=AsyncBackend(), **options)
        )

    async def send(self, request: OwnRequest, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as hooks know it, for `Reply.request`.
        """
        shard = self._shards.enter(request.target)
        try:
            return Reply(await shard.pool.handle_async_request(_core(request)), shown, shard)
        except BaseException:
            shard.leave()
            raise

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._shards.take():
            await pool.aclose()
