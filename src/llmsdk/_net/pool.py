"""The pool of connections to one host, and the pools of one transport.

httpcore makes the connections, through a proxy or not. Its own pools are not used: they look at each of their
connections and requests whenever one comes or goes, so that their cost grows with the square of the calls in flight.
Measured beside this one, they take 15 times the CPU at 64 calls in flight and 53 times at 256.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpcore

from ..utils.headers import Headers
from .guards import refuse_closed
from .proxies import as_option, proxy_of
from .tls import shared_context

ConnectionT = TypeVar("ConnectionT")

# Well below the 60 s after which common load balancers drop a connection, some without a word.
IDLE_S = 30.0
"""How long a connection is kept for another call."""

# The last chunk of a body follows its [DONE] by one or two milliseconds where a proxy stands between, and a caller who
# asks again at once comes sooner: of 20 streams in a row, 11 to 13 opened a connection, which costs 50 to 150 ms over
# TLS. So it is waited for where a connection would be opened otherwise, unless the last one did not come in time.
TAIL_S = 0.02
"""How long the rest of a reply is waited for when its connection is next wanted."""


def learned(has_come: bool) -> float:
    """How long to wait for the next: not again where one did not come, until another has come by itself."""
    return TAIL_S if has_come else 0.0


_DELIMITERS = frozenset(("content-length", "transfer-encoding"))  # without either, the body ends with the connection


def may_follow(headers: Headers) -> bool:
    """Whether another reply may follow on the connection of one with these headers."""
    return headers.get("connection", "").lower() != "close" and not _DELIMITERS.isdisjoint(headers)


class Pool(Generic[ConnectionT]):
    """The connections to one host.

    Threads need no lock for it: each step is one operation on a set or a deque. It closes nothing, since only one of
    the two transports awaits that.

    Attributes:
        is_closed: Whether connections that become free are to be closed.
        patience_s: How long to wait for the rest of an unread reply.
    """

    __slots__ = ("_all", "_idle", "_make", "_unread", "is_closed", "patience_s")

    def __init__(self, make: Callable[[], ConnectionT]) -> None:
        self._make = make
        self._all: set[ConnectionT] = set()
        # The first is a stack, so that what a burst of calls opened grows old and is closed; the second is a queue.
        self._idle: deque[tuple[float, ConnectionT]] = deque()
        self._unread: deque[tuple[float, ConnectionT]] = deque()
        self.is_closed = False
        self.patience_s = TAIL_S

    def new(self) -> ConnectionT:
        """Make a connection; it connects with its first request."""
        connection = self._make()
        self._all.add(connection)
        if self.is_closed:  # asked last: what was added before this is found by `close`
            refuse_closed()
        return connection

    def pop_idle(self) -> ConnectionT | None:
        """Take the idle connection that was used last, which is the likeliest to be open still."""
        return _popped(self._idle.pop)

    def pop_unread(self) -> ConnectionT | None:
        """Take the connection whose reply was left unread first: if its rest has not come, that of no other has."""
        return _popped(self._unread.popleft)

    def pop_expired(self) -> ConnectionT | None:
        """Take a connection that has been free for too long; it is to be closed."""
        for free in (self._idle, self._unread):
            try:
                if free and free[0][0] < time.monotonic() - IDLE_S:
                    connection = free.popleft()[1]
                    self._all.discard(connection)
                    return connection
            except IndexError:  # another thread took it meanwhile
                pass
        return None

    def push_idle(self, connection: ConnectionT) -> None:
        """Keep a connection for another call."""
        self._idle.append((time.monotonic(), connection))

    def push_unread(self, connection: ConnectionT) -> None:
        """Keep a connection for another call, if the rest of its reply has come by then."""
        self._unread.append((time.monotonic(), connection))

    def forget(self, connection: ConnectionT) -> None:
        """Forget a connection that failed, or cannot be used again; it is to be closed."""
        self._all.discard(connection)

    def connections(self) -> list[ConnectionT]:
        """Return every open connection."""
        return list(self._all)

    def close(self) -> tuple[list[ConnectionT], list[ConnectionT]]:
        """Forget all connections, and return those in use and those that are free."""
        self.is_closed = True
        free: list[ConnectionT] = []
        while (connection := self.pop_idle() or self.pop_unread()) is not None:
            free.append(connection)
        in_use = list(self._all.difference(free))
        self._all.clear()
        return in_use, free


def _popped(pop: Callable[[], tuple[float, ConnectionT]]) -> ConnectionT | None:
    try:
        return pop()[1]
    except IndexError:
        return None


class Pools(Generic[ConnectionT]):
    """The pools of one transport, by host.

    Args:
        make: Makes a connection to an origin, given the options of an httpcore pool.
    """

    def __init__(self, make: Callable[[httpcore.Origin, dict[str, Any]], ConnectionT]) -> None:
        self._make = make
        self._pools: dict[tuple[bytes, bytes, int | None], Pool[ConnectionT]] = {}
        self._is_closed = False

    def to(self, url: httpcore.URL) -> Pool[ConnectionT]:
        """Return the pool of a URL's host."""
        key = (url.scheme, url.host, url.port)
        pool = self._pools.get(key) or self._pools.setdefault(key, self._new(url))
        if self._is_closed:
            pool.is_closed = True
        return pool

    def connections(self) -> list[ConnectionT]:
        """Return every open connection."""
        return [connection for pool in list(self._pools.values()) for connection in pool.connections()]

    def close(self) -> tuple[list[ConnectionT], list[ConnectionT]]:
        """Forget all pools, and return their connections: those in use and those that are free."""
        self._is_closed = True
        in_use: list[ConnectionT] = []
        free: list[ConnectionT] = []
        while self._pools:
            found = self._pools.popitem()[1].close()
            in_use += found[0]
            free += found[1]
        return in_use, free

    def _new(self, url: httpcore.URL) -> Pool[ConnectionT]:
        proxy = proxy_of(url.scheme.decode("ascii"), url.host.decode("ascii"), url.port)
        options: dict[str, Any] = {"keepalive_expiry": IDLE_S}
        if url.scheme == b"https":
            options["ssl_context"] = shared_context()
        if proxy is not None:
            options["proxy"] = as_option(proxy)
        make, origin = self._make, url.origin
        return Pool(lambda: make(origin, options))
