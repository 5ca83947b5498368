"""What a request may hold, and what is refused."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from llmsdk import SDK
from llmsdk.errors import RequestValidationError
from llmsdk.models.chat import ChatCompletionParams, ChatCompletionRequest
from llmsdk.models.completions import CompletionParams, CompletionRequest
from llmsdk.models.images import ImageRequest
from llmsdk.models.messages import ChatMessage

CHAT = TypeAdapter(ChatCompletionRequest)
HI = {"role": "user", "content": "Hi"}


class Text(str):
    """A subclass, as templating libraries have."""


@pytest.mark.parametrize(
    "params",
    [
        {"messages": (HI, ChatMessage(role="assistant", content="x"))},
        {"messages": [{"role": Text("user"), "content": Text("x")}]},
        {"messages": [{"role": "critic", "opinion": 3}]},
        {"messages": [{"role": "user", "content": ({"type": "file", "file": {"id": 1}},)}]},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "x"}]}]},
        {"messages": [HI], "temperature": 1, "stop": ("a",), "logit_bias": {"1": 2}},
        {"messages": [HI], "temperature": None, "stop": None, "tools": None, "response_format": None},
        {"messages": [HI], "tools": [{"type": "mcp", "server": "x"}, {"function": {"name": "f"}}]},
        {"messages": [HI], "tool_choice": {"value": {"type": "function"}}, "logprobs": True},
        {"messages": [HI], "tool_choice": {"type": "allowed_tools"}, "logprobs": 2},
        {"messages": [HI], "response_format": {"type": "json_schema", "schema": {}}, "reasoning_effort": "xhigh"},
        {"messages": [HI], "response_format": {"type": "regex", "pattern": "a"}},
        {"messages": [HI], "response_format": {"type": "grammar", "grammar": "a"}},
        {"messages": [HI], "function_call": {"name": "f"}},
    ],
)
def test_what_a_server_may_take_passes(params: dict[str, Any]) -> None:
    CHAT.validate_python(params, strict=True)


@pytest.mark.parametrize(
    "params, place",
    [
        ({"messages": "Hi"}, ("messages",)),
        ({"messages": (HI for _ in "a")}, ("messages",)),
        ({"messages": [{"role": "user", "content": 3}]}, ("messages", 0, "user", "content")),
        ({"messages": [{"role": "user"}]}, ("messages", 0, "user", "content")),
        ({"messages": [3]}, ("messages", 0, "other")),
        ({"messages": [HI], "temperature": "1"}, ("temperature",)),
        ({"messages": [HI], "max_tokens": 1.5}, ("max_tokens",)),
        ({"messages": [HI], "stop": [1]}, ("stop", 0)),
        ({"messages": [HI], "tools": [{"type": "function"}]}, ("tools", 0, "function", "function")),
        ({"messages": [HI], "response_format": {"type": "json_schema"}}, ("response_format", "json_schema")),
    ],
)
def test_a_wrong_type_is_refused_at_its_place(params: dict[str, Any], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        CHAT.validate_python(params, strict=True)
    labels = ("list[", "tuple[", "union[")
    found = [error["loc"] for error in caught.value.errors()]
    places = [tuple(part for part in loc if not str(part).startswith(labels)) for loc in found]
    assert any(each[: len(place)] == place for each in places), places


def test_only_the_heart_of_a_request_is_required() -> None:
    assert CompletionParams.__required_keys__ == CompletionRequest.__required_keys__ == {"prompt"}
    assert ChatCompletionParams.__required_keys__ == ChatCompletionRequest.__required_keys__ == {"messages"}
    assert ImageRequest.__required_keys__ == {"prompt"}


FORMS = [
    *[{"type": name, name: "data:image/png;base64,QQ=="} for name in ("image_url", "video_url", "audio_url")],
    {"type": "input_audio", "input_audio": "QQ=="},
    {"type": "document_url", "document_url": "https://files.example/a.pdf"},
    {"type": "image_url", "image_url": {"url": "u", "detail": "low", "more": 1}},
]


@pytest.mark.parametrize("part", FORMS, ids=lambda part: str(part["type"]))
def test_parts_in_the_form_of_any_server_pass(part: dict[str, Any]) -> None:
    with SDK(server_url="http://127.0.0.1:9") as sdk:
        shown = sdk.chat.preview(model="m", messages=[{"role": "user", "content": [part]}])
    assert shown.body["messages"][0]["content"] == [part]


@pytest.mark.parametrize(
    "part, line",
    [
        ({"type": "image_url", "image_url": 5}, "image_url: must be a string or a dict, got int"),
        ({"type": "image_url", "image_url": {"url": 5}}, "image_url.url: must be a string, got int"),
        ({"type": "image_url", "image_url": {}}, "image_url.url: must be given, but is missing"),
        ({"type": "input_audio"}, "input_audio: must be given, but is missing"),
        ({"type": "text", "text": 5}, "text: must be a string, got int"),
    ],
)
def test_what_every_server_refuses_is_refused_here(part: dict[str, Any], line: str) -> None:
    with SDK(server_url="http://127.0.0.1:9") as sdk, pytest.raises(RequestValidationError) as caught:
        sdk.chat.preview(model="m", messages=[{"role": "user", "content": [part]}])
    assert str(caught.value) == f"messages[0].content[0].{line}"
