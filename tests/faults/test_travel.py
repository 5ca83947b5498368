"""SDKs that move: between event loops, threads and processes, through pickles, and into the end of the interpreter."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio

from llmsdk import SDK, errors
from support.colours import KEY
from support.fault_client import ASK
from support.fault_server import DONE, EVENTS, GOOD_STREAM, FaultServer, Fin, Stall, reply, stream

_SRC = Path(__file__).parents[2] / "src"


def _run(code: str, *args: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(_SRC), **environment},
        check=False,
    )


def _assert_silent(done: subprocess.CompletedProcess[str], stdout: str = "") -> None:
    assert not done.stderr, done.stderr
    assert (done.returncode, done.stdout) == (0, stdout)


# -------------------------------------------------------------------------------- event loops


def test_one_sdk_in_several_loops(faults: FaultServer) -> None:
    sdk = SDK(server_url=faults.url, api_key=KEY)

    async def use() -> str:
        got = await sdk.completions.create_async(**ASK)
        return got.text

    for _ in range(5):
        assert asyncio.run(use()) == "Hello there"
    assert trio.run(use) == "Hello there"
    assert asyncio.run(use()) == "Hello there"
    assert faults.drained(), "connections outlive their loop"
    sdk.close()


def test_one_sdk_in_several_loops_at_once(faults: FaultServer) -> None:
    texts: list[str] = []

    with SDK(server_url=faults.url, api_key=KEY) as sdk:

        async def use() -> None:
            texts.extend([(await sdk.completions.create_async(**ASK)).text for _ in range(10)])

        threads = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert texts == ["Hello there"] * 60
    assert faults.drained()


def test_a_stream_left_open_as_its_loop_ends(faults: FaultServer) -> None:
    faults.always((*stream(EVENTS[0], end=False), Stall()))
    kept = []
    with SDK(server_url=faults.url, api_key=KEY) as sdk:

        async def use() -> None:
            got = await sdk.completions.create_async(**ASK, stream=True)
            await anext(got)
            kept.append(got)

        asyncio.run(use())
        assert faults.drained()
        assert kept[0].partial.text == "Hel"
        kept.clear()


def test_async_calls_then_a_sync_close(faults: FaultServer) -> None:
    async def main() -> None:
        sdk = SDK(server_url=faults.url, api_key=KEY)
        await sdk.completions.create_async(**ASK)
        sdk.close()
        with pytest.raises(errors.ConfigurationError):
            await sdk.completions.create_async(**ASK)
        assert await asyncio.to_thread(faults.drained)

    asyncio.run(main())


def test_closed_from_another_loop(faults: FaultServer) -> None:
    sdk = SDK(server_url=faults.url, api_key=KEY)

    async def use() -> None:
        await sdk.completions.create_async(**ASK)

    asyncio.run(use())
    asyncio.run(sdk.aclose())
    sdk.close()
    assert faults.drained()


# ------------------------------------------------------------------------------------ threads


def test_made_in_one_thread_and_used_in_others(faults: FaultServer) -> None:
    made: list[SDK] = []
    maker = threading.Thread(target=lambda: made.append(SDK(server_url=faults.url, api_key=KEY)))
    maker.start()
    maker.join()
    (sdk,) = made
    texts: list[str] = []
    threads = [
        threading.Thread(target=lambda: texts.extend(sdk.completions.create(**ASK).text for _ in range(20)))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert texts == ["Hello there"] * 200
    closer = threading.Thread(target=sdk.close)
    closer.start()
    closer.join(5)
    assert faults.drained()


def test_a_stream_handed_to_another_thread(faults: FaultServer) -> None:
    faults.play(GOOD_STREAM)
    texts: list[str] = []
    with SDK(server_url=faults.url, api_key=KEY) as sdk:
        got = sdk.completions.create(**ASK, stream=True)
        texts.append(next(got).text)
        thread = threading.Thread(target=lambda: texts.extend(event.text for event in got))
        thread.start()
        thread.join(10)
        assert got.final.text == "Hello there"
    assert texts == ["Hel", "lo ", "there"]


def test_closing_while_others_call(faults: FaultServer) -> None:
    """Calls under way when the SDK is closed end in one of our errors or succeed."""
    foreign: list[BaseException] = []
    sdk = SDK(server_url=faults.url, api_key=KEY, retry_config=None)
    go = threading.Event()

    def work() -> None:
        go.wait()
        try:
            for _ in range(100):
                sdk.completions.create(**ASK, timeout_ms=5000)
        except errors.SDKError:
            pass
        except BaseException as exc:
            foreign.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    sdk.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert not foreign


@pytest.mark.parametrize("is_async", [False, True])
def test_a_call_is_not_tried_again_once_the_sdk_is_closed(faults: FaultServer, is_async: bool) -> None:
    """A new connection would be one that nobody closes."""
    is_closed = threading.Event()
    faults.play((lambda: is_closed.wait(10), Fin()))
    sdk = SDK(server_url=faults.url, api_key=KEY)

    async def main() -> None:
        task = asyncio.create_task(sdk.completions.create_async(**ASK))
        await asyncio.to_thread(faults.wait_for, lambda: bool(faults.requests))
        await sdk.aclose()
        is_closed.set()
        with pytest.raises(errors.ConfigurationError, match="closed"):
            await task

    def close() -> None:
        faults.wait_for(lambda: bool(faults.requests))
        sdk.close()
        is_closed.set()

    if is_async:
        asyncio.run(main())
    else:
        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(errors.ConfigurationError, match="closed"):
            sdk.completions.create(**ASK)
        closer.join(5)
    assert len(faults.requests) == faults.connections == 1
    assert faults.drained()


# ---------------------------------------------------------------------------------- processes

_FORK = """
import os, sys, asyncio
from llmsdk import SDK

ASK = {"model": "m", "prompt": "x"}
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
assert sdk.completions.create(**ASK).text == "Hello there"
open_stream = sdk.completions.create(**ASK, stream=True)
next(open_stream)
drivers = sdk.completions._runner.drivers
of_parent = drivers.sync(), drivers.asynchronous()
children = []
for number in range(3):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            assert drivers.sync() is not of_parent[0]  # nor its connections, which would have two processes
            assert drivers.asynchronous() is not of_parent[1]
            for _ in range(3):
                assert sdk.completions.create(**ASK).text == "Hello there"
            async def use():
                # The first call of a child imports much; on a busy machine the loop would tell of such a step.
                asyncio.get_running_loop().slow_callback_duration = 60
                return (await sdk.completions.create_async(**ASK)).text
            assert asyncio.run(use()) == "Hello there"
            sdk.close()
            code = 0
        finally:
            if code == 0 and number == 2:
                sys.exit(0)
            os._exit(code)
    children.append(pid)
for pid in children:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert [event.text for event in open_stream] == ["lo ", "there"]
for _ in range(3):
    assert sdk.completions.create(**ASK).text == "Hello there"
sdk.close()
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_fork_after_use(faults: FaultServer) -> None:
    faults.always(lambda seen: GOOD_STREAM if seen.json.get("stream") else reply())
    _assert_silent(_run(_FORK, faults.url), "fine\n")
    assert faults.drained()


_POOL = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from llmsdk import SDK, errors


def work(args):
    sdk, wrong = args
    with sdk:
        return sdk.completions.create(model="m", prompt="bad" if wrong else "x").text


def main():
    sdk = SDK(server="together", server_url=sys.argv[1], retry_config=None)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(work, [(sdk, False)] * 4)) == ["Hello there"] * 4
        try:
            pool.submit(work, (sdk, True)).result()
        except errors.RateLimitError as exc:
            assert exc.status_code == 429 and exc.message == "busy" and exc.meta.attempts[0].status == 429
            assert exc.retry_after_s == 7
        else:
            sys.exit("no error")
    print("fine")


if __name__ == "__main__":
    main()
"""


def test_process_pools(faults: FaultServer, tmp_path: Path) -> None:
    faults.always(
        lambda seen: (
            reply(b'{"error": {"message": "busy"}}', 429, "Retry-After: 7") if seen.json["prompt"] == "bad" else reply()
        )
    )
    script = tmp_path / "pooled.py"
    script.write_text(
        _POOL.replace("SDK(", "SDK(api_key=key, ").replace(
            "def work", "def key():\n    return 'sk-placeholder'\n\n\ndef work"
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), faults.url],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(_SRC)},
        check=False,
    )
    _assert_silent(done, "fine\n")


def test_a_used_sdk_is_pickled_without_its_connections(faults: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    with SDK(server="local", timeout_ms=5000, http_headers={"x-a": "b"}) as sdk:
        twin = pickle.loads(pickle.dumps(sdk))
    with twin:
        assert twin._config.timeout_ms == 5000
        assert twin._config.http_headers == {"x-a": "b"}
        assert twin.completions.create(**ASK, server_url=faults.url).text == "Hello there"


# --------------------------------------------------------------------- the interpreter's end

_ENDS = {
    "sync-stream": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
stream = sdk.completions.create(model="m", prompt="x", stream=True)
next(stream)
""",
    "async-stream": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
async def main():
    global stream
    stream = await sdk.completions.create_async(model="m", prompt="x", stream=True)
    await anext(stream)
asyncio.run(main())
""",
    "a-loop-that-never-ends-well": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
async def main():
    global stream
    stream = await sdk.completions.create_async(model="m", prompt="x", stream=True)
    await anext(stream)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
loop.close()
""",
    "a-thread-inside-a-stream": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
def work():
    for event in sdk.completions.create(model="m", prompt="x", stream=True):
        pass
threading.Thread(target=work, daemon=True).start()
time.sleep(0.5)
""",
    "an-open-with": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder").__enter__()
with sdk.completions.create(model="m", prompt="x", stream=True) as stream:
    next(stream)
    sys.exit(0)
""",
    "nothing-used": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
""",
    "a-cycle": """
sdk = SDK(server_url=sys.argv[1], api_key="sk-placeholder")
stream = sdk.completions.create(model="m", prompt="x", stream=True)
stream.me = [sdk, stream]
next(stream)
""",
}


@pytest.mark.parametrize("code", _ENDS.values(), ids=_ENDS)
def test_the_interpreter_ends_quietly(faults: FaultServer, code: str) -> None:
    """With warnings as an ordinary user has them: a forgotten SDK may be told of, a traceback may not be seen."""
    faults.always((*stream(EVENTS[0], end=False), Stall()))
    done = subprocess.run(
        [sys.executable, "-c", "import asyncio, sys, threading, time\nfrom llmsdk import SDK\n" + code, faults.url],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(_SRC)},
        check=False,
    )
    _assert_silent(done)
    assert faults.drained()


def test_the_second_run_of_a_loop_uses_fresh_connections(faults: FaultServer) -> None:
    faults.always(lambda seen: stream(*EVENTS, DONE) if seen.json.get("stream") else reply())

    async def use(sdk: SDK) -> None:
        async with await sdk.completions.create_async(**ASK, stream=True) as got:
            assert [event.text async for event in got] == ["Hel", "lo ", "there"]

    with SDK(server_url=faults.url, api_key=KEY) as sdk:
        for _ in range(3):
            asyncio.run(use(sdk))
    assert faults.connections == 3
