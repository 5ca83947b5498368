"""Anthropic's Messages protocol.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, anthropic 2.14.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..spec import END, CannotSay, Codec
from .common import (
    Document,
    annotation,
    arguments_of,
    as_list,
    beside,
    child,
    children,
    data_url,
    decoded_text,
    function_call,
    given,
    inner,
    join_turns,
    json_text,
    number,
    own_blocks,
    parsed_object,
    parts_of,
    refuse_role,
    spoken,
    text,
    token_limit,
    usage_of,
)

PROTOCOL = "anthropic"

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_ON_BLOCKS = ("cache_control", "citations", "title", "context")

# ------------------------------------------------------------------ request


def request(params: Document) -> Document:
    """Write our parameters as a body of Messages."""
    body = given(params)
    limit = token_limit(body)
    if limit is None:
        raise CannotSay("max_tokens", "must be given: this server has no limit of its own")
    body["max_tokens"] = limit
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
    if "reasoning_effort" in body:
        config["effort"] = body.pop("reasoning_effort")
    wanted = child(body, "response_format")
    kind = wanted.get("type")
    if kind == "json_schema":
        config["format"] = {"type": "json_schema", "schema": inner(wanted).get("schema")}
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
        return "assistant", list(own) if own is not None else [*_blocks(spoken(message)), *_calls(message)]
    raise refuse_role(message, _ROLES)


def _result(message: Document) -> Document:
    result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
    result["content"] = _blocks(message.get("content"))
    return result | {name: message[name] for name in ("is_error", "cache_control") if message.get(name) is not None}


def _calls(message: Document) -> Iterator[Document]:
    for call in children(message, "tool_calls"):
        name = inner({"type": "function", **call}).get("name")
        yield {"type": "tool_use", "id": call.get("id"), "name": name, "input": arguments_of(call)}


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


# -------------------------------------------------------------------- reply


def reply(document: Document) -> Document:
    """Read a message as a chat completion."""
    if document.get("type") == "error":
        return document
    blocks = children(document, "content")
    calls = [
        function_call(block.get("id"), block.get("name"), json_text(block.get("input") or {}))
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    texts = [text(block, "text") for block in blocks if block.get("type") == "text"]
    thoughts = [text(block, "thinking") for block in blocks if block.get("type") == "thinking"]
    cited = [citation for block in blocks for citation in children(block, "citations")]
    message: Document = {"role": "assistant", "content": "".join(texts) if texts else None}
    if any(thoughts):
        message["reasoning"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    if cited:
        message["annotations"] = [annotation(citation) for citation in cited]
    message |= {"blocks": blocks, "blocks_of": PROTOCOL}
    return {
        **beside(document, ("type", "role", "content", "stop_reason", "stop_sequence", "stop_details", "usage")),
        "object": "chat.completion",
        "created": None,
        "choices": [{"index": 0, "message": message, **_ending(document)}],
        **({"usage": _usage(child(document, "usage"))} if "usage" in document else {}),
    }


def _ending(said: Document) -> Document:
    """Say why the answer ended, in our word and in theirs, and what stands beside it."""
    reason = text(said, "stop_reason") or None
    stands: Document = {name: said[name] for name in ("stop_sequence", "stop_details") if name in said}
    return {"finish_reason": _FINISH.get(reason, reason) if reason else None, "native_finish_reason": reason, **stands}


def _usage(counts: Document) -> Document:
    read, written = number(counts, "cache_read_input_tokens") or 0, number(counts, "cache_creation_input_tokens") or 0
    return usage_of(
        counts,
        (number(counts, "input_tokens") or 0) + read + written,
        number(counts, "output_tokens") or 0,
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=number(child(counts, "output_tokens_details"), "thinking_tokens"),
    )


# ------------------------------------------------------------------- stream


class _Decoder:
    """Turns the events of one stream into chunks; a block is handed on whole, when it is complete."""

    def __init__(self) -> None:
        self._head: Document = {}
        self._usage: Document = {}
        self._blocks: dict[int | None, Document] = {}
        self._pieces: dict[
            int | None, list[str]
        ] = {}  # of arguments, by block: of the caller's tools and the server's alike
        self._calls: dict[int | None, int] = {}

    def __call__(self, event: Document) -> Iterator[Any]:
        match event.get("type"):
            case "message_start":
                message = child(event, "message")
                self._head = {name: message[name] for name in ("id", "model") if name in message}
                self._usage = dict(child(message, "usage"))
                yield self._chunk({"role": "assistant", "blocks_of": PROTOCOL})
            case "content_block_start":
                yield from self._started(number(event, "index"), dict(child(event, "content_block")))
            case "content_block_delta":
                yield from self._grown(number(event, "index"), child(event, "delta"))
            case "content_block_stop":
                yield from self._stopped(number(event, "index"))
            case "message_delta":
                self._usage |= given(child(event, "usage"))
                rest = beside(event, ("type", "delta", "usage"))
                yield {**self._chunk({}, **_ending(child(event, "delta"))), "usage": _usage(self._usage), **rest}
            case "message_stop":
                yield END
            case "error":
                yield event
            case _:
                pass  # a ping, or what is not known yet

    def _chunk(self, delta: Document, **choice: Any) -> Document:
        choices = [{"index": 0, "delta": delta, **choice}]
        return {**self._head, "object": "chat.completion.chunk", "created": None, "choices": choices}

    def _started(self, at: int | None, block: Document) -> Iterator[Document]:
        self._blocks[at] = block
        if block.get("type") == "tool_use":
            self._calls[at] = len(self._calls)
            yield self._chunk({"tool_calls": [function_call(block.get("id"), block.get("name"), "", self._calls[at])]})
        if begun := text(block, "text"):
            yield self._chunk({"content": begun})
        if begun := text(block, "thinking"):
            yield self._chunk({"reasoning": begun})

    def _grown(self, at: int | None, delta: Document) -> Iterator[Document]:
        block = self._blocks.setdefault(at, {})
        match delta.get("type"):
            case "text_delta":
                block["text"] = text(block, "text") + text(delta, "text")
                yield self._chunk({"content": text(delta, "text")})
            case "thinking_delta":
                block["thinking"] = text(block, "thinking") + text(delta, "thinking")
                yield self._chunk({"reasoning": text(delta, "thinking")})
            case "signature_delta":
                block["signature"] = text(block, "signature") + text(delta, "signature")
            case "citations_delta":
                block["citations"] = [*children(block, "citations"), child(delta, "citation")]
                yield self._chunk({"annotations": [annotation(child(delta, "citation"))]})
            case "input_json_delta":
                piece = text(delta, "partial_json")
                self._pieces.setdefault(at, []).append(piece)
                if at in self._calls and piece:
                    yield self._arguments(at, piece)
            case _:
                pass

    def _arguments(self, at: int | None, piece: str) -> Document:
        return self._chunk({"tool_calls": [{"index": self._calls[at], "function": {"arguments": piece}}]})

    def _stopped(self, at: int | None) -> Iterator[Document]:
        block, pieces = self._blocks.pop(at, None), "".join(self._pieces.pop(at, ()))
        if block is None:
            return
        if pieces:
            block["input"] = parsed_object(pieces) or {}  # one that `max_tokens` cut stays as text in the call
        elif at in self._calls:
            yield self._arguments(at, json_text(block.get("input") or {}))
        yield self._chunk({"blocks": [block]})


MESSAGES = Codec(request=request, reply=reply, decoder=_Decoder)
