"""What native requests say, read back into the chat vocabulary: the tests' own inverse of each codec's `request`.

Written from the protocols' descriptions, not from the codecs. Content comes back as parts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

_ON_BLOCKS = ("cache_control", "citations", "title", "context")


def plain(message: Json) -> Json:
    """Write a message so that two that say the same are equal: content as parts, arguments parsed, nothing empty."""
    said = dict(message)
    content = said.get("content")
    if isinstance(content, str):
        said["content"] = [{"type": "text", "text": content}] if content else []
    for name in ("content", "tool_calls"):
        if not said.get(name):
            said.pop(name, None)
    if "tool_calls" in said:
        said["tool_calls"] = [_plain_call(call) for call in said["tool_calls"]]
    return said


def _plain_call(call: Json) -> Json:
    if "function" not in call:
        return call
    function = call["function"]
    return {**call, "function": {**function, "arguments": json.loads(function["arguments"] or "{}")}}


def _call(call_id: Any, name: str, arguments: Any) -> Json:
    known = {} if call_id is None else {"id": call_id}
    return {**known, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


# ------------------------------------------------------------- anthropic


def messages(body: Json) -> Json:
    """Read a body of Messages."""
    params = dict(body)
    talk = [{"role": "system", "content": params.pop("system")}] if "system" in params else []
    params["messages"] = [*talk, *(message for turn in params["messages"] for message in _turn(turn))]
    if "stop_sequences" in params:
        params["stop"] = params.pop("stop_sequences")
    if "user_id" in params.get("metadata", {}):
        params["user"] = params["metadata"].pop("user_id")
        if not params["metadata"]:
            del params["metadata"]
    config = params.pop("output_config", {})
    if "effort" in config:
        params["reasoning_effort"] = config["effort"]
    if "format" in config:
        params["response_format"] = {"type": "json_schema", "json_schema": {"schema": config["format"]["schema"]}}
    if "tools" in params:
        params["tools"] = [_tool(tool) for tool in params["tools"]]
    if "tool_choice" in params:
        choice = params["tool_choice"]
        if choice.get("disable_parallel_tool_use"):
            params["parallel_tool_calls"] = False
        words = {"auto": "auto", "none": "none", "any": "required"}
        params["tool_choice"] = words.get(choice["type"]) or _named(choice["name"])
    return params


def _tool(tool: Json) -> Json:
    if "input_schema" not in tool:
        return tool
    beside = {"cache_control": tool["cache_control"]} if "cache_control" in tool else {}
    function = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    return {"type": "function", **beside, "function": {**function, "parameters": tool["input_schema"]}}


def _turn(turn: Json) -> list[Json]:
    blocks = turn["content"]
    results = [
        {
            "role": "tool",
            "tool_call_id": block["tool_use_id"],
            "content": [_part(inner) for inner in block["content"]],
            **{name: block[name] for name in ("is_error", "cache_control") if name in block},
        }
        for block in blocks
        if block["type"] == "tool_result"
    ]
    parts = [_part(block) for block in blocks if block["type"] not in ("tool_result", "tool_use")]
    calls = [_call(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    rest: Json = {"role": turn["role"], "content": parts}
    if calls:
        rest["tool_calls"] = calls
    return [*results, rest] if parts or calls else results


def _part(block: Json) -> Json:
    on = {name: block[name] for name in _ON_BLOCKS if name in block}
    if block["type"] not in ("image", "document"):
        return block
    source = block["source"]
    if source["type"] == "file":
        held = {"file_id": source["file_id"]}
    elif source["type"] == "url":
        held = {"url": source["url"]}
    else:
        data = source["data"]
        if source["type"] == "text":
            data = base64.b64encode(data.encode()).decode()
        held = {"url": f"data:{source['media_type']};base64,{data}"}
    if block["type"] == "image":
        return {"type": "image_url", "image_url": held, **on}
    if "url" in held:
        held = {"file_data" if held["url"].startswith("data:") else "file_url": held["url"]}
    if "title" in on:
        held["filename"] = on.pop("title")
    return {"type": "file", "file": held, **on}


# ---------------------------------------------------------------- gemini

_CONFIG = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "candidateCount": "n",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "responseLogprobs": "logprobs",
    "logprobs": "top_logprobs",
    "thinkingConfig": "thinking",
}


def generate_content(body: Json) -> Json:
    """Read a body of generateContent, whose model is in the path."""
    params = {name: body[name] for name in ("store", "labels") if name in body}
    if "serviceTier" in body:
        params["service_tier"] = body["serviceTier"]
    talk: list[Json] = []
    if "systemInstruction" in body:
        talk.append({"role": "system", "content": [_gemini_part(part) for part in body["systemInstruction"]["parts"]]})
    params["messages"] = [*talk, *(message for content in body["contents"] for message in _content(content))]
    config = dict(body.get("generationConfig", {}))
    if "responseModalities" in config:
        params["modalities"] = [one.lower() for one in config.pop("responseModalities")]
    if config.pop("responseMimeType", None):
        schema = config.pop("responseSchema", None) or config.pop("responseJsonSchema", None)
        typed = {"type": "json_schema", "json_schema": {"schema": schema}}
        params["response_format"] = typed if schema else {"type": "json_object"}
    params |= {_CONFIG[name]: value for name, value in config.items()}
    if "tools" in body:
        params["tools"] = [one for tool in body["tools"] for one in _declared(tool)]
    if "toolConfig" in body:
        calling = body["toolConfig"]["functionCallingConfig"]
        named = calling.get("allowedFunctionNames")
        words = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
        params["tool_choice"] = _named(named[0]) if named else words[calling["mode"]]
    return params


def _declared(tool: Json) -> list[Json]:
    if "functionDeclarations" not in tool:
        return [tool]
    found = []
    for one in tool["functionDeclarations"]:
        function = dict(one)
        if "parametersJsonSchema" in function:
            function["parameters"] = function.pop("parametersJsonSchema")
        found.append({"type": "function", "function": function})
    return found


def _content(content: Json) -> list[Json]:
    parts = content["parts"]
    results = [_response(part["functionResponse"]) for part in parts if "functionResponse" in part]
    calls = [
        _call(part["functionCall"].get("id"), part["functionCall"]["name"], part["functionCall"]["args"])
        for part in parts
        if "functionCall" in part
    ]
    said = [_gemini_part(part) for part in parts if not part.keys() & {"functionCall", "functionResponse"}]
    role = {"model": "assistant", "user": "user"}[content["role"]]
    rest: Json = {"role": role, "content": said}
    if calls:
        rest["tool_calls"] = calls
    return [*results, rest] if said or calls else results


def _response(found: Json) -> Json:
    said = found["response"]
    known = {"tool_call_id": found["id"]} if "id" in found else {}
    result: Json = {"role": "tool", **known, "name": found["name"]}
    if said.keys() == {"error"}:
        text, result["is_error"] = said["error"], True
    else:
        text = said["result"] if said.keys() == {"result"} else json.dumps(said)
    media = [_gemini_part(part) for part in found.get("parts", ())]
    return {**result, "content": [*([{"type": "text", "text": text}] if text else []), *media]}


_MEDIA = {"image": "image_url", "video": "video_url", "audio": "audio_url"}


def _gemini_part(part: Json) -> Json:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if "inlineData" in part:
        kind, url = part["inlineData"]["mimeType"], "data:{mimeType};base64,{data}".format(**part["inlineData"])
        held: Json = {"url": url}
    elif "fileData" in part:
        kind = part["fileData"].get("mimeType", "")
        held = {"url": part["fileData"]["fileUri"], **({"mime_type": kind} if kind else {})}
    else:
        return part
    name = _MEDIA.get(kind.partition("/")[0], "file")
    if name == "file":
        url = held.pop("url")
        held["file_data" if url.startswith("data:") else "file_url"] = url
    return {"type": name, name: held}


# ------------------------------------------------------------- responses


def responses(body: Json) -> Json:
    """Read a body of Responses."""
    params = dict(body)
    params["messages"] = _read_items(params.pop("input"))
    if "max_output_tokens" in params:
        params["max_tokens"] = params.pop("max_output_tokens")
    if params.get("include") == ["message.output_text.logprobs"]:
        del params["include"]
        params["logprobs"] = True
    reasoning = params.get("reasoning", {})
    if reasoning.keys() == {"effort"}:
        params["reasoning_effort"] = params.pop("reasoning")["effort"]
    config = params.pop("text", {})
    if "verbosity" in config:
        params["verbosity"] = config["verbosity"]
    if form := config.get("format"):
        inner = {name: value for name, value in form.items() if name != "type"}
        params["response_format"] = {"type": form["type"], **({"json_schema": inner} if inner else {})}
    if "tools" in params:
        params["tools"] = [_deep(tool) for tool in params["tools"]]
    if isinstance(params.get("tool_choice"), dict):
        params["tool_choice"] = _deep(params["tool_choice"])
    return params


def _deep(tool: Json) -> Json:
    if tool["type"] != "function":
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _read_items(items: list[Json]) -> list[Json]:
    found: list[Json] = []
    for item in items:
        match item["type"]:
            case "message":
                message = _message(item)
                found.append(message)
            case "function_call" | "custom_tool_call":
                call_id, name = item["call_id"], item["name"]
                if item["type"] == "function_call":
                    call = _call(call_id, name, json.loads(item["arguments"]))
                else:
                    call = {"id": call_id, "type": "custom", "custom": {"name": name, "input": item["input"]}}
                if not (found and found[-1]["role"] == "assistant"):
                    found.append({"role": "assistant", "content": []})
                found[-1].setdefault("tool_calls", []).append(call)
            case _:
                output = item["output"]
                content = [_item_part(part) for part in output] if isinstance(output, list) else output
                found.append({"role": "tool", "tool_call_id": item["call_id"], "content": content})
    return found


def _message(item: Json) -> Json:
    content = item["content"]
    if isinstance(content, str):
        return {"role": item["role"], "content": content}
    said = [_item_part(part) for part in content if part["type"] != "refusal"]
    refusals = [part["refusal"] for part in content if part["type"] == "refusal"]
    return {"role": item["role"], "content": said, **({"refusal": refusals[0]} if refusals else {})}


def _item_part(part: Json) -> Json:
    match part["type"]:
        case "input_text" | "output_text":
            return {**part, "type": "text"}
        case "input_image":
            held = {"url" if name == "image_url" else name: value for name, value in part.items() if name != "type"}
            return {"type": "image_url", "image_url": held}
        case "input_file":
            return {"type": "file", "file": {name: value for name, value in part.items() if name != "type"}}
        case _:
            return part


INVERSES: Mapping[str, Callable[[Json], Json]] = {
    "anthropic": messages,
    "gemini": generate_content,
    "openai_responses": responses,
}
