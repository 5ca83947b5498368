"""The default transports, sync and async: httpcore's connections in pools of our own, without a client around."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, cast

import anyio

from .._call.countdown import Countdown
from .._call.effects import TransportFailure
from .connections import (
    AsyncConnection,
    Connection,
    CoreRequest,
    Reply,
    new_async_connection,
    new_connection,
)
from .failures import failure_of
from .hook_views import show
from .loops import quietly
from .pool import Pool, Pools, learned
from .requests import OwnRequest, own_of

CLOSE_S = 2.0
"""Closing is never waited for longer, not even by a cancelled task."""


class SyncTransport:
    """Keeps the sync connections of one SDK.

    Args:
        is_hooked: Whether hooks are to see requests and responses.
    """

    def __init__(self, *, is_hooked: bool = False) -> None:
        self._is_hooked = is_hooked
        self._pools = Pools(new_connection)

    def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request.

        Raises:
            TransportFailure: There is no reply.
        """
        own = own_of(request, countdown)
        pool = self._pools.to(own.target)
        try:
            reply = self._exchange(own, request, pool, self._free(pool, countdown) or pool.new())
        except TransportFailure as failure:
            if not failure.stale or countdown.left() <= 0:
                raise
            # The server closed a connection that was idle, and nothing is wrong with it. A request that it saw all the
            # same it knows by its Idempotency-Key: Go's net/http sends such requests again, too.
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

    def _free(self, pool: Pool[Connection], countdown: Countdown) -> Connection | None:
        while (connection := pool.pop_expired()) is not None:
            connection.close()
        while (connection := pool.pop_idle() or pool.pop_unread()) is not None:
            was_unread = connection.unread is not None
            is_ready = connection.is_ready(min(pool.patience_s, countdown.left()))
            if was_unread:
                pool.patience_s = learned(is_ready)
            if is_ready:
                return connection
            pool.forget(connection)
            connection.close()
            if was_unread:
                break  # the rest of the others, which were left later, has not come either: they are for later calls
        return None

    def _exchange(self, own: OwnRequest, request: Any, pool: Pool[Connection], connection: Connection) -> Reply:
        line, core = connection.line, CoreRequest(own)
        line.begin(own.countdown)
        try:
            response = connection.http.handle_request(core)
        except BaseException as exc:
            pool.forget(connection)
            connection.close()
            if (failure := failure_of(exc, began=line.received, is_reused=line.is_reused)) is None:
                raise
            raise failure from exc
        core.headers = []  # sent: what the reply holds of them until it has been read is 2 kB
        return Reply(response, request if self._is_hooked else None, pool, connection)


class AsyncTransport:
    """Keeps the connections of one SDK in one event loop; the arguments are those of the sync one."""

    def __init__(self, *, is_hooked: bool = False) -> None:
        self._is_hooked = is_hooked
        self._pools = Pools(new_async_connection)

    async def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request.

        Raises:
            TransportFailure: There is no reply.
        """
        own = own_of(request, countdown)
        pool = self._pools.to(own.target)
        try:
            reply = await self._exchange(own, request, pool, await self._free(pool, countdown) or pool.new())
        except TransportFailure as failure:
            if not failure.stale or countdown.left() <= 0:
                raise
            # As in the sync transport.
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
        # All at once: each takes a turn of the event loop, and 1,500 turns of a busy one take longer than is allowed.
        async with anyio.create_task_group() as group:
            for connection in (*in_use, *free):
                group.start_soon(quietly, partial(connection.aclose, at_loop_end=at_loop_end))

    async def _free(self, pool: Pool[AsyncConnection], countdown: Countdown) -> AsyncConnection | None:
        while (connection := pool.pop_expired()) is not None:
            await connection.aclose()
        while (connection := pool.pop_idle() or pool.pop_unread()) is not None:
            was_unread = connection.unread is not None
            try:
                is_ready = await connection.is_ready(min(pool.patience_s, countdown.left()))
            except BaseException:
                await _drop(pool, connection)
                raise
            if was_unread:
                pool.patience_s = learned(is_ready)
            if is_ready:
                return connection
            await _drop(pool, connection)
            if was_unread:
                break  # as in the sync transport
        return None

    async def _exchange(
        self, own: OwnRequest, request: Any, pool: Pool[AsyncConnection], connection: AsyncConnection
    ) -> Reply:
        line, core = connection.line, CoreRequest(own)
        line.begin(own.countdown)
        try:
            response = await connection.http.handle_async_request(core)
        except BaseException as exc:
            await _drop(pool, connection)
            if (failure := failure_of(exc, began=line.received, is_reused=line.is_reused)) is None:
                raise
            raise failure from exc
        core.headers = []  # as in the sync transport
        connection.unlock()  # of the locks that it made while it connected
        return Reply(response, request if self._is_hooked else None, pool, connection)


async def _drop(pool: Pool[AsyncConnection], connection: AsyncConnection) -> None:
    pool.forget(connection)
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_S):
        await connection.aclose()
