"""A GenerateContentResponse as a chat completion."""

from __future__ import annotations

from collections.abc import Iterator

from ..common import (
    Document,
    beside,
    child,
    children,
    function_call,
    json_text,
    number,
    text,
    usage_of,
)

PROTOCOL = "gemini"
MADE_UP = "noid-"  # how the ids begin that calls without one get; they mean nothing to the server

_BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"}
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)


def reply(document: Document) -> Document:
    """Read a GenerateContentResponse as a chat completion."""
    if document.get("error") is not None:
        return document
    choices = [_choice(candidate, place, document) for place, candidate in enumerate(children(document, "candidates"))]
    return {**head(document), "object": "chat.completion", "choices": choices or blocked(document, "message")}


def head(document: Document) -> Document:
    """Return what stands beside the candidates: ids, token counts, and what no rule names."""
    rest = beside(document, ("candidates", "usageMetadata", "responseId", "modelVersion"))
    known = {"id": document.get("responseId"), "model": document.get("modelVersion"), "created": None}
    usage = {"usage": _usage(child(document, "usageMetadata"))} if "usageMetadata" in document else {}
    return {**rest, **known, **usage}


def _choice(candidate: Document, place: int, document: Document) -> Document:
    parts = children(child(candidate, "content"), "parts")
    said = said_in(parts, f"{MADE_UP}{document.get('responseId')}-", 0)
    message = {"role": "assistant", "content": None, **said, "blocks": parts, "blocks_of": PROTOCOL}
    rest, end = around(candidate), ending(candidate, has_call="tool_calls" in said)
    return {**rest, **logprobs(candidate), **end, "index": index(candidate, place), "message": message}


def index(candidate: Document, place: int) -> int:
    """Number a candidate; its place counts where it has no number."""
    found = number(candidate, "index")
    return place if found is None else found


def said_in(parts: list[Document], made_up: str, calls_before: int) -> Document:
    """Read parts in our words: text, reasoning, calls and images, each only where there is some."""
    said: Document = {}
    for part in parts:
        is_thought = part.get("thought") is True
        if "text" in part:
            name = "reasoning" if is_thought else "content"
            said[name] = text(said, name) + text(part, "text")
        if "functionCall" in part:
            call, calls = child(part, "functionCall"), said.setdefault("tool_calls", [])
            call_id = call.get("id") or f"{made_up}{calls_before + len(calls)}"
            calls.append(function_call(call_id, call.get("name"), json_text(call.get("args") or {})))
        media = child(part, "inlineData")
        if text(media, "mimeType").startswith("image/") and not is_thought:
            url = f"data:{media['mimeType']};base64,{media.get('data', '')}"
            said.setdefault("images", []).append({"type": "image_url", "image_url": {"url": url}})
    # The last event of a stream often has an empty text that carries a signature.
    return {name: value for name, value in said.items() if value != ""}


def around(candidate: Document) -> Document:
    """Return what stands beside the parts of a candidate: it stands on the choice."""
    return beside(candidate, ("content", "index", "finishReason", "logprobsResult"))


def logprobs(candidate: Document) -> Document:
    """Read the log probabilities of a candidate, where there are any."""
    found = child(candidate, "logprobsResult")
    return {"logprobs": {"content": list(_logprobs(found))}} if found else {}


def ending(candidate: Document, *, has_call: bool) -> Document:
    """Say why a candidate ended, where it has."""
    reason = candidate.get("finishReason")
    if reason is None:
        return {}
    return {"finish_reason": _finish(str(reason), has_call=has_call), "native_finish_reason": reason}


def _finish(reason: str, *, has_call: bool) -> str:
    if reason == "STOP":
        return "tool_calls" if has_call else "stop"
    if reason == "MAX_TOKENS":
        return "length"
    return "content_filter" if reason in _BLOCKED else reason.lower()


def blocked(document: Document, name: str) -> list[Document]:
    """Make the choice of a prompt that was blocked: nothing was made, and the reason says why."""
    reason = child(document, "promptFeedback").get("blockReason")
    if reason is None:
        return []
    answer = {"role": "assistant", "content": None}
    return [{"index": 0, name: answer, "finish_reason": "content_filter", "native_finish_reason": reason}]


def _logprobs(found: Document) -> Iterator[Document]:
    tops = children(found, "topCandidates")
    for place, chosen in enumerate(children(found, "chosenCandidates")):
        others = children(tops[place], "candidates") if place < len(tops) else []
        yield {**_token(chosen), "top_logprobs": [_token(other) for other in others]}


def _token(found: Document) -> Document:
    return {**beside(found, ("logProbability",)), "logprob": found.get("logProbability"), "bytes": None}


def _usage(counts: Document) -> Document:
    thoughts = number(counts, "thoughtsTokenCount")
    completion = (number(counts, "candidatesTokenCount") or 0) + (thoughts or 0)
    total, prompt = number(counts, "totalTokenCount"), number(counts, "promptTokenCount")
    if prompt is not None:
        prompt += number(counts, "toolUsePromptTokenCount") or 0
    elif total is not None:
        prompt = total - completion  # media by address are counted in the total alone
    cached = number(counts, "cachedContentTokenCount")
    usage = usage_of(counts, prompt, completion, cached_tokens=cached, reasoning_tokens=thoughts)
    return usage if total is None else usage | {"total_tokens": total}
