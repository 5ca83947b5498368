"""Hundreds of calls at once, one in ten hit by a fault: each accounted for, none mixed up, nothing left open."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trio

from llmsdk import SDK, errors
from support.colours import KEY
from support.fault_server import (
    DONE,
    STREAM_HEAD,
    FaultServer,
    Fin,
    Play,
    Rst,
    Seen,
    Stall,
    chunk,
    completion,
    event,
    head,
    reply,
    stream,
)

_CALLS = 500
_TIMEOUT_MS = 60_000  # for the calls that are to succeed, however busy the machine is
_FAULTS = ("fin", "reset", "stall", "429", "500", "html", "cut", "in-band", "redirect", "coding")


def _fault(name: str, streamed: bool, text: str) -> Play:
    begun = STREAM_HEAD + chunk(event(text)) if streamed else head(200, "Content-Length: 500") + completion(text)[:40]
    return {
        "fin": (Fin(),),
        "reset": (begun, Rst()),
        "stall": (begun, Stall(30)),
        "429": reply(b'{"error": {"message": "slow down"}}', 429),
        "500": reply(b"oh", 500),
        "html": reply(b"<html>"),
        "cut": (begun, Fin()),
        "in-band": reply(b'{"error": {"message": "busy", "code": 503}}'),
        "redirect": reply(b"", 302, "Location: http://127.0.0.1:1/"),
        "coding": reply(b"junk", 200, "Content-Encoding: gzip"),
    }[name]


_EXPECTED: dict[str, tuple[type[errors.SDKError], ...]] = {
    "fin": (errors.APIConnectionError,),
    "reset": (errors.APIConnectionError,),
    "stall": (errors.APITimeoutError,),
    "429": (errors.RateLimitError,),
    "500": (errors.InternalServerError,),
    "html": (errors.ResponseValidationError,),
    "cut": (errors.APIConnectionError,),
    "in-band": (errors.ServiceUnavailableError,),
    "redirect": (errors.SDKDefaultError,),
    "coding": (errors.ResponseValidationError,),
}


def _is_faulty(number: int) -> bool:
    return number % 10 == 3


def _plan(number: int) -> str:
    return _FAULTS[number // 10 % len(_FAULTS)]


def _script(seen: Seen) -> Play:
    body = seen.json
    number = int(body["prompt"])
    text = f"<{number}>"
    if _is_faulty(number):
        return _fault(_plan(number), bool(body.get("stream")), text)
    if body.get("stream"):
        return stream(*(event(text) for _ in range(5)), event("", "stop"), DONE)
    return reply(completion(text * 5))


def _args(number: int) -> dict[str, Any]:
    stalls = _is_faulty(number) and _plan(number) == "stall"
    return {"model": "m", "prompt": str(number), "timeout_ms": 400 if stalls else _TIMEOUT_MS}


def _check(number: int, outcome: Any) -> str:
    """Say what became of a call; a wrong outcome fails."""
    if _is_faulty(number):
        assert isinstance(outcome, _EXPECTED[_plan(number)]), (number, _plan(number), outcome)
        return _plan(number)
    assert outcome == f"<{number}>" * 5, (number, outcome)
    return "good"


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _settle(faults: FaultServer, before: int) -> None:
    assert faults.drained(10)
    gc.collect()
    for _ in range(100):
        if _descriptors() <= before:
            break
        time.sleep(0.02)
    assert _descriptors() <= before, "descriptors are left open"


def _tally(outcomes: dict[int, Any]) -> None:
    assert sorted(outcomes) == list(range(_CALLS))
    found = Counter(_check(number, outcome) for number, outcome in outcomes.items())
    assert found == {"good": _CALLS * 9 // 10, **dict.fromkeys(_FAULTS, _CALLS // 10 // len(_FAULTS))}


def _sync_one(sdk: SDK, number: int, streamed: bool) -> Any:
    try:
        got = sdk.completions.create(**_args(number), stream=streamed)
        return "".join(got.text_deltas()) if streamed else got.text
    except Exception as exc:
        return exc


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
def test_threads(faults: FaultServer, streamed: bool) -> None:
    faults.always(_script)
    before = _descriptors()
    outcomes: dict[int, Any] = {}
    with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk, ThreadPoolExecutor(100) as threads:
        jobs = {threads.submit(_sync_one, sdk, number, streamed): number for number in range(_CALLS)}
        for job, number in jobs.items():
            outcomes[number] = job.result(100)
        assert sdk.completions.create(model="m", prompt="0").text == "<0>" * 5
    _tally(outcomes)
    _settle(faults, before)


async def _async_one(sdk: SDK, number: int, streamed: bool, outcomes: dict[int, Any]) -> None:
    try:
        got = await sdk.completions.create_async(**_args(number), stream=streamed)
        outcomes[number] = "".join([piece async for piece in got.text_deltas()]) if streamed else got.text
    except Exception as exc:
        outcomes[number] = exc


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
def test_tasks(faults: FaultServer, streamed: bool, backend: str) -> None:
    faults.always(_script)
    before = _descriptors()
    outcomes: dict[int, Any] = {}
    complaints: list[Any] = []

    async def with_asyncio() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
            await asyncio.gather(*(_async_one(sdk, number, streamed, outcomes) for number in range(_CALLS)))
            assert (await sdk.completions.create_async(model="m", prompt="0")).text == "<0>" * 5

    async def with_trio() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
            async with trio.open_nursery() as nursery:
                for number in range(_CALLS):
                    nursery.start_soon(_async_one, sdk, number, streamed, outcomes)
            assert (await sdk.completions.create_async(model="m", prompt="0")).text == "<0>" * 5

    if backend == "asyncio":
        asyncio.run(with_asyncio())
    else:
        trio.run(with_trio)
    _tally(outcomes)
    assert not complaints
    _settle(faults, before)


def test_both_colours_on_one_sdk(faults: FaultServer) -> None:
    faults.always(_script)
    before = _descriptors()
    outcomes: dict[int, Any] = {}
    with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:

        def in_threads() -> None:
            for number in range(0, 100, 2):
                outcomes[number] = _sync_one(sdk, number, number % 4 == 0)

        async def in_tasks() -> None:
            await asyncio.gather(*(_async_one(sdk, number, number % 4 == 1, outcomes) for number in range(1, 100, 2)))

        thread = threading.Thread(target=in_threads)
        thread.start()
        asyncio.run(in_tasks())
        thread.join(100)
    assert sorted(outcomes) == list(range(100))
    for number, outcome in outcomes.items():
        _check(number, outcome)
    _settle(faults, before)
