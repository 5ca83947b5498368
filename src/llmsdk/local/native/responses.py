"""OpenAI's Responses: types of the vendor's Python package, openai 3.57.0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...utils.shapes import Json
from .common import Native, call_of, child, children, deltas, finish_of, function_tool, text_of

_SAME = ("model", "temperature", "top_p", "parallel_tool_calls")


def read(body: Json) -> Json:
    """Read a body of Responses."""
    params: Json = {name: body[name] for name in _SAME if name in body}
    items = children(body, "input") or [{"role": "user", "content": str(body["input"])}]
    opening = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    params["messages"] = [*opening, *(message for item in items for message in _messages(item))]
    if body.get("max_output_tokens") is not None:
        params["max_tokens"] = body["max_output_tokens"]
    if own := [tool for tool in children(body, "tools") if tool["type"] == "function"]:
        params["tools"] = [function_tool(one["name"], one.get("parameters"), one.get("description")) for one in own]
    if body.get("tool_choice"):
        named = child(body, "tool_choice").get("name")
        params["tool_choice"] = {"type": "function", "function": {"name": named}} if named else body["tool_choice"]
    if form := child(child(body, "text"), "format"):
        inner = {"type": "json_schema", "json_schema": {"name": form.get("name"), "schema": form.get("schema")}}
        params["response_format"] = inner if form["type"] == "json_schema" else {"type": form["type"]}
    if effort := child(body, "reasoning").get("effort"):
        params["reasoning_effort"] = effort
    return params


def _messages(item: Json) -> Iterator[Json]:
    match item.get("type", "message"):
        case "message":
            parts = [] if item["role"] == "assistant" else children(item, "content")
            content = [_part(part) for part in parts] or text_of(item["content"])
            yield {"role": item["role"], "content": content}
        case "function_call":
            call = call_of(item["call_id"], item["name"], item["arguments"])
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
        case "function_call_output":
            yield {"role": "tool", "tool_call_id": item["call_id"], "content": text_of(item["output"])}
        case _:
            pass  # what the server itself had written, such as its reasoning


def _part(part: Json) -> Json:
    if part["type"] == "input_text":
        return {"type": "text", "text": part["text"]}
    return {"type": "image_url", "image_url": {"url": str(part.get("image_url") or part.get("file_id"))}}


def write(reply: Json) -> Json:
    """Write a response."""
    choice = reply["choices"][0]
    message = choice["message"]
    items: list[Json] = []
    if thought := message.get("reasoning_content"):
        items.append(_item("thought", len(items), text=thought))
    if message["content"]:
        items.append(_item("text", len(items), text=message["content"]))
    for call in message.get("tool_calls") or ():
        items.append(_item("call", len(items), call=call, text=call["function"]["arguments"]))
    return _response(reply, items, reply["usage"], choice["finish_reason"])


def _response(head: Json, items: list[Json], usage: Json | None, finish: str | None) -> Json:
    counts = usage and {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage.get("completion_tokens_details") or {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
    status = "in_progress" if finish is None else "incomplete" if finish == "length" else "completed"
    return {
        "id": head["id"],
        "object": "response",
        "created_at": head["created"],
        "model": head["model"],
        "status": status,
        "output": items,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if finish == "length" else None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,  # from here on what clients' types require, and nothing depends on
        "tool_choice": "auto",
        "tools": [],
        "temperature": 1.0,
        "top_p": 1.0,
        "usage": counts,
    }


def _item(kind: str, at: int, *, text: str, call: Json | None = None, status: str = "completed") -> Json:
    """Write an item of the output; one that has just begun has no text yet."""
    if kind == "call" and call is not None:
        names = {"call_id": call["id"], "name": call["function"]["name"], "arguments": text}
        return {"type": "function_call", "id": f"fc-embedded-{at}", "status": status, **names}
    parts = [_part_of(kind, text)] if text else []
    if kind == "thought":
        return {"type": "reasoning", "id": f"rs-embedded-{at}", "summary": parts}
    item = {"type": "message", "id": f"msg-embedded-{at}", "role": "assistant", "content": parts}
    return {**item, "status": status}


# What of an item grows, and what it is part of; the arguments of a call are part of nothing else.
_GROWS = {"thought": "reasoning_summary_text", "text": "output_text", "call": "function_call_arguments"}
_PARTS = {"thought": "reasoning_summary_part", "text": "content_part"}


def events(chunks: list[Json]) -> Iterable[Json]:
    """Write a stream: items that begin, grow and end one after the other."""
    for number, event in enumerate(_events(chunks)):  # clients put events in order by it, of whatever type
        yield {**event, "sequence_number": number}


def _events(chunks: list[Json]) -> Iterator[Json]:
    yield {"type": "response.created", "response": _response(chunks[0], [], None, None)}
    items: list[Json] = []
    kind, call, text = "", None, ""

    def ended() -> Iterator[Json]:
        if kind:
            items.append(_item(kind, len(items), text=text, call=call))
            yield from _closed(kind, len(items) - 1, items[-1], text)

    for found, piece in deltas(chunks):
        if found == "call" or found not in {kind, "arguments"}:
            yield from ended()
            kind, call, text = found, piece if found == "call" else None, ""
            yield from _opened(kind, len(items), _item(kind, len(items), text="", call=call, status="in_progress"))
        if found != "call":
            text += piece
            yield {**_place(kind, len(items)), "type": f"response.{_GROWS[kind]}.delta", "delta": piece}
    yield from ended()
    finish = finish_of(chunks)
    last = "response.incomplete" if finish == "length" else "response.completed"
    yield {"type": last, "response": _response(chunks[0], items, chunks[-1]["usage"], finish)}


def _place(kind: str, at: int) -> Json:
    """Say of an event which item, and which part of it, it is about."""
    ids = {"thought": "rs", "text": "msg", "call": "fc"}
    place = {"item_id": f"{ids[kind]}-embedded-{at}", "output_index": at}
    part: Json = {"summary_index": 0} if kind == "thought" else {"content_index": 0, "logprobs": []}
    return place if kind == "call" else {**place, **part}


def _part_of(kind: str, text: str) -> Json:
    if kind == "thought":
        return {"type": "summary_text", "text": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _opened(kind: str, at: int, item: Json) -> Iterator[Json]:
    yield {"type": "response.output_item.added", "output_index": at, "item": item}
    if kind in _PARTS:
        yield {**_place(kind, at), "type": f"response.{_PARTS[kind]}.added", "part": _part_of(kind, "")}


def _closed(kind: str, at: int, item: Json, text: str) -> Iterator[Json]:
    whole = {"arguments": text, "name": item["name"]} if kind == "call" else {"text": text}
    yield {**_place(kind, at), "type": f"response.{_GROWS[kind]}.done", **whole}
    if kind in _PARTS:
        yield {**_place(kind, at), "type": f"response.{_PARTS[kind]}.done", "part": _part_of(kind, text)}
    yield {"type": "response.output_item.done", "output_index": at, "item": item}


RESPONSES = Native(read=read, write=write, events=events)
TOKEN_COUNT = Native(read=read, write=lambda count: {"object": "response.input_tokens", **count})
