"""Conversations that are no lists, and tools as they were made: read once, and sent the same on every attempt."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from llmsdk import SDK, errors
from llmsdk.tools import tool
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour

HI = {"role": "user", "content": "Hi"}
SAID = [{"role": "system", "content": "Be short."}, HI]
QUICK = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 60_000), True, max_attempts=3)
DONE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}]}

ITERABLES: dict[str, Callable[[], Any]] = {
    "generator": lambda: (one for one in SAID),
    "tuple": lambda: tuple(SAID),
    "deque": lambda: deque(SAID),
    "values": lambda: dict(enumerate(SAID)).values(),
    "map": lambda: map(dict, SAID),
}


def add(x: int, y: int = 1) -> int:
    """Add two numbers."""
    return x + y


def reply(status: int, body: Any) -> bytes:
    text = json.dumps(body).encode()
    head = b"HTTP/1.1 %d Canned\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(text)) + text


def failing_first(count: int) -> Any:
    """Answer some requests with 503, and then well."""
    statuses = iter([503] * count)

    def script(connection: Connection, _: Request) -> bool:
        status = next(statuses, 200)
        connection.send(reply(status, DONE if status == 200 else {"error": {"message": "busy"}}))
        return True

    return script


@pytest.mark.every_backend
@pytest.mark.parametrize("kind", ITERABLES)
async def test_messages_may_be_any_iterable(kind: str, colour: Colour, canned: CannedServer) -> None:
    canned.script = failing_first(2)
    async with colour.open(api_key=KEY, server_url=canned.url, retry_config=QUICK) as client:
        await client.call("chat.create", model="m", messages=ITERABLES[kind]())
    assert [request.json["messages"] for request in canned.requests] == [SAID] * 3


@pytest.mark.parametrize("method", ["chat.create", "chat.parse", "chat.run_tools", "request object"])
async def test_every_way_to_chat_reads_them_once(method: str, colour: Colour, canned: CannedServer) -> None:
    canned.script = failing_first(1)
    given: dict[str, Any] = {"model": "m", "messages": iter(SAID)}
    if method == "request object":
        method, given = "chat.create", {"chat_completion_request": given}
    if method == "chat.run_tools":
        given["tools"] = [add]
    if method == "chat.parse":
        given["response_format"] = str
    async with colour.open(api_key=KEY, server_url=canned.url, retry_config=QUICK) as client:
        try:
            await client.call(method, **given)
        except errors.ParseError:
            assert method == "chat.parse"  # the canned answer is no JSON
    assert [request.json["messages"] for request in canned.requests] == [SAID] * 2


async def test_a_stream_is_asked_for_again_with_the_same(colour: Colour, canned: CannedServer) -> None:
    canned.script = failing_first(1)
    async with colour.open(api_key=KEY, server_url=canned.url, retry_config=QUICK) as client:
        await client.events("chat.create", model="m", messages=iter(SAID))
    assert [request.json["messages"] for request in canned.requests] == [SAID] * 2


def test_rows_of_a_map_may_be_tried_again(canned: CannedServer) -> None:
    canned.script = failing_first(1)
    with SDK(server_url=canned.url, retry_config=QUICK) as sdk:
        ((_, answer),) = sdk.chat.map([{"model": "m", "messages": iter(SAID)}])
    assert answer.text == "Yes."
    assert [request.json["messages"] for request in canned.requests] == [SAID] * 2


class Conversation(BaseModel):
    role: str = "user"


@pytest.mark.parametrize("given", ["Hi", b"Hi", HI, Conversation(), 5, None, iter(()), (), set("a")])
async def test_what_is_no_conversation_is_refused(given: Any, colour: Colour) -> None:
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(errors.RequestValidationError, match=r"^messages"):
            await client.call("chat.create", model="m", messages=given)


def broken() -> Iterator[Any]:
    yield HI
    raise ZeroDivisionError


async def test_an_error_of_the_iterable_is_the_callers_own(colour: Colour) -> None:
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(ZeroDivisionError):
            await client.call("chat.create", model="m", messages=broken())


async def test_tools_as_they_were_made(colour: Colour, canned: CannedServer) -> None:
    made = tool(add)
    canned.reply(200, DONE)
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        for tools in ([made], (made, made.param), iter([made]), [made.param]):
            await client.call("chat.create", model="m", messages=[HI], tools=tools)
            assert canned.last.json["tools"][0] == made.param
        previewed = client.preview("chat", model="m", messages=[HI], tools=[made])
        assert previewed.body["tools"] == [made.param]
        with pytest.raises(errors.RequestValidationError, match=r"tools\[0\]: .*tools=\[tool\(function\)\]"):
            await client.call("chat.create", model="m", messages=[HI], tools=[add])
