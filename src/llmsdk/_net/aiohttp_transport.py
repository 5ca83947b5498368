"""aiohttp under the async driver, for those who want its speed; asyncio only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple, Self
from weakref import WeakSet

import aiohttp
import httpx
import yarl

from .._call.countdown import Countdown
from .._call.effects import TransportFailure
from .._call.request.large import LARGE, Body
from ..errors import ConfigurationError
from ..utils.headers import Headers
from .aiohttp_connections import UNDER_WAY, Attempt, gist, open_session
from .failures import failure_of
from .hook_views import show
from .pool import TAIL_S, learned, may_follow
from .proxies import proxy_of
from .requests import Content, OwnRequest, own_of
from .tls import shared_context

# Kept by URL. An application calls few; one that puts ids into paths must not make this grow.
_MAX_DESTINATIONS = 256
_OWN_HEADERS = (b"host", b"content-length")  # aiohttp writes them itself, the length where it has all of the body


class _Pieces:
    """The bytes of a body as they arrive, each within what the countdown leaves.

    One timer watches all reads, since one for each would cost more than a read.

    Attributes:
        ag_running: Whether a task waits for the next piece, named as async generators name it.
    """

    def __init__(self, content: aiohttp.StreamReader, countdown: Countdown, loop: asyncio.AbstractEventLoop) -> None:
        self._content = content
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
        if self.ag_running:
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

    def __init__(self, response: aiohttp.ClientResponse, request: Any, pieces: _Pieces, unread: _Unread) -> None:
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

    def release_now(self) -> bool:
        """Return the connection back, if the body has come whole; whether it has."""
        self.body.stop()
        if not self._response.content.is_eof():
            return False
        self._response.release()
        return True

    async def comes_whole(self, seconds: float) -> bool:
        """Wait for the rest of the body; whether it has come."""
        for _ in range(2):
            await _turn()  # the event loop asks what has arrived in the first, and reads it before the second
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
            await _close(self._response)


class _Unread(deque[AiohttpReply]):
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


class _Destination(NamedTuple):
    """Where the requests for one URL go; holds what it is found by, so that nothing else can have its id."""

    target: Any
    url: yarl.URL
    proxy: str | None
    is_tls: bool
    unread: _Unread


class AiohttpTransport:
    """One aiohttp session; it belongs to the event loop in which it is first used."""

    def __init__(self, *, is_hooked: bool = False) -> None:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "backend: aiohttp runs under asyncio only; leave it out, which runs under trio too"
            ) from None
        self._is_hooked = is_hooked
        self._session: aiohttp.ClientSession | None = None
        self._destinations: dict[int, _Destination] = {}
        self._unread: dict[Any, _Unread] = {}
        self._waits: set[Any] = set()
        self._replies: WeakSet[AiohttpReply] = WeakSet()

    async def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request.

        Raises:
            TransportFailure: There is no reply.
        """
        own = own_of(request, countdown)
        to = self._to(own)
        if to.unread:
            await to.unread.settle(countdown)
        attempt = Attempt()
        try:
            response = await self._exchange(own, to, attempt)
        except TransportFailure as failure:
            if not failure.stale or countdown.left() <= 0:
                raise
            attempt = Attempt(needs_new=True)
            response = await self._exchange(own, to, attempt)
        reply = AiohttpReply(response, request, _Pieces(response.content, countdown, self._loop), to.unread)
        self._replies.add(reply)
        return show(reply) if self._is_hooked else reply

    async def _exchange(self, own: OwnRequest, to: _Destination, attempt: Attempt) -> aiohttp.ClientResponse:
        session = self._session = self._session or open_session(self._loop)
        UNDER_WAY.set(attempt)
        limit: Any = None
        data = _body_of(own.content)
        try:
            async with asyncio.timeout(own.countdown.left()) as limit:
                self._waits.add(limit)
                response = await session.request(
                    own.method,
                    to.url,
                    headers=_headers_of(own, data),
                    data=data,
                    allow_redirects=False,
                    ssl=shared_context() if to.is_tls else True,
                    proxy=to.proxy,
                )
            if not (fault := _fault_of(response)):
                return response
            await _close(response)
            problem: Exception = httpx.RemoteProtocolError(fault)
        except aiohttp.ClientResponseError as exc:
            # It holds the headers of the request, and with them the key.
            kind = httpx.ProxyError if isinstance(exc, aiohttp.ClientHttpProxyError) else httpx.RemoteProtocolError
            problem = kind(gist(exc))
        except Exception as exc:
            problem = getattr(data, "problem", None) or exc
        finally:
            self._waits.discard(limit)
        await _turn()
        try:
            raise failure_of(problem, began=attempt.received, is_reused=attempt.is_reused) or problem
        finally:
            del problem  # a cycle would hold the socket

    def _to(self, own: OwnRequest) -> _Destination:
        """Look up where a request goes by what the requests for one URL share: to compare URLs costs more."""
        to = self._destinations.get(id(own.target))
        if to is None:
            if len(self._destinations) >= _MAX_DESTINATIONS:
                self._destinations.clear()
            scheme, host, port = own.url.scheme, own.url.host, own.url.port
            # Its own reading of the environment goes through a thread at every request.
            proxy = proxy_of(scheme, host, port)
            # Left to yarl, an encoded ".." would be a step upwards.
            url = yarl.URL(str(own.url), encoded=True)
            unread = self._unread.setdefault((scheme, host, port), _Unread())
            to = self._destinations[id(own.target)] = _Destination(own.target, url, proxy, scheme == "https", unread)
        return to

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        for limit in self._waits:
            limit.reschedule(self._loop.time())
        for reply in list(self._replies):
            reply.body.fail(aiohttp.ClientConnectionError("the connection was closed"))
        await _turn()  # those who wait are woken before the session is closed, which would cancel them
        for unread in self._unread.values():
            while unread:
                await unread.popleft().aclose()
        if session is not None:
            await session.close()


def _body_of(content: Body | None) -> bytes | Content | None:
    """Have a large body written piece by piece; aiohttp warns of one that would hold up the event loop."""
    if content is None or (isinstance(content, bytes) and len(content) < LARGE):
        return content
    return Content(content)


def _headers_of(request: OwnRequest, data: Any) -> list[tuple[str, str]]:
    own = _OWN_HEADERS[:1] if isinstance(data, Content) else _OWN_HEADERS
    return [
        (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers if name.lower() not in own
    ]


def _fault_of(response: aiohttp.ClientResponse) -> str:
    """Name what forbids to read a reply though aiohttp would."""
    if response.status < 200:
        return f"the server switched protocols (status {response.status}), which nobody asked for"
    coding = response.headers.get("Transfer-Encoding", "chunked")
    return "" if coding.lower() == "chunked" else "the body has a transfer encoding that is not known"


async def _close(response: aiohttp.ClientResponse) -> None:
    """Close the connection of a response at once, without the farewell of TLS, for which nobody would wait."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    response.close()
    if transport is not None:
        transport.abort()
    await _turn()


async def _turn() -> None:
    """Let the event loop close the sockets that were given up: it does so in its next turn."""
    await asyncio.sleep(0)
