"""Performs effects with an async transport, under asyncio and trio; every wait ends when the SDK is closed."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar, assert_never, cast

import anyio

from .._call.countdown import Countdown
from .._call.effects import Close, Effect, Flow, Invoke, Pull, Read, Send, Sleep, TransportFailure
from .._call.reply.body import BodyReader
from ..options import AsyncHttpClient
from .failures import failure_of
from .guards import OFFLINE, refuse_closed, refuse_offline
from .hook_views import build_shown, content_of, rebuild, reply_under
from .loops import close_soon, exhaust, is_over, token_here
from .patches import is_patched
from .proxies import proxy_to
from .requests import build_own
from .supplied import AsyncHttpxClient, AsyncSuppliedClient, Watched
from .transport import CLOSE_S, AsyncTransport

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

T = TypeVar("T")


class Transport(Protocol):
    """What sends the requests of one event loop."""

    async def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request; the answer is like `Reply`."""
        ...

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close every connection."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class _OfLoop:
    """What a driver has in one event loop.

    Attributes:
        closing: Set when calls that wait are to end.
        keeper: Closes the transport.
    """

    token: EventLoopToken
    transport: Transport
    closing: anyio.Event
    keeper: AsyncGenerator[None, None]

    async def aclose(self) -> None:
        """End the calls that wait, and close the transport."""
        self.closing.set()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_S):
            await self.transport.aclose()
        await self.keeper.aclose()


async def _keep(transport: Transport, closing: anyio.Event) -> AsyncGenerator[None, None]:
    """Close a transport when its event loop ends, or from outside.

    Loops close the async generators that are still open when they shut down, so that sockets do not outlive their loop
    where an SDK is used in several `asyncio.run` one after the other.
    """
    try:
        yield
    finally:
        closing.set()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_S):
            await transport.aclose(at_loop_end=True)


class AsyncDriver:
    """One per SDK; has a transport per event loop, since connections cannot move between loops.

    Attributes:
        build: Makes the requests that it sends.
        is_own: Whether the connections are our own.
        is_player: Whether the client plays recordings: it refuses by itself, once it really has to send.
    """

    rebuild = staticmethod(rebuild)

    def __init__(
        self,
        client: AsyncHttpClient | None,
        *,
        is_hooked: bool,
        make_transport: Callable[..., Transport] = AsyncTransport,
    ) -> None:
        self._make_transport: Callable[[], Transport]
        if client is None:
            self._make_transport = partial(make_transport, is_hooked=is_hooked)
            self.build: Any = build_shown if is_hooked else getattr(make_transport, "build", build_own)
        else:
            supplied = AsyncSuppliedClient(client)
            self._make_transport, self.build = (lambda: supplied), supplied.build
        self.is_player = getattr(client, "refuses_offline", None) is True
        self.is_own = client is None
        # Timeouts of httpx bound each read by itself: the whole is bounded from outside.
        self._watches = client is not None or make_transport is AsyncHttpxClient
        self._may_be_bypassed = client is None and make_transport is AsyncTransport
        self._detour: AsyncDriver | None = None
        self._loops: dict[object, _OfLoop] = {}
        self._is_closed = False

    def current(self) -> AsyncDriver:
        """Return this driver, or one over httpx's own client for as long as httpx is patched."""
        if not (self._may_be_bypassed and is_patched()):
            return self
        if self._detour is None:
            self._detour = AsyncDriver(None, is_hooked=True, make_transport=AsyncHttpxClient)
        return self._detour

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

    def perform(self, effect: Effect) -> Awaitable[Any]:
        """Begin what one effect asks for; no coroutine of its own stands between the flow and the transport."""
        match effect:
            case Send():
                return self._send(effect)
            case Read():
                return self._read(effect)
            case Pull():
                return anext(effect.chunks, None)  # None is the end: a flow has no use for StopAsyncIteration
            case Close():
                return release(effect.response)
            case Sleep():
                return self._sleep(effect.seconds)
            case Invoke():
                return _answer(effect)
            case _:
                assert_never(effect)

    def proxy_for(self, url: str) -> str | None:
        """Find the proxy of the environment that leads to a URL; None of a supplied client, whose own affair it is."""
        return proxy_to(url) if self.is_own else None

    def chunks(self, response: Any, countdown: Countdown) -> Chunks:
        """Iterate the raw bytes of a body."""
        return Chunks(self, response, countdown)

    async def aclose(self) -> None:
        """Close what this driver opened in this event loop at once, and soon what it opened in others."""
        if self._detour is not None:
            await self._detour.aclose()
        mine = self._loops.pop(_running_loop(), None)
        self.close()
        if mine is not None:
            await mine.aclose()

    def close(self) -> None:
        """Ask every event loop to close what this driver opened in it."""
        self._is_closed = True
        if self._detour is not None:
            self._detour.close()
        while self._loops:
            of_loop = self._loops.popitem()[1]
            close_soon(of_loop.token, of_loop.aclose)

    @property
    def is_open(self) -> bool:
        """Whether a loop that still runs holds connections of this driver."""
        return self.is_own and any(not is_over(of_loop.token) for of_loop in self._loops.values())

    async def _here(self) -> _OfLoop:
        """Return what this event loop has; it is made when first needed."""
        if self._is_closed:
            refuse_closed()
        of_loop = self._loops.get(here := _running_loop())
        if of_loop is None:
            # Loops that have ended closed what was in them; an application may run thousands, one after the other.
            for native in [key for key, other in self._loops.items() if is_over(other.token)]:
                self._loops.pop(native, None)
            transport, closing = self._make_transport(), anyio.Event()
            of_loop = self._loops[here] = _OfLoop(token_here(), transport, closing, _keep(transport, closing))
            await anext(of_loop.keeper)
        return of_loop

    async def _sleep(self, seconds: float) -> None:
        closing = (await self._here()).closing
        with anyio.move_on_after(seconds):
            await closing.wait()
            refuse_closed()

    async def _send(self, effect: Send) -> Any:
        request = effect.request
        of_loop = self._loops.get(_running_loop()) or await self._here()
        if OFFLINE in os.environ and not self.is_player:
            refuse_offline(request.url.host)
        try:
            return await of_loop.transport.send(request, effect.countdown)
        except Exception as exc:
            self._fail(exc)

    def pieces(self, response: Any, countdown: Countdown) -> AsyncIterator[bytes]:
        """Iterate a body; reads of our own connections obey the countdown by themselves."""
        pieces: AsyncIterator[bytes] = response.aiter_raw()
        return Watched(pieces, countdown) if self._watches else pieces

    async def _read(self, effect: Read) -> bytes:
        response = effect.response
        if response.is_stream_consumed:
            return content_of(response)[: effect.max_bytes]
        body = BodyReader(response.headers.get("content-encoding"), effect.max_bytes, truncate=effect.truncate)
        pieces = self.pieces(response, effect.countdown)
        taken = getattr(response, "taken", None)  # of a backend that may have all of it already
        try:
            if (whole := taken and taken()) is not None:
                effect.countdown.check()
                return body.finish() if body.feed(whole) else body.received()
            async for raw in pieces:
                if not body.feed(raw):
                    await release(response, pieces)
                    return body.received()
                effect.countdown.check()
        except Exception as exc:
            await release(response, pieces)
            self._fail(exc, body.received())
        return body.finish()

    def _fail(self, exc: Exception, body: bytes = b"") -> NoReturn:
        failure = failure_of(exc, body=body)
        if failure is None:
            raise exc
        if self._is_closed:
            refuse_closed()
        raise failure from failure.__cause__


async def release(response: Any, pieces: AsyncIterator[bytes] | None = None) -> None:
    """Close a response, whatever happens to the task meanwhile.

    Args:
        pieces: Of its body, where they may not have come to their end.
    """
    release_now = getattr(response, "release_now", None)
    if release_now is not None and release_now():
        return
    with anyio.CancelScope(shield=True, deadline=anyio.current_time() + CLOSE_S):
        await response.aclose()
        if pieces is not None:
            await exhaust(pieces)


class Chunks:
    """The raw bytes of a body, piece by piece.

    Raises:
        TransportFailure: While iterating: the connection broke or fell silent.
    """

    __slots__ = ("_countdown", "_driver", "_ended", "_is_left", "_pieces", "_response")

    def __init__(self, driver: AsyncDriver, response: Any, countdown: Countdown) -> None:
        self._driver = driver
        self._response = response
        self._countdown = countdown
        self._pieces: AsyncIterator[bytes] | None = None
        self._ended = False
        self._is_left = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        try:
            if self._pieces is None:
                if self._response.is_stream_consumed:
                    self._ended = True
                    return content_of(self._response)
                self._pieces = self._driver.pieces(self._response, self._countdown)
            return await anext(self._pieces)
        except Exception as exc:
            if (failure := failure_of(exc)) is None:
                raise
            raise failure from exc

    @property
    def is_busy(self) -> bool:
        """Whether a task waits for the next piece."""
        return getattr(self._pieces, "ag_running", False)

    async def leave(self) -> None:
        """Let go of a body whose rest is not wanted; its connection is used again if the rest has come by then."""
        self._ended = True
        reply, pieces = reply_under(self._response), self._pieces
        self._is_left = hasattr(reply, "leave") and reply.leave()
        if not self._is_left:
            await release(self._response, pieces)
        elif pieces is not reply.body:
            await cast("AsyncGenerator[bytes, None]", pieces).aclose()  # httpx's, which leaves ours alone

    async def aclose(self) -> None:
        """Close the response, unless it was left; may be called again."""
        self._ended = True
        if not self._is_left:
            await release(self._response, self._pieces)


def _running_loop() -> object:
    """Name the event loop that runs; asyncio says so ten times as fast as anyio, and every call asks."""
    # Not imported here, which takes a sync program 4 ms: where a loop of it runs, somebody has done that.
    asyncio: Any = sys.modules.get("asyncio")
    try:
        return token_here().native_token if asyncio is None else asyncio.get_running_loop()
    except RuntimeError:  # trio's, with asyncio imported beside it
        return token_here().native_token


async def _answer(effect: Invoke) -> Any:
    # No local holds the answer, which may be a key.
    return (effect.wrap or _same)(await _settled(effect.function(*effect.args), effect.countdown))


def _same(answer: Any) -> Any:
    return answer


async def _settled(answer: Any, countdown: Countdown | None) -> Any:
    if not inspect.isawaitable(answer):
        return answer
    if countdown is None:
        return await answer
    with anyio.move_on_after(max(0.0, countdown.left())):
        return await answer
    raise TransportFailure("timeout", "a hook or the api_key function is still running")
