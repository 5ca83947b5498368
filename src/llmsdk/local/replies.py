"""What the embedded provider answers, in one neutral shape that dialects rewrite; nothing here is left to chance.

The text quotes the prompt. `seed`, and every choice after the first, vary it. Tools are called where `tool_choice`
demands it, or where the last user message names a tool (`get_weather`, "get weather") or asks a question with a longer
word of its name ("What's the weather?"); a conversation that ends with a tool's reply gets text that quotes the reply.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..utils.shapes import Json, is_list, is_object
from .schemas import MAX_SIZE, example

CREATED = 1_700_000_000
"""Time of every reply: the same request gets the same bytes."""

_QUOTED = 400  # characters of the prompt that a reply repeats
_LONGEST = 64  # characters of a token; else a word without an end would count as one
# Words with the blanks before them, and blanks that no word follows.
_TOKENS = re.compile(rf"\s{{0,{_LONGEST}}}\S{{1,{_LONGEST}}}|\s{{1,{_LONGEST}}}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One choice, before it has a shape."""

    tokens: list[str]
    finish_reason: str
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[Json] = field(default_factory=list[Json])

    @property
    def text(self) -> str:
        return "".join(self.tokens)


@dataclass(frozen=True, kw_only=True)
class Produced:
    """A whole reply, and the same reply in pieces where it can be streamed."""

    reply: Json
    chunks: list[Json] = field(default_factory=list[Json])


def tokenize(text: str) -> list[str]:
    """Split text into words that join to it again."""
    return _TOKENS.findall(text)


def count_tokens(content: Any) -> int:
    """Count the tokens of a prompt or of a message's content."""
    return _count(_text_of(content))


def _count(text: str) -> int:
    return sum(1 for _ in _TOKENS.finditer(text))  # a prompt may have millions of them, which no list need hold


def completion(params: Mapping[str, Any]) -> Produced:
    """Complete a text prompt."""
    prompt = _text_of(params["prompt"])
    echo = tokenize(prompt) if params.get("echo") else []
    answers = [_answer(_say(prompt, params, index), params) for index in range(params.get("n") or 1)]
    wanted = params.get("logprobs")
    top = {"id": _identity("cmpl", params), "object": "text_completion", "created": CREATED, "model": params["model"]}
    choices: list[Json] = []
    pieces: list[Json] = []
    for index, answer in enumerate(answers):
        tokens = echo + answer.tokens
        scores = _columns(tokens, int(wanted)) if wanted is not None and wanted is not False else None
        choice = {"index": index, "text": "".join(tokens), "logprobs": scores, "finish_reason": answer.finish_reason}
        choices.append(choice)
        for at, token in enumerate(tokens):
            score = {name: row and row[at : at + 1] for name, row in scores.items()} if scores else None
            pieces.append({"index": index, "text": token, "logprobs": score, "finish_reason": None})
        pieces.append({**choice, "text": "", "logprobs": None})
    return _produced(top, top, choices, pieces, _usage(_count(prompt), answers))


def chat(params: Mapping[str, Any]) -> Produced:
    """Send a conversation and return the model's answer."""
    messages: list[Json] = params["messages"]
    reasoning = _reasoning(params)
    answers = [_chat_answer(params, messages, reasoning, index) for index in range(params.get("n") or 1)]
    wanted = params.get("logprobs")
    alternatives = int(params.get("top_logprobs") or (wanted if wanted is not True else 0) or 0)
    choices: list[Json] = []
    pieces: list[Json] = []
    for index, answer in enumerate(answers):
        scores = _rows(answer.tokens, alternatives) if wanted is not None and wanted is not False else None
        message: Json = {"role": "assistant", "content": answer.text if answer.tokens or not answer.calls else None}
        if answer.reasoning:
            message["reasoning_content"] = "".join(answer.reasoning)
        if answer.calls:
            message["tool_calls"] = answer.calls
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": {"content": scores, "refusal": None} if scores else None,  # a call has none
                "finish_reason": answer.finish_reason,
            }
        )
        pieces += [{"index": index, **piece} for piece in _chat_pieces(answer, scores)]
    top = {"id": _identity("chatcmpl", params), "created": CREATED, "model": params["model"]}
    whole, chunk = {**top, "object": "chat.completion"}, {**top, "object": "chat.completion.chunk"}
    prompt_tokens = sum(count_tokens(message.get("content")) for message in messages)
    return _produced(whole, chunk, choices, pieces, _usage(prompt_tokens, answers))


def _produced(whole: Json, chunk: Json, choices: list[Json], pieces: list[Json], usage: Json) -> Produced:
    """Put choices into a reply, and their pieces into one event each, with the usage in an event of its own."""
    events = [{**chunk, "choices": [piece]} for piece in pieces]
    events.append({**chunk, "choices": [], "usage": usage})
    return Produced(reply={**whole, "choices": choices, "usage": usage}, chunks=events)


def _say(prompt: str, params: Mapping[str, Any], index: int) -> str:
    quoted = prompt if len(prompt) <= _QUOTED else f"{prompt[:_QUOTED]}..."
    said = f"Embedded provider: you said '{quoted}'."
    seed = params.get("seed")
    return said if seed is None and not index else f"{said} Variation {zlib.crc32(f'{seed} {index}'.encode()):08x}."


def _answer(text: str, params: Mapping[str, Any], reasoning: list[str] | None = None) -> Answer:
    """Cut a text where `stop` and `max_tokens` say."""
    finish_reason = "stop"
    given: str | list[str] = params.get("stop") or []
    for stop in [given] if isinstance(given, str) else given:
        if stop and stop in text:
            text = text[: text.index(stop)]
    tokens, limit = tokenize(text), _limit(params)
    if limit is not None and len(tokens) > limit:
        tokens, finish_reason = tokens[:limit], "length"
    return Answer(tokens=tokens, finish_reason=finish_reason, reasoning=reasoning or [])


def _limit(params: Mapping[str, Any]) -> int | None:
    """Find how many tokens an answer may have."""
    given = (params.get(name) for name in ("max_tokens", "max_completion_tokens"))
    return min((limit for limit in given if limit is not None), default=None)


def _example(schema: Any, asked: str, params: Mapping[str, Any]) -> str:
    """Write a value that fits a schema, not much longer than what the answer may hold of it."""
    limit, size = _limit(params), MAX_SIZE // (params.get("n") or 1)
    size = size if limit is None else min(size, 2 * _LONGEST * limit)
    return json.dumps(example(schema, hint=_hint(asked), size=size), ensure_ascii=False)


def _chat_answer(params: Mapping[str, Any], messages: list[Json], reasoning: list[str], index: int) -> Answer:
    last = messages[-1]
    asked = _text_of(next((m.get("content") for m in reversed(messages) if m.get("role") == "user"), ""))
    if last.get("role") in {"tool", "function"}:
        told = _text_of(last.get("content"))
        return _answer(f"Embedded provider: the tool said '{told[:_QUOTED]}'.", params, reasoning)
    if tools := _tools_to_call(params, asked):
        return _calling(tools, asked, params, reasoning, index)
    wanted: Json = params.get("response_format") or {}
    kind = wanted.get("type")
    if kind in {"json_schema", "json_object"}:
        holder = wanted.get("json_schema")
        schema = holder.get("schema") if is_object(holder) else None
        schema = schema if schema is not None else wanted.get("schema") or _schema_told(messages)
        if schema is None or schema == {"type": "object"}:
            schema = {"const": {"provider": "embedded", "said": asked[:_QUOTED]}}
        return _answer(_example(schema, asked, params), params, reasoning)
    return _answer(_say(asked + _attachments(messages), params, index), params, reasoning)


def _schema_told(messages: list[Json]) -> Any:
    """Find the JSON schema that a system message shows, as a model would."""
    for text in (_text_of(message.get("content")) for message in messages if message.get("role") == "system"):
        start = text.find("{")
        if start >= 0 and "schema" in text[:start].lower():
            try:
                return json.JSONDecoder().raw_decode(text, start)[0]
            except ValueError:
                continue
    return None


def _chat_pieces(answer: Answer, scores: list[Json] | None) -> Iterator[Json]:
    def piece(delta: Json, finish_reason: str | None = None, score: Json | None = None) -> Json:
        return {"delta": delta, "logprobs": score, "finish_reason": finish_reason}

    yield piece({"role": "assistant", "content": None if answer.calls else ""})
    for token in answer.reasoning:
        yield piece({"reasoning_content": token})
    for at, token in enumerate(answer.tokens):
        yield piece({"content": token}, score={"content": [scores[at]], "refusal": None} if scores else None)
    for at, call in enumerate(answer.calls):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        opening = {"index": at, "id": call["id"], "type": "function", "function": {"name": name, "arguments": ""}}
        yield piece({"tool_calls": [opening]})
        half = len(arguments) // 2
        for part in filter(None, (arguments[:half], arguments[half:])):
            yield piece({"tool_calls": [{"index": at, "function": {"arguments": part}}]})
    yield piece({}, answer.finish_reason)


def _tools_to_call(params: Mapping[str, Any], asked: str) -> list[Json]:
    tools = [tool["function"] for tool in params.get("tools") or () if tool.get("type", "function") == "function"]
    tools = [tool for tool in tools if tool.get("name")]
    choice = params.get("tool_choice", params.get("function_call"))
    while is_object(choice):  # {"value": ...} in one dialect; {"function": {"name": ...}} in all others
        choice = choice.get("value") or choice.get("function") or choice.get("name")
    if choice == "none" or not tools:
        return []
    if named := [tool for tool in tools if tool["name"] == choice]:
        return named
    found = [tool for tool in tools if _is_about(asked, str(tool["name"]))]
    if choice == "required" and not found:
        found = tools[:1]
    return found[:1] if params.get("parallel_tool_calls") is False else found


def _is_about(asked: str, name: str) -> bool:
    text = asked.lower()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower()
    if name.lower() in text or words in text:
        return True
    return "?" in text and any(len(word) > 3 and word in text for word in words.split())


def _calling(tools: list[Json], asked: str, params: Mapping[str, Any], reasoning: list[str], index: int) -> Answer:
    """Call tools; arguments that are longer than the answer may be are cut, as those of a model are."""
    left, calls, finish_reason = _limit(params), list[Json](), "tool_calls"
    identity = _identity("call", params)
    for at, tool in enumerate(tools):
        schema: Json = tool.get("parameters") or {"type": "object", "properties": {}}
        tokens = tokenize(_example(schema, asked, params))
        if left is not None and len(tokens) > left:
            tokens, finish_reason = tokens[:left], "length"
        function = {"name": tool["name"], "arguments": "".join(tokens)}
        calls.append({"id": f"{identity}{index:x}{at:x}", "type": "function", "function": function})
        left = None if left is None else left - len(tokens)
        if finish_reason == "length":
            break
    return Answer(tokens=[], finish_reason=finish_reason, calls=calls, reasoning=reasoning)


def _hint(asked: str) -> str:
    """Find what free strings may say: the last name in the question ("Weather in Lima?"), else its last word."""
    names = re.findall(r"(?<=[\s'\"])[A-Z]\w+", asked)
    words = re.findall(r"\w+", asked)
    return str((names or words or ["embedded"])[-1])[:64]  # arguments stay short, whatever the prompt


def _reasoning(params: Mapping[str, Any]) -> list[str]:
    setting: Json = params.get("reasoning") or {}
    effort = params.get("reasoning_effort")
    if setting.get("enabled") is False or not (setting.get("enabled") or effort not in {None, "none"}):
        return []
    return tokenize(f"The embedded provider quotes the prompt; effort {effort or 'medium'}.")


def _text_of(content: Any) -> str:
    """Read the text of a prompt or of a message's content, strings or parts."""
    if isinstance(content, str):
        return content
    if is_list(content):
        return "\n".join(part if isinstance(part, str) else str(part.get("text") or "") for part in content).strip()
    return "" if content is None else json.dumps(content)


def _attachments(messages: list[Json]) -> str:
    contents = [content for message in messages if is_list(content := message.get("content"))]
    kinds = [str(part.get("type")) for content in contents for part in content if part.get("type") != "text"]
    return f" [{', '.join(kinds)}]" if kinds else ""


def _logprob(token: str, rank: int = 0) -> float:
    # Some number below 0, the same for the same token.
    return -round(zlib.crc32(token.encode("utf-8", "replace")) % 1000 / 1000 + rank, 3)


def _columns(tokens: list[str], alternatives: int) -> Json:
    """Log probabilities of a text completion: parallel lists."""
    offsets = [0]
    for token in tokens[:-1]:
        offsets.append(offsets[-1] + len(token))
    return {
        "tokens": tokens,
        "token_logprobs": [_logprob(token) for token in tokens],
        "top_logprobs": [dict(_ranked(token, alternatives)) for token in tokens] if alternatives else None,
        "text_offset": offsets[: len(tokens)],
    }


def _rows(tokens: list[str], alternatives: int) -> list[Json]:
    """Log probabilities of a chat: one object per token."""
    return [
        {
            "token": token,
            "logprob": _logprob(token),
            "bytes": list(token.encode("utf-8", "replace")),
            "top_logprobs": [
                {"token": other, "logprob": score, "bytes": list(other.encode("utf-8", "replace"))}
                for other, score in _ranked(token, alternatives)
            ],
        }
        for token in tokens
    ]


def _ranked(token: str, count: int) -> list[tuple[str, float]]:
    # 20 is the most that OpenAI allows; alternatives are no words, so that nobody takes them for some.
    return [(token if rank == 0 else f"{token}~{rank}", _logprob(token, rank)) for rank in range(min(count, 20))]


def _usage(prompt_tokens: int, answers: list[Answer]) -> Json:
    reasoning = sum(len(answer.reasoning) for answer in answers)
    arguments = (call["function"]["arguments"] for answer in answers for call in answer.calls)
    written = sum(len(answer.tokens) for answer in answers) + sum(_count(text) for text in arguments)
    usage: Json = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": written + reasoning,
        "total_tokens": prompt_tokens + written + reasoning,
    }
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage


def _identity(prefix: str, params: Mapping[str, Any]) -> str:
    canonical = json.dumps(params, sort_keys=True, default=repr).encode()  # uploads are bytes, which JSON has not
    return f"{prefix}-{zlib.crc32(canonical):08x}{zlib.adler32(canonical):08x}"
