"""Gemini's generateContent protocol.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, google-genai 3.6.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from ..spec import CannotSay, Codec
from .common import (
    Document,
    arguments_of,
    as_list,
    beside,
    child,
    children,
    data_url,
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
    text_of,
    token_limit,
    usage_of,
)

PROTOCOL = "gemini"

# Our parameter to its name in generationConfig.
_CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "top_logprobs": "logprobs",
}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_MEDIA = ("image_url", "video_url", "audio_url", "file")
_IN_ALL = ("id", "model", "created")  # on every chunk
_MADE_UP = "noid-"  # how the ids begin that calls without one get; they mean nothing to the server

# What Gemini's own Schema knows; a schema with anything else goes whole as JSON schema, under another name.
_SCHEMA_KEYS = frozenset(
    {
        *(
            "type",
            "format",
            "title",
            "description",
            "nullable",
            "enum",
            "maxItems",
            "minItems",
            "properties",
            "required",
        ),
        *(
            "minProperties",
            "maxProperties",
            "minLength",
            "maxLength",
            "pattern",
            "example",
            "anyOf",
            "propertyOrdering",
        ),
        *("default", "items", "minimum", "maximum"),
    }
)
_FORMATS = frozenset({"enum", "date-time", "float", "double", "int32", "int64"})

_BLOCKED = frozenset(
    {
        *(
            "SAFETY",
            "RECITATION",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
        ),
        *("IMAGE_RECITATION", "MODEL_ARMOR"),
    }
)

# ------------------------------------------------------------------ request


def request(params: Document) -> Document:
    """Write our parameters as a body of generateContent; the model and whether to stream are in the path."""
    left = given(params)
    for name in ("model", "stream", "stream_options"):  # the counts come unasked
        left.pop(name, None)
    config = _generation_config(left)
    body: Document = {}
    system, turns = _conversation(children(left, "messages"))
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = [{"role": role, "parts": parts} for role, parts in turns]
    if "tools" in left:
        body["tools"] = _tools(children(left, "tools"))
    if "tool_choice" in left:
        body["toolConfig"] = {"functionCallingConfig": _calling(left["tool_choice"])}
    if config:
        body["generationConfig"] = config
    if "service_tier" in left:
        body["serviceTier"] = left.pop("service_tier")
    return body | beside(left, ("messages", "tools", "tool_choice"))


def _generation_config(left: Document) -> Document:
    """Take what belongs into generationConfig out of the parameters."""
    config = {theirs: left.pop(ours) for ours, theirs in _CONFIG.items() if ours in left}
    limit = token_limit(left)
    if limit is not None:
        config["maxOutputTokens"] = limit
    if "stop" in left:
        config["stopSequences"] = as_list(left.pop("stop"))
    if "modalities" in left:
        config["responseModalities"] = [str(one).upper() for one in left.pop("modalities")]
    if "logprobs" in left:
        wanted = left.pop("logprobs")
        config["responseLogprobs"] = wanted is not False
        if not isinstance(wanted, bool):
            config.setdefault("logprobs", wanted)
    thinking = _thinking(left.pop("reasoning_effort", None), left.pop("thinking", None))
    if thinking:
        config["thinkingConfig"] = thinking
    return config | _response_format(left.pop("response_format", None))


def _thinking(effort: str | None, thinking: Document | None) -> Document:
    config: Document = {}
    if effort == "none":
        config["thinkingBudget"] = 0
    elif effort is not None:
        config["thinkingLevel"] = effort.upper()
    return config | (thinking or {})


def _response_format(wanted: Any) -> Document:
    form: Document = wanted or {}
    kind = form.get("type")
    if wanted is None or kind == "text":
        return {}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    if kind != "json_schema":
        raise CannotSay("response_format", 'must have the type "json_schema", "json_object" or "text" for this server')
    schema = inner(form).get("schema")
    name = "responseSchema" if _is_own_schema(schema) else "responseJsonSchema"
    return {"responseMimeType": "application/json", name: schema}


def _tools(tools: list[Document]) -> list[Document]:
    """Write all functions as one entry, at the place of the first; tools of the server go as they are."""
    written: list[Document] = []
    declared: list[Document] = []
    for tool in tools:
        if tool.get("type") != "function":
            written.append(tool)
            continue
        if not declared:
            written.append({"functionDeclarations": declared})
        function = beside(inner(tool), ("strict", "parameters"))
        schema = inner(tool).get("parameters")
        if schema is not None:
            function["parameters" if _is_own_schema(schema) else "parametersJsonSchema"] = schema
        declared.append(function)
    return written


def _is_own_schema(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    found = cast(Document, schema)
    if not found.keys() <= _SCHEMA_KEYS or not isinstance(found.get("type", ""), str):
        return False
    below = [*child(found, "properties").values(), *as_list(found.get("anyOf", ())), *as_list(found.get("items", ()))]
    return found.get("format", "enum") in _FORMATS and all(map(_is_own_schema, below))


def _calling(choice: Any) -> Document:
    if isinstance(choice, str):
        if choice not in _MODES:
            raise CannotSay("tool_choice", f"must be one of {', '.join(_MODES)}, or name a function")
        return {"mode": _MODES[choice]}
    if choice.get("type") == "function":
        return {"mode": "ANY", "allowedFunctionNames": [inner(choice).get("name")]}
    return dict(choice)


def _conversation(messages: list[Document]) -> tuple[list[Document], list[tuple[str, list[Document]]]]:
    """Split a conversation into its instructions, wherever they stand, and its turns."""
    system: list[Document] = []
    turns: list[tuple[str, list[Document]]] = []
    names: Document = {}  # of the functions that were called, by the id of the call
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system += _parts(message.get("content"))
        elif role == "user":
            turns.append(("user", _parts(message.get("content"))))
        elif role == "assistant":
            turns.append(("model", _answer(message, names)))
        elif role == "tool":
            turns.append(("user", [_result(message, names)]))
        else:
            raise refuse_role(message, _ROLES)
    return system, join_turns(turns)


def _answer(message: Document, names: Document) -> list[Document]:
    """Write what the model said before, and note the names of its calls."""
    calls = children(message, "tool_calls")
    names |= {str(call.get("id")): child(call, "function").get("name") for call in calls}
    own = own_blocks(message, PROTOCOL)
    if own is not None:
        called = [child(block, "functionCall") for block in own]
        names |= {str(call["id"]): call.get("name") for call in called if call.get("id") is not None}
        return list(own)
    written = [
        {**_known_id(call.get("id")), "name": child(call, "function").get("name"), "args": arguments_of(call)}
        for call in calls
    ]
    return [*_parts(spoken(message)), *({"functionCall": call} for call in written)]


def _result(message: Document, names: Document) -> Document:
    call_id = message.get("tool_call_id")
    name = message.get("name") or names.get(str(call_id))
    if name is None:
        raise CannotSay("messages", "a tool result must have the name of its function, or the id of an earlier call")
    said = text_of(message.get("content"))
    response = parsed_object(said) if said.strip() else None
    if message.get("is_error"):
        response = {"error": said}
    elif response is None:
        response = {"result": said}
    return {"functionResponse": {**_known_id(call_id), "name": name, "response": response}}


def _known_id(call_id: Any) -> Document:
    """Give the id of a call, unless it is absent or was made up here."""
    return {} if call_id is None or str(call_id).startswith(_MADE_UP) else {"id": call_id}


def _parts(content: Any) -> list[Document]:
    return [_part(part) for part in parts_of(content)]


def _part(part: Document) -> Document:
    kind = part.get("type")
    if kind == "text":
        return {"text": part["text"]}
    held = inner(part)
    if kind == "input_audio":
        media = {"mimeType": f"audio/{held.get('format', 'wav')}", "data": held.get("data", held.get("url"))}
        return {"inlineData": media}
    if kind not in _MEDIA:
        return part
    names = ("url", "file_url", "file_data", "file_id")
    address = next((held[name] for name in names if isinstance(held.get(name), str)), None)
    if address is None:
        raise CannotSay("messages", f"a part of type {kind!r} must have an address, data or a file_id")
    split = data_url(address)
    if split is not None:
        return {"inlineData": {"mimeType": split[0], "data": split[1]}}
    mime_type = {"mimeType": held["mime_type"]} if held.get("mime_type") is not None else {}
    return {"fileData": {**mime_type, "fileUri": address}}


# -------------------------------------------------------------------- reply


def reply(document: Document) -> Document:
    """Read a GenerateContentResponse as a chat completion."""
    if document.get("error") is not None:
        return document
    choices = [_choice(candidate, place, document) for place, candidate in enumerate(children(document, "candidates"))]
    return {**_head(document), "object": "chat.completion", "choices": choices or _blocked(document, "message")}


def _head(document: Document) -> Document:
    rest = beside(document, ("candidates", "usageMetadata", "responseId", "modelVersion"))
    head = {"id": document.get("responseId"), "model": document.get("modelVersion"), "created": None}
    usage = {"usage": _usage(child(document, "usageMetadata"))} if "usageMetadata" in document else {}
    return {**rest, **head, **usage}


def _choice(candidate: Document, place: int, document: Document) -> Document:
    parts = children(child(candidate, "content"), "parts")
    said = _said(parts, f"{_MADE_UP}{document.get('responseId')}-", 0)
    message = {"role": "assistant", "content": None, **said, "blocks": parts, "blocks_of": PROTOCOL}
    ending = _ending(candidate, has_call="tool_calls" in said)
    return {"index": _index(candidate, place), "message": message, **ending}


def _index(candidate: Document, place: int) -> int:
    found = number(candidate, "index")
    return place if found is None else found


def _said(parts: list[Document], made_up: str, calls_before: int) -> Document:
    """Read parts in our words: text, reasoning, calls and images, each only where there is some."""
    said: Document = {}
    for part in parts:
        is_thought = part.get("thought") is True
        if "text" in part:
            name = "reasoning" if is_thought else "content"
            said[name] = text(said, name) + text(part, "text")
        if "functionCall" in part:
            call, calls = child(part, "functionCall"), said.setdefault("tool_calls", [])
            number = calls_before + len(calls)
            call_id = call.get("id") or f"{made_up}{number}"
            calls.append(function_call(call_id, call.get("name"), json_text(call.get("args") or {})))
        media = child(part, "inlineData")
        if text(media, "mimeType").startswith("image/") and not is_thought:
            url = f"data:{media['mimeType']};base64,{media.get('data', '')}"
            said.setdefault("images", []).append({"type": "image_url", "image_url": {"url": url}})
    # The last event of a stream often has an empty text that carries a signature.
    return {name: value for name, value in said.items() if value != ""}


def _ending(candidate: Document, *, has_call: bool) -> Document:
    """Say why a candidate ended and what stands beside its parts."""
    rest = beside(candidate, ("content", "index", "finishReason", "logprobsResult"))
    if "logprobsResult" in candidate:
        rest["logprobs"] = {"content": list(_logprobs(child(candidate, "logprobsResult")))}
    reason = candidate.get("finishReason")
    if reason is None:
        return rest
    return {**rest, "finish_reason": _finish(str(reason), has_call=has_call), "native_finish_reason": reason}


def _finish(reason: str, *, has_call: bool) -> str:
    if reason == "STOP":
        return "tool_calls" if has_call else "stop"
    if reason == "MAX_TOKENS":
        return "length"
    return "content_filter" if reason in _BLOCKED else reason.lower()


def _blocked(document: Document, name: str) -> list[Document]:
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


# ------------------------------------------------------------------- stream


class _Decoder:
    """Turns events, each a whole reply with the new parts, into chunks; a block is given when the next one begins."""

    def __init__(self) -> None:
        self._open: dict[int, Document] = {}  # the text part that may still grow, by candidate
        self._calls: dict[int, int] = {}
        self._endings: dict[int, Document] = {}  # what stands beside the parts, by candidate; the last word counts
        self._head: Document = {}

    def __call__(self, event: Document) -> Iterator[Document]:
        if event.get("error") is not None:
            yield event
            return
        found = enumerate(children(event, "candidates"))
        choices = [self._choice(candidate, _index(candidate, place), event) for place, candidate in found]
        if not choices:
            choices = _blocked(event, "delta")
        head = _head(event)
        # Every event repeats the head: what it says again is not said anew.
        news = {name: value for name, value in head.items() if self._head.get(name) != value or name in _IN_ALL}
        self._head |= head
        yield {**news, "object": "chat.completion.chunk", "choices": choices}

    def _choice(self, candidate: Document, at: int, event: Document) -> Document:
        parts = children(child(candidate, "content"), "parts")
        before = self._calls.get(at, 0)
        delta: Document = {
            "role": "assistant",
            "blocks_of": PROTOCOL,
            **_said(parts, f"{_MADE_UP}{event.get('responseId')}-", before),
        }
        for offset, call in enumerate(delta.get("tool_calls", ())):
            call["index"] = before + offset
        self._calls[at] = before + len(delta.get("tool_calls", ()))
        blocks = list(self._whole(parts, at, is_last=candidate.get("finishReason") is not None))
        if blocks:
            delta["blocks"] = blocks
        # Earlier events may hold empty objects where the last one has the facts.
        said = _ending(candidate, has_call=self._calls[at] > 0)
        ending = self._endings.setdefault(at, {})
        ending |= {name: value for name, value in said.items() if value != {}}
        if candidate.get("finishReason") is None:
            return {"index": at, "delta": delta}
        return {"index": at, "delta": delta, **self._endings.pop(at)}

    def _whole(self, parts: list[Document], at: int, *, is_last: bool) -> Iterator[Document]:
        """Give the blocks that are complete: neighbouring texts of one kind are one, if nothing else is on them."""
        for part in parts:
            before = self._open.get(at)
            grows = part.keys() <= {"text", "thought"} and isinstance(part.get("text"), str)
            if grows and before is not None and before.get("thought") == part.get("thought"):
                self._open[at] = {**before, "text": before["text"] + part["text"]}
                continue
            if before is not None:
                yield self._open.pop(at)
            if grows:
                self._open[at] = part
            else:
                yield part
        if is_last and at in self._open:
            yield self._open.pop(at)


GENERATE_CONTENT = Codec(request=request, reply=reply, decoder=_Decoder)
