"""Performs effects with an async client and `anyio.sleep`, under asyncio and trio."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar, assert_never, cast

import anyio
from anyio.lowlevel import EventLoopToken, current_token

from .._call.countdown import Countdown
from .._call.effects import Close, Effect, Flow, Invoke, Pull, Read, Send, Sleep, TransportFailure
from .._call.reply.body import BodyReader
from ..options import AsyncHttpClient
from .client import builder, own_of, rebuild, refuse_closed, refuse_offline
from .failures import translate
from .loops import close_soon, is_over
from .transport import AsyncTransport, OwnRequest

T = TypeVar("T")

_MAX_BUFFERED = 64  # pieces that a closed response may still hand out
_CLOSE_S = 2.0  # closing is never waited for longer, not even by a cancelled task


class Transport(Protocol):
    """What sends the requests of one event loop."""

    async def send(self, request: OwnRequest, shown: Any) -> Any:
        """Send a request; the answer is like `Reply`."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


@dataclass(slots=True)
class _OfLoop:
    """The transport of one event loop."""

    token: EventLoopToken
    transport: Transport
    keeper: AsyncGenerator[None, None]


async def _keep(transport: Transport) -> AsyncGenerator[None, None]:
    """Close a transport when its event loop ends.

    Loops close the async generators that are still open when they shut down, so that sockets do not outlive their loop
    where an SDK is used in several `asyncio.run` one after the other.
    """
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSE_S):
            await transport.aclose()


class AsyncDriver:
    """One per SDK; has a transport per event loop, since connections cannot move between loops."""

    rebuild = staticmethod(rebuild)

    def __init__(
        self,
        client: AsyncHttpClient | None,
        *,
        is_hooked: bool,
        make_transport: Callable[[], Transport] = AsyncTransport,
    ) -> None:
        self._client = client
        self._is_hooked = is_hooked
        self.build = builder(client, is_hooked=is_hooked)
        # A player of recordings refuses by itself, once it really has to send.
        self.is_player = getattr(client, "refuses_offline", None) is True
        self._make_transport = make_transport
        self._can_poll = client is None and getattr(make_transport, "can_poll", True)
        self._loops: dict[object, _OfLoop] = {}
        self._is_closed = False

    async def run(self, flow: Flow[T]) -> T:
        """Perform the effects of a flow until it returns or raises; cancellation is thrown into it like the rest."""
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = await self.perform(effect)
                except BaseException as exc:
                    effect = flow.throw(exc)
                else:
                    del effect  # a traceback from here shows no reply, which may hold an echo of the key
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return cast(T, stop.value)

    async def perform(self, effect: Effect) -> Any:
        """Do what one effect asks for."""
        match effect:
            case Send():
                return await self._send(effect)
            case Read():
                return await self._read(effect)
            case Pull():
                return await anext(effect.chunks, None)
            case Close():
                await self.release(effect.response)
            case Sleep():
                await anyio.sleep(effect.seconds)
            case Invoke():
                # No local holds the answer, which may be a key.
                return (effect.wrap or _same)(await _settled(effect.function(*effect.args), effect.countdown))
            case _:
                assert_never(effect)
        return None

    def chunks(self, response: Any, countdown: Countdown) -> Chunks:
        """Iterate the raw bytes of a body."""
        return Chunks(self, response, countdown)

    @property
    def can_poll(self) -> bool:
        """Whether a read can be asked for bytes that have already arrived, and no others."""
        return self._can_poll

    async def release(self, response: Any, iterator: AsyncIterator[bytes] | None = None) -> None:
        """Close a response, whatever happens to the task meanwhile.

        Args:
            iterator: Of its body, where there is one that may not have come to its end.
        """
        release_now = getattr(response, "release_now", None)
        if release_now is not None and release_now():
            return
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + _CLOSE_S):
            await response.aclose()
            # Async generators left half-way are warned of by trio; inside a closed response they end at once.
            for _ in range(_MAX_BUFFERED if iterator is not None else 0):
                try:
                    await anext(cast("AsyncIterator[bytes]", iterator))
                except (Exception, StopAsyncIteration):
                    break

    async def aclose(self) -> None:
        """Close what this driver opened in this event loop at once, and soon what it opened in others."""
        mine = self._loops.pop(_here(), None)
        self.close()
        if mine is not None:
            await mine.keeper.aclose()

    def close(self) -> None:
        """Ask every event loop to close what this driver opened in it."""
        self._is_closed = True
        while self._loops:
            of_loop = self._loops.popitem()[1]
            close_soon(of_loop.token, of_loop.keeper.aclose)

    @property
    def is_open(self) -> bool:
        """Whether a loop that still runs holds connections of this driver."""
        return any(not is_over(of_loop.token) for of_loop in self._loops.values())

    async def _transport(self) -> Transport:
        here = _here()
        of_loop = self._loops.get(here)
        if of_loop is None:
            for native in [key for key, other in self._loops.items() if is_over(other.token)]:
                self._loops.pop(native, None)
            transport = self._make_transport()
            of_loop = self._loops[here] = _OfLoop(current_token(), transport, _keep(transport))
            await anext(of_loop.keeper)
        return of_loop.transport

    async def _send(self, effect: Send) -> Any:
        request = effect.request
        refuse_closed(self._is_closed)
        if not self.is_player:
            refuse_offline(request.url.host)
        try:
            if self._client is None:
                return await self._handle(request, effect.countdown)
            if self._is_hooked:
                from .supplied import bound

                bound(request, effect.countdown)
            with anyio.fail_after(max(0.0, effect.countdown.left())):
                return await self._handle(request, effect.countdown)
        except Exception as exc:
            if (failure := translate(exc, effect.countdown)) is None:
                raise
            raise failure from exc

    async def _handle(self, request: Any, countdown: Countdown) -> Any:
        if self._client is not None:
            return await self._client.send(request, stream=True, follow_redirects=False)
        reply = await (await self._transport()).send(own_of(request, countdown), request)
        if self._is_hooked:
            from .hooked import shown

            return shown(reply)
        return reply

    async def _read(self, effect: Read) -> bytes:
        response = effect.response
        if response.is_stream_consumed:
            return cast(bytes, response.content)[: effect.max_bytes]
        body = BodyReader(response.headers.get("content-encoding"), effect.max_bytes, truncate=effect.truncate)
        iterator = response.aiter_raw()
        try:
            while (raw := await self.next_chunk(iterator, effect.countdown)) is not None:
                if not body.feed(raw):
                    await self.release(response, iterator)
                    return body.received()
                effect.countdown.check()
        except Exception as exc:
            await self.release(response, iterator)
            if (failure := translate(exc, effect.countdown, body=body.received())) is None:
                raise
            raise failure from failure.__cause__
        return body.finish()

    async def next_chunk(self, iterator: AsyncIterator[bytes], countdown: Countdown) -> bytes | None:
        """Read the next piece; our own transports obey the countdown by themselves, supplied clients are watched."""
        if self._client is None:
            return await anext(iterator, None)
        with anyio.fail_after(max(0.0, countdown.left())):
            return await anext(iterator, None)


class Chunks:
    """The raw bytes of a body, piece by piece.

    Raises:
        TransportFailure: While iterating: the connection broke or fell silent.
    """

    def __init__(self, driver: AsyncDriver, response: Any, countdown: Countdown) -> None:
        self._driver = driver
        self._response = response
        self._countdown = countdown
        self._iterator: AsyncIterator[bytes] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        if self._iterator is None and self._response.is_stream_consumed:
            self._ended = True
            return cast(bytes, self._response.content)
        try:
            if self._iterator is None:
                self._iterator = cast("AsyncIterator[bytes]", self._response.aiter_raw())
            raw = await self._driver.next_chunk(self._iterator, self._countdown)
        except Exception as exc:
            if (failure := translate(exc, self._countdown)) is None:
                raise
            raise failure from exc
        if raw is None:
            raise StopAsyncIteration
        return raw

    @property
    def is_busy(self) -> bool:
        """Whether a task waits for the next piece."""
        return getattr(self._iterator, "ag_running", False)

    async def aclose(self) -> None:
        """Close the response; may be called again."""
        self._ended = True
        await self._driver.release(self._response, self._iterator)


def _here() -> object:
    """Name the event loop that runs; asyncio says so ten times as fast as anyio, and every call asks."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return current_token().native_token


def _same(answer: Any) -> Any:
    return answer


async def _settled(answer: Any, countdown: Countdown | None) -> Any:
    if not inspect.isawaitable(answer):
        return answer
    if countdown is None:
        return await answer
    with anyio.move_on_after(max(0.0, countdown.left())):
        return await answer
    raise TransportFailure("timeout", "a hook or the function that gives the key is still at work")
