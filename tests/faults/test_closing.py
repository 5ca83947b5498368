"""Closing an SDK ends the calls that wait, wherever they wait; and what cannot be woken is bounded in time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from llmsdk import SDK, errors
from llmsdk._net.errands import Errand
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.colours import KEY, Colour, settled
from support.fault_client import ASK, client_of
from support.fault_server import (
    EVENTS,
    STREAM_HEAD,
    WHOLE,
    Drip,
    FaultServer,
    Play,
    Stall,
    chunk,
    head,
    reply,
)

_PATIENT = RetryConfig("backoff", BackoffStrategy(8000, 8000, 1, 60_000, jitter="none"), True, max_attempts=3)
_SOON_S = 1.0
_SLOW_S = 6.0  # what would end a call otherwise takes longer than any test allows

PHASES: dict[str, Play] = {
    "before-headers": (Stall(),),
    "in-headers": (b"HTTP/1.1 200 OK\r\nContent-Ty", Stall()),
    "in-body": (head(200, f"Content-Length: {len(WHOLE)}") + WHOLE[:20], Stall()),
    "dripping-body": (head(200, f"Content-Length: {len(WHOLE)}"), Drip(WHOLE)),
    "in-error-body": (head(500, "Content-Length: 100") + b"oh", Stall()),
    "between-attempts": reply(b"{}", 503),
    "between-events": (STREAM_HEAD + chunk(EVENTS[0]), Stall()),
}


@contextlib.contextmanager
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have names be looked up without an answer; the event says that a look-up has begun."""
    begun, over = threading.Event(), threading.Event()
    genuine = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        flags = more.get("flags", args[3] if len(args) > 3 else 0)
        if host in ("slow.localhost", b"slow.localhost") and not flags & socket.AI_NUMERICHOST:
            begun.set()
            over.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return genuine(host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield begun
    finally:
        over.set()


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port that accepts no more connections: connecting takes for ever."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(address)
            waiting.append(sock)
        try:
            yield address[1]
        finally:
            for sock in waiting:
                sock.close()


class Caller:
    """A call in a thread of its own: in an event loop there, or without one."""

    def __init__(self, sdk: SDK, backend: str, **args: Any) -> None:
        self.outcome: list[BaseException] = []
        self.ended_at = 0.0
        self._thread = threading.Thread(target=self._run, args=(sdk, backend, args), daemon=True)
        self._thread.start()

    def _run(self, sdk: SDK, backend: str, args: dict[str, Any]) -> None:
        async def call() -> None:
            got = await sdk.completions.create_async(**args)
            if args.get("stream"):
                async for _ in got:
                    pass

        try:
            if backend != "sync":
                anyio.run(self._noting(call), backend=backend)
            else:
                try:
                    got = sdk.completions.create(**args)
                    if args.get("stream"):
                        list(got)
                except BaseException as exc:
                    self._note(exc)
        finally:
            self.ended_at = self.ended_at or time.monotonic()

    def _noting(self, call: Callable[[], Any]) -> Callable[[], Any]:
        async def noting() -> None:
            try:
                await call()
            except BaseException as exc:
                self._note(exc)

        return noting

    def _note(self, exc: BaseException) -> None:
        self.outcome.append(exc)
        self.ended_at = time.monotonic()

    def check(self, since: float) -> None:
        """The call has ended soon, in one of our errors."""
        until = since + 20
        while not self.ended_at and time.monotonic() < until:
            time.sleep(0.01)
        assert self.outcome
        assert isinstance(self.outcome[0], errors.SDKError)
        assert self.ended_at - since < _SOON_S


BACKENDS = pytest.mark.parametrize("backend", ["sync", "asyncio", "trio", "asyncio-aiohttp"])


def open_sdk(backend: str, url: str) -> tuple[SDK, str]:
    loop, _, over = backend.partition("-")
    return SDK(server_url=url, api_key=KEY, retry_config=_PATIENT, backend="aiohttp" if over else "httpx"), loop


@BACKENDS
@pytest.mark.parametrize("name", list(PHASES))
def test_closing_ends_a_call_that_waits_in_another_thread(faults: FaultServer, backend: str, name: str) -> None:
    faults.play(PHASES[name])
    sdk, loop = open_sdk(backend, faults.url)
    caller = Caller(sdk, loop, **ASK, stream=name == "between-events")
    assert faults.wait_for(lambda: bool(faults.requests), 20)
    time.sleep(0.1)
    began = time.monotonic()
    sdk.close()
    caller.check(began)
    if name != "between-attempts":
        assert faults.saw_close(1)


@BACKENDS
@pytest.mark.parametrize("what", ["name", "connect", "handshake"])
def test_closing_ends_a_call_that_has_no_connection_yet(
    backend: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        if what == "name":
            begun = stack.enter_context(slow_names(monkeypatch))
            url = "http://slow.localhost:1/v1"
        elif what == "connect":
            begun, url = None, f"http://127.0.0.2:{stack.enter_context(full_backlog())}/v1"
            url = url.replace("127.0.0.2", "127.0.0.1") if backend != "sync" else url.replace("127.0.0.2", "localhost")
        else:
            server = stack.enter_context(FaultServer())
            server.greet(Stall())
            begun, url = None, f"https://127.0.0.1:{server.port}/v1"
        sdk, loop = open_sdk(backend, url)
        caller = Caller(sdk, loop, **ASK)
        if begun is not None:
            assert begun.wait(20)
        time.sleep(0.2)
        assert not caller.ended_at
        closing = time.monotonic()
        sdk.close()
        caller.check(closing)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("name", list(PHASES))
def test_another_task_closes(faults: FaultServer, backend: str, name: str) -> None:
    faults.play(PHASES[name])

    async def main() -> None:
        sdk, _ = open_sdk(backend, faults.url)
        ended: list[float] = []

        async def call() -> None:
            with pytest.raises(errors.SDKError):
                got = await sdk.completions.create_async(**ASK, stream=name == "between-events")
                async for _ in got:
                    pass
            ended.append(time.monotonic())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            while not faults.requests:
                await anyio.sleep(0.01)
            await anyio.sleep(0.1)
            began = time.monotonic()
            await sdk.aclose()
        assert ended[0] - began < _SOON_S

    anyio.run(main, backend=backend)


# ---------------------------------------------------------------- names without an answer


@pytest.mark.also_trio
@pytest.mark.also_aiohttp
@pytest.mark.parametrize("limit", ["timeout_ms", "deadline_ms"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_name_that_is_looked_up_for_long_is_bounded(
    colour: Colour, faults: FaultServer, limit: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_names(monkeypatch):
        async with client_of(colour, faults, server_url="http://slow.localhost:1/v1") as client:
            for _ in range(2):
                began = time.monotonic()
                with pytest.raises(errors.APITimeoutError) as caught:
                    await client.call("completions.create", **ASK, stream=streamed, **{limit: 300})
                assert 0.25 < time.monotonic() - began < 2.0
                assert isinstance(caught.value, errors.DeadlineExceededError) == (limit == "deadline_ms")
            # Other hosts are reached meanwhile.
            assert (await client.call("completions.create", **ASK, server_url=faults.url)).text == "Hello there"


@pytest.mark.also_trio
async def test_the_host_of_a_file_is_looked_up_no_longer_than_allowed(
    colour: Colour, faults: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.play(reply(b'{"data": [{"url": "http://slow.localhost:1/cat.png"}]}'))
    with slow_names(monkeypatch) as begun:
        async with client_of(colour, faults, timeout_ms=300) as client:
            image = (await client.call("images.create", model="m", prompt="a cat", timeout_ms=5000)).data[0]
            began = time.monotonic()
            with pytest.raises(errors.APITimeoutError):
                await settled((image.save_async if colour.is_async else image.save)("never.png"))
            assert begun.is_set()
            assert 0.25 < time.monotonic() - began < 2.0


def test_closing_ends_a_look_up_for_a_file(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.play(reply(b'{"data": [{"url": "http://slow.localhost:1/cat.png"}]}'))
    with slow_names(monkeypatch) as begun:
        sdk = SDK(server_url=faults.url, api_key=KEY)
        image = sdk.images.create(model="m", prompt="a cat").data[0]
        closing: list[float] = []

        def close() -> None:
            begun.wait(10)
            closing.append(time.monotonic())
            sdk.close()

        thread = threading.Thread(target=close)
        thread.start()
        with pytest.raises(errors.SDKError):
            image.save("never.png")
        thread.join()
        assert time.monotonic() - closing[0] < _SOON_S


def test_a_name_is_looked_up_while_there_is_time(faults: FaultServer) -> None:
    with SDK(server_url=f"http://localhost:{faults.port}", api_key=KEY, retry_config=None) as sdk:
        assert sdk.completions.create(**ASK).text == "Hello there"
        with pytest.raises(errors.APIConnectionError, match="refused"):
            sdk.completions.create(**ASK, server_url="http://localhost:1")


# ------------------------------------------------------------------------------- errands


def test_an_errand_brings_its_result_or_what_it_raised() -> None:
    assert Errand(lambda: 5).result(5) == 5
    with pytest.raises(ZeroDivisionError):
        Errand(lambda: 1 / 0).result(5)


def test_what_comes_too_late_is_discarded() -> None:
    go, discarded = threading.Event(), []
    errand = Errand(lambda: go.wait(10) and "late", discarded.append)
    with pytest.raises(TimeoutError):
        errand.result(0.01)
    go.set()
    until = time.monotonic() + 5
    while not discarded and time.monotonic() < until:
        time.sleep(0.005)
    assert discarded == ["late"]


def test_an_errand_is_given_up_from_another_thread() -> None:
    go = threading.Event()
    errand = Errand(lambda: go.wait(10))
    timer = threading.Timer(0.05, errand.give_up)
    timer.start()
    began = time.monotonic()
    with pytest.raises(ConnectionAbortedError):
        errand.result(10)
    assert time.monotonic() - began < 5
    go.set()
    timer.join()


def test_an_errand_that_is_given_up_as_its_result_comes_keeps_nothing() -> None:
    discarded: list[str] = []
    errand = Errand(lambda: "done", discarded.append)
    errand.give_up()
    with pytest.raises(ConnectionAbortedError):
        errand.result(5)
    until = time.monotonic() + 5
    while not discarded and time.monotonic() < until:
        time.sleep(0.005)
    assert discarded == ["done"]


def test_without_another_thread_an_errand_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(OSError, match="can't start new thread"):
        Errand(lambda: 5).result(5)
