"""What `parse` gives for each kind of schema, in both colours. Never run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypedDict

from llmsdk import SDK
from llmsdk.errors import ReplyMeta
from llmsdk.models import ChatCompletionChunk, ChatCompletionResponse
from llmsdk.structured import ParsedChatCompletion, ParsedEventStream, ParsedEventStreamAsync


class Model(BaseModel):
    name: str


@dataclass
class Point:
    x: int


class Row(TypedDict):
    name: str


def kinds(sdk: SDK) -> None:
    model = sdk.chat.parse(model="m", messages=[], response_format=Model)
    assert_type(model, ParsedChatCompletion[Model])
    assert_type(model.parsed, Model)
    assert_type(model.parsed.name, str)
    assert_type(model.text, str)
    assert_type(model.meta, ReplyMeta)
    assert_type(model.reasks, int)
    same: ChatCompletionResponse = model
    del same
    point = sdk.chat.parse(model="m", messages=[], response_format=Point, max_reasks=2, temperature=0, retries=None)
    assert_type(point.parsed, Point)
    row = sdk.chat.parse(model="m", messages=[], response_format=Row, stream=False)
    assert_type(row.parsed, Row)
    assert_type(row.parsed["name"], str)
    either: TypeAdapter[int | str] = TypeAdapter(int | str)
    assert_type(sdk.chat.parse(model="m", messages=[], response_format=either).parsed, int | str)
    assert_type(sdk.chat.parse(model="m", messages=[], response_format=TypeAdapter(Model)).parsed, Model)
    assert_type(sdk.chat.parse(model="m", messages=[], response_format=list[int]).parsed, list[int])


def streams(sdk: SDK, maybe: bool) -> None:
    stream = sdk.chat.parse(model="m", messages=[], response_format=Model, stream=True, idle_timeout_ms=5)
    assert_type(stream, ParsedEventStream[Model])
    with stream as entered:
        assert_type(entered, ParsedEventStream[Model])
        for event in stream:
            assert_type(event, ChatCompletionChunk)
            assert_type(stream.parsed_partial, Any)
    assert_type(stream.partial, ChatCompletionResponse)
    assert_type(stream.final, ParsedChatCompletion[Model])
    assert_type(stream.final.parsed, Model)
    either = sdk.chat.parse(model="m", messages=[], response_format=Point, stream=maybe)
    assert_type(either, ParsedChatCompletion[Point] | ParsedEventStream[Point])


async def asynchronous(sdk: SDK, maybe: bool) -> None:
    reply = await sdk.chat.parse_async(model="m", messages=[], response_format=Row, max_reasks=1)
    assert_type(reply.parsed, Row)
    stream = await sdk.chat.parse_async(model="m", messages=[], response_format=Point, stream=True)
    assert_type(stream, ParsedEventStreamAsync[Point])
    async with stream:
        async for event in stream:
            assert_type(event, ChatCompletionChunk)
    assert_type(stream.final.parsed, Point)
    either = await sdk.chat.parse_async(model="m", messages=[], response_format=Model, stream=maybe)
    assert_type(either, ParsedChatCompletion[Model] | ParsedEventStreamAsync[Model])


def mistakes(sdk: SDK) -> None:
    sdk.chat.parse(model="m", messages=[], response_format={"type": "json_object"})  # type: ignore[call-overload] # no type
    sdk.chat.parse(model="m", messages=[])  # type: ignore[call-overload] # no form
    sdk.chat.parse(model="m", messages=[], response_format=Model, tools=[])  # type: ignore[call-overload] # run_tools does that
