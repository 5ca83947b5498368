"""Our parameters as a body of generateContent."""

from __future__ import annotations

from typing import Any, cast

from ...spec import CannotSay
from ..common import (
    Document,
    as_list,
    beside,
    child,
    children,
    effort_of,
    given,
    inner,
    number,
    schema_of,
    token_limit,
)
from .conversation import conversation

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

# What Gemini's own Schema knows; a schema with anything else goes whole as JSON schema, under another name.
_SCHEMA_KEYS = frozenset(
    {"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required"}
    | {"minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering"}
    | {"default", "items", "minimum", "maximum"}
)
_FORMATS = frozenset({"enum", "date-time", "float", "double", "int32", "int64"})


def request(params: Document) -> Document:
    """Write our parameters as a body of generateContent; the model and whether to stream are in the path."""
    left = given(params)
    for name in ("model", "stream", "stream_options"):  # the counts come unasked
        left.pop(name, None)
    config = _generation_config(left)
    body: Document = {}
    system, turns = conversation(children(left, "messages"))
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


def token_count(params: Document) -> Document:
    """Write the parameters of a token count: the request that is meant, with the model's full name inside."""
    return {"generateContentRequest": {"model": f"models/{params.get('model')}", **request(params)}}


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
    thinking = _thinking(left)
    if thinking:
        config["thinkingConfig"] = thinking
    return config | _response_format(left.pop("response_format", None))


def _thinking(left: Document) -> Document:
    budget = number(left, "reasoning_effort")
    effort = None if budget is not None else effort_of(left)
    left.pop("reasoning_effort", None)
    config: Document = {}
    if effort == "none" or budget is not None:
        config["thinkingBudget"] = budget or 0
    elif effort is not None:
        config["thinkingLevel"] = effort.upper()
    config |= child(left, "thinking")
    left.pop("thinking", None)
    return config


def _response_format(wanted: Any) -> Document:
    form: Document = wanted or {}
    kind = form.get("type")
    if wanted is None or kind == "text":
        return {}
    if kind == "json_object":
        return {"responseMimeType": "application/json"}
    if kind != "json_schema":
        raise CannotSay("response_format", 'must have the type "json_schema", "json_object" or "text" for this server')
    schema = schema_of(form)
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
    if "type" in choice:
        raise CannotSay("tool_choice", f"of the type {choice['type']!r} has no place here; name a function")
    return dict(choice)
