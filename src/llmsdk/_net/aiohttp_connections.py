"""aiohttp's connections, watched: whether they were used before, whether the reply has begun, what comes too much.

What this backend uses of aiohttp that its documentation does not name, with what is lost in a version that lacks it.
`tests/net/test_aiohttp_names.py` compares the table with the source and with the installed version; the tests of the
backend pass with every release from 3.13.0 to 3.14.5 (`scripts/aiohttp_range.py` runs them).

    ResponseHandler                  base of `Handler`: without its module, aiohttp.client_proto, there is no backend
    ResponseHandler.exception        what the parser refused; needed
    ResponseHandler.feed_data        a second reply closes the connection; else it is seen when that is next used
    ResponseHandler.should_close     a connection that holds the last descriptor is not kept; else it is
    ResponseHandler._payload         broken framing ends the body at once; else its time limit does
    TCPConnector._factory            has `Handler` made; else replies that break in their first line are tried again
    TCPConnector._create_connection  a busy event loop does not use up the time to connect; else it does
    TCPConnector.connect             with its three arguments tells attempts whether their connection is old; needed
    Connection.protocol              leads from there to `Handler`; needed
    ClientSession._retry_connection  attempts are counted by the flow alone; else some go uncounted
    StreamReader._buffer             what came before a failure is handed out; else it is lost
    StreamReader.set_exception       wakes who waits for a body when its time is over; needed
    StreamReader.wait_eof            a stream's late end keeps its connection; needed
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import aiohttp
import anyio
from aiohttp.client_proto import ResponseHandler

from .._call.countdown import CONNECT_S
from ..utils.descriptors import is_last
from .early import arrived, copied
from .lines import is_readable
from .patience import Patience
from .pool import IDLE_S

_MAX_FIELD = 1 << 16  # of a status line or header; httpcore's bound is of the same size
_END_OF_HEAD = b"\r\n\r\n"


class Attempt:
    """What is known of the attempt under way.

    Attributes:
        needs_new: Whether it is to have a new connection.
        is_reused: Whether its connection had carried a reply before.
        received: Whether a byte of its reply has arrived.
    """

    __slots__ = ("is_reused", "needs_new", "received")

    def __init__(self, *, needs_new: bool = False) -> None:
        self.needs_new = needs_new
        self.is_reused = False
        self.received = False


UNDER_WAY: ContextVar[Attempt | None] = ContextVar("llmsdk_attempt_under_way", default=None)


class Handler(ResponseHandler):
    """One connection; it notes for the attempt that waits on it that bytes have arrived, which forbids another."""

    attempt: Attempt | None = None
    is_early = False
    is_last = False
    replies = 0  # to the attempt

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        self.is_last = sock is not None and is_last(sock.fileno())

    @property
    def should_close(self) -> bool:
        """Whether the connection is not to be kept for another request."""
        return self.is_last or super().should_close

    def connection_lost(self, exc: BaseException | None) -> None:
        if exc is not None and self.transport is not None:
            self._read_early(self.transport)
        payload: Any = getattr(self, "_payload", None)
        if exc is not None and payload is not None and not payload.is_eof() and payload.exception() is None:
            # aiohttp takes a reset for the end of a body without a length.
            payload.set_exception(aiohttp.ClientPayloadError(f"the connection broke inside the body: {gist(exc)}"))
        super().connection_lost(exc)

    def _read_early(self, transport: asyncio.Transport) -> None:
        """Read the answer that a server gave before it closed: a write has failed since, and asyncio reads no more.

        Over TLS asyncio's own protocol stands between, and the bytes of the socket are not ours to read.
        """
        is_plain = transport.get_extra_info("ssl_object") is None
        copy = copied(transport.get_extra_info("socket")) if is_plain else None
        if copy is not None and (data := arrived(copy)):
            self.data_received(data)

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
        self._fail_reader()

    def feed_data(self, data: Any, size: int = 0) -> None:
        if data[0].code >= 200:  # informational ones precede the reply
            self.replies += 1
        if self.replies > 1:
            self.close()  # a second reply, for which nobody asked, would answer the next request
        else:
            super().feed_data(data, size)

    def _fail_reader(self) -> None:
        """Have a fault of the framing end the body as well: aiohttp ends the connection only, and the reader waits."""
        error: Any = self.exception()
        payload: Any = getattr(self, "_payload", None)
        if error is not None and payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(aiohttp.ClientPayloadError(f"broken framing of the body: {gist(error)}"))


_NO_TIMER = aiohttp.ClientTimeout(total=None)


class Connector(aiohttp.TCPConnector):
    """Keeps the connections; an attempt learns whether its one is old, as the server may have closed it."""

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> Any:
        with anyio.CancelScope() as scope:
            patience = Patience(scope, CONNECT_S)
            try:
                return await super()._create_connection(req, traces, _NO_TIMER)
            finally:
                patience.stop()
        raise aiohttp.ConnectionTimeoutError(f"no connection within {CONNECT_S:g} s")

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:
        # aiohttp hands no request of ours down to here: the context of the task is the only way.
        attempt = UNDER_WAY.get()
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol: Any = connection.protocol
            if attempt is None or not isinstance(protocol, Handler):
                return connection
            if protocol.attempt is None:
                attempt.received = protocol.is_early
                break
            # What has arrived at a free connection is its end, or nothing that was asked for; the event loop has had no
            # turn to read it.
            sock = protocol.transport and protocol.transport.get_extra_info("socket")
            if not attempt.needs_new and sock is not None and not is_readable(sock):
                attempt.is_reused = True
                protocol.replies = 0
                break
            connection.close()
        # aiohttp sends the request in this turn of the event loop: what arrives from here on is for this attempt.
        protocol.attempt = attempt
        return connection


def open_session(loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
    """Open a session that neither bounds, nor repeats, nor decodes anything by itself."""
    connector = Connector(limit=0, keepalive_timeout=IDLE_S)
    if hasattr(connector, "_factory"):
        cast(Any, connector)._factory = partial(Handler, loop=loop)
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=_MAX_FIELD,
        max_field_size=_MAX_FIELD,
    )
    if hasattr(session, "_retry_connection"):
        cast(Any, session)._retry_connection = False
    return session


def gist(error: Any) -> str:
    """Describe what aiohttp says of a reply, without the lines in which it quotes it."""
    return str(getattr(error, "message", "") or error).partition("\n")[0].rstrip(": ")
