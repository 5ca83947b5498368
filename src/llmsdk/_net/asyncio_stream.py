"""The stream under an async connection in asyncio: little around a read, and little read before its task has a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Self
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel
import httpcore
from anyio.abc import SocketAttribute

# asyncio reads every socket that has something before a task has its turn, up to 256 KiB of each: 512 streams of 200
# chunks that had all arrived took 48 to 78 MB. So what waits for its task is bounded over all of them: the first ones
# read much, and are over when the next ones do; and each a little, so that none has to wait.
_WAITING = 1 << 20
_MOST = 1 << 16  # for one read: the fewer reads, the less a large body costs
_LEAST = 1 << 12


class _Room:
    """Where the connections of one event loop read into, one at a time.

    Attributes:
        waiting: Bytes that have been read, and not taken by a task.
    """

    __slots__ = ("_whole", "waiting")

    def __init__(self) -> None:
        self._whole = memoryview(bytearray(_MOST))
        self.waiting = 0

    def view(self) -> memoryview:
        """Return what the next read may fill."""
        left = _WAITING - self.waiting
        return self._whole if left >= _MOST else self._whole[: max(_LEAST, left)]

    def filled(self, size: int) -> bytes:
        """Return what a read has filled."""
        self.waiting += size
        return bytes(self._whole[:size])


_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, _Room] = WeakKeyDictionary()


class AsyncioStream(asyncio.BufferedProtocol):
    """What anyio's stream over a socket does under asyncio.

    anyio turns reading on and off for each read, and httpcore gives each a cancel scope with a timer of its own: with
    them a chunk that arrives on its own takes 379,000 instructions, without 235,000, and by httpx 332,000. An open
    stream holds 5 kB less: the queues of three events and of what was read, two scopes and their contexts.
    """

    __slots__ = (
        "_data",
        "_drained",
        "_due",
        "_error",
        "_is_closed",
        "_is_full",
        "_is_over",
        "_is_paused",
        "_loop",
        "_room",
        "_timer",
        "_transport",
        "_waiter",
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._room = _rooms.get(self._loop) or _rooms.setdefault(self._loop, _Room())
        self._data = b""
        self._error: Exception | None = None
        self._is_over = False  # nothing more will come
        self._is_closed = False
        self._is_paused = False
        self._is_full = False
        self._waiter: asyncio.Future[bool] | None = None  # of a read; True where it came too late
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    @classmethod
    def over(cls, stream: Any) -> Self | None:
        """Take the socket of anyio's stream; None under trio, and where something has arrived already."""
        # No public way leads here; were these attributes gone, only memory and time would be lost.
        transport, protocol = getattr(stream, "_transport", None), getattr(stream, "_protocol", None)
        arrived = getattr(protocol, "read_event", None)
        if transport is None or arrived is None or arrived.is_set():
            return None
        taken = cls()
        transport.set_protocol(taken)
        taken.connection_made(transport)
        taken._is_paused = True  # as anyio leaves it
        return taken

    # ---- what the transport calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.set_write_buffer_limits(0)  # `send` returns once the system has it all

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._room.view()

    def buffer_updated(self, nbytes: int) -> None:
        data = self._room.filled(nbytes)
        self._data = self._data + data if self._data else data
        if self._waiter is None:  # its task has not come to the last bytes yet, or does something else
            self._is_paused = True
            self._transport.pause_reading()
        else:
            self._wake()

    def eof_received(self) -> bool:
        self._is_over = True
        self._wake()
        return True  # the socket stays open, and shows that it is at its end

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._error = exc
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # ---- what the task calls ----

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        """What is known of the connection."""
        info = self._transport.get_extra_info
        return {
            SocketAttribute.raw_socket: lambda: info("socket"),
            SocketAttribute.local_address: lambda: info("sockname"),
            SocketAttribute.remote_address: lambda: info("peername"),
        }

    @property
    def has_unread(self) -> bool:
        """Whether something has left the socket that no task has read, or its end has come."""
        return bool(self._data) or self._is_over

    async def read(self, max_bytes: int, seconds: float) -> bytes:
        """Read what comes within a time, as httpcore's streams do; empty at the end.

        Raises:
            httpcore.ReadTimeout: Nothing has come.
            httpcore.ReadError: The connection is broken.
        """
        if not (self._data or self._is_over):
            self._due = self._loop.time() + seconds
            # One timer for many reads, which is set on when it rings too early: to set and to cancel one takes 3 us.
            if self._timer is None or self._due < self._timer.when():
                self._arm()
            if await self._arrival():
                raise httpcore.ReadTimeout("nothing has come in time")
        try:
            return self._taken(max_bytes)
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise httpcore.ReadError(str(exc)) from exc

    async def receive(self, max_bytes: int = _MOST) -> bytes:
        """Read what comes, as anyio's streams do."""
        if not (self._data or self._is_over):
            await self._arrival()
        return self._taken(max_bytes)

    async def send(self, item: bytes) -> None:
        """Write; returns once the system has it all."""
        self._check()
        self._transport.write(item)
        if self._is_full:
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None
            self._check()

    async def send_eof(self) -> None:
        """Say that no more will be written."""
        self._transport.write_eof()

    async def aclose(self) -> None:
        """Close it; may be called again."""
        self._is_closed = True
        self._room.waiting -= len(self._data)
        self._data = b""
        self._transport.abort()
        await anyio.lowlevel.checkpoint()

    # ---- inside ----

    def _arrival(self) -> asyncio.Future[bool]:
        waiter = self._waiter = self._loop.create_future()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return waiter

    def _wake(self, *, is_late: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(is_late)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._due:
            self._arm()
        else:
            self._wake(is_late=True)

    def _taken(self, max_bytes: int) -> bytes:
        data = self._data
        if data:
            taken, self._data = data[:max_bytes], data[max_bytes:]
            self._room.waiting -= len(taken)
            return taken
        self._check()
        raise anyio.EndOfStream

    def _check(self) -> None:
        if self._is_closed:
            raise anyio.ClosedResourceError
        if self._error is not None:
            raise anyio.BrokenResourceError from self._error
