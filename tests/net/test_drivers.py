"""The drivers with what is rare at their ends: replies that were read before, odd clients, failures while closing."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from anyio.lowlevel import current_token

from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._call.effects import Invoke, Pull, Read, Send, TransportFailure
from llmsdk._call.request.multipart import Form, read_files, write_form
from llmsdk._net import drivers as drivers_module
from llmsdk._net.async_driver import AsyncDriver
from llmsdk._net.connections import Connection, Reply
from llmsdk._net.drivers import Drivers
from llmsdk._net.lines import AsyncLine, SyncLine
from llmsdk._net.loops import close_soon, is_over
from llmsdk._net.network import AsyncStream, Stream
from llmsdk._net.pool import Pool
from llmsdk._net.sync_driver import SyncDriver

BACKENDS = ["asyncio", "trio"]


def countdown(seconds: float = 5) -> Countdown:
    return Countdown(seconds, lambda: 0.0)


def late() -> Countdown:
    """Make a countdown that is over."""
    made = countdown()
    made.restart(-1)
    return made


def run(backend: str, body: Callable[[], Any]) -> Any:
    return anyio.run(body, backend=backend)


# ---------------------------------------------------------- replies once read


def test_a_reply_that_was_read_before_is_given_from_memory() -> None:
    driver = SyncDriver(httpx.Client(), is_hooked=False)
    response = httpx.Response(200, content=b"abcdef")
    assert list(driver.chunks(response, countdown())) == [b"abcdef"]
    assert driver.perform(Read(response, 4, countdown())) == b"abcd"
    chunks = driver.chunks(response, countdown())
    assert [driver.perform(Pull(chunks)) for _ in range(3)] == [b"abcdef", None, None]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_reply_that_was_read_before_is_given_from_memory_async(backend: str) -> None:
    async def body() -> None:
        async with httpx.AsyncClient() as client:
            driver = AsyncDriver(client, is_hooked=False)
            response = httpx.Response(200, content=b"abcdef")
            assert await driver.perform(Read(response, 4, countdown())) == b"abcd"
            chunks = driver.chunks(response, countdown())
            assert [await driver.perform(Pull(chunks)) for _ in range(3)] == [b"abcdef", None, None]
            chunks = driver.chunks(response, countdown())
            await chunks.aclose()
            await chunks.aclose()
            assert await driver.perform(Pull(chunks)) is None

    run(backend, body)


class Streaming:
    """A response whose body comes in pieces, or breaks."""

    is_stream_consumed = False

    def __init__(self, *pieces: bytes | Exception, request: Any = None) -> None:
        self.headers: dict[str, str] = {}
        self.pieces = pieces
        self.request = request
        self.closed = 0

    def iter_raw(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        for piece in self.iter_raw():
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_body_that_a_backend_has_already_is_read_as_one_that_comes_in_pieces(backend: str) -> None:
    async def body() -> None:
        driver, response = AsyncDriver(None, is_hooked=False), Streaming(ValueError("was asked for pieces"))
        response.taken = lambda: b"abcdef"  # type: ignore[attr-defined]  # what aiohttp's replies have beside
        assert await driver.perform(Read(response, 6, countdown())) == b"abcdef"
        assert await driver.perform(Read(response, 4, countdown(), truncate=True)) == b"abcd"
        for allowed, limit, kind in ((4, countdown(), "too large"), (6, late(), "timeout")):
            with pytest.raises(TransportFailure) as caught:
                await driver.perform(Read(response, allowed, limit))
            assert caught.value.kind == kind
        assert response.closed == 2
        pieces = Streaming(b"abc", b"def")
        pieces.taken = lambda: None  # type: ignore[attr-defined]  # not all of it has come
        assert await driver.perform(Read(pieces, 6, countdown())) == b"abcdef"

    run(backend, body)


@pytest.mark.parametrize(
    "broken, kind", [(httpx.ReadError("reset"), "network"), (httpx.ReadTimeout("late"), "timeout")]
)
def test_a_body_that_breaks_keeps_what_came(broken: Exception, kind: str) -> None:
    driver = SyncDriver(httpx.Client(), is_hooked=False)
    with pytest.raises(TransportFailure) as caught:
        driver.perform(Read(Streaming(b"ab", broken), 100, countdown()))
    assert (caught.value.kind, caught.value.body, caught.value.__cause__) == (kind, b"ab", broken)
    seen: list[bytes] = []
    with pytest.raises(TransportFailure) as caught:
        seen.extend(driver.chunks(Streaming(b"ab", broken), countdown()))
    assert (caught.value.kind, caught.value.__cause__) == (kind, broken)

    async def body() -> None:
        async with httpx.AsyncClient() as client:
            driver = AsyncDriver(client, is_hooked=False)
            response = Streaming(b"ab", broken)
            with pytest.raises(TransportFailure) as caught:
                await driver.perform(Read(response, 100, countdown()))
            assert (caught.value.kind, caught.value.body, caught.value.__cause__) == (kind, b"ab", broken)
            assert response.closed == 1
            with pytest.raises(TransportFailure) as caught:
                async for _ in driver.chunks(Streaming(b"ab", broken), countdown()):
                    pass
            assert (caught.value.kind, caught.value.__cause__) == (kind, broken)

    run("asyncio", body)


def test_what_is_no_failure_of_transport_passes_as_it_is() -> None:
    driver = SyncDriver(httpx.Client(), is_hooked=False)
    own = ZeroDivisionError("a client's own mistake")
    for perform in (
        lambda: driver.perform(Read(Streaming(own), 100, countdown())),
        lambda: list(driver.chunks(Streaming(own), countdown())),
    ):
        with pytest.raises(ZeroDivisionError) as caught:
            perform()
        assert caught.value is own

    async def body() -> None:
        async with httpx.AsyncClient() as client:
            driver = AsyncDriver(client, is_hooked=False)
            with pytest.raises(ZeroDivisionError):
                await driver.perform(Read(Streaming(own), 100, countdown()))
            with pytest.raises(ZeroDivisionError):
                await anext(driver.chunks(Streaming(own), countdown()))

    run("asyncio", body)


@pytest.mark.parametrize("problem, kind", [(ZeroDivisionError("own"), None), (httpx.ConnectError("down"), "connect")])
def test_what_a_supplied_client_raises_when_it_sends(problem: Exception, kind: str | None) -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise problem

    request = httpx.Request("GET", "http://127.0.0.1:1/")
    sync = SyncDriver(httpx.Client(transport=httpx.MockTransport(refuse)), is_hooked=False)
    seen: list[BaseException] = []
    with pytest.raises((ZeroDivisionError, TransportFailure)) as caught:
        sync.perform(Send(request, countdown()))
    seen.append(caught.value)

    async def body() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            with pytest.raises((ZeroDivisionError, TransportFailure)) as caught:
                await AsyncDriver(client, is_hooked=False).perform(Send(request, countdown()))
            seen.append(caught.value)

    run("asyncio", body)
    for error in seen:
        if kind is None:
            assert error is problem
        else:
            assert isinstance(error, TransportFailure)
            assert (error.kind, error.__cause__) == (kind, problem)


def test_a_client_that_plays_recordings_is_asked_even_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSDK_OFFLINE", "1")
    request = httpx.Request("GET", "https://host.example/")

    class Player(httpx.Client):
        refuses_offline = True

    class AsyncPlayer(httpx.AsyncClient):
        refuses_offline = True

    transport = httpx.MockTransport(lambda _: httpx.Response(204))
    for client in (Player(transport=transport), httpx.Client(transport=transport)):
        driver = SyncDriver(client, is_hooked=False)
        if isinstance(client, Player):
            assert driver.perform(Send(request, countdown())).status_code == 204
        else:
            with pytest.raises(errors.ConfigurationError, match="LLMSDK_OFFLINE=1"):
                driver.perform(Send(request, countdown()))

    async def body() -> None:
        async with AsyncPlayer(transport=transport) as client:
            driver = AsyncDriver(client, is_hooked=False)
            assert (await driver.perform(Send(request, countdown()))).status_code == 204

    run("asyncio", body)


def test_a_supplied_client_bounds_each_read_by_what_is_left() -> None:
    driver = SyncDriver(httpx.Client(), is_hooked=False)
    timeouts = {"read": 600.0, "connect": 1.0}
    request = SimpleNamespace(extensions={"timeout": timeouts})
    assert list(driver.chunks(Streaming(b"a", request=request), countdown(7))) == [b"a"]
    assert timeouts == {"read": 7.0, "connect": 1.0}
    assert list(driver.chunks(Streaming(b"a", request=request), late())) == [b"a"]
    assert timeouts["read"] == 0.001
    for other in (None, SimpleNamespace(extensions={}), SimpleNamespace(extensions={"timeout": 5})):
        assert list(driver.chunks(Streaming(b"a", request=other), countdown())) == [b"a"]


# ------------------------------------------------------------ users' functions


def test_a_sync_call_cannot_wait_for_what_is_async() -> None:
    driver = SyncDriver(None, is_hooked=False)

    async def key() -> str:
        raise AssertionError("never run")

    class Awaits:
        def __await__(self) -> Any:
            raise AssertionError("never awaited")

    for function, name in ((key, key.__qualname__), (lambda: key(), None), (lambda: Awaits(), None)):
        with pytest.raises(errors.ConfigurationError) as caught:
            driver.perform(Invoke(function, ()))
        shown = name or function.__qualname__
        assert str(caught.value) == (
            f"{shown}: is async, and a sync call cannot wait for it; call the _async method instead"
        )

    class Keys:
        def __call__(self) -> Any:
            return key()

    with pytest.raises(errors.ConfigurationError, match=r"^Keys: is async"):
        driver.perform(Invoke(Keys(), ()))
    assert driver.perform(Invoke(lambda: 5, ())) == 5
    assert driver.perform(Invoke(lambda: 5, (), str)) == "5"


# -------------------------------------------------------------------- sockets


class Socket:
    """A socket of which only the shutting down is of interest."""

    def __init__(self, problem: OSError | None = None) -> None:
        self.problem = problem
        self.ways: list[int] = []

    def shutdown(self, way: int) -> None:
        self.ways.append(way)
        if self.problem is not None:
            raise self.problem


def response_over(sock: Socket | None) -> Any:
    stream = SimpleNamespace(get_extra_info=lambda name: sock if name == "socket" else None)
    return SimpleNamespace(extensions={"network_stream": stream}, closed=[], close=lambda: None)


def test_hanging_up_shuts_the_socket_down_and_minds_nothing() -> None:
    driver = SyncDriver(None, is_hooked=False)
    for sock in (Socket(), Socket(OSError("not connected"))):
        driver.hang_up(response_over(sock))
        assert sock.ways == [socket.SHUT_RDWR]
    driver.hang_up(response_over(None))
    driver.hang_up(SimpleNamespace(extensions={}))
    driver.hang_up(object())
    driver.close()


def test_what_a_finalizer_abandoned_is_closed_before_the_next_send() -> None:
    driver = SyncDriver(httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))), is_hooked=False)
    response = Streaming()
    driver.abandon(response)
    assert response.closed == 0
    driver.close()
    assert response.closed == 1


class Inner:
    """A network stream that answers from a list, or breaks."""

    def __init__(self, *, write_fails: Exception | None = None, readable: bool = False, tls: Any = None) -> None:
        self.write_fails = write_fails
        self.info = {"is_readable": readable, "ssl_object": tls}
        self.written: list[bytes] = []
        self.timeouts: list[float | None] = []

    def write(self, data: bytes, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)
        if self.write_fails is not None:
            raise self.write_fails
        self.written.append(data)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return b"reply"

    def get_extra_info(self, name: str) -> Any:
        return self.info.get(name)


class AsyncInner(Inner):
    """Its async twin."""

    async def write(self, data: bytes, timeout: float | None = None) -> None:  # type: ignore[override]  # the async twin
        Inner.write(self, data, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # type: ignore[override]  # the async twin
        return Inner.read(self, max_bytes, timeout)


class Wire:
    """One network stream of ours, sync or async, over `Inner`."""

    def __init__(self, way: str, **inner: Any) -> None:
        self.inner: Any = (Inner if way == "sync" else AsyncInner)(**inner)
        self.way = way
        self.line: Any = (SyncLine if way == "sync" else AsyncLine)()
        self.stream: Any = (Stream if way == "sync" else AsyncStream)(self.inner, self.line)

    def do(self, name: str, *args: Any) -> Any:
        if self.way == "sync":
            return getattr(self.stream, name)(*args)

        async def body() -> Any:
            return await getattr(self.stream, name)(*args)

        return run("asyncio", body)


WAYS = pytest.mark.parametrize("way", ["sync", "async"])


@WAYS
def test_each_step_is_bounded_by_what_is_left_of_the_attempt(way: str) -> None:
    wire = Wire(way)
    wire.line.begin(countdown(4))
    wire.do("write", b"head", 99.0)
    assert wire.inner.written == []
    assert wire.do("read", 10, 99.0) == b"reply"
    assert (wire.inner.written, wire.inner.timeouts) == ([b"head"], [4.0, 4.0])


@WAYS
def test_a_reply_that_came_before_the_request_was_taken_is_read(way: str) -> None:
    wire = Wire(way, write_fails=httpcore.WriteError("closed"))
    wire.line.begin(countdown())
    wire.do("write", b"head")
    assert not wire.line.received
    assert wire.do("read", 10) == b"reply"
    assert wire.line.received
    assert wire.do("read", 10) == b"reply"  # what could not be written is not tried again


@WAYS
def test_other_failures_of_the_write_are_raised_by_it(way: str) -> None:
    wire = Wire(way, write_fails=httpcore.WriteTimeout("slow"))
    wire.line.begin(countdown())
    wire.do("write", b"head")
    with pytest.raises(httpcore.WriteTimeout):
        wire.do("read", 10)
    wire = Wire(way, write_fails=httpcore.WriteError("closed"))
    wire.line.begin(countdown())
    with pytest.raises(httpcore.WriteError):
        wire.do("write", b"x" * 70_000)


@WAYS
@pytest.mark.parametrize("is_begun", [True, False])
def test_no_step_begins_when_the_time_is_over(way: str, is_begun: bool) -> None:
    wire = Wire(way)
    if is_begun:
        wire.line.begin(late())
    with pytest.raises(httpcore.ReadTimeout, match="the time for this attempt is over"):
        wire.do("read", 10)
    with pytest.raises(httpcore.WriteTimeout, match="the time for this attempt is over"):
        wire.do("write", b"x" * 70_000)


@WAYS
def test_a_poll_reads_only_what_has_arrived(way: str) -> None:
    wire = Wire(way)
    wire.line.poll(0.0)
    with pytest.raises(httpcore.ReadTimeout):
        wire.do("read", 10)
    wire = Wire(way, readable=True)
    wire.line.poll(0.0)
    assert wire.do("read", 10) == b"reply"
    assert wire.inner.timeouts == [0.01]


class Decrypted:
    """The TLS state of an async stream: records that have left the socket."""

    def __init__(self, *records: bytes | Exception) -> None:
        self.records = list(records)

    def read(self, _: int) -> bytes:
        record = self.records.pop(0) if self.records else ssl.SSLWantReadError()
        if isinstance(record, Exception):
            raise record
        return record


def test_a_tls_record_that_waits_in_memory_has_arrived() -> None:
    wire = Wire("async", tls=Decrypted(b"tail"))
    assert wire.stream.get_extra_info("is_readable") is True
    assert wire.stream.get_extra_info("is_readable") is True
    wire.line.poll(0.0)
    assert wire.do("read", 10) == b"tail"
    assert wire.inner.timeouts == []
    assert wire.stream.get_extra_info("is_readable") is False
    with pytest.raises(httpcore.ReadTimeout):
        wire.do("read", 10)


@WAYS
def test_a_line_says_whether_it_had_carried_a_reply(way: str) -> None:
    wire = Wire(way)
    seen = []
    for _ in range(3):
        wire.line.begin(countdown())
        seen.append((wire.line.is_reused, wire.line.received))
        wire.do("write", b"a")
        if len(seen) == 2:
            wire.do("read", 10)
    assert seen == [(False, False), (False, False), (True, False)]
    assert wire.stream.get_extra_info("is_readable") is False
    assert wire.stream.get_extra_info("other") is None


# -------------------------------------------------------------------- closing


@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_from_outside_minds_no_failure_and_no_loop_that_has_ended(backend: str) -> None:
    closed: list[str] = []
    tokens: list[Any] = []

    async def fails() -> None:
        closed.append("failed")
        raise OSError("the connection is gone")

    async def body() -> None:
        token = current_token()
        tokens.append(token)
        close_soon(token, fails)
        with anyio.fail_after(10):
            while not closed:
                await anyio.sleep(0.001)
        assert not is_over(token)

    run(backend, body)
    assert closed == ["failed"]
    close_soon(tokens[0], fails)
    assert closed == ["failed"]
    if backend == "asyncio":
        assert is_over(tokens[0])


class Slow:
    """A lock at which another thread gets in first."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile
        self.lock = threading.Lock()

    def __enter__(self) -> None:
        self.meanwhile()
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def no_server() -> Any:
    raise AssertionError("no embedded server here")


@pytest.mark.parametrize("way", ["sync", "asynchronous"])
def test_two_threads_get_one_driver(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drivers = Drivers(None, None, no_server, is_hooked=False)
    first: list[Any] = []

    def other() -> None:
        if not first:
            first.append(None)
            monkeypatch.undo()
            first[0] = getattr(drivers, way)()

    monkeypatch.setattr(drivers_module, "FIRST_USE", Slow(other))
    assert getattr(drivers, way)() is first[0]
    drivers.close()
    with pytest.raises(errors.ConfigurationError, match="the SDK is closed"):
        getattr(drivers, way)()


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    drivers = Drivers(None, None, no_server, is_hooked=False)
    inherited = drivers.sync()
    kept: list[Any] = []
    monkeypatch.setattr(drivers_module, "_inherited", kept)
    monkeypatch.setattr(drivers_module, "_forks", [*drivers_module._forks, None])
    assert drivers.is_open
    own = drivers.sync()
    assert own is not inherited
    assert kept == [(inherited, None, None)]
    assert drivers.sync() is own
    drivers.close()
    assert not drivers.is_open
    inherited.close()


def test_an_embedded_server_is_started_once_and_stopped_with_the_rest() -> None:
    stopped: list[str] = []
    started: list[Any] = []

    def start() -> Any:
        started.append(SimpleNamespace(url="http://127.0.0.1:1", close=lambda: stopped.append("stopped")))
        return started[-1]

    for way in ("close", "aclose"):
        drivers = Drivers(None, None, start, is_hooked=False)
        assert drivers.embedded_url() == drivers.embedded_url() == "http://127.0.0.1:1"
        assert drivers.is_open
        drivers.sync()
        drivers.asynchronous()
        drivers.close() if way == "close" else run("asyncio", drivers.aclose)
        assert not drivers.is_open
        with pytest.raises(errors.ConfigurationError, match="the SDK is closed"):
            drivers.embedded_url()
    assert (len(started), stopped) == (2, ["stopped", "stopped"])


def test_a_reply_over_a_stream_that_cannot_be_closed() -> None:
    for way in ("close", "aclose"):
        core = httpcore.Response(200, content=b"x")
        core.stream = object()  # type: ignore[assignment]  # whatever a connection of another make gives
        pool = Pool[Any](lambda: Connection(SimpleNamespace(is_idle=lambda: True), SyncLine()))
        reply = Reply(core, None, pool, connection := pool.new())
        for _ in range(2):
            reply.close() if way == "close" else run("asyncio", reply.aclose)
        assert pool.pop_idle() is connection
        assert pool.pop_idle() is None


# -------------------------------------------------------------------- uploads


def test_the_values_of_a_form() -> None:
    body, content_type = write_form(
        Form(
            {"yes": True, "no": False, "n": 2, "none": None, "text": "h\u00fc"},
            {"image": b"png", "masks": [b"a", ("b.png", b"b")]},
        )
    )
    assert content_type.startswith("multipart/form-data; boundary=")
    for name, value in (("yes", "true"), ("no", "false"), ("n", "2"), ("text", "h\u00fc")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
    assert b'name="none"' not in body
    assert body.count(b'name="masks[]"') == 2
    assert b'filename="b.png"' in body


@pytest.mark.parametrize("bad, what", [(5, "int"), (None, "NoneType"), ({}, "dict")])
def test_what_is_no_file(bad: Any, what: str) -> None:
    for given, name in (({"image": bad}, "image"), ({"image": [b"a", bad]}, "image[1]")):
        with pytest.raises(errors.RequestValidationError) as caught:
            read_files(given)
        assert caught.value.param == name
        assert str(caught.value).startswith(f"{name}: ")
        assert str(caught.value).endswith(f"got {what}")
