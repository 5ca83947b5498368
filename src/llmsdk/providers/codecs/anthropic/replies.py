"""A message of Anthropic's as a chat completion."""

from __future__ import annotations

from ..common import (
    Document,
    annotation,
    beside,
    child,
    children,
    function_call,
    json_text,
    number,
    text,
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


def reply(document: Document) -> Document:
    """Read a message as a chat completion; what is none stays as it is, for whoever finds out what it is."""
    if document.get("type") == "error" or "content" not in document:
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
        **around(document),
        "object": "chat.completion",
        "created": None,
        "choices": [{"index": 0, "message": message, **ending(document)}],
        **({"usage": usage(child(document, "usage"))} if "usage" in document else {}),
    }


def around(document: Document) -> Document:
    """Return what stands beside the answer: it is the same at the top of ours."""
    return beside(document, ("type", "role", "content", "stop_reason", "stop_sequence", "stop_details", "usage"))


def ending(said: Document) -> Document:
    """Say why the answer ended, in our word and in theirs, and what stands beside it."""
    reason = text(said, "stop_reason") or None
    stands: Document = {name: said[name] for name in ("stop_sequence", "stop_details") if name in said}
    return {"finish_reason": _FINISH.get(reason, reason) if reason else None, "native_finish_reason": reason, **stands}


def usage(counts: Document) -> Document:
    """Count what was read, cached or not, and what was made."""
    read, written = number(counts, "cache_read_input_tokens") or 0, number(counts, "cache_creation_input_tokens") or 0
    return usage_of(
        counts,
        (number(counts, "input_tokens") or 0) + read + written,
        number(counts, "output_tokens") or 0,
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=number(child(counts, "output_tokens_details"), "thinking_tokens"),
    )
