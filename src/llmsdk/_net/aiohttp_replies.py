"""Replies over aiohttp: the body as it arrives, and the connection under it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Self

import aiohttp
import httpx

from .._call.countdown import Countdown
from ..utils.headers import Headers
from .pool import TAIL_S, learned, may_follow


class Pieces:
    """The bytes of a body as they arrive, each within what the countdown leaves.

    One timer watches all reads, since one for each would cost more than a read.

    Args:
        reading: Has those that wait for a piece.

    Attributes:
        ag_running: Whether a task waits for the next piece, named as async generators name it.
    """

    def __init__(
        self,
        content: aiohttp.StreamReader,
        countdown: Countdown,
        loop: asyncio.AbstractEventLoop,
        reading: set[Pieces],
    ) -> None:
        self._content = content
        self._reading = reading
        self._countdown = countdown
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.ag_running = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.ag_running:
            raise RuntimeError("another task waits for the next piece")
        self._watch()
        self.ag_running = True
        self._reading.add(self)
        try:
            piece = await self._content.readany()
        except Exception as exc:
            # aiohttp raises at once; what had arrived before belongs to the caller all the same.
            held: Any = getattr(self._content, "_buffer", None)
            if not held and isinstance(exc, RuntimeError):  # what it says of a session that was closed meanwhile
                raise aiohttp.ClientConnectionError(str(exc)) from exc
            if not held:
                raise
            piece = b"".join(held)
            held.clear()
        finally:
            self.ag_running = False
            self._reading.discard(self)
        if not piece:
            self.stop()
            raise StopAsyncIteration
        return piece

    def _watch(self) -> None:
        """Have the timer ring no later than the limit of this read."""
        left = self._countdown.left()
        if left <= 0:
            raise TimeoutError("the time for this attempt is over")
        if self._content.is_eof():
            return  # all of it has arrived
        at = self._loop.time() + left
        if self._timer is None or at < self._timer.when():
            self.stop()
            self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if not self.ag_running:
            return
        if self._countdown.left() > 0:
            self._watch()
        else:
            self.fail(TimeoutError("nothing came in time"))

    def fail(self, problem: Exception) -> None:
        """Raise an exception where the next piece is waited for."""
        self._content.set_exception(problem)

    def stop(self) -> None:
        """Take the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _NetworkStream:
    """What there is to know of the connection under a reply, asked as httpcore is asked."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def get_extra_info(self, info: str) -> Any:
        """Return what asyncio knows; names are httpcore's."""
        return self._transport.get_extra_info({"server_addr": "peername"}.get(info, info))


class AiohttpReply:
    """A response of aiohttp, in the shape that the flow knows."""

    is_stream_consumed = False
    shown_as = httpx.Response

    def __init__(self, response: aiohttp.ClientResponse, request: Any, pieces: Pieces, unread: Unread) -> None:
        self.status_code = response.status
        self.headers = Headers(response.raw_headers)
        self.reason_phrase = response.reason or ""
        self.request = request
        self.body = pieces
        self._response = response
        self._unread = unread

    @property
    def extensions(self) -> dict[str, Any]:
        """The connection, while it is held; asked for by downloads alone."""
        connection = self._response.connection
        transport = None if connection is None else connection.transport
        return {} if transport is None else {"network_stream": _NetworkStream(transport)}

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        return self.body

    def taken(self) -> bytes | None:
        """Take the whole body, or the rest of it, where it has arrived; None where it has not.

        Most have arrived with their head, and piece by piece the reading of one takes six coroutines.
        """
        content = self._response.content
        return content.read_nowait() if content.is_eof() and content.exception() is None else None

    def release_now(self) -> bool:
        """Return the connection back, if the body has come whole; whether it has."""
        self.body.stop()
        if not self._response.content.is_eof():
            return False
        if self._response.connection is not None:  # else aiohttp has returned it when the end came
            self._response.release()
        return True

    async def comes_whole(self, seconds: float) -> bool:
        """Wait for the rest of the body; whether it has come."""
        for _ in range(2):
            await turn()  # the event loop asks what has arrived in the first, and reads it before the second
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(seconds):
                await self._response.content.wait_eof()
        return self._response.content.is_eof()

    def leave(self) -> bool:
        """Return the connection back once the body has come whole, if that is before another request needs it."""
        if self.release_now():
            return True
        if not may_follow(self.headers):
            return False
        self._unread.append(self)
        return True

    async def aclose(self) -> None:
        """Give the connection back where the body has come whole, else close it; may be called again."""
        if not self.release_now():
            await close(self._response)


class Unread(deque[AiohttpReply]):
    """The replies of one host whose end was left unread, the oldest first."""

    patience_s = TAIL_S

    async def settle(self, countdown: Countdown) -> None:
        """Forget the replies that have come whole meanwhile; wait for the oldest one that has not, or close it."""
        while self and self[0].release_now():
            self.popleft()
        if self:
            reply = self.popleft()
            has_come = await reply.comes_whole(min(self.patience_s, countdown.left()))
            self.patience_s = learned(has_come)
            await reply.aclose()


async def close(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a response at once, without the farewell of TLS, for which nobody would wait."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    response.close()
    if transport is not None:
        transport.abort()
    await turn()


async def turn() -> None:
    """Let the event loop close the sockets that were given up: it does so in its next turn."""
    await asyncio.sleep(0)
