"""httpcore's pools behind httpx's transport interface: lazily made, proxies from the environment, no client around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from .network import AsyncBackend, Backend
from .tls import shared_context

_MAX_CONNECTIONS = 1000
_MAX_IDLE = 100
_IDLE_S = 30.0  # well below the idle bound of common load balancers (60 s)


def _proxy_for(scheme: str, host: str) -> str | None:
    """Find the environment's proxy for a host (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    return url if "://" in url else f"http://{url}"


def _pool_options(scheme: str, proxy: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ssl_context": shared_context() if scheme == "https" else None,
        "max_connections": _MAX_CONNECTIONS,
        "max_keepalive_connections": _MAX_IDLE,
        "keepalive_expiry": _IDLE_S,
    }
    if proxy is not None:
        url = httpx.URL(proxy)
        auth = (url.username, url.password) if url.username else None
        bare = str(url.copy_with(username=None, password=None))
        options["proxy"] = httpcore.Proxy(bare, auth=auth)
    return options


def _to_httpcore(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = self._stream.__aiter__()
        return iterator

    async def aclose(self) -> None:
        if hasattr(self._stream, "aclose"):
            await self._stream.aclose()


class SyncTransport(httpx.BaseTransport):
    """One pool per scheme and proxy, made when first needed."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str | None], httpcore.ConnectionPool] = {}
        self._of_host: dict[tuple[str, str], httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; httpcore's exceptions pass through, they have httpx's names."""
        response = self._pool(request.url).handle_request(_to_httpcore(request))
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=cast(Any, response).extensions,
            request=request,
        )

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        host = (url.scheme, url.host)
        pool = self._of_host.get(host)
        if pool is None:
            key = (url.scheme, _proxy_for(*host))
            made = httpcore.ConnectionPool(network_backend=Backend(), **_pool_options(*key))
            pool = self._of_host[host] = self._pools.setdefault(key, made)
        return pool

    def close(self) -> None:
        self._of_host.clear()
        while self._pools:
            self._pools.popitem()[1].close()


class AsyncTransport(httpx.AsyncBaseTransport):
    """One pool per scheme and proxy, made when first needed."""

    def __init__(self) -> None:
        self._pools: dict[tuple[str, str | None], httpcore.AsyncConnectionPool] = {}
        self._of_host: dict[tuple[str, str], httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; httpcore's exceptions pass through, they have httpx's names."""
        response = await self._pool(request.url).handle_async_request(_to_httpcore(request))
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_AsyncBody(response.stream),
            extensions=cast(Any, response).extensions,
            request=request,
        )

    def _pool(self, url: httpx.URL) -> httpcore.AsyncConnectionPool:
        host = (url.scheme, url.host)
        pool = self._of_host.get(host)
        if pool is None:
            key = (url.scheme, _proxy_for(*host))
            made = httpcore.AsyncConnectionPool(network_backend=AsyncBackend(), **_pool_options(*key))
            pool = self._of_host[host] = self._pools.setdefault(key, made)
        return pool

    async def aclose(self) -> None:
        self._of_host.clear()
        while self._pools:
            await self._pools.popitem()[1].aclose()
