"""Descriptors: too few of them, and as many connections as calls ask for."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmsdk import errors
from llmsdk._net.failures import failure_of
from llmsdk.utils.descriptors import is_lack, is_last, raise_lack
from support.fault_server import GOOD_STREAM, FaultServer, Wait, reply

resource = pytest.importorskip("resource", reason="limits of descriptors are set by POSIX systems")

_SRC = Path(__file__).parents[2] / "src"

_CLIENT = """
import asyncio, json, os, resource, sys, threading
from collections import Counter
from llmsdk import SDK, errors

url, way, state = sys.argv[1:]
seen = Counter()
backend = "aiohttp" if way == "aiohttp" else "httpx"
sdk = SDK(server_url=url, api_key="sk-placeholder", retry_config=None, backend=backend)
ask = {"model": "m", "prompt": "x"}

def note(exc):
    is_told = isinstance(exc, errors.SDKError) and "too many open files" in str(exc).lower()
    seen[type(exc).__name__ if is_told else repr(exc)] += 1

def call(number):
    try:
        if number % 2:
            sdk.completions.create(**ask)
        else:
            with sdk.completions.create(**ask, stream=True) as stream:
                for _ in stream:
                    pass
        seen["ok"] += 1
    except BaseException as exc:
        note(exc)

async def call_async(number):
    try:
        if number % 2:
            await sdk.completions.create_async(**ask)
        else:
            async with await sdk.completions.create_async(**ask, stream=True) as stream:
                async for _ in stream:
                    pass
        seen["ok"] += 1
    except BaseException as exc:
        note(exc)

async def calls(count):
    if way == "sync":
        threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    else:
        await asyncio.gather(*(call_async(number) for number in range(count)))
    found = dict(seen)
    seen.clear()
    return found

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    rounds = []
    if state == "full":
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
        rounds.append(await calls(2))
        [os.close(one) for one in held]
    else:
        rounds.append(await calls(120))
        await asyncio.sleep(0.01)  # asyncio closes sockets in the next turn of its loop
        held = [os.open(os.devnull, os.O_RDONLY) for _ in range(12)]  # the connections that are kept leave some
        [os.close(one) for one in held]
    rounds.append(await calls(2))
    await sdk.aclose()
    print(json.dumps(rounds))

asyncio.run(main())
"""


def run(script: str, *args: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *args],
        env={**os.environ, "PYTHONPATH": str(_SRC)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("state", ["busy", "full"])
@pytest.mark.parametrize("way", ["sync", "asyncio", "aiohttp"])
def test_too_few_descriptors_are_told_and_passing(faults: FaultServer, way: str, state: str) -> None:
    """64 descriptors: for 120 calls at once, and taken before the first module is imported."""
    faults.always(lambda seen: (Wait(0.3), *(GOOD_STREAM if seen.json.get("stream") else reply())))
    first, again = run(_CLIENT, faults.url, way, state)
    assert again == {"ok": 2}
    assert first.keys() <= {"ok", "APIConnectionError"}
    assert first["APIConnectionError"] == 2 if state == "full" else first["ok"] >= 20


_LATE = """
import asyncio, json, sys
from llmsdk import SDK

url, way = sys.argv[1:]
known = []

def look(event, args):
    if event == "socket.connect":
        known[:] = sys.modules

async def main():
    sdk = SDK(server_url=url, api_key="sk-placeholder", backend="aiohttp" if way == "aiohttp" else "httpx")
    late = []
    for stream in (False, True):
        ask = {"model": "m", "prompt": "x", "stream": stream}
        if way == "sync":
            reply = sdk.completions.create(**ask)
            [reply.text] if not stream else list(reply)
        else:
            reply = await sdk.completions.create_async(**ask)
            [reply.text] if not stream else [one async for one in reply]
        late.append(sorted(set(sys.modules).difference(known)))
        await sdk.aclose()
        sdk = SDK(server_url=url, api_key="sk-placeholder", backend="aiohttp" if way == "aiohttp" else "httpx")
    sdk.close()
    print(json.dumps(late))

import encodings.idna, socket
socket.getaddrinfo("127.0.0.1", 1)
sys.addaudithook(look)
asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["sync", "asyncio", "aiohttp"])
def test_nothing_is_imported_once_a_socket_is_open(faults: FaultServer, way: str) -> None:
    """It could fail for want of a descriptor, and the reply would be lost."""
    faults.always(lambda seen: GOOD_STREAM if seen.json.get("stream") else reply())
    assert run(_LATE, faults.url, way) == [[], []]


_FIRST_USES = """
import json, os, resource, sys
from llmsdk import SDK
from llmsdk.errors import SDKError

sdk = SDK(server_url="http://127.0.0.1:1", api_key="sk-placeholder", retry_config=None)
rows = [{"model": "m", "messages": [{"role": "user", "content": "x"}]}]
sdk.chat  # what comes next is imported by its methods
uses = [
    lambda: SDK(server="together", api_key="sk-placeholder"),
    lambda: sdk.files,
    lambda: sdk.chat.map(rows),
    lambda: sdk.chat.parse(**rows[0], response_format=dict[str, int]),
    lambda: sdk.chat.run_tools(**rows[0], tools=[]),
    lambda: sdk.batch,
    lambda: sdk.get("/x"),
]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
found = []
for use in uses:
    try:
        use()
    except SDKError as exc:
        found.append(str(exc))
[os.close(one) for one in held]
sdk.close()
print(json.dumps(found))
"""


def test_a_lack_of_descriptors_at_a_first_use_is_our_error() -> None:
    found = run(_FIRST_USES)
    assert len(found) == 7
    assert all("Too many open files" in text for text in found), found


_CROWD = """
import asyncio, json, resource, sys
from llmsdk import SDK

way, count = sys.argv[1], int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
event = b'data: {"choices":[{"index":0,"text":"a","finish_reason":null}]}\\n\\n'
last = b'data: {"choices":[{"index":0,"text":"b","finish_reason":"stop"}]}\\n\\ndata: [DONE]\\n\\n'

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\\r\\n")[0])
            await reader.readexactly(size)
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\n")
            writer.write(b"transfer-encoding: chunked\\r\\n\\r\\n")
            writer.write(b"%x\\r\\n%b\\r\\n" % (len(event), event))
            await all_begun.wait()
            writer.write(b"%x\\r\\n%b\\r\\n0\\r\\n\\r\\n" % (len(last), last))
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()

async def stream(sdk):
    global begun
    texts = []
    async with await sdk.completions.create_async(model="m", prompt="x", stream=True) as events:
        async for one in events:
            texts.append(one.text)
            if len(texts) == 1:
                begun += 1
                if begun == count:
                    all_begun.set()
    return "".join(texts)

async def main():
    global all_begun, begun
    all_begun, begun = asyncio.Event(), 0
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    url = f"http://127.0.0.1:{port}"
    async with SDK(server_url=url, backend=way, api_key="sk-placeholder", retry_config=None) as sdk:
        async with asyncio.timeout(100):
            texts = await asyncio.gather(*(stream(sdk) for _ in range(count)))
    server.close()
    print(json.dumps([texts.count("ab"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["httpx", "aiohttp"])
def test_streams_that_wait_for_each_other_all_begin(way: str) -> None:
    """1,500 streams at once, each of which goes on once all have begun: no bound of connections stands between."""
    count = 1500
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * count + 100:
        pytest.skip("this system allows too few descriptors")
    whole, kilobytes = run(_CROWD, way, str(count))
    assert whole == count
    assert kilobytes < 150_000  # client and server together took 68,000, over aiohttp 86,000


# ------------------------------------------------------------------------------ reasons


def test_a_lack_of_descriptors_is_known_by_its_number() -> None:
    for number in (errno.EMFILE, errno.ENFILE):
        lack = OSError(number, os.strerror(number))
        assert is_lack(lack)
        with pytest.raises(errors.APIConnectionError, match="no reply") as caught:
            raise_lack(lack)
        assert caught.value.__cause__ is lack
    for other in (OSError(errno.ENOENT, "no"), ValueError("no")):
        assert not is_lack(other)
        raise_lack(other)


def test_the_last_descriptors_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 64
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert [number for number in range(64) if is_last(number)] == list(range(48, 64))
    limit = 1024
    assert [is_last(number) for number in (959, 960)] == [False, True]
    limit = resource.RLIM_INFINITY
    assert not is_last(100_000)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert [is_last(number) for number in (31, 32)] == [False, True]
    monkeypatch.setattr("llmsdk.utils.descriptors._HAS_LIMIT", False)
    assert not is_last(100_000)


def test_the_reason_of_a_failure_to_connect_is_that_of_the_system() -> None:
    refused, unreachable = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), OSError(101, "Unreachable")

    def caused(exc: BaseException, cause: BaseException | None) -> Any:
        exc.__cause__ = cause
        return exc

    class ConnectError(Exception):
        pass

    for cause in (refused, ExceptionGroup("multiple attempts", [refused, unreachable])):
        wrapped = caused(ConnectError("all failed"), caused(OSError("all failed"), cause))
        failure = failure_of(wrapped)
        assert failure is not None
        assert (failure.kind, str(failure)) == ("connect", "[Errno 111] Connection refused")
    failure = failure_of(ConnectError(""))
    assert failure is not None
    assert str(failure) == "ConnectError"


def test_a_name_that_is_not_found_for_want_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    for number, told in ((None, "not known"), (errno.EMFILE, "Too many"), (errno.EACCES, "not known")):

        def opened(*_: Any, _number: int | None = number) -> int:
            if _number is not None:
                raise OSError(_number, "Too many open files", os.devnull)
            return os.dup(0)

        monkeypatch.setattr("llmsdk._net.failures.os.open", opened)
        failure = failure_of(unknown)
        assert failure is not None
        assert told in str(failure)
        assert os.devnull not in str(failure)
