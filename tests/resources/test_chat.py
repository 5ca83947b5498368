"""`sdk.chat`: messages of every kind, tools and their replies, streams, in both colours."""

from __future__ import annotations

import json
from typing import Any

import pytest
import respx

from llmsdk import errors, models
from llmsdk.providers import PROVIDERS
from support.colours import KEY, Colour, collect

pytestmark = pytest.mark.every_backend

TOGETHER = "https://api.together.xyz/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}
CALLS = {
    "id": "c",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": "{}"}, "novel": 1}
                ],
            },
            "finish_reason": "tool_calls",
        }
    ],
}


def body_of(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


@pytest.mark.also_trio
async def test_a_question_and_its_answer(colour: Colour, wire: respx.MockRouter) -> None:
    headers = {"x-request-id": "r-1", "x-ratelimit-limit": "10", "x-ratelimit-remaining": "9"}
    route = wire.post(TOGETHER).respond(json=ANSWER, headers=headers)
    async with colour.open(api_key=KEY) as client:
        reply = await client.call("chat.create", model="m", messages=[USER], temperature=0)
    assert isinstance(reply, models.ChatCompletionResponse)
    assert reply.text == "Hello."
    assert reply.meta.request_id == "r-1"
    assert (reply.meta.rate_limit.requests.limit, reply.meta.rate_limit.requests.remaining) == (10, 9)
    assert [(attempt.server, attempt.status, attempt.error) for attempt in reply.meta.attempts] == [
        ("together", 200, None)
    ]
    assert reply.meta.elapsed_ms > 0
    assert reply.model_dump(mode="json", exclude_unset=True) == ANSWER
    assert body_of(route) == {"model": "m", "messages": [USER], "temperature": 0}


async def test_the_request_object(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(TOGETHER).respond(json=ANSWER)
    async with colour.open(api_key=KEY) as client:
        await client.call("chat.create", chat_completion_request={"model": "m", "messages": [USER]})
        await client.call("chat.create", chat_completion_request={"messages": [USER]}, model="m")
    assert route.call_count == 2
    assert body_of(route) == {"model": "m", "messages": [USER]}


async def test_parts_of_every_kind(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post("https://models.example/v1/chat/completions").respond(json=ANSWER)
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "Look and listen."},
                {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "video_url", "video_url": {"url": "https://x.example/a.mp4"}},
            ],
        },
    ]
    async with colour.open(api_key=KEY, server_url="https://models.example/v1") as client:
        await client.call("chat.create", model="m", messages=messages)
    assert body_of(route)["messages"] == messages


async def test_a_reply_goes_back_as_a_message(colour: Colour, wire: respx.MockRouter) -> None:
    """A tool loop: the model's own message is given back as it is, with what we do not know in it."""
    route = wire.post(TOGETHER).respond(json=CALLS)
    async with colour.open(api_key=KEY) as client:
        reply = await client.call("chat.create", model="m", messages=[USER], tools=[WEATHER], tool_choice="auto")
        assert [call.function.name for call in reply.tool_calls] == ["weather"]
        assert reply.text == ""
        wire.post(TOGETHER).respond(json=ANSWER)
        message = reply.choices[0].message
        result = {"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": "rain"}
        final = await client.call("chat.create", model="m", messages=[USER, message, result], tools=[WEATHER])
    assert final.text == "Hello."
    assert body_of(route)["messages"] == [USER, CALLS["choices"][0]["message"], result]  # type: ignore[index] # a literal above


async def test_a_streamed_tool_call_goes_back_as_a_message(colour: Colour, wire: respx.MockRouter) -> None:
    pieces = [
        {"role": "assistant", "tool_calls": [{"index": 0, "id": "t1", "type": "function", "function": {"name": "w"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ' "Lima"}'}}]},
    ]
    events = [{"choices": [{"index": 0, "delta": piece}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    route = wire.post(TOGETHER).respond(content=body, headers={"content-type": "text/event-stream"})
    async with colour.open(api_key=KEY) as client:
        stream = await client.call("chat.create", model="m", messages=[USER], stream=True)
        await collect(stream)
        call = stream.final.tool_calls[0]
        assert (call.id, call.function.name, call.function.arguments) == ("t1", "w", '{"city": "Lima"}')
        wire.post(TOGETHER).respond(json=ANSWER)
        await client.call("chat.create", model="m", messages=[USER, stream.final.choices[0].message])
    sent = body_of(route)["messages"][1]
    assert sent["role"] == "assistant"
    assert [piece["function"] for piece in sent["tool_calls"]] == [{"name": "w", "arguments": '{"city": "Lima"}'}]


async def test_a_json_reply_to_a_stream_is_one_chunk(colour: Colour, wire: respx.MockRouter) -> None:
    wire.post(TOGETHER).respond(json=ANSWER)
    async with colour.open(api_key=KEY) as client:
        stream = await client.call("chat.create", model="m", messages=[USER], stream=True)
        events = await collect(stream)
        assert [event.text for event in events] == ["Hello."]
        assert stream.final.model_dump(mode="json", exclude_unset=True) == ANSWER


async def test_an_event_stream_where_none_was_asked_for_is_folded(colour: Colour, wire: respx.MockRouter) -> None:
    body = (
        'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}]}\n\n'
        'data: {"id":"c","choices":[{"index":0,"delta":{"content":"lo."},"finish_reason":"stop"}]}\n\n'
        "data: [DONE]\n\n"
    )
    wire.post(TOGETHER).respond(content=body, headers={"content-type": "text/event-stream"})
    async with colour.open(api_key=KEY) as client:
        assert (await client.call("chat.create", model="m", messages=[USER])).text == "Hello."


async def test_the_older_writer_has_no_chat(colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(api_key=KEY, server="writer", organization_id=1) as client:
        with pytest.raises(errors.UnsupportedOperationError) as caught:
            await client.call("chat.create", model="m", messages=[USER])
    assert set(caught.value.servers) == {
        name for name, one in PROVIDERS.items() if "createChatCompletion" in one.routes
    }
    assert "writer" not in caught.value.servers
    assert not wire.calls


@pytest.mark.parametrize(
    "args, named, hint",
    [
        ({"model": "m"}, "messages", "missing"),
        ({"messages": [USER]}, "model", "missing"),
        ({"model": None, "messages": [USER]}, "model", "None"),
        ({"model": "m", "messages": [USER], "temprature": 1}, "temprature", "'temperature'"),
        ({"model": "m", "messages": [USER], "zzz": 1}, "zzz", "extra_body"),
        ({"model": "m", "messages": [USER], "temperature": "hot"}, "temperature", "got str"),
        ({"model": "m", "messages": [USER], "max_tokens": 1.5}, "max_tokens", "got float"),
        ({"model": 3, "messages": [USER]}, "model", "got int"),
        ({"model": "m", "messages": "Hi"}, "messages", "got str"),
        ({"model": "m", "messages": [{"role": "user", "content": 3}]}, "messages[0].content", "got int"),
        ({"model": "m", "messages": [USER, {"role": "tool"}]}, "messages[1].content", "missing"),
        ({"model": "m", "messages": [USER], "stream": "yes"}, "stream", "got str"),
        ({"model": "m", "messages": [USER], "tools": [{"type": "function"}]}, "tools[0]", "function"),
        ({"model": "m", "messages": [USER], "logit_bias": {"1": float("nan")}}, "logit_bias", "JSON"),
        ({"model": "m", "messages": [{"role": "user", "content": "\ud800"}]}, "messages", ""),
    ],
)
async def test_bad_parameters(
    args: dict[str, Any], named: str, hint: str, colour: Colour, wire: respx.MockRouter
) -> None:
    async with colour.open(api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("chat.create", **args)
    text = str(caught.value)
    assert text.startswith(named), text
    assert hint in text, text
    assert "\n" not in text
    assert "Hi" not in text
    assert not wire.calls


def test_preview(wire: respx.MockRouter) -> None:
    with Colour("sync").open(api_key=KEY).sdk as sdk:
        preview = sdk.chat.preview(model="m", messages=[USER], stream=True, stop="x")
    assert preview.url == TOGETHER
    assert preview.body == {"model": "m", "messages": [USER], "stream": True, "stop": ["x"]}
    assert preview.headers["authorization"] == "Bearer ***"
    assert "text/event-stream" in preview.headers["accept"]
    assert not wire.calls
