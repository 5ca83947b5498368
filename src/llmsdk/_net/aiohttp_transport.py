"""aiohttp under the async driver, for those who want its speed; asyncio only."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, Self, cast

import aiohttp
import httpx
import yarl
from aiohttp.client_proto import ResponseHandler

from .._call.countdown import Countdown
from ..errors import ConfigurationError
from ..utils.headers import Headers
from .connections import proxy_of
from .network import CONNECT_S
from .tls import shared_context
from .transport import OwnRequest

_IDLE_S = 30.0
_MAX_FIELD = 1 << 16  # of a status line or header; httpcore's bound is of the same size
_LARGE_BODY = 1 << 20
_MAX_WAYS = 256
_END_OF_HEAD = b"\r\n\r\n"
_OWN_HEADERS = (b"host", b"content-length")  # aiohttp writes them itself


_under_way: ContextVar[Countdown | None] = ContextVar("llmsdk_attempt_under_way", default=None)


class _Handler(ResponseHandler):
    """One connection; it tells the attempt that waits on it when bytes have arrived, which forbids another attempt."""

    attempt: Countdown | None = None
    is_early = False

    def data_received(self, data: bytes) -> None:
        attempt = self.attempt
        if attempt is None:
            self.is_early = True
        elif not attempt.received:
            attempt.received = True
            # A fault of the body that came with the head would hide the head.
            head, mark, data = data.partition(_END_OF_HEAD)
            super().data_received(head + mark)
        if data and self.exception() is None:
            super().data_received(data)
        self._tell_reader()

    def _tell_reader(self) -> None:
        """Have a fault of the framing end the body as well: aiohttp ends the connection only, and the reader waits."""
        error: Any = self.exception()
        payload: Any = getattr(self, "_payload", None)
        if error is not None and payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(aiohttp.ClientPayloadError(f"broken framing of the body: {_gist(error)}"))


class _Response(aiohttp.ClientResponse):
    """A response that makes its attempt known to its connection."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        attempt = _under_way.get()
        if isinstance(protocol, _Handler) and attempt is not None:
            attempt.received = protocol.attempt is None and protocol.is_early
            protocol.attempt = attempt
        return await super().start(connection)


class _Connector(aiohttp.TCPConnector):
    """Keeps the connections; it tells an attempt when its one is old, for the server may have closed it meanwhile."""

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        connection = await super().connect(req, traces, timeout)
        protocol: Any = connection.protocol
        attempt = _under_way.get()
        if attempt is not None and isinstance(protocol, _Handler):
            attempt.reused = protocol.attempt is not None
        return connection


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
            self._content.set_exception(TimeoutError("nothing came in time"))

    def stop(self) -> None:
        """Take the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class AiohttpReply:
    """A response of aiohttp, in the shape that the flow knows."""

    is_stream_consumed = False

    def __init__(
        self, response: aiohttp.ClientResponse, request: Any, countdown: Countdown, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._response = response
        self._pieces = _Pieces(response.content, countdown, loop)
        self.status_code = response.status
        self.headers = Headers(response.raw_headers)
        self.reason_phrase = response.reason or ""
        self.extensions: dict[str, Any] = {}
        self.request = request

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        return self._pieces

    def release_now(self) -> bool:
        """Give the connection back, if the body has come whole; whether it has."""
        self._pieces.stop()
        if not self._response.content.at_eof():
            return False
        self._response.release()
        return True

    async def aclose(self) -> None:
        """Give the connection back where the body has come whole, else close it; may be called again."""
        if not self.release_now():
            self._response.close()
            await _turn()


class _Way(NamedTuple):
    """Where the requests for one URL go; holds what it is found by, so that nothing else can have its id."""

    target: Any
    url: yarl.URL
    proxy: str | None
    is_tls: bool


class AiohttpTransport:
    """One aiohttp session; it belongs to the event loop in which it is first used."""

    can_poll = False

    def __init__(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "backend: aiohttp runs under asyncio only; leave it out, which runs under trio too"
            ) from None
        self._session: aiohttp.ClientSession | None = None
        self._ways: dict[int, _Way] = {}

    async def send(self, request: OwnRequest, shown: Any) -> AiohttpReply:
        """Send a request.

        Args:
            shown: The request as hooks know it, for `AiohttpReply.request`.
        """
        session = self._session or self._open()
        way = self._way(request)
        _under_way.set(request.countdown)
        try:
            async with asyncio.timeout(request.countdown.left()):
                response = await session.request(
                    request.method,
                    way.url,
                    headers=_headers_of(request),
                    data=_body_of(request.content),
                    allow_redirects=False,
                    ssl=shared_context() if way.is_tls else True,
                    proxy=way.proxy,
                )
        except aiohttp.ClientResponseError as exc:
            await _turn()
            # It holds the headers of the request, and with them the key.
            kind = httpx.ProxyError if isinstance(exc, aiohttp.ClientHttpProxyError) else httpx.RemoteProtocolError
            raise kind(_gist(exc)) from None
        except Exception:
            await _turn()
            raise
        if fault := _fault_of(response):
            response.close()
            await _turn()
            raise httpx.RemoteProtocolError(fault)
        return AiohttpReply(response, shown, request.countdown, self._loop)

    def _way(self, request: OwnRequest) -> _Way:
        """Look up where a request goes by what the requests for one URL share: to compare URLs costs more."""
        way = self._ways.get(id(request.target))
        if way is None:
            if len(self._ways) >= _MAX_WAYS:
                self._ways.clear()
            # Its own reading of the environment goes through a thread at every request.
            proxy = proxy_of(request.url.scheme, request.url.host)
            # Left to yarl, an encoded ".." would be a step upwards.
            url = yarl.URL(str(request.url), encoded=True)
            way = self._ways[id(request.target)] = _Way(request.target, url, proxy, request.url.scheme == "https")
        return way

    async def aclose(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = _Connector(limit=0, keepalive_timeout=_IDLE_S)
        if hasattr(connector, "_factory"):
            # No public way leads here; were this one gone, a reply that breaks in its first line would be tried again.
            cast(Any, connector)._factory = partial(_Handler, loop=self._loop)
        self._session = aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_MAX_FIELD,
            max_field_size=_MAX_FIELD,
        )
        # Attempts are counted by the flow. No public option leads here; were this one gone, some would go uncounted.
        cast(Any, self._session)._retry_connection = False
        return self._session


def _body_of(content: bytes | None) -> bytes | io.BytesIO | None:
    """Have a large body written piece by piece; aiohttp warns of one that would hold up the event loop."""
    return io.BytesIO(content) if content is not None and len(content) >= _LARGE_BODY else content


def _headers_of(request: OwnRequest) -> list[tuple[str, str]]:
    return [
        (name.decode("ascii"), value.decode("latin-1"))
        for name, value in request.headers
        if name.lower() not in _OWN_HEADERS
    ]


def _gist(error: Any) -> str:
    """Say what aiohttp says of a reply, without the lines in which it quotes it."""
    return str(getattr(error, "message", "") or error).partition("\n")[0].rstrip(": ")


def _fault_of(response: aiohttp.ClientResponse) -> str:
    """Name what forbids to read a reply though aiohttp would."""
    if response.status < 200:
        return f"the server switched protocols (status {response.status}), which nobody asked for"
    coding = response.headers.get("Transfer-Encoding", "chunked")
    return "" if coding.lower() == "chunked" else "the body has a transfer encoding that is not known"


async def _turn() -> None:
    """Let the event loop close the sockets that were given up: it does so in its next turn."""
    await asyncio.sleep(0)
