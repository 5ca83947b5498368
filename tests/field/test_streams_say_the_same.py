"""What a stream says comes to what the unstreamed reply has, whatever its pieces, over every way of calling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
Case = tuple[list[dict[str, Any]], dict[str, Any]]


def call(index: int | None, identity: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    return {"index": index, "id": identity, "function": {"name": name, "arguments": arguments}}


def calls(*found: tuple[str | None, str, str]) -> list[dict[str, Any]]:
    return [{"id": identity, "function": {"name": name, "arguments": text}} for identity, name, text in found]


# The deltas of a stream, or whole choices or chunks where they have such keys, and what its message has in the end.
CASES: dict[str, Case] = {
    "reasoning by index": (
        [
            {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Let me "}]},
            {"reasoning_details": [{"index": 0, "text": "see"}]},
            {"reasoning_details": [{"index": 0, "signature": "SIG"}]},
        ],
        {"reasoning_details": [{"index": 0, "type": "reasoning.text", "text": "Let me see", "signature": "SIG"}]},
    ),
    "two blocks side by side": (
        [{"reasoning_details": [{"index": at % 2, "text": text}]} for at, text in enumerate("abcd")],
        {"reasoning_details": [{"index": 0, "text": "ac"}, {"index": 1, "text": "bd"}]},
    ),
    "thinking blocks": (
        [
            {"thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "m", "signature": "S1"}]},
            {"thinking_blocks": [{"type": "thinking", "thinking": "Ah", "signature": "S2"}]},
        ],
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "Hmm", "signature": "S1"},
                {"type": "thinking", "thinking": "Ah", "signature": "S2"},
            ]
        },
    ),
    "a recording": (
        [
            {"audio": {"id": "a", "transcript": "Hel"}},
            {"audio": {"data": "AAAA", "transcript": "lo"}},
            {"audio": {"data": "BBBB"}},
        ],
        {"audio": {"id": "a", "transcript": "Hello", "data": "AAAABBBB"}},
    ),
    "citations": (
        [{"annotations": [{"type": "url_citation", "url_citation": {"url": url}}]} for url in ("u1", "u2", "u2")],
        {"annotations": [{"type": "url_citation", "url_citation": {"url": url}} for url in ("u1", "u2", "u2")]},
    ),
    "a tool run again with its output": (
        [
            {"executed_tools": [{"index": 0, "type": "search", "arguments": '{"q":1}'}]},
            {"executed_tools": [{"index": 0, "type": "search", "arguments": '{"q":1}', "output": "found"}]},
        ],
        {"executed_tools": [{"index": 0, "type": "search", "arguments": '{"q":1}', "output": "found"}]},
    ),
    "thinking parts and text": (
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Okay"}]}]},
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": ", so"}]}]},
            {"content": "Hel"},
            {"content": "lo"},
        ],
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Okay, so"}]},
                {"type": "text", "text": "Hello"},
            ]
        },
    ),
    "whole calls on one index": (
        [{"tool_calls": [call(0, None, "f", text)]} for text in ('{"x":1}', '{"x":2}')],
        {"tool_calls": calls((None, "f", '{"x":1}'), (None, "f", '{"x":2}'))},
    ),
    "a nameless piece under a new index": (
        [
            {"tool_calls": [call(0, "a", "f", "")]},
            {"tool_calls": [call(0, None, None, '{"x":1}')]},
            {"tool_calls": [call(0, "b", "g", "")]},
            {"tool_calls": [call(1, None, None, '{"y":2}')]},
        ],
        {"tool_calls": calls(("a", "f", '{"x":1}'), ("b", "g", '{"y":2}'))},
    ),
    "calls without arguments": (
        [{"tool_calls": [call(0, identity, "now", "")]} for identity in "abc"],
        {"tool_calls": calls(*((identity, "now", "") for identity in "abc"))},
    ),
    "a name in pieces": (
        [
            {"tool_calls": [call(0, "a", name, text)]}
            for name, text in (("get_wea", ""), ("ther", ""), ("get_weather", "{}"))
        ],
        {"tool_calls": calls(("a", "get_weather", "{}"))},
    ),
}


def events(deltas: list[dict[str, Any]]) -> bytes:
    """Write a stream, with nulls and pings between its events."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    lines = (json.dumps({**HEAD, "choices": [choice]}) for choice in choices)
    between = "data: null\n\n: ping\n\nevent: ping\ndata: {}\n\n"
    return (between.join(f"data: {line}\n\n" for line in lines) + "data: [DONE]\n\n").encode()


def holds(whole: Any, part: Any) -> bool:
    """Whether all that is in `part` is in `whole`, and lists have no more entries."""
    if isinstance(part, dict):
        return all(holds(whole.get(name), value) for name, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return bool(whole == part)


@pytest.mark.every_backend
@pytest.mark.parametrize("size", [1 << 16, 7])
@pytest.mark.parametrize("name", CASES)
async def test_a_stream_comes_to_the_unstreamed_reply(
    name: str, size: int, colour: Colour, canned: CannedServer
) -> None:
    deltas, wanted = CASES[name]
    body = events(deltas)

    def script(connection: Connection, _: Request) -> bool:
        connection.head(200, content_type="text/event-stream")
        for start in range(0, len(body), size):
            connection.chunk(body[start : start + size])
        connection.chunk(b"")
        return True

    canned.script = script
    async with colour.open(api_key=KEY, server_url=canned.url, retry_config=None) as client:
        stream = await client.call("chat.create", **ASK, stream=True)
        seen = await collect(stream)
        final = stream.final.model_dump(exclude_none=True)["choices"][0]["message"]
        assert holds(final, wanted), final
        assert len(seen) == len(deltas) + 1
        # What is streamed where a reply was asked for, and what is a reply where a stream was asked for, are the same.
        whole = await client.call("chat.create", **ASK)
        assert holds(whole.model_dump(exclude_none=True)["choices"][0]["message"], wanted)


# ------------------------------------------------------- what a server may refuse, a server decides

PARTS: list[dict[str, Any]] = [
    {"type": "image_url", "image_url": "data:image/png;base64,AA"},
    {"type": "image_url", "image_url": {"url": "u", "detail": "ultra"}},
    {"type": "input_audio", "input_audio": "AAAA"},
    {"type": "file", "file": "AAAA"},
    {"type": "video_url", "video_url": {"url": "u"}},
    {"type": "document_url", "document_url": "u"},
    {"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}},
    {"type": "of a later year", "x": [1]},
]
TOOLS: list[dict[str, Any]] = [
    {"type": "web_search"},
    {"type": "web_search_preview", "search_context_size": "low"},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "mcp", "server_url": "u"},
    {"type": "custom", "custom": {"name": "x"}},
    {"googleSearch": {}},
]
OPENAIS = ["openai", "together", "r9s", "groq", "mistral", "vllm", "openrouter", "ollama"]


@pytest.mark.parametrize("server", OPENAIS)
async def test_kinds_of_parts_and_tools_pass(server: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})
    async with colour.open(api_key=KEY, server=server, server_url=canned.url) as client:
        for part in PARTS:
            await client.call("chat.create", model="m", messages=[{"role": "user", "content": [part]}])
            assert canned.last.json["messages"][0]["content"] == [part]
        for tool in TOOLS:
            await client.call("chat.create", **ASK, tools=[tool])
            assert canned.last.json["tools"] == [tool]
