"""What is particular to calls over aiohttp and supplied httpx2 clients; the rest has the mark `every_backend`."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import trio

from llmsdk import SDK, errors
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, OTHERS, Colour

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "p"}]}
REPLY = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}
PATIENT = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)


def event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


@pytest.fixture
def sdk(canned: CannedServer) -> Iterator[SDK]:
    with SDK(server_url=canned.url, api_key=KEY, backend="aiohttp", retry_config=PATIENT) as made:
        yield made
    gc.collect()


def test_event_loops_one_after_the_other(canned: CannedServer, sdk: SDK) -> None:
    canned.reply(200, REPLY)
    for _ in range(3):
        assert asyncio.run(sdk.chat.create_async(**ASK)).text == "hi"
    gc.collect()  # a session that was left open would warn here, and warnings are errors
    assert canned.connections == 3
    assert sdk.chat.create(**ASK).text == "hi"


def test_trio_is_refused_in_one_clear_line(canned: CannedServer, sdk: SDK) -> None:
    async def call() -> None:
        with pytest.raises(errors.ConfigurationError, match="backend: aiohttp runs under asyncio only"):
            await sdk.chat.create_async(**ASK)

    trio.run(call)
    assert canned.requests == []


def test_many_calls_at_once_share_connections(canned: CannedServer, sdk: SDK) -> None:
    canned.reply(200, REPLY)

    async def calls() -> None:
        for _ in range(3):
            got = await asyncio.gather(*(sdk.chat.create_async(**ASK) for _ in range(20)))
            assert {one.text for one in got} == {"hi"}

    asyncio.run(calls())
    assert canned.connections <= 20


def test_a_call_that_ran_out_of_time_leaves_no_socket_open(canned: CannedServer) -> None:
    closed = threading.Event()

    def script(connection: Connection, _: Request) -> None:
        assert connection.saw_close()
        closed.set()

    canned.script = script

    async def call() -> None:
        async with SDK(server_url=canned.url, api_key=KEY, backend="aiohttp", retry_config=None) as sdk:
            with pytest.raises(errors.APITimeoutError):
                await sdk.chat.create_async(**ASK, timeout_ms=1000)
            assert closed.wait(3)  # the event loop gets no turn meanwhile

    asyncio.run(call())


def test_aiohttp_itself_sends_nothing_twice(canned: CannedServer) -> None:
    """It would repeat what is idempotent on a connection that broke; attempts are the flow's to count."""
    canned.reply(200, {"data": []})
    answer = canned.script
    canned.script = lambda connection, request: len(canned.requests) == 1 and answer(connection, request)

    async def calls() -> None:
        async with SDK(server_url=canned.url, api_key=KEY, backend="aiohttp", retry_config=None) as sdk:
            await sdk.models.list_async()
            with pytest.raises(errors.APIConnectionError):
                await sdk.models.list_async()

    asyncio.run(calls())
    # The second ends on a connection that was used before, and is sent once more on one that was not.
    assert [request.connection for request in canned.requests] == [1, 1, 2]


@pytest.mark.parametrize("began", [b"", b"HTTP/1.1 20"], ids=["nothing", "half a line"])
def test_a_reply_that_began_is_not_asked_for_again(canned: CannedServer, sdk: SDK, began: bytes) -> None:
    def script(connection: Connection, _: Request) -> None:
        connection.send(began)

    canned.script = script
    with pytest.raises(errors.APIConnectionError):
        asyncio.run(sdk.chat.create_async(**ASK))
    assert len(canned.requests) == (1 if began else 3)


def test_a_connection_that_the_server_closed_costs_no_retry(canned: CannedServer, sdk: SDK) -> None:
    canned.reply(200, REPLY)
    answer = canned.script
    canned.script = lambda connection, request: answer(connection, request) and False

    async def calls() -> None:
        for _ in range(5):
            assert (await sdk.chat.create_async(**ASK)).text == "hi"
            await anyio.sleep(0.01)

    asyncio.run(calls())
    assert canned.connections == 5


@pytest.mark.parametrize("end", ["fin", "framing"])
def test_what_arrived_before_the_break_is_handed_out(canned: CannedServer, sdk: SDK, end: str) -> None:
    sent = threading.Event()

    def script(connection: Connection, _: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(event("a"))
        connection.chunk(event("b"))
        if end == "framing":
            connection.send(b"no length\r\n")
        connection.close()
        sent.set()

    canned.script = script

    async def call() -> None:
        stream = await sdk.chat.create_async(**ASK, stream=True)
        while not sent.is_set():
            await anyio.sleep(0.005)
        await anyio.sleep(0.05)  # a caller who is slow to read
        with pytest.raises(errors.StreamInterruptedError) as caught:
            async for _ in stream:
                pass
        assert caught.value.reason == "connection"
        assert caught.value.partial.text == "ab"

    asyncio.run(call())


@pytest.mark.parametrize("name", [name for name in OTHERS if name.startswith("asyncio")])
@pytest.mark.parametrize("phase", ["head", "body", "stream"])
def test_cancellation_is_prompt_and_closes_the_socket(canned: CannedServer, name: str, phase: str) -> None:
    closed = threading.Event()

    def script(connection: Connection, _: Request) -> None:
        if phase == "body":
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
        elif phase == "stream":
            connection.head(content_type="text/event-stream")
            connection.chunk(event("a"))
        assert connection.saw_close()
        closed.set()

    canned.script = script
    colour = Colour(name)

    async def cancel_once_asked(scope: anyio.CancelScope) -> None:
        while not canned.requests:  # the first call imports the backend, which takes its time on a busy machine
            await anyio.sleep(0.01)
        scope.deadline = anyio.current_time() + 0.15

    async def body() -> None:
        async with colour.open(server_url=canned.url, api_key=KEY) as client:
            async with anyio.create_task_group() as group:
                scope = group.cancel_scope
                group.start_soon(cancel_once_asked, scope)
                if phase == "stream":
                    await client.events("chat.create", **ASK)
                else:
                    await client.call("chat.create", **ASK)
            assert scope.cancelled_caught
            assert anyio.current_time() - scope.deadline < 2
            with anyio.fail_after(3):
                while not closed.is_set():
                    await anyio.sleep(0.01)
            canned.reply(200, REPLY)
            assert (await client.call("chat.create", **ASK)).text == "hi"

    colour.run(body)
