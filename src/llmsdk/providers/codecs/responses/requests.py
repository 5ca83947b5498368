"""Our parameters as a body of Responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...spec import CannotSay
from ..common import (
    Document,
    beside,
    calls_of,
    child,
    children,
    data_url,
    effort_of,
    given,
    inner,
    json_text,
    number,
    own_blocks,
    parts_of,
    refuse_role,
    said_parts,
    text_of,
    token_limit,
)
from .replies import PROTOCOL

_ROLES = ("system", "developer", "user", "assistant", "tool")


def request(params: Document) -> Document:
    """Write our parameters as a body of Responses."""
    body = given(params)
    limit = token_limit(body)
    if limit is not None:
        body["max_output_tokens"] = limit
    count = number(body, "logprobs")  # how many alternatives, as other servers take it
    if body.pop("logprobs", False) is not False:
        body["include"] = ["message.output_text.logprobs"]
        if count is not None:
            body.setdefault("top_logprobs", count)
    if effort := effort_of(body):
        body["reasoning"] = {"effort": effort, **child(body, "reasoning")}
    _set_text(body)
    if "tools" in body:
        body["tools"] = [_flat(tool) for tool in children(body, "tools")]
    if choice := child(body, "tool_choice"):
        body["tool_choice"] = _flat(choice)
    options = beside(child(body, "stream_options"), ("include_usage",))  # the counts come unasked
    if options:
        body["stream_options"] = options
    else:
        body.pop("stream_options", None)
    return {**beside(body, ("messages",)), "input": list(_items(children(body, "messages")))}


def _set_text(body: Document) -> None:
    """Form and length of the answer are two parameters of ours and one object there."""
    config: Document = {}
    if wanted := child(body, "response_format"):
        config["format"] = {"type": "json_schema", **inner(wanted)} if wanted.get("type") == "json_schema" else wanted
    if "verbosity" in body:
        config["verbosity"] = body.pop("verbosity")
    body.pop("response_format", None)
    if config:
        body["text"] = config


def _flat(tool: Document) -> Document:
    """Write a function, or the choice of one, without the object inside; everything else goes as it is."""
    if tool.get("type") != "function" or not isinstance(tool.get("function"), dict):
        return tool
    return {**beside(tool, ("function",)), **tool["function"]}


def _items(messages: list[Document]) -> Iterator[Document]:
    custom: set[Any] = set()  # ids of the calls of custom tools, whose results have a type of their own
    for message in messages:
        role = message.get("role")
        if role in ("user", "system", "developer"):
            yield {
                "type": "message",
                "role": role,
                "content": [_part(part) for part in parts_of(message.get("content"))],
            }
        elif role == "assistant":
            calls = calls_of(message)
            custom |= {call.get("id") for call in calls if call.get("type") == "custom"}
            own = own_blocks(message, PROTOCOL)
            if own is None:
                yield from _answer(message)
            else:
                custom |= {block.get("call_id") for block in own if block.get("type") == "custom_tool_call"}
                yield from own
        elif role == "tool":
            kind = "custom_tool_call_output" if message.get("tool_call_id") in custom else "function_call_output"
            yield {"type": kind, "call_id": message.get("tool_call_id"), "output": _output(message.get("content"))}
        else:
            raise refuse_role(message, _ROLES)


def _output(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    return [_part(part) for part in parts_of(content)]


def _answer(message: Document) -> Iterator[Document]:
    """Write what the model said before: its words, unless there are none, and its calls."""
    content, refusal = message.get("content"), message.get("refusal")
    spoken: Any = content
    if refusal:
        texts = [{"type": "output_text", "text": text_of(content)}] if content else []
        spoken = [*texts, {"type": "refusal", "refusal": refusal}]
    elif not isinstance(content, str):
        spoken = [_output_part(part) for part in said_parts(message)]
    if spoken:
        yield {"type": "message", "role": "assistant", "content": spoken}
    for call in calls_of(message):
        if call.get("type") == "custom":
            yield {"type": "custom_tool_call", "call_id": call.get("id"), **inner(call)}
            continue
        function = child(call, "function")
        arguments = function.get("arguments") or "{}"  # an object where another server had sent one
        written = arguments if isinstance(arguments, str) else json_text(arguments)
        yield {"type": "function_call", "call_id": call.get("id"), "name": function.get("name"), "arguments": written}


def _output_part(part: Document) -> Document:
    return {**part, "type": "output_text"} if part.get("type") == "text" else part


def _part(part: Document) -> Document:
    """Write one part; what this protocol does not know by our name goes as it is, and the server decides."""
    match part.get("type"):
        case "text":
            return {**part, "type": "input_text"}
        case "image_url":
            held = beside(inner(part), ("mime_type",))
            address = {"image_url": held.pop("url")} if "url" in held else {}
            return {"type": "input_image", **address, **held}
        case "file":
            held = beside(inner(part), ("mime_type", "url"))
            url = inner(part).get("url")
            is_data = isinstance(url, str) and data_url(url) is not None
            address = {} if url is None else {"file_data" if is_data else "file_url": url}
            return {"type": "input_file", **address, **held}
        case "video_url" | "audio_url" as kind:
            raise CannotSay("messages", f"a part of type {kind!r} has no place in this protocol")
        case _:
            return part
