"""OpenAI's Responses protocol, which others speak as well.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, openai 3.57.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..spec import END, CannotSay, Codec
from .common import (
    Document,
    annotation,
    beside,
    child,
    children,
    function_call,
    given,
    inner,
    number,
    own_blocks,
    parts_of,
    refuse_role,
    text,
    text_of,
    token_limit,
    usage_of,
)

PROTOCOL = "openai_responses"

_ROLES = ("system", "developer", "user", "assistant", "tool")
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}
_NO_REASON = {"message": "the response failed without a reason"}
_PART = "\n\n"  # between parts of reasoning

# ------------------------------------------------------------------ request


def request(params: Document) -> Document:
    """Write our parameters as a body of Responses."""
    body = given(params)
    limit = token_limit(body)
    if limit is not None:
        body["max_output_tokens"] = limit
    if body.pop("logprobs", None):
        body["include"] = ["message.output_text.logprobs"]
    if "reasoning_effort" in body:
        body["reasoning"] = {"effort": body.pop("reasoning_effort"), **child(body, "reasoning")}
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
            calls = children(message, "tool_calls")
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
        spoken = [_output_part(part) for part in parts_of(content)]
    if spoken:
        yield {"type": "message", "role": "assistant", "content": spoken}
    for call in children(message, "tool_calls"):
        if call.get("type") == "custom":
            yield {"type": "custom_tool_call", "call_id": call.get("id"), **inner(call)}
            continue
        function = child(call, "function")
        arguments = function.get("arguments") or "{}"
        yield {"type": "function_call", "call_id": call.get("id"), "name": function.get("name"), "arguments": arguments}


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
            return {"type": "input_file", **beside(inner(part), ("mime_type",))}
        case "video_url" | "audio_url" as kind:
            raise CannotSay("messages", f"a part of type {kind!r} has no place in this protocol")
        case _:
            return part


# -------------------------------------------------------------------- reply


def reply(document: Document) -> Document:
    """Read a response as a chat completion."""
    if document.get("error") is not None or document.get("status") == "failed":
        return {**document, "error": document.get("error") or _NO_REASON}
    output = children(document, "output")
    message: Document = {"role": "assistant", "content": None, **_said(output)}
    logprobs = message.pop("logprobs", None)
    message |= {"blocks": output, "blocks_of": PROTOCOL}
    choice = {"index": 0, "message": message, **_ending(document, has_call="tool_calls" in message)}
    if logprobs:
        choice["logprobs"] = {"content": logprobs}
    return {**_beside(document), "object": "chat.completion", "choices": [choice]}


def _beside(document: Document) -> Document:
    """Give the head of a reply, its token counts, and what no rule names."""
    rest = beside(document, ("id", "object", "created_at", "model", "output", "error", "usage"))
    head = {"id": document.get("id"), "model": document.get("model"), "created": document.get("created_at")}
    usage = {"usage": _usage(child(document, "usage"))} if document.get("usage") is not None else {}
    return {**rest, **head, **usage}


def _said(output: list[Document]) -> Document:
    """Read items in our words, each only where there is some."""
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[str] = []
    calls: list[Document] = []
    cited: list[Document] = []
    logprobs: list[Document] = []
    for item in output:
        match item.get("type"):
            case "message":
                parts = children(item, "content")
                texts += [text(part, "text") for part in parts if part.get("type") == "output_text"]
                refusals += [text(part, "refusal") for part in parts if part.get("type") == "refusal"]
                cited += [one for part in parts for one in children(part, "annotations")]
                logprobs += [one for part in parts for one in children(part, "logprobs")]
            case "reasoning":
                found = (*children(item, "summary"), *children(item, "content"))
                thoughts += [text(part, "text") for part in found if text(part, "text")]
            case "function_call":
                calls.append(function_call(item.get("call_id"), item.get("name"), item.get("arguments") or "{}"))
            case "custom_tool_call":
                held = {"name": item.get("name"), "input": item.get("input")}
                calls.append({"id": item.get("call_id"), "type": "custom", "custom": held})
            case _:
                pass  # what the server's own tools did stands in the blocks
    said: Document = {"content": "".join(texts)} if texts else {}
    said |= {"refusal": "".join(refusals)} if refusals else {}
    said |= {"reasoning": _PART.join(thoughts)} if thoughts else {}
    said |= {"annotations": [annotation(one) for one in cited]} if cited else {}
    return said | ({"tool_calls": calls} if calls else {}) | ({"logprobs": logprobs} if logprobs else {})


def _ending(document: Document, *, has_call: bool) -> Document:
    """Say why the answer ended; an incomplete one is never told as a stop."""
    status = document.get("status")
    if status == "completed":
        return {"finish_reason": "tool_calls" if has_call else "stop", "native_finish_reason": status}
    if status == "incomplete":
        reason = text(child(document, "incomplete_details"), "reason") or "incomplete"
        return {"finish_reason": _FINISH.get(reason, reason), "native_finish_reason": reason}
    waiting = status in ("queued", "in_progress")
    return {"finish_reason": None if waiting else status, "native_finish_reason": status}


def _usage(counts: Document) -> Document:
    usage = usage_of(counts, number(counts, "input_tokens"), number(counts, "output_tokens"))
    for theirs, ours in (("input_tokens_details", "prompt"), ("output_tokens_details", "completion")):
        if isinstance(counts.get(theirs), dict):
            usage[f"{ours}_tokens_details"] = counts[theirs]
    return usage


# ------------------------------------------------------------------- stream


class _Decoder:
    """Turns the events of one stream into chunks; the `done` events repeat what came, and give none."""

    def __init__(self) -> None:
        self._head: Document = {}
        self._calls: dict[int | None, int] = {}  # number of the call, by place of its item
        self._pieces: set[int | None] = set()  # items whose arguments or text came in pieces
        self._part: tuple[Any, ...] | None = None  # of the reasoning

    def __call__(self, event: Document) -> Iterator[Any]:
        at = number(event, "output_index")
        match event.get("type"):
            case "response.created":
                self._head = _beside(child(event, "response"))
                yield self._chunk({"role": "assistant", "blocks_of": PROTOCOL})
            case "response.output_text.delta":
                logprobs = {"logprobs": {"content": event["logprobs"]}} if event.get("logprobs") else {}
                yield self._chunk({"content": event.get("delta")}, **logprobs)
            case "response.refusal.delta":
                yield self._chunk({"refusal": event.get("delta")})
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield self._chunk({"reasoning": self._between(event) + text(event, "delta")})
            case "response.output_item.added":
                yield from self._opened(at, child(event, "item"))
            case "response.function_call_arguments.delta" if at in self._calls:
                self._pieces.add(at)
                yield self._call_piece(at, {"function": {"arguments": event.get("delta")}})
            case "response.custom_tool_call_input.delta" if at in self._calls:
                self._pieces.add(at)
                yield self._call_piece(at, {"custom": {"input": event.get("delta")}})
            case "response.output_item.done" if at in self._calls and at not in self._pieces:
                item = child(event, "item")
                whole: Document = {"function": {"arguments": item.get("arguments") or "{}"}}
                yield self._call_piece(at, {"custom": {"input": item["input"]}} if "input" in item else whole)
            case "response.output_text.annotation.added":
                yield self._chunk({"annotations": [annotation(child(event, "annotation"))]})
            case "response.completed" | "response.incomplete":
                yield self._last(child(event, "response"))
                yield END
            case "error":
                yield event if isinstance(event.get("error"), dict) else {**event, "error": beside(event, ("type",))}
            case "response.failed":
                yield {**event, "error": child(child(event, "response"), "error") or _NO_REASON}
            case _:
                pass

    def _chunk(self, delta: Document, **choice: Any) -> Document:
        return {
            **{name: self._head[name] for name in ("id", "model", "created") if name in self._head},
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, **choice}],
        }

    def _between(self, event: Document) -> str:
        """A further part of the reasoning begins with a blank line."""
        part = (event.get("output_index"), event.get("summary_index"), event.get("content_index"))
        before, self._part = self._part, part
        return "" if before in (None, part) else _PART

    def _opened(self, at: int | None, item: Document) -> Iterator[Document]:
        kind = item.get("type")
        if kind not in ("function_call", "custom_tool_call"):
            return
        self._calls[at] = len(self._calls)
        if kind == "function_call":
            opened = function_call(item.get("call_id"), item.get("name"), "")
        else:
            held = {"name": item.get("name"), "input": ""}
            opened = {"id": item.get("call_id"), "type": "custom", "custom": held}
        yield self._call_piece(at, opened)

    def _call_piece(self, at: int | None, piece: Document) -> Document:
        return self._chunk({"tool_calls": [{"index": self._calls[at], **piece}]})

    def _last(self, response: Document) -> Document:
        output = children(response, "output")
        # `encrypted_content` here may differ from that of the item's own `done`: these are the blocks that count.
        self._head = _beside(response)
        ending = _ending(response, has_call="tool_calls" in _said(output))
        return {**_beside(response), **self._chunk({"blocks": output}, **ending)}


RESPONSES = Codec(request=request, reply=reply, decoder=_Decoder)
