"""What the protocols share: their form, and how texts and calls of the chat vocabulary are made."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...utils.shapes import Json, is_list, is_object


@dataclass(frozen=True, kw_only=True)
class Native:
    """A protocol, as functions between documents.

    Attributes:
        read: The wire's body as our parameters; of a body of another shape it raises what Python does.
        write: Our reply as the wire's document.
        events: Our chunks as the wire's events; one that has a `type` is named after it. None where nothing streams.
    """

    read: Callable[[Json], Json]
    write: Callable[[Json], Json]
    events: Callable[[list[Json]], Iterable[Json]] | None = None


def moment(seconds: Any) -> Any:
    """Write a time as text, as RFC 3339 does."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def child(document: Json, name: str) -> Json:
    """Return an object that may be absent."""
    value = document.get(name)
    return value if is_object(value) else {}


def children(document: Json, name: str) -> list[Json]:
    """Return a list of objects that may be absent."""
    value = document.get(name)
    return [item for item in value if is_object(item)] if is_list(value) else []


def text_of(content: Any) -> str:
    """Join the texts of a content, which is one or is made of parts."""
    if not is_list(content):
        return str(content or "")
    return "\n".join(str(part.get("text") or "") for part in content if is_object(part))


def function_tool(name: Any, schema: Any, description: Any = None) -> Json:
    """Make a tool of ours."""
    function: Json = {"name": name, "parameters": schema or {"type": "object", "properties": {}}}
    return {"type": "function", "function": {**function, "description": str(description or "")}}


def call_of(call_id: Any, name: Any, arguments: Any) -> Json:
    """Make a call as an assistant's message of ours has it; arguments may be an object."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {"id": str(call_id), "type": "function", "function": {"name": name, "arguments": written}}


def arguments_of(call: Json) -> Any:
    """Return the arguments of a call of ours as an object; what was cut is no JSON any more."""
    try:
        return json.loads(call["function"]["arguments"])
    except ValueError:
        return {}


def deltas(chunks: list[Json]) -> Iterable[tuple[str, Any]]:
    """Take chunks of one choice apart: thoughts, texts, the openings of calls, and pieces of arguments."""
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        delta = choice["delta"]
        if delta.get("reasoning_content"):
            yield "thought", delta["reasoning_content"]
        if delta.get("content"):
            yield "text", delta["content"]
        for call in delta.get("tool_calls") or ():
            if "id" in call:
                yield "call", call
            if call["function"]["arguments"]:
                yield "arguments", call["function"]["arguments"]


def finish_of(chunks: list[Json]) -> str:
    """Find why a stream ends."""
    return str(next(choice["finish_reason"] for chunk in reversed(chunks) for choice in chunk["choices"]))
