"""A caller's pydantic objects are sent whole and by their aliases; models of a reply as their server had sent them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel, computed_field
from pydantic.dataclasses import dataclass

from llmsdk import SDK, errors
from llmsdk.models import ChatCompletionResponse, ToolCall
from support.canned import CannedServer
from support.colours import KEY, Colour


class Text(BaseModel):
    text: str
    type: Literal["text"] = "text"


class Message(BaseModel):
    content: Any
    role: str = "user"


class Function(BaseModel):
    name: str
    parameters: dict[str, Any] = {"type": "object", "properties": {}}


class FunctionTool(BaseModel):
    function: Function
    type: str = "function"


class Limits(BaseModel):
    max_items: int = Field(3, alias="maxItems")
    until: date = date(2030, 1, 2)

    @computed_field
    def twice(self) -> int:
        return 2 * self.max_items


@dataclass
class Size:
    max_width: int = Field(3, serialization_alias="maxWidth")
    inner: Text = Field(default_factory=lambda: Text(text="Hi"))


@dataclass
class Odd:
    size: Any = Field(default_factory=object)


CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
LIMITS = {"maxItems": 3, "until": "2030-01-02", "twice": 6}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def sdk() -> Iterator[SDK]:
    with SDK(server_url="http://127.0.0.1:9/v1") as made:
        yield made


@pytest.mark.parametrize(
    "given, sent",
    [
        ({"messages": [Message(content="Hi")]}, {"messages": [{"role": "user", "content": "Hi"}]}),
        (
            {"messages": [{"role": "user", "content": [Text(text="Hi")]}]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        ),
        (
            {"messages": [Message(content=[Text(text="Hi")])]},
            {"messages": [{"role": "user", "content": [{"text": "Hi", "type": "text"}]}]},
        ),
        ({"tools": [FunctionTool(function=Function(name="f"))]}, {"tools": [FUNCTION]}),
        ({"tool_choice": FunctionTool(function=Function(name="f"))}, {"tool_choice": FUNCTION}),
        ({"metadata": Limits()}, {"metadata": LIMITS}),
        ({"metadata": {"a": (Limits(),)}}, {"metadata": {"a": [LIMITS]}}),
        (
            {"extra_body": {"a": Limits(), "b": [{"c": Limits(maxItems=5)}]}},
            {"a": LIMITS, "b": [{"c": {**LIMITS, "maxItems": 5, "twice": 10}}]},
        ),
        ({"extra_body": {"a": [Size()]}}, {"a": [{"maxWidth": 3, "inner": {"text": "Hi", "type": "text"}}]}),
        ({"extra_body": {"a": RootModel[list[int]]([1])}}, {"a": [1]}),
    ],
)
def test_objects_of_the_caller_go_whole(given: dict[str, Any], sent: dict[str, Any], sdk: SDK) -> None:
    body = sdk.chat.preview(**{**CHAT, **given}).body
    assert {name: body[name] for name in sent} == sent


REPLY: dict[str, Any] = {
    "choices": [
        {
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                "reasoning_details": [{"index": 0, "text": "t"}],
            }
        }
    ]
}


class Turn(BaseModel):
    """An object of the caller's that holds parts of a reply."""

    tool_calls: list[ToolCall]
    role: str = "assistant"
    content: str | None = None
    notes: dict[str, Any] = {}


def test_what_is_neither_model_nor_json_is_named(sdk: SDK) -> None:
    for value in (SimpleNamespace(a=1), Odd()):
        with pytest.raises(errors.RequestValidationError, match=r"extra_body\.a: cannot be written as JSON"):
            sdk.chat.preview(**CHAT, extra_body={"a": value})


def test_models_of_a_reply_go_as_they_came_wherever_they_stand(sdk: SDK) -> None:
    message = ChatCompletionResponse.model_validate(REPLY).choices[0].message
    sent: dict[str, Any] = REPLY["choices"][0]["message"]
    assert sdk.chat.preview(model="m", messages=[message]).body["messages"] == [sent]
    assert sdk.chat.preview(**CHAT, extra_body={"a": [message]}).body["a"] == [sent]
    turn = Turn(tool_calls=message.tool_calls or [], notes={"said": (message,)})
    assert sdk.chat.preview(model="m", messages=[turn]).body["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": sent["tool_calls"], "notes": {"said": [sent]}}
    ]


async def test_what_is_previewed_is_sent(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        await client.call("chat.create", model="m", messages=[Message(content=[Text(text="Hi")])])
    assert json.loads(canned.last.body)["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
