"""Our parameters as a body of Messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...spec import CannotSay
from ..common import (
    Document,
    as_list,
    beside,
    called,
    calls_of,
    child,
    children,
    data_url,
    decoded_text,
    effort_of,
    given,
    inner,
    join_turns,
    own_blocks,
    parts_of,
    refuse_role,
    schema_of,
    spoken,
    token_limit,
)
from .replies import PROTOCOL

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_ON_BLOCKS = ("cache_control", "citations", "title", "context")


def request(params: Document) -> Document:
    """Write our parameters as a body of Messages."""
    body = given(params)
    limit = token_limit(body)
    if limit is None:
        raise CannotSay("max_tokens", "is required: this server has no default")
    return {"max_tokens": limit, **read_by_model(body)}


def read_by_model(params: Document) -> Document:
    """Write the parameters of a token count, or those of a request without its limit."""
    body = given(params)
    body.pop("stream_options", None)  # the counts come unasked
    if "stop" in body:
        body["stop_sequences"] = as_list(body.pop("stop"))
    if "user" in body:
        body["metadata"] = {**child(body, "metadata"), "user_id": body.pop("user")}
    if "tools" in body:
        body["tools"] = [_tool(tool) for tool in children(body, "tools")]
    _set_output_config(body)
    _set_tool_choice(body)
    system, turns = _conversation(children(body, "messages"))
    if system:
        body["system"] = system
    body["messages"] = [{"role": role, "content": blocks} for role, blocks in turns]
    return body


def _set_output_config(body: Document) -> None:
    """Effort and form of the answer are two parameters of ours and one object there."""
    config: Document = {}
    if effort := effort_of(body):
        config["effort"] = effort
    wanted = child(body, "response_format")
    kind = wanted.get("type")
    if kind == "json_schema":
        config["format"] = {"type": "json_schema", "schema": schema_of(wanted)}
    elif "response_format" in body and kind != "text":
        raise CannotSay("response_format", 'must have the type "json_schema" or "text" for this server')
    body.pop("response_format", None)
    if config:
        body["output_config"] = config


def _set_tool_choice(body: Document) -> None:
    choice: Any = body.pop("tool_choice", None)
    parallel = body.pop("parallel_tool_calls", None)
    if isinstance(choice, str):
        if choice not in _CHOICES:
            raise CannotSay("tool_choice", f"must be one of {', '.join(_CHOICES)}, or name a function")
        choice = {"type": _CHOICES[choice]}
    written: Document = choice or {}
    if written.get("type") == "function":
        written = {"type": "tool", "name": inner(written).get("name")}
    if parallel is False and written.get("type") != "none":
        written = {**(written or {"type": "auto"}), "disable_parallel_tool_use": True}
    if written:
        body["tool_choice"] = written


def _tool(tool: Document) -> Document:
    """Write a function as a tool of the caller's; tools of the server go as they are."""
    if tool.get("type") != "function":
        return tool
    function = dict(inner(tool))
    schema: Document = function.pop("parameters", None) or {"type": "object", "properties": {}}
    return {**beside(tool, ("type", "function")), **function, "input_schema": schema}


def _conversation(messages: list[Document]) -> tuple[list[Document], list[tuple[str, list[Document]]]]:
    """Split a conversation into the system blocks before it and its turns."""
    system: list[Document] = []
    turns: list[tuple[str, list[Document]]] = []
    for message in messages:
        role, blocks = _turn(message)
        if role == "system" and not turns:
            system += blocks
        else:
            turns.append((role, blocks))
    joined = join_turns(turns)
    for _, blocks in joined:
        # All results of a turn must stand together, before anything else (the vendor's page on tool use).
        blocks.sort(key=lambda block: block.get("type") != "tool_result")
    return system, joined


def _turn(message: Document) -> tuple[str, list[Document]]:
    role = message.get("role")
    if role in ("system", "developer"):
        return "system", _blocks(message.get("content"))
    if role == "user":
        return "user", _blocks(message.get("content"))
    if role == "tool":
        return "user", [_result(message)]
    if role == "assistant":
        own = own_blocks(message, PROTOCOL)
        return "assistant", list(own) if own is not None else [*map(_block, spoken(message)), *_calls(message)]
    raise refuse_role(message, _ROLES)


def _result(message: Document) -> Document:
    result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
    result["content"] = _blocks(message.get("content"))
    return result | {name: message[name] for name in ("is_error", "cache_control") if message.get(name) is not None}


def _calls(message: Document) -> Iterator[Document]:
    for call in calls_of(message):
        name, arguments = called(call)
        yield {"type": "tool_use", "id": call.get("id"), "name": name, "input": arguments}


def _blocks(content: Any) -> list[Document]:
    return [_block(part) for part in parts_of(content)]


def _block(part: Document) -> Document:
    """Write one part; what this protocol does not know by our name goes as it is, and the server decides."""
    kind = part.get("type")
    if kind in ("input_audio", "audio_url", "video_url"):
        raise CannotSay("messages", f"a part of type {kind!r} has no place in this protocol")
    if kind not in ("image_url", "file"):
        return part
    held = inner(part)
    if kind == "image_url":
        block = {"type": "image", "source": _source(held)}
    else:
        block = {"type": "document", "source": _source(held)}
        if held.get("filename") is not None:
            block["title"] = held["filename"]
    return block | {name: part[name] for name in _ON_BLOCKS if part.get(name) is not None}


def _source(held: Document) -> Document:
    if held.get("file_id") is not None:
        return {"type": "file", "file_id": held["file_id"]}
    url = next((held[name] for name in ("url", "file_url", "file_data") if held.get(name) is not None), None)
    if not isinstance(url, str):
        raise CannotSay("messages", "an image or a file must have an address, data or a file_id")
    split = data_url(url)
    if split is None:
        return {"type": "url", "url": url}
    media_type, data = split
    if media_type == "text/plain":
        return {"type": "text", "media_type": media_type, "data": decoded_text(data)}
    return {"type": "base64", "media_type": media_type, "data": data}
