"""Replies without end: stopped at their bound, with flat memory, in a process of their own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from support.fault_server import DONE, FaultServer, Flood, Play, chunk, event, head, reply

_SRC = Path(__file__).parents[2] / "src"
_BOUND = 24 << 20
_MIB = 1 << 20

_SPACES = zlib.compressobj(9, wbits=31)
# 256 MiB of blanks inside a string, in a quarter of a MiB.
_BOMB = b"".join(
    [
        _SPACES.compress(b'{"choices": [{"index": 0, "text": "'),
        *(_SPACES.compress(b" " * _MIB) for _ in range(256)),
        _SPACES.flush(),
    ]
)
_LIST_BOMB = gzip.compress(b"[" + b"0," * (64 << 20), 1)

_JSON = head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
_SSE = head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
_PIECE = 1 << 16


def _coded(body: bytes, content_type: str, status: int = 200) -> Play:
    return reply(body, status, "Content-Encoding: gzip", content_type=content_type)


# Name: play, streamed, expected class, bytes that may be read of it
SCENARIOS: dict[str, tuple[Play, bool, str]] = {
    "endless-body": ((_JSON, chunk(b'{"a": "'), Flood(chunk(b"x" * _PIECE))), False, "ResponseValidationError"),
    "endless-body-no-length": (
        (head(200, "Content-Type: application/json") + b'{"a": "', Flood(b"x" * _PIECE)),
        False,
        "ResponseValidationError",
    ),
    "bomb": (_coded(_BOMB, "application/json"), False, "ResponseValidationError"),
    "list-bomb": (_coded(_LIST_BOMB, "application/json"), False, "ResponseValidationError"),
    "endless-error-body": (
        (head(500, "Transfer-Encoding: chunked"), Flood(chunk(b"x" * _PIECE))),
        False,
        "InternalServerError",
    ),
    "error-bomb": (_coded(_BOMB, "application/json", 429), False, "RateLimitError"),
    "endless-line": ((_SSE, chunk(b"data: "), Flood(chunk(b"x" * _PIECE))), True, "ResponseValidationError"),
    "endless-event": ((_SSE, Flood(chunk(b"data: xxxxxxxxxxxxxx\n" * 3000))), True, "ResponseValidationError"),
    "endless-comments": ((_SSE, Flood(chunk((b": " + b"x" * 998 + b"\n") * 60))), True, "ResponseValidationError"),
    "endless-unknown-field": ((_SSE, Flood(chunk(b"x" * _PIECE))), True, "ResponseValidationError"),
    "endless-events": ((_SSE, Flood(chunk(event("x" * 4000) * 15))), True, "ResponseValidationError"),
    "endless-pings": ((_SSE, Flood(chunk(b"event: ping\ndata: {}\n\n" * 2500))), True, "ResponseValidationError"),
    "stream-bomb": (_coded(_BOMB, "text/event-stream"), True, "ResponseValidationError"),
    "json-bomb-for-stream": (_coded(_BOMB, "application/json"), True, "ResponseValidationError"),
    "endless-blanks": ((_JSON, Flood(chunk(b" " * _PIECE))), True, "ResponseValidationError"),
    "endless-after-done": ((_SSE, chunk(event("x", "stop") + DONE), Flood(chunk(b"x" * _PIECE))), True, "none"),
}

_CHILD = """
import asyncio, json, sys
from llmsdk import SDK, errors

url, colour, bound, names = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
ASK = {"model": "m", "prompt": "x"}


def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def sync(sdk, streamed):
    got = sdk.completions.create(**ASK, stream=streamed)
    if streamed:
        for event in got:
            pass


async def asynchronous(sdk, streamed):
    got = await sdk.completions.create_async(**ASK, stream=streamed)
    if streamed:
        async for event in got:
            pass


async def main():
    report = {}
    options = dict(server_url=url, api_key="sk-placeholder", retry_config=None, max_response_bytes=bound,
                   max_event_bytes=bound // 2, timeout_ms=20_000)
    async with SDK(**options) as sdk:
        for name, streamed in [["warm-up", False], ["warm-up", True], *names]:
            reset()
            before = peak()
            outcome = "none"
            try:
                if colour == "sync":
                    sync(sdk, streamed)
                else:
                    await asynchronous(sdk, streamed)
            except errors.SDKError as exc:
                outcome = type(exc).__name__
                if isinstance(exc, errors.RemoteError):
                    size = max(len(str(exc)), len(getattr(exc, "body", "")))
                    assert size <= 1 << 20, size
                del exc
            report[name] = [outcome, peak() - before]
    print(json.dumps(report))


asyncio.run(main())
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("variant", ["sync", "asyncio"])
def test_nothing_without_end_is_taken_in(faults: FaultServer, variant: str) -> None:
    faults.play(reply(), (reply(event("x", "stop") + DONE, content_type="text/event-stream")))
    faults.play(*(play for play, _, _ in SCENARIOS.values()))
    names = [[name, streamed] for name, (_, streamed, _) in SCENARIOS.items()]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _CHILD, faults.url, variant, str(_BOUND), json.dumps(names)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(_SRC)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    report = json.loads(done.stdout)
    problems = {
        name: (report[name][0], f"{report[name][1] / _MIB:.1f} MiB")
        for name, (_, _, expected) in SCENARIOS.items()
        if report[name][0] != expected or report[name][1] >= 2 * _BOUND
    }
    assert not problems
    assert len(faults.requests) == len(SCENARIOS) + 2
    # What a socket's buffers hold may have been sent, not more.
    assert faults.sent < (len(SCENARIOS) + 2) * (_BOUND + 16 * _MIB)
