"""Many small connection pools instead of one large one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from .tls import shared_context

PoolT = TypeVar("PoolT")

# A pool looks at each of its connections and requests whenever one comes or goes, so its cost grows with the square of
# the calls in flight: small pools keep it flat. Calls fill the first shard before they open the next, so that few
# calls reuse few connections.
_SHARD_CONNECTIONS = 8
_MAX_SHARDS = 128
_IDLE_S = 30.0  # well below the idle bound of common load balancers (60 s)


class Shard(Generic[PoolT]):
    """One pool and the number of calls in it."""

    __slots__ = ("_lock", "busy", "pool")

    def __init__(self, pool: PoolT, lock: threading.Lock) -> None:
        self.pool = pool
        self.busy = 0
        self._lock = lock

    def leave(self) -> None:
        """Count a call out."""
        with self._lock:
            self.busy -= 1


class Shards(Generic[PoolT]):
    """The pools of one transport, by host and proxy; made when first needed."""

    def __init__(self, make: Callable[[dict[str, Any]], PoolT]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._of_host: dict[tuple[bytes, bytes, int | None], tuple[list[Shard[PoolT]], dict[str, Any]]] = {}

    def enter(self, url: httpcore.URL) -> Shard[PoolT]:
        """Count a call into the first shard that has room, else into the least busy one."""
        host = (url.scheme, url.host, url.port)
        with self._lock:
            shards, options = self._of_host.get(host) or self._new_host(host)
            for shard in shards:
                if shard.busy < _SHARD_CONNECTIONS:
                    break
            else:
                if len(shards) < _MAX_SHARDS:
                    shards.append(Shard(self._make(options), self._lock))
                    shard = shards[-1]
                else:
                    shard = min(shards, key=lambda one: one.busy)
            shard.busy += 1
            return shard

    def take(self) -> list[PoolT]:
        """Empty this, and answer with all pools."""
        with self._lock:
            pools = [shard.pool for shards, _ in self._of_host.values() for shard in shards]
            self._of_host.clear()
        return pools

    def _new_host(self, host: tuple[bytes, bytes, int | None]) -> tuple[list[Shard[PoolT]], dict[str, Any]]:
        scheme = host[0].decode("ascii")
        shards: list[Shard[PoolT]] = []
        made = self._of_host[host] = (shards, _pool_options(scheme, proxy_of(scheme, host[1].decode("ascii"))))
        return made


def proxy_of(scheme: str, host: str) -> str | None:
    """Find the environment's proxy for a host (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    return url if "://" in url else f"http://{url}"


def _pool_options(scheme: str, proxy: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ssl_context": shared_context() if scheme == "https" else None,
        "max_connections": _SHARD_CONNECTIONS,
        "max_keepalive_connections": _SHARD_CONNECTIONS,
        "keepalive_expiry": _IDLE_S,
    }
    if proxy is not None:
        url = httpx.URL(proxy)
        auth = (url.username, url.password) if url.username else None
        bare = str(url.copy_with(username=None, password=None))
        options["proxy"] = httpcore.Proxy(bare, auth=auth)
    return options
