"""A response as a chat completion."""

from __future__ import annotations

from ..common import (
    Document,
    annotation,
    beside,
    child,
    children,
    function_call,
    number,
    text,
    usage_of,
)

PROTOCOL = "openai_responses"

NO_REASON = {"message": "the response failed without a reason"}
PART = "\n\n"  # between parts of reasoning
_FINISH = {"max_output_tokens": "length", "content_filter": "content_filter"}


def reply(document: Document) -> Document:
    """Read a response as a chat completion; what is none stays as it is, for whoever finds out what it is."""
    if document.get("error") is not None or document.get("status") == "failed":
        return {**document, "error": document.get("error") or NO_REASON}
    if "output" not in document:
        return document
    output = children(document, "output")
    message: Document = {"role": "assistant", "content": None, **said_in(output)}
    logprobs = message.pop("logprobs", None)
    message |= {"blocks": output, "blocks_of": PROTOCOL}
    choice = {"index": 0, "message": message, **ending(document, has_call="tool_calls" in message)}
    if logprobs:
        choice["logprobs"] = {"content": logprobs}
    return {**around(document), "object": "chat.completion", "choices": [choice]}


def around(document: Document) -> Document:
    """Return the head of a reply, its token counts, and what no rule names."""
    rest = beside(document, ("id", "object", "created_at", "model", "output", "error", "usage"))
    head = {"id": document.get("id"), "model": document.get("model"), "created": document.get("created_at")}
    usage = {"usage": _usage(child(document, "usage"))} if document.get("usage") is not None else {}
    return {**rest, **head, **usage}


def said_in(output: list[Document]) -> Document:
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
    said |= {"reasoning": PART.join(thoughts)} if thoughts else {}
    said |= {"annotations": [annotation(one) for one in cited]} if cited else {}
    return said | ({"tool_calls": calls} if calls else {}) | ({"logprobs": logprobs} if logprobs else {})


def ending(document: Document, *, has_call: bool) -> Document:
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
