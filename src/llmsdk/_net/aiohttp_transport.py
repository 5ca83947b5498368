"""aiohttp under the async driver, for those who want its speed; asyncio only."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import aiohttp
import httpx
import yarl

from .._call.countdown import Countdown
from .._call.effects import TransportFailure
from .._call.keys import KeyHeader
from .._call.request.large import LARGE, Body
from ..errors import ConfigurationError
from .aiohttp_connections import UNDER_WAY, Attempt, gist, open_session
from .aiohttp_limits import Limits
from .aiohttp_replies import AiohttpReply, Pieces, Unread, close, turn
from .failures import failure_of
from .hook_views import show
from .proxies import proxy_of
from .requests import Content, OwnRequest, own_of, parsed_url, target_of
from .tls import shared_context

# Kept by URL. An application calls few; one that puts ids into paths must not make this grow.
_MAX_DESTINATIONS = 256
_NO_HEADERS: list[tuple[bytes, bytes]] = []  # of a request that has them as texts
_OWN_HEADERS = (b"host", b"content-length")  # aiohttp writes them itself, the length where it has all of the body


class _Destination(NamedTuple):
    """Where the requests for one URL go; holds what it is found by, so that nothing else can have its id."""

    target: Any
    url: yarl.URL
    proxy: str | None
    is_tls: bool
    unread: Unread


class _TextRequest(OwnRequest):
    """A request whose headers are texts, as aiohttp takes them: to encode and decode them was a twentieth of a call."""

    __slots__ = ("texts",)
    texts: list[tuple[str, str]]


def _build(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: Body | None,
    countdown: Countdown,
) -> OwnRequest:
    """Make a request; the names that aiohttp writes itself are reserved, and stand among no call's headers."""
    request = _TextRequest(method, parsed_url(url), target_of(url), _NO_HEADERS, content, countdown)
    request.texts = headers.copy()
    if authorization is not None:
        request.texts.append((authorization.header, authorization.reveal()))
    return request


class AiohttpTransport:
    """One aiohttp session; it belongs to the event loop in which it is first used."""

    build = staticmethod(_build)

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
        self._unread: dict[Any, Unread] = {}
        self._limits = Limits(self._loop)
        self._reading: set[Pieces] = set()

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
        pieces = Pieces(response.content, countdown, self._loop, self._reading)
        reply = AiohttpReply(response, request, pieces, to.unread)
        return show(reply) if self._is_hooked else reply

    async def _exchange(self, own: OwnRequest, to: _Destination, attempt: Attempt) -> aiohttp.ClientResponse:
        session = self._session = self._session or open_session(self._loop)
        UNDER_WAY.set(attempt)
        data = _body_of(own.content)
        try:
            with self._limits.within(own.countdown.left()):
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
            await close(response)
            problem: Exception = httpx.RemoteProtocolError(fault)
        except aiohttp.ClientResponseError as exc:
            # It holds the headers of the request, and with them the key.
            kind = httpx.ProxyError if isinstance(exc, aiohttp.ClientHttpProxyError) else httpx.RemoteProtocolError
            problem = kind(gist(exc))
        except Exception as exc:
            problem = getattr(data, "problem", None) or exc
        await turn()
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
            unread = self._unread.setdefault((scheme, host, port), Unread())
            to = self._destinations[id(own.target)] = _Destination(own.target, url, proxy, scheme == "https", unread)
        return to

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        self._limits.end()
        for pieces in list(self._reading):
            pieces.fail(aiohttp.ClientConnectionError("the connection was closed"))
        await turn()  # those who wait are woken before the session is closed, which would cancel them
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
    if isinstance(request, _TextRequest):
        length = [("content-length", str(len(request.content or b"")))] if isinstance(data, Content) else []
        return request.texts + length
    own = _OWN_HEADERS[:1] if isinstance(data, Content) else _OWN_HEADERS
    return [
        (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers if name.lower() not in own
    ]


def _fault_of(response: aiohttp.ClientResponse) -> str:
    """Name what forbids to read a reply though aiohttp would."""
    if response.status < 200:
        return f"the server switched protocols (status {response.status}), which nobody asked for"
    coding = response.headers.get("Transfer-Encoding", "chunked")
    if coding.lower() != "chunked":
        return "the body has a transfer encoding that is not known"
    # aiohttp 3.13 lets it pass.
    return "a header has a NUL in it" if b"\0" in b"".join([value for _, value in response.raw_headers]) else ""
