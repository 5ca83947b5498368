"""Tools keep the types of their functions, and runs theirs. Never run."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, assert_type

from llmsdk import SDK, tool
from llmsdk.models import ChatCompletionChunk, ChatCompletionResponse
from llmsdk.models.tools import FunctionTool
from llmsdk.tools import Round, Tool, ToolEventStream, ToolEventStreamAsync, ToolResult, ToolRun


def add(a: int, b: int = 2) -> float:
    return a + b


@tool
def decorated(city: str) -> str:
    return city


@tool(name="renamed", description="Looks up.")
async def asynchronous(city: str) -> bytes:
    return city.encode()


def kept() -> None:
    made = tool(add)
    assert_type(made(1, b=3), float)
    assert_type(made.param, FunctionTool)
    assert_type(made.name, str)
    assert_type(decorated("Lima"), str)
    later: Awaitable[bytes] = asynchronous("Lima")
    del later
    whole: Tool[[str], str] = decorated
    del whole
    made("x")  # type: ignore[arg-type] # an int is wanted
    decorated(town="Lima")  # type: ignore[call-arg] # no such parameter


def note(round: Round) -> None:
    assert_type(round.results, tuple[ToolResult, ...])
    assert_type(round.reply, ChatCompletionResponse)


def runs(sdk: SDK, maybe: bool) -> None:
    run = sdk.chat.run_tools(model="m", messages=[], tools=[add, decorated], max_rounds=3, on_round=note)
    assert_type(run, ToolRun)
    assert_type(run.reply, ChatCompletionResponse)
    assert_type(run.messages, list[Any])
    stream = sdk.chat.run_tools(model="m", messages=[], tools=[add], stream=True, on_error="raise")
    assert_type(stream, ToolEventStream)
    for event in stream:
        assert_type(event, ChatCompletionChunk)
    assert_type(stream.final, ToolRun)
    assert_type(sdk.chat.run_tools(model="m", messages=[], tools=[add], stream=maybe), ToolRun | ToolEventStream)
    sdk.chat.run_tools(model="m", messages=[], tools=[add], on_error="ignore")  # type: ignore[call-overload] # no such policy
    sdk.chat.run_tools(model="m", messages=[], tools=["add"])  # type: ignore[list-item] # no function


async def runs_async(sdk: SDK) -> None:
    assert_type(await sdk.chat.run_tools_async(model="m", messages=[], tools=[asynchronous]), ToolRun)
    stream = await sdk.chat.run_tools_async(model="m", messages=[], tools=[add, asynchronous], stream=True)
    assert_type(stream, ToolEventStreamAsync)
    async for event in stream:
        assert_type(event, ChatCompletionChunk)
