"""Anthropic's Messages: types of the vendor's Python package, anthropic 2.14.0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...utils.shapes import Json
from .common import Native, arguments_of, call_of, child, children, deltas, finish_of, function_tool, text_of

# Our finish reasons in the words of the protocol; no other reason is made here.
_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
_CHOICES = {"auto": "auto", "none": "none", "any": "required"}
_SAME = ("model", "max_tokens", "temperature", "top_p", "top_k")


def read(body: Json) -> Json:
    """Read a body of Messages."""
    system = [{"role": "system", "content": text_of(body["system"])}] if body.get("system") else []
    params: Json = {name: body[name] for name in _SAME if name in body}
    params["messages"] = [*system, *(one for message in children(body, "messages") for one in _messages(message))]
    if stop := body.get("stop_sequences"):
        params["stop"] = stop
    # Tools of the server's own have a type and no schema; nothing here calls them.
    if own := [tool for tool in children(body, "tools") if "input_schema" in tool]:
        params["tools"] = [function_tool(tool["name"], tool["input_schema"], tool.get("description")) for tool in own]
    if choice := child(body, "tool_choice"):
        named = {"type": "function", "function": {"name": choice.get("name")}}
        params["tool_choice"] = named if choice["type"] == "tool" else _CHOICES[choice["type"]]
        params["parallel_tool_calls"] = not choice.get("disable_parallel_tool_use", False)
    config = child(body, "output_config")
    if form := child(config, "format"):
        params["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form["schema"]}}
    if config.get("effort") or child(body, "thinking").get("type") in {"enabled", "adaptive"}:
        params["reasoning_effort"] = config.get("effort") or "medium"
    return params


def _messages(message: Json) -> Iterator[Json]:
    """Make messages of ours of one: results of tools are messages of their own."""
    role, content = message["role"], children(message, "content")
    if not content:
        yield {"role": role, "content": str(message["content"])}
        return
    parts = [_part(block) for block in content if block["type"] in {"text", "image", "document"}]
    calls = [call_of(b["id"], b["name"], b["input"]) for b in content if b["type"] == "tool_use"]
    # Results come first in a turn, and ours stand before what the user goes on to say.
    for block in (block for block in content if block["type"] == "tool_result"):
        yield {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text_of(block.get("content"))}
    if calls:
        yield {"role": role, "content": text_of(parts) or None, "tool_calls": calls}
    elif parts:
        yield {"role": role, "content": text_of(parts) if role == "assistant" else parts}  # an answer has no pictures


def _part(block: Json) -> Json:
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    source: Json = block["source"]
    url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
    return {"type": "image_url", "image_url": {"url": url}}


def write(reply: Json) -> Json:
    """Write a message."""
    choice, usage = reply["choices"][0], reply["usage"]
    message = choice["message"]
    content: list[Json] = []
    if thought := message.get("reasoning_content"):
        # The signature is what the server knows its own thoughts by when they come back; here nobody looks.
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    if message["content"]:
        content.append({"type": "text", "text": message["content"]})
    for call in message.get("tool_calls") or ():
        use = {"type": "tool_use", "id": call["id"], "name": call["function"]["name"]}
        content.append({**use, "input": arguments_of(call)})
    counts = {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    return {**_head(reply, counts), "content": content, "stop_reason": _STOPS[choice["finish_reason"]]}


def _head(reply: Json, usage: Json) -> Json:
    head: Json = {"id": reply["id"], "type": "message", "role": "assistant", "model": reply["model"], "content": []}
    return {**head, "stop_reason": None, "stop_sequence": None, "usage": usage}


def events(chunks: list[Json]) -> Iterator[Json]:
    """Write a stream: blocks that begin, grow and end one after the other."""
    usage = chunks[-1]["usage"]
    start = _head(chunks[0], {"input_tokens": usage["prompt_tokens"], "output_tokens": 0})
    yield {"type": "message_start", "message": start}  # the counts of the prompt come here, those of the answer last
    at, open_kind = -1, ""
    for kind, piece in deltas(chunks):
        if kind == "call" or (kind != open_kind and kind != "arguments"):
            if open_kind:
                yield {"type": "content_block_stop", "index": at}
            at, open_kind = at + 1, kind
            yield {"type": "content_block_start", "index": at, "content_block": _opened(kind, piece)}
        if kind != "call":
            yield {"type": "content_block_delta", "index": at, "delta": _grown(kind, piece)}
    if open_kind:
        yield {"type": "content_block_stop", "index": at}
    delta = {"stop_reason": _STOPS[finish_of(chunks)], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["completion_tokens"]}}
    yield {"type": "message_stop"}


def _opened(kind: str, piece: Any) -> Json:
    if kind == "call":
        return {"type": "tool_use", "id": piece["id"], "name": piece["function"]["name"], "input": {}}
    if kind == "thought":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _grown(kind: str, piece: str) -> Json:
    if kind == "arguments":
        return {"type": "input_json_delta", "partial_json": piece}
    if kind == "thought":
        return {"type": "thinking_delta", "thinking": piece}
    return {"type": "text_delta", "text": piece}


MESSAGES = Native(read=read, write=write, events=events)
TOKEN_COUNT = Native(read=read, write=lambda count: count)
