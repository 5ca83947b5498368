"""Protocols of servers' own: what the SDK's codecs write is read, and what comes back is what they read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk.local import Fault, LocalServer
from llmsdk.providers import PROVIDERS

NATIVE = Path(__file__).parent.parent / "data" / "native"
INDEX: list[dict[str, Any]] = json.loads((NATIVE / "index.json").read_text("utf-8"))
REQUESTS = [row for row in INDEX if row["kind"] == "request"]
DIALECTS = ("anthropic", "gemini", "openai_responses")
KEY = "sk-placeholder"

HI = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
WEATHER = [{"role": "user", "content": "Weather in Lima?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CALLED = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Lima"}'}}
TALK = [
    *WEATHER,
    {"role": "assistant", "content": None, "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "c1", "content": "19 C"},
]
NAMED = {"type": "function", "function": {"name": "get_weather"}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}

CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "text": ({"messages": HI}, "Embedded provider: you said 'Hi'."),
    "cut": ({"messages": HI, "max_tokens": 2}, "Embedded provider:"),
    "called": ({"messages": WEATHER, "tools": [TOOL]}, {"city": "Lima"}),
    "by name": ({"messages": HI, "tools": [TOOL], "tool_choice": NAMED}, {"city": "Hi"}),
    "required": ({"messages": HI, "tools": [TOOL], "tool_choice": "required"}, {"city": "Hi"}),
    "none": (
        {"messages": WEATHER, "tools": [TOOL], "tool_choice": "none"},
        "Embedded provider: you said 'Weather in Lima?'.",
    ),
    "result": ({"messages": TALK, "tools": [TOOL]}, "Embedded provider: the tool said '19 C'."),
    "schema": ({"messages": WEATHER, "response_format": FORM}, '{"city": "Lima"}'),
    "thought": ({"messages": HI, "reasoning_effort": "low"}, "Embedded provider: you said 'Hi'."),
    "picture": (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, PICTURE]}]},
        "Embedded provider: you said 'See [image_url]'.",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_chat_streamed_or_not(dialect: str, case: str) -> None:
    params, expected = CASES[case]
    with LocalServer(dialect, api_key=KEY) as server, SDK(server=dialect, server_url=server.url, api_key=KEY) as sdk:
        asked: dict[str, Any] = {"model": "m", "max_tokens": 200, **params}
        reply = sdk.chat.create(**asked)
        with sdk.chat.create(**asked, stream=True) as stream:
            list(stream)
    choice, streamed = reply.choices[0], stream.final.choices[0]
    if isinstance(expected, str):
        assert choice.message.content == expected
        assert choice.finish_reason == ("length" if case == "cut" else "stop")
    else:
        assert json.loads(choice.message.tool_calls[0].function.arguments) == expected
        assert choice.finish_reason == "tool_calls"
    assert (choice.message.reasoning is not None) is (case == "thought")
    assert (streamed.finish_reason, streamed.message.content) == (choice.finish_reason, choice.message.content)
    for one, other in zip(streamed.message.tool_calls or (), choice.message.tool_calls or (), strict=True):
        assert (one.id, one.function) == (other.id, other.function)
    assert streamed.message.reasoning == choice.message.reasoning
    assert stream.final.usage.total_tokens == reply.usage.total_tokens > 0


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["name"])
def test_recorded_requests_are_read(call: Any, row: dict[str, Any]) -> None:
    with LocalServer(row["protocol"]) as server:
        key = {name: form.format(api_key=KEY) for name, form in server.provider.headers.items()}
        path = server.url.removeprefix(server.origin) + row["path"]
        answer = call(server, path, json.loads((NATIVE / row["file"]).read_text("utf-8")), headers=key)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_wrong_is_told_in_the_protocols_words(dialect: str) -> None:
    with (
        LocalServer(dialect, api_key=KEY) as server,
        SDK(server=dialect, server_url=server.url, api_key=KEY, retry_config=None) as sdk,
    ):
        asked: Any = {"model": "m", "messages": HI, "max_tokens": 50}
        server.script(Fault(status=429), Fault(status=503), Fault(in_band_error=(2, None)))
        for kind in (errors.RateLimitError, errors.ServiceUnavailableError):
            with pytest.raises(kind, match="Scripted fault"):
                sdk.chat.create(**asked)
        with (
            pytest.raises(errors.InternalServerError, match="Scripted fault"),
            sdk.chat.create(**asked, stream=True) as stream,
        ):
            list(stream)
        with pytest.raises(errors.NotFoundError, match="does not exist"):
            sdk.chat.create(**{**asked, "model": "missing"})
        with (
            SDK(server=dialect, server_url=server.url, api_key="sk-wrong", retry_config=None) as wrong,
            pytest.raises(errors.AuthenticationError, match="Invalid API key"),
        ):
            wrong.models.list()
        assert len(sdk.models.list().data) == 3
        assert sdk.models.retrieve(model="x").id.endswith("x")


@pytest.mark.parametrize(
    "body", [{}, {"messages": 5}, {"contents": [5], "input": [5], "messages": [5]}, {"input": None}]
)
@pytest.mark.parametrize(
    "dialect, path",
    [("anthropic", "/messages"), ("gemini", "/models/m:generateContent"), ("openai_responses", "/responses")],
)
def test_bodies_of_another_shape_are_refused(call: Any, dialect: str, path: str, body: Any) -> None:
    with LocalServer(dialect) as server:
        where = server.url.removeprefix(server.origin) + path
        answer = call(server, where, body, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status == 400, answer.body


# What writes, by one protocol or another.
_WRITING = [name for name, one in PROVIDERS.items() if one.routes.keys() & {"createChatCompletion", "createCompletion"}]


@pytest.mark.parametrize("dialect", _WRITING)
def test_every_dialect_is_spoken(dialect: str) -> None:
    with (
        LocalServer(dialect) as server,
        SDK(server=dialect, server_url=server.url, api_key=KEY, retry_config=None, organization_id="1") as sdk,
    ):
        resource = sdk.chat if "createChatCompletion" in server.provider.routes else sdk.completions
        said = {"messages": HI} if resource is sdk.chat else {"prompt": "Hi"}
        asked: Any = {"model": "m", "max_tokens": 50, **said}
        assert resource.create(**asked).text == "Embedded provider: you said 'Hi'."
        with resource.create(**asked, stream=True) as stream:
            assert "".join(stream.text_deltas()) == "Embedded provider: you said 'Hi'."


def test_gemini_takes_names_of_fields_in_snake_case(call: Any) -> None:
    # JSON of protocol buffers may have both; google-genai 3.6.1 sends `parameters_json_schema`.
    schema = {"type": "object", "properties": {"city_name": {"type": "string"}}, "required": ["city_name"]}
    declared = {"name": "get_weather", "parameters_json_schema": schema}
    body = {
        "contents": [{"role": "user", "parts": [{"text": "Weather in Lima?"}]}],
        "tools": [{"function_declarations": [declared]}],
    }
    with LocalServer("gemini") as server:
        where = server.url.removeprefix(server.origin) + "/models/m:generateContent"
        answer = call(server, where, body, headers={"x-goog-api-key": KEY})
    (part,) = answer.json["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["args"] == {"city_name": "Lima"}


def test_gemini_embeds_in_its_own_words() -> None:
    with LocalServer("gemini") as server, SDK(server="gemini", server_url=server.url, api_key=KEY) as sdk:
        found = sdk.embeddings.create(model="m", input=["a cat", "a dog"], dimensions=8)
        assert [(one.index, len(one.as_array())) for one in found.data] == [(0, 8), (1, 8)]
        assert sdk.embeddings.create(model="m", input="a cat").usage.prompt_tokens == 2
        assert len(server.requests[-1].json["requests"]) == 1
        with pytest.raises(errors.BadRequestError, match="must not be empty"):
            sdk.embeddings.create(model="m", input=[""])
