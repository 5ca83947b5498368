"""httpcore's pools as the drivers use them: no client and no copies around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpcore
import httpx

from ..utils.headers import Headers
from .network import AsyncBackend, Backend
from .shards import Shard, Shards


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
        if hasattr(self._stream, "close"):
            self._stream.close()
        self._leave()

    async def aclose(self) -> None:
        """Let go of the connection; may be called again."""
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()
        self._leave()

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

    def send(self, request: httpcore.Request, url: httpx.URL, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as callers know it, for `Reply.request`.
        """
        shard = self._shards.enter(url)
        try:
            return Reply(shard.pool.handle_request(request), shown, shard)
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

    async def send(self, request: httpcore.Request, url: httpx.URL, shown: Any) -> Reply:
        """Send a request; httpcore's exceptions pass through, they have httpx's names.

        Args:
            shown: The request as callers know it, for `Reply.request`.
        """
        shard = self._shards.enter(url)
        try:
            return Reply(await shard.pool.handle_async_request(request), shown, shard)
        except BaseException:
            shard.leave()
            raise

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._shards.take():
            await pool.aclose()
