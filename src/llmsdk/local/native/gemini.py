"""Gemini's generateContent: types of the vendor's Python package, google-genai 3.6.1."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ...utils.shapes import Json, is_list, is_object
from .common import Native, arguments_of, call_of, child, children, deltas, finish_of, function_tool, text_of

# A call has no reason of its own: whoever reads STOP looks at the parts.
_FINISHES = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
_MODES = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
_CONFIG = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "candidateCount": "n",
    "stopSequences": "stop",
}

_OWN = frozenset({"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"})


def read(body: Json) -> Json:
    """Read a body of generateContent; the model is in the path."""
    body = _camel(body)
    config = child(body, "generationConfig")
    params: Json = {ours: config[theirs] for theirs, ours in _CONFIG.items() if theirs in config}
    system = child(body, "systemInstruction")
    opening = [{"role": "system", "content": text_of(system["parts"])}] if system else []
    params["messages"] = [*opening, *(one for content in children(body, "contents") for one in _messages(content))]
    declared = [one for tool in children(body, "tools") for one in children(tool, "functionDeclarations")]
    if declared:
        params["tools"] = [
            function_tool(one["name"], one.get("parametersJsonSchema") or one.get("parameters"), one.get("description"))
            for one in declared
        ]
    calling = child(child(body, "toolConfig"), "functionCallingConfig")
    if names := calling.get("allowedFunctionNames"):
        params["tool_choice"] = {"type": "function", "function": {"name": names[0]}}
    elif "mode" in calling:
        params["tool_choice"] = _MODES[calling["mode"]]
    if config.get("responseMimeType") == "application/json":
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        params["response_format"] = form if schema else {"type": "json_object"}
    thinking = child(config, "thinkingConfig")
    if thinking.get("includeThoughts") or thinking.get("thinkingLevel"):
        params["reasoning_effort"] = str(thinking.get("thinkingLevel") or "medium").lower()
    return params


def _camel(value: Any) -> Any:
    """Write the names of fields in camelCase: JSON of protocol buffers may have them in snake_case, too.

    The vendor's client mixes both. What is the user's own, such as arguments and schemas, stays as it is.
    """
    if is_list(value):
        return [_camel(item) for item in value]
    if not is_object(value):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): item for name, item in value.items()}
    return {name: item if name in _OWN else _camel(item) for name, item in named.items()}


def _messages(content: Json) -> Iterator[Json]:
    """Make messages of ours of one: results of functions are messages of their own."""
    parts = children(content, "parts")
    for result in (part["functionResponse"] for part in parts if "functionResponse" in part):
        # Calls need no id here: without one, the name says whose result it is.
        call_id, response = str(result.get("id") or result["name"]), result["response"]
        said = response["result"] if response.keys() == {"result"} else json.dumps(response)
        yield {"role": "tool", "tool_call_id": call_id, "content": str(said)}
    texts = [{"type": "text", "text": part["text"]} for part in parts if "text" in part and not part.get("thought")]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    media = [part for part in parts if "inlineData" in part or "fileData" in part]
    if content.get("role") == "model":
        made = [call_of(call.get("id") or call["name"], call["name"], call.get("args")) for call in calls]
        yield {"role": "assistant", "content": text_of(texts) or None, **({"tool_calls": made} if made else {})}
    elif texts or media:
        yield {"role": "user", "content": [*texts, *map(_image, media)] if media else text_of(texts)}


def _image(part: Json) -> Json:
    inline, file = child(part, "inlineData"), child(part, "fileData")
    url = file.get("fileUri") or f"data:{inline.get('mimeType')};base64,{inline.get('data')}"
    return {"type": "image_url", "image_url": {"url": url}}


def write(reply: Json) -> Json:
    """Write a GenerateContentResponse."""
    found = ((choice, choice["message"]) for choice in reply["choices"])
    candidates = [
        {
            "content": {"role": "model", "parts": list(_parts(message))},
            "finishReason": _FINISHES[choice["finish_reason"]],
            "index": choice["index"],
        }
        for choice, message in found
    ]
    return {"candidates": candidates, **_head(reply, reply["usage"])}


def _parts(message: Json) -> Iterator[Json]:
    if thought := message.get("reasoning_content"):
        yield {"text": thought, "thought": True}
    if message["content"]:
        yield {"text": message["content"]}
    for call in message.get("tool_calls") or ():
        yield _call(call)


def _call(call: Json) -> Json:
    return {"functionCall": {"id": call["id"], "name": call["function"]["name"], "args": arguments_of(call)}}


def _head(reply: Json, usage: Json) -> Json:
    thoughts: int = child(usage, "completion_tokens_details").get("reasoning_tokens", 0)
    counts = {
        "promptTokenCount": usage["prompt_tokens"],
        "candidatesTokenCount": usage["completion_tokens"] - thoughts,
        "totalTokenCount": usage["total_tokens"],
        **({"thoughtsTokenCount": thoughts} if thoughts else {}),
    }
    return {"usageMetadata": counts, "modelVersion": reply["model"], "responseId": reply["id"]}


def events(chunks: list[Json]) -> Iterator[Json]:
    """Write a stream: each event is a reply with new parts, and a call comes whole."""
    head = _head(chunks[0], chunks[-1]["usage"])
    call: Json | None = None

    def event(*parts: Json, **ending: Any) -> Json:
        return {"candidates": [{"content": {"role": "model", "parts": [*parts]}, "index": 0, **ending}], **head}

    for kind, piece in deltas(chunks):
        if kind == "arguments" and call is not None:
            call["function"]["arguments"] += piece
            continue
        if call is not None:  # the next thing begins, so that its arguments are whole
            yield event(_call(call))
        call = {"id": piece["id"], "function": {**piece["function"], "arguments": ""}} if kind == "call" else None
        if call is None:
            yield event({"text": piece, **({"thought": True} if kind == "thought" else {})})
    # There is no end mark but this reason.
    yield event(*([_call(call)] if call else []), finishReason=_FINISHES[finish_of(chunks)])


def _read_count(body: Json) -> Json:
    """Read a body of countTokens: a whole request, or its contents alone."""
    return read(child(_camel(body), "generateContentRequest") or body)


def _write_count(count: Json) -> Json:
    tokens = count["input_tokens"]
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _read_inputs(body: Json) -> Json:
    """Read a body of batchEmbedContents; what is asked of one text is asked of all."""
    requests = children(_camel(body), "requests")
    params: Json = {"input": [text_of(child(one, "content")["parts"]) for one in requests]}
    if requests and "outputDimensionality" in requests[0]:
        params["dimensions"] = requests[0]["outputDimensionality"]
    return params


def _write_vectors(reply: Json) -> Json:
    tokens = reply["usage"]["prompt_tokens"]
    vectors = [{"values": one["embedding"]} for one in reply["data"]]
    return {"embeddings": vectors, "usageMetadata": {"promptTokenCount": tokens}}


GENERATE_CONTENT = Native(read=read, write=write, events=events)
TOKEN_COUNT = Native(read=_read_count, write=_write_count)
EMBEDDINGS = Native(read=_read_inputs, write=_write_vectors)
