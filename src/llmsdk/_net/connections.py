"""The connections of a transport, by host; those at rest are used again, the last one first.

httpcore makes the connections, through a proxy or not. Its pools are not used: they look at each of their connections
and requests whenever one comes or goes, so that their cost grows with the square of the calls in flight.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpcore

from .tls import shared_context


class Connection(Protocol):
    """What httpcore's connections of both colours have, and say of themselves without I/O."""

    def has_expired(self) -> bool: ...

    def is_idle(self) -> bool: ...

    def is_closed(self) -> bool: ...


ConnectionT = TypeVar("ConnectionT", bound=Connection)

MAX_OPEN = 1024
"""Connections to one host that async calls open; further calls wait."""
_IDLE_S = 30.0  # well below the idle bound of common load balancers (60 s)


class Host(Generic[ConnectionT]):
    """The connections to one host.

    A call takes one and brings it back. Threads need no lock for it: each step is one operation on a set or a deque.

    Attributes:
        stale: Connections that must not be used again, to be closed by whoever takes one.
        waiting: Calls that wait for a connection, as functions that wake them.
    """

    __slots__ = ("_is_closed", "_make", "_open", "_resting", "stale", "waiting")

    def __init__(self, make: Callable[[], ConnectionT]) -> None:
        self._make = make
        self._open: set[ConnectionT] = set()
        self._resting: deque[tuple[float, ConnectionT]] = deque()
        self._is_closed = False
        self.stale: deque[ConnectionT] = deque()
        self.waiting: deque[Callable[[], Any]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether a call has to wait."""
        return not self._resting and len(self._open) >= MAX_OPEN

    def take(self) -> ConnectionT:
        """Answer with a connection that nobody else uses."""
        resting = self._resting
        while resting:
            try:
                connection = resting.pop()[1]
                oldest = resting[0][0] if resting else None
            except IndexError:  # another thread took it
                break
            if oldest is not None and oldest < time.monotonic() - _IDLE_S:
                self._weed()
            if not connection.has_expired():
                return connection
            self._drop(connection)
        connection = self._make()
        self._open.add(connection)
        return connection

    def bring_back(self, connection: ConnectionT) -> None:
        """Let a connection rest, if it can be used again."""
        if connection.is_idle() and not self._is_closed:
            self._resting.append((time.monotonic(), connection))
            self.wake()
        else:
            self.lose(connection)

    def lose(self, connection: ConnectionT) -> None:
        """Forget a connection that failed, or was closed."""
        if not connection.is_closed():
            self.stale.append(connection)
        self._open.discard(connection)
        self.wake()

    def wake(self) -> None:
        """Have the call that has waited longest look again."""
        if self.waiting:
            self.waiting.popleft()()

    def take_all(self) -> list[ConnectionT]:
        """Answer with every open connection, those in use too; they are to be closed."""
        self._is_closed = True
        found = [*self._open, *self.stale]
        self._open.clear()
        self._resting.clear()
        self.stale.clear()
        return found

    def _drop(self, connection: ConnectionT) -> None:
        self._open.discard(connection)
        self.stale.append(connection)

    def _weed(self) -> None:
        """Drop what has rested too long."""
        limit = time.monotonic() - _IDLE_S
        try:
            while self._resting[0][0] < limit:
                self._drop(self._resting.popleft()[1])
        except IndexError:  # none are left
            pass


class Hosts(Generic[ConnectionT]):
    """The hosts of one transport, met so far.

    Args:
        make: Makes the maker of a host's connections, of the options of an httpcore pool.
    """

    def __init__(self, make: Callable[[dict[str, Any]], Callable[[httpcore.Origin], ConnectionT]]) -> None:
        self._make = make
        self._hosts: dict[tuple[bytes, bytes, int | None], Host[ConnectionT]] = {}

    def of(self, url: httpcore.URL) -> Host[ConnectionT]:
        """Answer with the host of a URL."""
        key = (url.scheme, url.host, url.port)
        return self._hosts.get(key) or self._hosts.setdefault(key, self._new(url))

    def take_all(self) -> list[ConnectionT]:
        """Forget all hosts, and answer with their connections."""
        found: list[ConnectionT] = []
        while self._hosts:
            found += self._hosts.popitem()[1].take_all()
        return found

    def _new(self, url: httpcore.URL) -> Host[ConnectionT]:
        scheme = url.scheme.decode("ascii")
        make, origin = self._make(_options(scheme, proxy_of(scheme, url.host.decode("ascii")))), url.origin
        return Host(lambda: make(origin))


def proxy_of(scheme: str, host: str) -> str | None:
    """Find the environment's proxy for a host (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)."""
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    from .proxies import usable

    return usable(url if "://" in url else f"http://{url}", host)


def _options(scheme: str, proxy: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "ssl_context": shared_context() if scheme == "https" else None,
        "keepalive_expiry": _IDLE_S,
    }
    if proxy is not None:
        from .proxies import as_option

        options["proxy"] = as_option(proxy)
    return options
