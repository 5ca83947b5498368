"""What the codecs share: reading our documents, and building ours from theirs."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from ..spec import CannotSay

Document = dict[str, Any]
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
_SIGNED = {"signature", "data", "encrypted_content"}  # such a thought is the server's own, given as it came
Events = Callable[[Document], Iterable[Any]]
"""Turns an event of the wire into our chunks, in order; `END` comes last where the event ends the stream."""


def child(document: Mapping[str, Any], name: str) -> Document:
    """Return an object inside a document; an empty one where there is none, as servers may send anything."""
    value: Any = document.get(name)
    return cast(Document, value) if isinstance(value, dict) else {}


def children(document: Mapping[str, Any], name: str) -> list[Document]:
    """Return the objects of a list inside a document."""
    value: Any = document.get(name)
    found: list[Any] = value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType] # JSON
    return [one for one in found if isinstance(one, dict)]


def text(document: Mapping[str, Any], name: str) -> str:
    """Return a text inside a document; an empty one where there is none."""
    value: Any = document.get(name)
    return value if isinstance(value, str) else ""


def number(document: Mapping[str, Any], name: str) -> int | None:
    """Return a whole number inside a document; None where there is none."""
    value: Any = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def given(params: Mapping[str, Any]) -> Document:
    """Copy the parameters that have a value: these protocols have no null for "as if not given"."""
    return {name: value for name, value in params.items() if value is not None}


def token_limit(params: Document) -> Any:
    """Take both names of the limit out of the parameters; the newer one counts."""
    older, newer = params.pop("max_tokens", None), params.pop("max_completion_tokens", None)
    return older if newer is None else newer


def effort_of(params: Document) -> str | None:
    """Take the effort out of the parameters: a word here, where other servers know numbers, too.

    Raises:
        CannotSay: It is something else.
    """
    effort: Any = params.pop("reasoning_effort", None)
    if effort is not None and not isinstance(effort, str):
        raise CannotSay("reasoning_effort", "must be a word for this server, such as low or high")
    return effort


def as_list(value: Any) -> list[Any]:
    """Put a single value into a list."""
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else [value]


def inner(part: Document) -> Document:
    """Return the object that a part holds under the name of its type; a plain string there is its `url`."""
    name = text(part, "type")
    return {"url": part[name]} if isinstance(part.get(name), str) else child(part, name)


def parts_of(content: Any) -> list[Document]:
    """Read the content of a message as parts, without texts that are empty: servers refuse these."""
    if content is None:
        return []
    listed = [{"type": "text", "text": one} if isinstance(one, str) else dict(one) for one in as_list(content)]
    return [part for part in listed if part.get("type") != "text" or part.get("text") != ""]


def schema_of(form: Document) -> Document:
    """Return the JSON schema of a response format.

    Raises:
        CannotSay: There is none.
    """
    schema: Any = inner(form).get("schema")
    if not isinstance(schema, dict):
        raise CannotSay("response_format", "must have a schema, an object, in json_schema")
    return cast(Document, schema)


def text_of(content: Any) -> str:
    """Join the texts of a content."""
    return "".join(text(part, "text") for part in parts_of(content))


def calls_of(message: Document) -> list[Document]:
    """Return the calls of a message.

    Raises:
        CannotSay: There is one in the older form, which has no id that a result could name.
    """
    if message.get("function_call"):
        raise CannotSay("messages", "a function_call has no place here; use tool_calls, and answers of the role tool")
    return children(message, "tool_calls")


def spoken(message: Document) -> list[Document]:
    """Return what an assistant said, for protocols without refusals: these are texts like any other."""
    parts = said_parts(message) or parts_of(message.get("refusal"))
    return [{"type": "text", "text": part["refusal"]} if part.get("type") == "refusal" else part for part in parts]


def said_parts(message: Document) -> list[Document]:
    """Read the content of an assistant's message, without thoughts: another server's mean nothing to this one."""
    parts = parts_of(message.get("content"))
    return [part for part in parts if part.get("type") not in _THOUGHTS or part.keys() & _SIGNED]


def own_blocks(message: Document, protocol: str) -> list[Document] | None:
    """Give the blocks of a message that go back as they are; None where there are none, or only another protocol's."""
    blocks = children(message, "blocks")
    return blocks if blocks and message.get("blocks_of") in (None, protocol) else None


def refuse_role(message: Document, accepted: Iterable[str]) -> CannotSay:
    """Make the error about a message whose role has no place."""
    return CannotSay("messages", f"role {message.get('role')!r} has no place here; expected {', '.join(accepted)}")


def join_turns(turns: Iterable[tuple[str, list[Document]]]) -> list[tuple[str, list[Document]]]:
    """Put neighbours of one side together; an empty turn is left out."""
    joined: list[tuple[str, list[Document]]] = []
    for role, parts in turns:
        if joined and joined[-1][0] == role:
            joined[-1][1].extend(parts)
        elif parts:
            joined.append((role, list(parts)))
    return joined


def data_url(url: str) -> tuple[str, str] | None:
    """Split a data URL into its media type and its data in base64; None for an address (RFC 2397)."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:"):
        return None
    media_type, *options = head[5:].split(";")
    if options and options[-1].strip().lower() == "base64":
        return media_type or "text/plain", data
    return media_type or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode()


def decoded_text(data: str) -> str:
    """Decode a text that came as base64.

    Raises:
        CannotSay: It is not base64.
    """
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise CannotSay("messages", "a data URL must hold base64") from None


def called(call: Document) -> tuple[Any, Document]:
    """Read the name and the arguments of a call, as an object, which these protocols want.

    What is no object goes along in one: text of the model's that is not JSON, and the input of a custom tool.
    """
    if call.get("type") == "custom":
        custom = child(call, "custom")
        return custom.get("name"), {"input": custom.get("input")}
    function = child(call, "function")
    arguments: Any = function.get("arguments")
    if isinstance(arguments, dict):
        return function.get("name"), cast(Document, arguments)
    parsed = parsed_object(arguments) if isinstance(arguments, str) else {}
    return function.get("name"), {"arguments": arguments} if parsed is None else parsed


def parsed_object(source: str) -> Document | None:
    """Parse a text that should be a JSON object: empty is an empty one; None for anything else."""
    if not source.strip():
        return {}
    try:
        value: Any = json.loads(source)
    except (ValueError, RecursionError):
        return None
    return cast(Document, value) if isinstance(value, dict) else None


def json_text(value: Any) -> str:
    """Write a value as JSON text."""
    return json.dumps(value, ensure_ascii=False)


def function_call(call_id: Any, name: Any, arguments: str, index: int | None = None) -> Document:
    """Make a call in our words; with `index`, the first piece of one in a chunk."""
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return call if index is None else {"index": index, **call}


def annotation(citation: Document) -> Document:
    """Read a citation: one with an address as OpenAI writes them, any other as it is."""
    if not citation.get("url"):
        return citation
    return {
        "type": "url_citation",
        "url_citation": {name: value for name, value in citation.items() if name != "type"},
    }


def usage_of(counts: Document, prompt: int | None, completion: int | None, **details: int | None) -> Document:
    """Put our token counts beside those of the wire.

    Args:
        counts: The wire's own, kept under their names.
        details: `cached_tokens`, `cache_write_tokens`, `reasoning_tokens`; None where the server says nothing of it.
    """
    usage = dict(counts)
    total = number(counts, "total_tokens")
    if total is None and prompt is not None and completion is not None:
        total = prompt + completion
    usage |= {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    of_prompt = {
        name: details[name] for name in ("cached_tokens", "cache_write_tokens") if details.get(name) is not None
    }
    if of_prompt:
        usage["prompt_tokens_details"] = of_prompt
    if details.get("reasoning_tokens") is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": details["reasoning_tokens"]}
    return usage


def beside(document: Document, taken: Iterable[str]) -> Document:
    """Return the fields of the wire's document that no rule of the codec names: they stay under their own names."""
    names = set(taken)
    return {name: value for name, value in document.items() if name not in names}
