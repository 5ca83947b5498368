"""aiohttp under the async driver, for those who want its speed; asyncio only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from functools import partial
from typing import Any, Self, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

from .._core.countdown import Countdown
from ..errors import ConfigurationError
from ..utils.headers import Headers
from .network import CONNECT_S
from .shards import proxy_of
from .tls import shared_context
from .transport import OwnRequest

_IDLE_S = 30.0
_MAX_FIELD = 1 << 16  # of a status line or header; httpcore's bound is of the same size
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
            payload.set_exception(aiohttp.ClientPayloadError(f"broken framing of the body: {error}"), error)


class _Response(aiohttp.ClientResponse):
    """A response that makes its attempt known to its connection."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        attempt = _under_way.get()
        if isinstance(protocol, _Handler) and attempt is not None:
            attempt.received = protocol.attempt is None and protocol.is_early
            protocol.attempt = attempt
        return await super().start(connection)


class _Pieces:
    """The bytes of a body as they arrive."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._content.readany()
        except Exception:
            # aiohttp raises at once; what had arrived before belongs to the caller all the same.
            held: Any = getattr(self._content, "_buffer", None)
            if not held:
                raise
            piece = b"".join(held)
            held.clear()
        if not piece:
            raise StopAsyncIteration
        return piece


class AiohttpReply:
    """A response of aiohttp, in the shape that the flow knows."""

    is_stream_consumed = False

    def __init__(self, response: aiohttp.ClientResponse, request: Any) -> None:
        self._response = response
        self.status_code = response.status
        self.headers = Headers(response.raw_headers)
        self.reason_phrase = response.reason or ""
        self.extensions: dict[str, Any] = {}
        self.request = request

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Iterate the body as it arrives."""
        return _Pieces(self._response.content)

    async def aclose(self) -> None:
        """Give the connection back where the body has come whole, else close it; may be called again."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport:
    """One aiohttp session; it belongs to the event loop in which it is first used."""

    # aiohttp takes a limit per request, not one that moves with the bytes: the driver watches the time.
    is_watched = True

    def __init__(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise ConfigurationError(
                "backend: aiohttp runs under asyncio only; leave it out, which runs under trio too"
            ) from None
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}

    async def send(self, request: OwnRequest, shown: Any) -> AiohttpReply:
        """Send a request.

        Args:
            shown: The request as hooks know it, for `AiohttpReply.request`.
        """
        session = self._session or self._open()
        _under_way.set(request.countdown)
        response = await session.request(
            request.method,
            str(request.url),
            headers=[
                (name.decode("ascii"), value.decode("latin-1"))
                for name, value in request.headers
                if name.lower() not in _OWN_HEADERS
            ],
            data=request.content,
            allow_redirects=False,
            ssl=shared_context() if request.url.scheme == "https" else True,
            # Its own reading of the environment goes through a thread at every request.
            proxy=self._proxy(request.url.scheme, request.url.host),
            trace_request_ctx=request.countdown,
        )
        return AiohttpReply(response, shown)

    def _proxy(self, scheme: str, host: str) -> str | None:
        key = (scheme, host)
        if key not in self._proxies:
            self._proxies[key] = proxy_of(*key)
        return self._proxies[key]

    async def aclose(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        traces = aiohttp.TraceConfig()
        traces.on_connection_reuseconn.append(_note_reuse)
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S)
        if hasattr(connector, "_factory"):
            # No public way leads here; were this one gone, a reply that breaks in its first line would be tried again.
            cast(Any, connector)._factory = partial(_Handler, loop=asyncio.get_running_loop())
        self._session = aiohttp.ClientSession(
            connector=connector,
            response_class=_Response,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_MAX_FIELD,
            max_field_size=_MAX_FIELD,
            trace_configs=[traces],
        )
        return self._session


async def _note_reuse(session: Any, context: Any, params: Any) -> None:
    """Tell the attempt that its connection is an old one, which the server may have closed."""
    countdown = context.trace_request_ctx
    if isinstance(countdown, Countdown):
        countdown.reused = True
