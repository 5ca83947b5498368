"""A conversation with tools that moves between servers, each of which refuses what the real one is known to refuse.

Texts, calls with their ids, reasoning and signatures are given back to the server that made them, and none of what is
another's.

Sources: the files of the servers in `providers/`, and the issues that they name.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from llmsdk import Failover
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect

Json = dict[str, Any]


class Refused(Exception):
    """What the fake answers with 400."""


class Strict(CannedServer):
    """Answers a chat with a call of a tool until two results are there; judges every message that comes back."""

    def __init__(self, name: str, judge: Callable[[Json, Json | None], None], said: Callable[[str], Json]) -> None:
        super().__init__()
        self.name = name
        self.judge, self.said = judge, said
        self.issued: dict[str, Json] = {}
        self.script = self._answer

    def _answer(self, connection: Connection, request: Request) -> bool:
        body = request.json
        try:
            for message in body["messages"]:
                calls = message.get("tool_calls") or []
                if message["role"] == "assistant":
                    self.judge(message, self.issued.get(calls[0]["id"]) if calls else None)
            results = sum(message["role"] == "tool" for message in body["messages"])
            message = {"role": "assistant", "content": "Done."} if results == 2 else self._call()
            status, payload = 200, self._reply(message, streams=bool(body.get("stream")))
        except Refused as exc:
            error = {"error": {"message": f"{self.name}: {exc}", "type": "invalid_request_error"}}
            status, payload = 400, json.dumps(error).encode()
        kind = "text/event-stream" if payload.startswith(b"data:") else "application/json"
        head = f"HTTP/1.1 {status} Canned\r\nContent-Type: {kind}\r\nContent-Length: {len(payload)}\r\n\r\n"
        connection.send(head.encode() + payload)
        return True

    def _call(self) -> Json:
        id = IDS.get(self.name, f"call_{self.name}_{{:016d}}").format(len(self.issued))
        self.issued[id] = self.said(id)
        return self.issued[id]

    def _reply(self, message: Json, *, streams: bool) -> bytes:
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        if not streams:
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return json.dumps({"id": "c", "object": "chat.completion", "created": 1, "choices": [choice]}).encode()
        delta = dict(message)
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        event = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        return b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(event).encode()


def call(id: str, **more: Any) -> Json:
    return {"id": id, "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}, **more}


def only(holder: Json, *names: str) -> None:
    if extra := holder.keys() - set(names):
        raise Refused(f"property {sorted(extra)} is unsupported")


def plain(message: Json) -> None:
    """What all servers refuse whose message has no parts: lists, and nulls beside the content."""
    if not isinstance(message.get("content", ""), str | None):
        raise Refused("content must be a string")
    if empty := [name for name, value in message.items() if name != "content" and not value]:
        raise Refused(f"{empty} must not be empty")


def judge_deepseek(message: Json, own: Json | None) -> None:
    if message.get("tool_calls") and not message.get("reasoning_content"):
        raise Refused("reasoning_content must be passed back to the API")
    if own is not None and message["reasoning_content"] != own["reasoning_content"]:
        raise Refused("these are not my thoughts")


def judge_groq(message: Json, own: Json | None) -> None:
    plain(message)
    only(message, "role", "content", "name", "tool_calls")
    for one in message.get("tool_calls") or []:
        only(one, "id", "type", "function")


def judge_gemini(message: Json, own: Json | None) -> None:
    for one in message.get("tool_calls") or []:
        signature = one.get("extra_content", {}).get("google", {}).get("thought_signature")
        if not signature:
            raise Refused("function call is missing a thought_signature")
        if own is not None and signature != "SIGNED":
            raise Refused("corrupted thought_signature")


def judge_openrouter(message: Json, own: Json | None) -> None:
    if own is not None and message.get("reasoning_details") != own["reasoning_details"]:
        raise Refused("reasoning_details must go back whole")
    if own is None and "reasoning_details" in message:
        raise Refused("reasoning_details of another server")


def judge_mistral(message: Json, own: Json | None) -> None:
    only(message, "role", "content", "tool_calls", "prefix")
    for one in message.get("tool_calls") or []:
        only(one, "id", "type", "function")
        if not re.fullmatch("[A-Za-z0-9]{9}", one["id"]):
            raise Refused(f"Tool call id was {one['id']} but must be a-z, A-Z, 0-9, with a length of 9.")
    if own is not None and message["content"] != own["content"]:
        raise Refused("these are not my thoughts")


def judge_openai(message: Json, own: Json | None) -> None:
    plain(message)
    only(message, "role", "content", "name", "tool_calls", "refusal", "audio", "function_call")
    for one in message.get("tool_calls") or []:
        only(one, "id", "type", "function")
        if len(one["id"]) > 40:
            raise Refused("string too long. Expected a string with maximum length 40")


def judge_cerebras(message: Json, own: Json | None) -> None:
    plain(message)
    only(message, "role", "content", "name", "tool_calls", "reasoning")
    if own is not None and message.get("reasoning") != own["reasoning"]:
        raise Refused("these are not my thoughts")


def judge_vllm(message: Json, own: Json | None) -> None:
    if own is not None and message.get("reasoning") != own["reasoning"]:
        raise Refused("these are not my thoughts")


# As the servers make them; the others as OpenAI does.
IDS = {
    "mistral": "abC{:06d}",
    "gemini_openai": "function-call-{:020d}",
    "vllm": "chatcmpl-tool-{:032d}",
    "moonshot": "functions.look:{}",
}
THOUGHTS = [{"type": "thinking", "thinking": [{"type": "text", "text": "I look."}]}, {"type": "text", "text": "Wait."}]
DETAILS = [{"type": "reasoning.text", "text": "I look.", "format": "x-v1", "index": 0, "signature": "SIG"}]
SERVERS: dict[str, tuple[Callable[[Json, Json | None], None], Callable[[str], Json]]] = {
    "deepseek": (
        judge_deepseek,
        lambda id: {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [call(id)]},
    ),
    "groq": (
        judge_groq,
        lambda id: {"role": "assistant", "reasoning": "I look.", "channel": "analysis", "tool_calls": [call(id)]},
    ),
    "gemini_openai": (
        judge_gemini,
        lambda id: {
            "role": "assistant",
            "tool_calls": [call(id, extra_content={"google": {"thought_signature": "SIGNED"}})],
        },
    ),
    "openrouter": (
        judge_openrouter,
        lambda id: {
            "role": "assistant",
            "content": "",
            "refusal": None,
            "reasoning": "I look.",
            "reasoning_details": DETAILS,
            "tool_calls": [call(id, index=0)],
        },
    ),
    "moonshot": (
        judge_deepseek,
        lambda id: {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [call(id)]},
    ),
    "cerebras": (
        judge_cerebras,
        lambda id: {"role": "assistant", "reasoning": "I look.", "tool_calls": [call(id)]},
    ),
    "openai": (
        judge_openai,
        lambda id: {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": [],
            "tool_calls": [call(id)],
        },
    ),
    "vllm": (
        judge_vllm,
        lambda id: {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            "reasoning": "I look.",
            "tool_calls": [call(id)],
        },
    ),
    "mistral": (judge_mistral, lambda id: {"role": "assistant", "content": THOUGHTS, "tool_calls": [call(id)]}),
}


@pytest.fixture
def servers() -> Iterator[dict[str, Strict]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(Strict(name, *rules)) for name, rules in SERVERS.items()}


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("pair", list(itertools.permutations(SERVERS, 2)), ids="-".join)
async def test_three_turns_over_two_servers(
    pair: tuple[str, str], streams: bool, colour: Colour, servers: dict[str, Strict]
) -> None:
    messages: list[Any] = [{"role": "user", "content": "Look twice."}]
    places = {name: replace(PROVIDERS[name], servers=(servers[name].url,)) for name in pair}
    async with colour.open(server="local", api_key=dict.fromkeys(pair, KEY), retry_config=None) as client:
        for name in (*pair, pair[0]):
            given: Json = {"model": "m", "messages": messages, "stream": streams, "server": places[name]}
            reply = await client.call("chat.create", **given)
            if streams:
                await collect(reply)
                reply = reply.final
            messages.append(reply.choices[0].message)
            messages += [{"role": "tool", "tool_call_id": one.id, "content": "7"} for one in reply.tool_calls]
    assert reply.text == "Done."
    assert [len(servers[name].requests) for name in pair] == [2, 1]
    # The conversation itself is as the servers said it.
    said = servers[pair[0]].said("x")
    assert messages[1].to_param().keys() >= {name for name, value in said.items() if value is not None}


async def test_failover_translates_too(colour: Colour, servers: dict[str, Strict]) -> None:
    first, second = servers["deepseek"], servers["groq"]
    places = [replace(PROVIDERS[one.name], servers=(one.url,)) for one in (first, second)]
    messages: list[Any] = [{"role": "user", "content": "Look."}, first.said("dee000009")]
    messages.append({"role": "tool", "tool_call_id": "dee000009", "content": "7"})
    first.reply(503, {"error": {"message": "busy"}})
    keys = {one.name: KEY for one in (first, second)}
    async with colour.open(failover=Failover(places), api_key=keys, retry_config=None) as client:
        reply = await client.call("chat.create", model="m", messages=messages)
    assert reply.meta.server == "groq"
    assert first.last.json["messages"][1]["reasoning_content"] == "I look."
    assert second.last.json["messages"][1].keys() == {"role", "content", "tool_calls"}
