"""What `run_tools` sends back is what the model said, whole and valid, streamed or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.canned import CannedServer, Connection, Request
from support.colours import Colour, collect

USER = {"role": "user", "content": "What's the weather in Lima?"}
HEAD = {"id": "c", "model": "m", "created": 1, "object": "chat.completion.chunk"}


def weather(city: str) -> str:
    return f"sun in {city}"


def whole(message: dict[str, Any]) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    content = json.dumps({"id": "c", "choices": [choice]}).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def events(*deltas: dict[str, Any]) -> bytes:
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    lines = [f"data: {json.dumps({**HEAD, 'choices': [choice]})}\n\n" for choice in choices]
    content = "".join([*lines, "data: [DONE]\n\n"]).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    return head % len(content) + content


def in_turn(*replies: bytes) -> Any:
    left: Iterator[bytes] = iter(replies)

    def script(connection: Connection, _: Request) -> bool:
        connection.send(next(left))
        return True

    return script


async def sent_back(colour: Colour, canned: CannedServer, *replies: bytes, stream: bool, **args: Any) -> Any:
    """Run the loop and give the messages of the last request behind the user's."""
    canned.script = in_turn(*replies)
    async with colour.open(server_url=canned.url) as client:
        made = await client.call("chat.run_tools", model="m", messages=[USER], tools=[weather], stream=stream, **args)
        if stream:
            await collect(made)
    return canned.last.json["messages"][1:]


BROKEN = ['{"city": "Li', '{"city": "A"}{"city": "B"}', "[1]", '"x"', '{"city": NaN}', "Lima", '{"city": "\\ud800"']


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("arguments", ["", "  ", None, {}, "null", " null\n", *BROKEN])
async def test_arguments_go_back_as_an_object_that_holds_them(
    arguments: Any, stream: bool, colour: Colour, canned: CannedServer
) -> None:
    call = {"id": "t", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    piece: dict[str, Any] = {"tool_calls": [{"index": 0, **call}]}
    replies = (events(piece), events({"content": "Sun."})) if stream else (whole(piece), whole({"content": "Sun."}))
    said, told = await sent_back(colour, canned, *replies, stream=stream)
    sent = json.loads(said["tool_calls"][0]["function"]["arguments"])
    assert sent == ({"invalid_arguments": arguments} if arguments in BROKEN else {})
    assert told["content"].startswith("Error: ")


async def test_the_older_form_of_a_call_goes_back_valid_too(colour: Colour, canned: CannedServer) -> None:
    older = {"content": None, "function_call": {"name": "weather", "arguments": '{"city'}, "tool_calls": [CALL]}
    said, _ = await sent_back(colour, canned, whole(older), whole({"content": "Sun."}), stream=False)
    assert json.loads(said["function_call"]["arguments"]) == {"invalid_arguments": '{"city'}
    assert said["tool_calls"] == [CALL]


CALL = {"id": "t", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lima"}'}}


async def test_thoughts_and_signatures_of_a_stream_go_back_whole(colour: Colour, canned: CannedServer) -> None:
    signed = {"google": {"thought_signature": "SIG"}}
    replies = events(
        {"role": "assistant", "thinking_blocks": [{"type": "thinking", "thinking": "Let me ", "signature": ""}]},
        {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Let me "}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "see", "signature": ""}]},
        {"reasoning_details": [{"index": 0, "text": "see"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "SIG"}]},
        {"reasoning_details": [{"index": 0, "signature": "SIG"}]},
        {
            "tool_calls": [
                {"index": 0, **CALL, "function": {"name": "weather", "arguments": ""}, "extra_content": signed}
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": "Lima"}'}}]},
    )
    said, told = await sent_back(colour, canned, replies, events({"content": "Sun."}), stream=True)
    assert said == {
        "role": "assistant",
        "content": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "Let me see", "signature": "SIG"}],
        "reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Let me see", "signature": "SIG"}],
        "tool_calls": [{"index": 0, **CALL, "extra_content": signed}],
    }
    assert told == {"role": "tool", "tool_call_id": "t", "content": "sun in Lima"}


async def test_final_and_partial_are_what_the_unstreamed_call_returns(colour: Colour, canned: CannedServer) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Okay, so"}]}
    message = {
        "content": [thought, {"type": "text", "text": "Hi"}],
        "audio": {"id": "a", "data": "QUJDREVG", "transcript": "hi"},
        "executed_tools": [{"index": 0, "type": "search", "arguments": "{}", "output": "found"}],
        "tool_calls": [CALL],
    }
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": [{**thought, "thinking": [{"type": "text", "text": "Okay"}]}]},
        {"content": [{**thought, "thinking": [{"type": "text", "text": ", so"}]}]},
        {"audio": {"id": "a", "data": "QUJD", "transcript": "h"}},
        {
            "audio": {"data": "REVG", "transcript": "i"},
            "executed_tools": [{"index": 0, "type": "search", "arguments": "{}"}],
        },
        {"content": "H", "executed_tools": message["executed_tools"]},
        {"content": "i", "tool_calls": [CALL]},
    ]
    canned.script = in_turn(whole(message), events(*deltas))
    async with colour.open(server_url=canned.url) as client:
        reply = await client.call("chat.create", model="m", messages=[USER])
        stream = await client.call("chat.create", model="m", messages=[USER], stream=True)
        await collect(stream)
    for built in (stream.final, stream.partial):
        assert built.choices[0].message.to_param() == reply.choices[0].message.to_param()
