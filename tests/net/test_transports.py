"""The transports' own edges: the timer over aiohttp's reads, TLS over our streams, requests without a key."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import anyio
import httpcore
import httpx
import pytest

from llmsdk._call.countdown import Countdown
from llmsdk._call.keys import KeyHeader
from llmsdk._net import aiohttp_connections, aiohttp_replies, aiohttp_transport, lines
from llmsdk._net.hook_views import build_shown
from llmsdk._net.lines import CONNECT_S, AsyncLine, SyncLine
from llmsdk._net.network import AsyncStream, Stream
from llmsdk._net.requests import build_own, own_of
from llmsdk._net.supplied import SuppliedClient, _Sending
from llmsdk.utils.headers import Headers


def countdown(seconds: float = 5) -> Countdown:
    return Countdown(seconds, lambda: 0.0)


# -------------------------------------------------------------------- aiohttp


class Content:
    """The body of a reply of aiohttp: pieces, then what is raised, or silence."""

    def __init__(self, *pieces: bytes | Exception, silent: bool = False) -> None:
        self.pieces = list(pieces)
        self.silent = silent
        self.is_whole = False
        self.woken = asyncio.Event()
        self.problem: BaseException | None = None
        self._buffer: list[bytes] = []

    async def readany(self) -> bytes:
        if not self.pieces and self.silent:
            await self.woken.wait()
            assert self.problem is not None
            raise self.problem
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def is_eof(self) -> bool:
        return self.is_whole

    def set_exception(self, problem: BaseException) -> None:
        self.problem = problem
        self.woken.set()


def pieces_of(content: Content, limit: Countdown) -> Any:
    loop = asyncio.get_running_loop()
    return aiohttp_replies.Pieces(content, limit, loop, set())  # type: ignore[arg-type]  # all that is asked of it


def test_pieces_come_as_they_arrive_and_the_timer_is_taken_back() -> None:
    async def body() -> None:
        content = Content(b"a", b"b")
        pieces = pieces_of(content, countdown())
        assert [piece async for piece in pieces] == [b"a", b"b"]
        assert pieces._timer is None
        pieces.stop()

    asyncio.run(body())


def test_no_timer_is_set_for_a_body_that_has_come_whole() -> None:
    async def body() -> None:
        content = Content(b"a")
        content.is_whole = True
        pieces = pieces_of(content, countdown())
        assert await anext(pieces) == b"a"
        assert pieces._timer is None

    asyncio.run(body())


def test_what_had_arrived_before_a_failure_is_handed_out_first() -> None:
    async def body() -> None:
        broken = aiohttp.ClientPayloadError("cut")
        content = Content(broken, broken)
        content._buffer = [b"a", b"b"]
        pieces = pieces_of(content, countdown())
        assert await anext(pieces) == b"ab"
        with pytest.raises(aiohttp.ClientPayloadError):
            await anext(pieces)
        pieces.stop()

    asyncio.run(body())


def test_a_session_that_was_closed_meanwhile_is_a_failure_of_the_connection() -> None:
    async def body() -> None:
        closed = RuntimeError("Session is closed")
        pieces = pieces_of(Content(closed, ValueError("own")), countdown())
        with pytest.raises(aiohttp.ClientConnectionError, match="Session is closed") as caught:
            await anext(pieces)
        assert caught.value.__cause__ is closed
        with pytest.raises(ValueError, match="own"):
            await anext(pieces)
        pieces.stop()

    asyncio.run(body())


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_connection_is_given_back_where_the_body_has_come_whole(is_whole: bool) -> None:
    async def body() -> None:
        done: list[str] = []
        response: Any = SimpleNamespace(
            content=SimpleNamespace(is_eof=lambda: is_whole),
            status=200,
            raw_headers=((b"Content-Length", b"9"),),
            reason=None,
            release=lambda: done.append("release"),
            close=lambda: done.append("close"),
            connection=SimpleNamespace(transport=None),
        )
        unread: deque[Any] = deque()
        reply = aiohttp_replies.AiohttpReply(response, None, pieces_of(response.content, countdown()), unread)
        await reply.aclose()
        assert done == ["release" if is_whole else "close"]
        assert reply.leave()
        assert list(unread) == ([] if is_whole else [reply])

    asyncio.run(body())


def test_no_read_begins_when_the_time_is_over() -> None:
    async def body() -> None:
        limit = countdown()
        limit.restart(0)
        with pytest.raises(TimeoutError, match="the time for this attempt is over"):
            await anext(pieces_of(Content(b"a"), limit))

    asyncio.run(body())


def test_a_silent_body_is_given_up_and_a_longer_limit_is_waited_for() -> None:
    async def body() -> None:
        now = [0.0]
        limit = Countdown(0.01, lambda: now[0])
        content = Content(silent=True)
        pieces = pieces_of(content, limit)
        reading = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        limit.restart(0.02)
        for _ in range(200):
            if pieces._timer is None or content.problem is not None:
                break
            await asyncio.sleep(0.005)
            now[0] += 0.002
        with pytest.raises(TimeoutError, match="nothing came in time"):
            await asyncio.wait_for(reading, 5)
        pieces.stop()

    asyncio.run(body())


def test_a_timer_that_rings_between_two_reads_does_nothing() -> None:
    async def body() -> None:
        content = Content(b"a", b"b")
        pieces = pieces_of(content, countdown())
        assert await anext(pieces) == b"a"
        pieces._ring()
        assert content.problem is None
        assert await anext(pieces) == b"b"
        pieces.stop()

    asyncio.run(body())


def test_bytes_that_come_before_a_request_make_an_attempt_that_has_begun() -> None:
    async def body() -> None:
        handler = aiohttp_connections.Handler(loop=asyncio.get_running_loop())
        handler.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert handler.is_early

    asyncio.run(body())


@pytest.mark.parametrize(
    "status, headers, fault",
    [
        (200, [("X-A", "a"), ("Transfer-Encoding", "Chunked")], ""),
        (200, [("X-A", "a\0b")], "a header has a NUL in it"),
        (200, [("Transfer-Encoding", "gzip")], "the body has a transfer encoding that is not known"),
        (101, [], "the server switched protocols (status 101), which nobody asked for"),
    ],
)
def test_replies_that_aiohttp_would_let_pass_are_refused(
    status: int, headers: list[tuple[str, str]], fault: str
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    response: Any = SimpleNamespace(status=status, headers=dict(headers), raw_headers=raw)
    assert aiohttp_transport._fault_of(response) == fault


def test_a_transport_that_was_never_used_has_nothing_to_close() -> None:
    async def body() -> None:
        transport = aiohttp_transport.AiohttpTransport()
        await transport.aclose()
        await transport.aclose()

    asyncio.run(body())


@pytest.mark.parametrize("make", ["ours", "another"])
def test_an_attempt_knows_whether_its_connection_had_carried_another(
    make: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        protocol: Any = aiohttp_connections.Handler(loop=asyncio.get_running_loop()) if make == "ours" else object()
        held = SimpleNamespace(protocol=protocol)

        async def connect(*_: Any) -> Any:
            return held

        monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)
        monkeypatch.setattr(aiohttp_connections, "is_readable", lambda _: False)
        connector = aiohttp_connections.Connector()
        request: Any = None
        known: list[bool] = []
        for _ in range(2):
            attempt = aiohttp_connections.Attempt()
            aiohttp_connections.UNDER_WAY.set(attempt)
            assert await connector.connect(request, [], request) is held
            known.append(attempt.is_reused)
            if make == "ours":
                protocol.attempt = attempt
                protocol.transport = SimpleNamespace(get_extra_info=lambda _: object())
        assert known == ([False, True] if make == "ours" else [False, False])
        aiohttp_connections.UNDER_WAY.set(None)
        assert await connector.connect(request, [], request) is held
        await connector.close()

    asyncio.run(body())


@pytest.mark.parametrize("why", ["something has arrived", "closed", "a new one is needed"])
def test_an_old_connection_that_cannot_be_used_is_replaced(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        old, new = aiohttp_connections.Handler(loop=loop), aiohttp_connections.Handler(loop=loop)
        old.attempt = aiohttp_connections.Attempt()
        transport = SimpleNamespace(get_extra_info=lambda _: None if why == "closed" else object())
        old.transport = None if why == "closed" else transport  # type: ignore[assignment]  # all that is asked of it
        closed: list[Any] = []
        found = [SimpleNamespace(protocol=one, close=lambda: closed.append(old)) for one in (old, new)]
        made = iter(found)

        async def connect(*_: Any) -> Any:
            return next(made)

        monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect)
        monkeypatch.setattr(aiohttp_connections, "is_readable", lambda _: why == "something has arrived")
        connector, request = aiohttp_connections.Connector(), cast(Any, None)
        attempt = aiohttp_connections.Attempt(needs_new=why == "a new one is needed")
        aiohttp_connections.UNDER_WAY.set(attempt)
        assert await connector.connect(request, [], request) is found[1]
        assert (closed, attempt.is_reused) == ([old], False)
        await connector.close()

    asyncio.run(body())


# ------------------------------------------------------------------------ TLS


class Plain:
    """A network stream that only starts TLS."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def start_tls(self, context: Any, host: Any, timeout: Any) -> Any:
        self.asked.append((context, host, timeout))
        return "tls"


class AsyncPlain(Plain):
    """The same for the other colour."""

    async def start_tls(self, context: Any, host: Any, timeout: Any) -> Any:  # type: ignore[override]  # the async twin
        return Plain.start_tls(self, context, host, timeout)


@pytest.mark.parametrize("left, allowed", [(3.0, 3.0), (99.0, CONNECT_S)])
def test_a_handshake_has_its_own_bound_within_the_attempts(left: float, allowed: float) -> None:
    context = ssl.create_default_context()
    line = SyncLine()
    line.begin(countdown(left))
    line.received = True  # what the proxy in between said
    plain: Any = Plain()
    stream = Stream(plain, line).start_tls(context, "host")
    assert isinstance(stream, Stream)
    assert plain.asked == [(context, "host", allowed)]
    assert (line.stream, line.received) == (stream, False)
    other: Any = AsyncPlain()
    async_line = AsyncLine()
    async_line.begin(countdown(left))

    async def body() -> Any:
        return await AsyncStream(other, async_line).start_tls(context, "host")

    assert isinstance(anyio.run(body), AsyncStream)
    assert other.asked == [(context, "host", left)]  # the scope around it has the bound of a handshake


class Silent(Plain):
    """A network stream whose server never answers."""

    closes = 0

    async def start_tls(self, context: Any, host: Any, timeout: Any) -> Any:  # type: ignore[override]  # the async twin
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.closes += 1


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_handshake_that_nobody_answers_ends(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CONNECT_S", 0.05)
    silent: Any = Silent()
    line = AsyncLine()
    line.begin(countdown(99.0))

    async def body() -> None:
        with pytest.raises(httpcore.ConnectTimeout, match="too long"):
            await AsyncStream(silent, line).start_tls(ssl.create_default_context(), "host")

    anyio.run(body, backend=loop)
    assert silent.closes == 1


# ------------------------------------------------------------------- requests

URL = "https://host.example/v1/chat?a=1"
HEADERS = [("x-a", "1"), ("x-b", "\u00fc")]


@pytest.mark.parametrize("key", [None, KeyHeader("Bearer sk-placeholder-\u00fc", "authorization")])
@pytest.mark.parametrize("content", [None, b"{}"])
def test_requests_of_every_kind_carry_the_same(key: KeyHeader | None, content: bytes | None) -> None:
    own = build_own("POST", URL, HEADERS, key, content, countdown())
    shown = build_shown("POST", URL, HEADERS, key, content, countdown())
    with httpx.Client() as client:
        other = SuppliedClient(client).build("POST", URL, HEADERS, key, content, countdown(3))
    for request in (own, own_of(shown, countdown()), own_of(own, countdown())):
        raw = {name.lower(): value for name, value in request.headers}
        assert (raw[b"x-b"], raw.get(b"authorization")) == (b"\xfc", key and b"Bearer sk-placeholder-\xfc")
        headers = Headers(request.headers)
        assert (request.method, str(request.url), request.content or None) == ("POST", URL, content)
        assert (headers["host"], headers["x-a"], headers["x-b"]) == ("host.example", "1", "\u00fc")
        assert headers.get("authorization") == (None if key is None else "Bearer sk-placeholder-\u00fc")
        assert headers.get("content-length") == (None if content is None else "2") or content is None
    assert other.headers.get("authorization") == (None if key is None else "Bearer sk-placeholder-\u00fc")
    assert other.extensions["timeout"] == {"connect": 3.0, "read": 3.0, "write": 3.0, "pool": 3.0}


# ------------------------------------------------------ what cannot be counted on


def test_a_request_of_a_hooks_own_is_given_limits_where_it_can_hold_them() -> None:
    fresh = httpx.Request("GET", URL)
    _Sending(fresh, countdown(3))
    assert fresh.extensions["timeout"]["read"] == 3
    bounded = httpx.Request("GET", URL, extensions={"timeout": {"read": 1}})
    _Sending(bounded, countdown(3))
    assert bounded.extensions["timeout"] == {"read": 1}
    foreign = SimpleNamespace(url=URL)  # of a client that knows no extensions
    _Sending(foreign, countdown(3))
    assert vars(foreign) == {"url": URL}


def test_the_ways_of_many_urls_are_not_kept_without_end() -> None:
    async def body() -> None:
        transport = aiohttp_transport.AiohttpTransport()
        for number in range(2 * aiohttp_transport._MAX_DESTINATIONS):
            url = f"http://127.0.0.1:9/{number}"
            request = build_own("GET", url, [], None, None, countdown())
            assert str(transport._to(request).url) == url
            assert transport._to(request) is transport._to(request)
            assert len(transport._destinations) <= aiohttp_transport._MAX_DESTINATIONS

    asyncio.run(body())
