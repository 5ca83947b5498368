"""Cancellation and time limits at every phase: prompt, the socket closed, the client usable, nothing forgotten."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio

from llmsdk import SDK, errors
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.colours import KEY, Colour
from support.fault_client import ASK, CREATE, client_of
from support.fault_server import (
    EVENTS,
    GOOD_STREAM,
    STREAM_HEAD,
    WHOLE,
    Drip,
    FaultServer,
    Play,
    Stall,
    chunk,
    head,
    reply,
    stream,
)

_SRC = Path(__file__).parents[2] / "src"
_PATIENT = RetryConfig("backoff", BackoffStrategy(8000, 8000, 1, 60_000, jitter="none"), True, max_attempts=3)
_PROMPT_S = 4.0  # half of the shortest wait that is broken off, so that a busy machine is no failure

PHASES: dict[str, tuple[Play, bool]] = {
    "before-headers": ((Stall(),), False),
    "in-headers": ((b"HTTP/1.1 200 OK\r\nContent-Ty", Stall()), False),
    "in-body": ((head(200, f"Content-Length: {len(WHOLE)}") + WHOLE[:20], Stall()), False),
    "dripping-body": ((head(200, f"Content-Length: {len(WHOLE)}"), Drip(WHOLE)), False),
    "in-error-body": ((head(500, "Content-Length: 100") + b"oh", Stall()), False),
    "between-attempts": (reply(b"{}", 503), False),
    "before-stream": ((Stall(),), True),
    "between-events": ((STREAM_HEAD + chunk(EVENTS[0]), Stall()), True),
    "inside-event": ((STREAM_HEAD + chunk(EVENTS[0] + EVENTS[1][:20]), Stall()), True),
}


@pytest.fixture(params=list(PHASES))
def phase(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def _use(sdk: SDK, streamed: bool) -> None:
    got = await sdk.completions.create_async(**ASK, stream=streamed)
    if streamed:
        async for _ in got:
            pass


async def _check(faults: FaultServer, sdk: SDK, phase: str) -> None:
    """The socket is closed soon, and the client works."""
    if phase != "between-attempts":
        assert await anyio.to_thread.run_sync(faults.saw_close, 1), "the socket is still open"
    faults.always(reply())
    assert (await sdk.completions.create_async(**ASK)).text == "Hello there"


async def _soon(faults: FaultServer) -> None:
    """Wait until the call is where it is to be caught."""
    while not faults.requests:
        await anyio.sleep(0.005)
    await anyio.sleep(0.08)


async def _task_cancel(work: Callable[[], Any], faults: FaultServer) -> None:
    task = asyncio.create_task(work())
    await _soon(faults)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def _wait_for(work: Callable[[], Any], faults: FaultServer) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), 0.2)


async def _timeout(work: Callable[[], Any], faults: FaultServer) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await work()


class _Sibling(Exception):
    pass


async def _task_group(work: Callable[[], Any], faults: FaultServer) -> None:
    async def fail() -> None:
        await _soon(faults)
        raise _Sibling

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(fail())
    assert [type(exc) for exc in caught.value.exceptions] == [_Sibling]


@pytest.mark.parametrize(
    "way, supplied",
    [(_task_cancel, False), (_wait_for, False), (_timeout, False), (_task_group, False), (_task_cancel, True)],
)
def test_asyncio(faults: FaultServer, phase: str, way: Callable[..., Any], supplied: bool) -> None:
    play, streamed = PHASES[phase]
    faults.play(play)
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        client = httpx.AsyncClient() if supplied else None
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=_PATIENT, async_client=client) as sdk:
            began = time.monotonic()
            await way(lambda: _use(sdk, streamed), faults)
            assert time.monotonic() - began < _PROMPT_S
            await _check(faults, sdk, phase)
        if client is not None:
            await client.aclose()

    asyncio.run(main())
    gc.collect()
    assert not complaints


def test_trio_fail_after(faults: FaultServer, phase: str) -> None:
    play, streamed = PHASES[phase]
    faults.play(play)

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=_PATIENT) as sdk:
            began = trio.current_time()
            with pytest.raises(trio.TooSlowError):
                with trio.fail_after(0.2):
                    await _use(sdk, streamed)
            assert trio.current_time() - began < _PROMPT_S
            await _check(faults, sdk, phase)

    trio.run(main)


def test_trio_nursery(faults: FaultServer, phase: str) -> None:
    play, streamed = PHASES[phase]
    faults.play(play)

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=_PATIENT) as sdk:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_use, sdk, streamed)
                await _soon(faults)
                nursery.cancel_scope.cancel()
            await _check(faults, sdk, phase)

    trio.run(main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_handshake_that_is_cancelled_leaves_no_socket(faults: FaultServer, backend: str) -> None:
    faults.greet(Stall())

    async def main() -> None:
        async with SDK(server_url=f"https://127.0.0.1:{faults.port}", api_key=KEY, retry_config=None) as sdk:
            async with anyio.create_task_group() as group:
                group.start_soon(_use, sdk, False)
                assert await anyio.to_thread.run_sync(faults.wait_for, lambda: faults.connections == 1)
                await anyio.sleep(0.1)
                group.cancel_scope.cancel()
            gc.collect()  # a socket that is left to the garbage collector is warned of
            assert await anyio.to_thread.run_sync(faults.drained)

    anyio.run(main, backend=backend)


def test_a_cancelled_call_frees_its_place(faults: FaultServer) -> None:
    """Hundreds of cancelled calls leave neither connections nor places taken."""
    faults.always((Stall(),))

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
            for _ in range(5):
                tasks = [asyncio.create_task(_use(sdk, number % 2 == 0)) for number in range(60)]
                await asyncio.sleep(0.15)
                for task in tasks:
                    task.cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(one, asyncio.CancelledError) for one in done)
            faults.always(reply())
            assert (await sdk.completions.create_async(**ASK)).text == "Hello there"

    asyncio.run(main())
    assert faults.drained()


def test_cancelled_while_streams_are_read(faults: FaultServer) -> None:
    faults.always((*stream(*EVENTS[:2], end=False), Stall()))

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
            got = await sdk.completions.create_async(**ASK, stream=True)

            async def read() -> None:
                async with got:
                    async for _ in got:
                        pass

            task = asyncio.create_task(read())
            async with asyncio.timeout(10):
                while got.partial.text != "Hello ":
                    await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert got.partial.text == "Hello "
            with pytest.raises(errors.ConfigurationError):
                await anext(got)
            assert await asyncio.to_thread(faults.saw_close, 1)

    asyncio.run(main())


# ------------------------------------------------------------------------- time limits

_LIMITED = {name: case for name, case in PHASES.items() if name not in ("between-attempts", "in-error-body")}


@pytest.mark.also_trio
@pytest.mark.parametrize("limit", ["timeout_ms", "deadline_ms"])
@pytest.mark.parametrize("supplied", [False, True], ids=["own", "supplied"])
@pytest.mark.parametrize("name", list(_LIMITED))
async def test_limits_at_every_phase(
    colour: Colour, faults: FaultServer, name: str, limit: str, supplied: bool
) -> None:
    play, streamed = _LIMITED[name]
    faults.play(play)
    async with client_of(colour, faults, supplied=supplied) as client:
        began = time.monotonic()
        with pytest.raises(errors.APITimeoutError) as caught:
            if streamed:
                await client.events(CREATE, **ASK, **{limit: 250})
            else:
                await client.call(CREATE, **ASK, **{limit: 250})
        assert 0.2 < time.monotonic() - began < _PROMPT_S
        assert isinstance(caught.value, errors.DeadlineExceededError) == (limit == "deadline_ms")
        assert faults.saw_close(1)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


@pytest.mark.parametrize("limit", ["timeout_ms", "deadline_ms"])
@pytest.mark.parametrize("what", ["key", "hook"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_the_caller_has_awaited_is_part_of_the_attempt(
    faults: FaultServer, backend: str, what: str, limit: str
) -> None:
    finished: list[str] = []

    async def hang(*_: Any) -> str:
        try:
            await anyio.sleep(20 if not finished else 0)
        finally:
            finished.append("hang")
        return KEY

    hook = type("Waits", (), {"before_request": hang if what == "hook" else lambda *_: None})
    key: Any = hang if what == "key" else KEY

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=key, hooks=[hook()], retry_config=None) as sdk:
            began = time.monotonic()
            with pytest.raises(errors.APITimeoutError) as caught:
                await sdk.completions.create_async(**ASK, **{limit: 150})
            assert time.monotonic() - began < _PROMPT_S
            assert isinstance(caught.value, errors.DeadlineExceededError) == (limit == "deadline_ms")
            assert [attempt.error for attempt in caught.value.meta.attempts] == ["timeout"]
            assert finished == ["hang"]
            if what == "key":
                assert (await sdk.completions.create_async(**ASK)).text == "Hello there"

    anyio.run(main, backend=backend)
    assert len(faults.requests) == (what == "key")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("limit", ["timeout_ms", "deadline_ms"])
@pytest.mark.parametrize("name", ["after_success", "after_error"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_hooks_behind_a_reply_are_bounded(
    faults: FaultServer, backend: str, name: str, limit: str, stream: bool
) -> None:
    async def hang(*_: Any) -> None:
        await anyio.sleep(20)

    hook = type("Waits", (), {name: hang})

    async def main() -> None:
        async with SDK(server_url=faults.url, hooks=[hook()]) as sdk:
            began = time.monotonic()
            with pytest.raises(errors.SDKError) as caught:
                await sdk.completions.create_async(**ASK, stream=stream, **{limit: 150})
            assert time.monotonic() - began < _PROMPT_S
            error = caught.value
            if name == "after_error":
                assert type(error) is errors.BadRequestError  # the failure stands
            else:
                expected = errors.DeadlineExceededError if limit == "deadline_ms" else errors.APITimeoutError
                assert type(error) is expected
                assert "hook" in str(error)
                assert (error.meta.status_code, error.body) == (200, "" if stream else WHOLE.decode())
        assert faults.saw_close(1)

    faults.play(reply(b"{}", 400) if name == "after_error" else GOOD_STREAM if stream else reply(WHOLE))
    anyio.run(main, backend=backend)
    assert len(faults.requests) == 1


@pytest.mark.also_trio
async def test_a_request_that_nobody_reads_is_bounded(colour: Colour) -> None:
    """The listener accepts nothing and reads nothing: a large body fills the buffers, and writing stalls."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with colour.open(server_url=url, api_key=KEY, retry_config=None) as client:
            began = time.monotonic()
            with pytest.raises(errors.APITimeoutError):
                await client.call(CREATE, model="m", prompt="x" * 12_000_000, timeout_ms=300)
            assert time.monotonic() - began < _PROMPT_S
            gc.collect()  # an async generator left half-way would be warned of by trio


# ------------------------------------------------------------------------------ Ctrl-C

_INTERRUPTED = """
import sys
from llmsdk import SDK
from llmsdk.utils import BackoffStrategy, RetryConfig

patient = RetryConfig("backoff", BackoffStrategy(8000, 8000, 1, 60_000, jitter="none"), True, max_attempts=3)
url, streamed = sys.argv[1], sys.argv[2] == "True"
with SDK(server_url=url, api_key="sk-placeholder", retry_config=patient) as sdk:
    try:
        got = sdk.completions.create(model="m", prompt="x", stream=streamed)
        if streamed:
            for event in got:
                pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    else:
        sys.exit("not interrupted")
    assert sdk.completions.create(model="m", prompt="x").text == "Hello there"
print("fine")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl-C to send to one process")
def test_ctrl_c(faults: FaultServer, phase: str) -> None:
    play, streamed = PHASES[phase]
    faults.play(play)
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _INTERRUPTED, faults.url, str(streamed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_SRC)},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        bound = threading.Timer(60, process.kill)
        bound.start()
        try:
            if not faults.wait_for(lambda: bool(faults.requests), 30):
                process.kill()
                pytest.fail(process.stderr.read())
            time.sleep(0.1)  # the reply comes; wherever the call is by now, it is to end
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert process.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < _PROMPT_S
            assert (process.stdout.read(), process.stderr.read(), process.wait()) == ("fine\n", "", 0)
        finally:
            bound.cancel()
            process.kill()
    assert faults.drained()
