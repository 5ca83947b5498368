"""Wire shapes of the dialects, as data: what a provider's routes don't say about the bytes that it sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..providers.spec import Provider
from .kinds import Json, is_list, is_object

Shape = Callable[[Json, Mapping[str, Any]], Json | None]
"""Rewrites a neutral reply or event, knowing the request; None where the dialect sends nothing."""

CHUNK = ".chunk"
"""Added to an operation's id: the shape of its events."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error, before it has a shape."""

    status: int
    message: str
    param: str | None = None
    request_id: str = ""

    @property
    def word(self) -> str:
        return _WORDS.get(self.status, "InternalServerError" if self.status >= 500 else "BadRequest")


_WORDS = {
    401: "Unauthorized",
    402: "PaymentRequired",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "PayloadTooLarge",
    422: "UnprocessableEntity",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
_TYPES = {
    "Unauthorized": "authentication_error",
    "Forbidden": "permission_error",
    "NotFound": "not_found_error",
    "TooManyRequests": "rate_limit_error",
    "ServiceUnavailable": "service_unavailable",
    "InternalServerError": "server_error",
    "GatewayTimeout": "server_error",
}
_CODES = {"Unauthorized": "invalid_api_key", "NotFound": "not_found", "TooManyRequests": "rate_limit_exceeded"}


def openai_error(problem: Problem) -> Json:
    kind = _TYPES.get(problem.word, "invalid_request_error")
    error = {"message": problem.message, "type": kind, "param": problem.param, "code": _CODES.get(problem.word)}
    return {"error": error}


def _together_error(problem: Problem) -> Json:
    kind = {"TooManyRequests": "rate_limit", "Unauthorized": "invalid_request_error"}.get(problem.word)
    error = openai_error(problem)["error"]
    return {"id": problem.request_id, "error": {**error, "type": kind or error["type"]}}


def _r9s_error(problem: Problem) -> Json:
    return {**openai_error(problem), "status": problem.status}


def _writer_error(problem: Problem) -> Json:
    key = f"fail.{problem.word[0].lower()}{problem.word[1:]}.{problem.param or 'embedded'}"
    return {"tpe": problem.word, "errors": [{"description": problem.message, "key": key, "extras": {}}], "extras": {}}


@dataclass(frozen=True, kw_only=True)
class WireStyle:
    """How a dialect's bytes look where its routes are silent; the defaults are OpenAI's.

    Attributes:
        error: Makes an error body.
        error_event: SSE event name of an error inside a stream.
        headers: Headers on every reply, `{id}` standing for the request's id.
        reset: Value of the headers that say when a limit is reset.
        event_type: Content-Type of streams.
        shapes: By operation id, and by operation id plus `CHUNK` for events.
        takes_any: Whether parameters that the vocabulary does not know are let through.
        sends_usage: Whether streams end with usage without being asked.
        splits_echo: Whether an echoed prompt has a place of its own, apart from the text.
        images_as: What images come as where the request does not say.
    """

    error: Callable[[Problem], Json] = openai_error
    error_event: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reset: str = "1s"
    event_type: str = "text/event-stream"
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    takes_any: bool = False
    sends_usage: bool = False
    splits_echo: bool = False
    images_as: str = "b64_json"


def _together_batch(reply: Json, params: Mapping[str, Any]) -> Json:
    names = ("id", "input_file_id", "endpoint", "output_file_id", "error_file_id", "model_id")
    job = {name: reply[name] for name in names if reply.get(name)}
    problems: list[Json] = reply["errors"]["data"] if reply["errors"] else []
    return {
        **job,
        "status": reply["status"].upper(),
        "progress": 100 if reply["status"] == "completed" else 0,
        "created_at": "2026-01-01T00:00:00Z",
        "job_deadline": "2026-01-02T00:00:00Z",
        **({"error": f"line {problems[0]['line']}: {problems[0]['message']}"} if problems else {}),
    }


def _together_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    choices = [{**choice, "logprobs": _with_ids(choice["logprobs"]), "seed": None} for choice in reply["choices"]]
    prompt = [{"text": params["prompt"], "logprobs": None}] if params.get("echo") else []
    usage = {**reply["usage"], "cached_tokens": 0}
    return {**reply, "object": "text.completion", "prompt": prompt, "choices": choices, "usage": usage}


def _with_ids(scores: Json | None) -> Json | None:
    if scores is None:
        return None
    rest = {name: rows for name, rows in scores.items() if name != "text_offset"}
    return {"token_ids": [None] * len(scores["tokens"]), **rest}


def _together_completion_chunk(event: Json, params: Mapping[str, Any]) -> Json:
    choices = [
        {
            **choice,
            "logprobs": _with_ids(choice["logprobs"]),
            "seed": None,
            "delta": {"token_id": None, "role": "assistant", "content": choice["text"]},
        }
        for choice in event["choices"]
    ]
    return {"usage": None, **event, "object": "completion.chunk", "choices": choices}


def _together_chat(reply: Json, params: Mapping[str, Any]) -> Json:
    choices: list[Json] = []
    for choice in reply["choices"]:
        message = dict(choice["message"])
        calls = [{**call, "index": at} for at, call in enumerate(message.pop("tool_calls", ()))]
        reasoning = {"reasoning": text} if (text := message.pop("reasoning_content", None)) else {}
        message = {**message, "content": message["content"] or "", "tool_calls": calls, **reasoning}
        choices.append({**choice, "message": message, "seed": None})
    return {**reply, "metadata": {"weight_version": "default"}, "prompt": [], "choices": choices}


def _together_chat_chunk(event: Json, params: Mapping[str, Any]) -> Json:
    choices: list[Json] = []
    for choice in event["choices"]:
        delta: Json = dict(choice["delta"])
        text: str = delta.get("content") or ""
        reasoning = delta.pop("reasoning_content", None)
        calls: list[Json] = delta.get("tool_calls") or []
        delta = {"token_id": None, "role": "assistant", **delta, "content": text, "reasoning": reasoning}
        if calls:
            # Later pieces of a call keep their keys, with null in them.
            delta["tool_calls"] = [
                {"id": None, "type": "function", **call, "function": {"name": None, **call["function"]}}
                for call in calls
            ]
        choices.append({**choice, "text": text, "delta": delta, "logprobs": _parallel(choice["logprobs"])})
    return {"usage": None, **event, "choices": choices}


def _parallel(scores: Json | None) -> Json | None:
    """Streams keep the older form of log probabilities: parallel lists."""
    if scores is None:
        return None
    rows = scores["content"]
    return {
        "tokens": [row["token"] for row in rows],
        "token_logprobs": [row["logprob"] for row in rows],
        "token_ids": [None] * len(rows),
        "top_logprobs": [
            [{"token": top["token"], "logprob": top["logprob"]} for top in row["top_logprobs"]] for row in rows
        ],
    }


def _together_image(reply: Json, params: Mapping[str, Any]) -> Json:
    data = [{**_only(item, "index", "url", "b64_json"), "timings": {"inference": 0.01}} for item in reply["data"]]
    return {"id": "embedded-image", "model": reply["model"], "object": "list", "data": data}


def _together_embedding(reply: Json, params: Mapping[str, Any]) -> Json:
    return _without(reply, "usage")


def _together_models(reply: Json, params: Mapping[str, Any]) -> Json:
    extra = {"running": False, "display_name": "Embedded provider", "organization": "llmsdk", "link": None}
    return {"data": [{**_without(item, "owned_by"), **extra} for item in reply["data"]]}


def _writer_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    choices: list[Json] = []
    for choice in reply["choices"]:
        scores = dict(choice["logprobs"] or {})
        if tops := scores.get("top_logprobs"):
            scores["top_logprobs"] = [{token: str(score) for token, score in top.items()} for top in tops]
        choices.append({"text": choice["text"], **({"logprobs": scores} if scores else {})})
    return {"choices": choices}


def _writer_text_event(event: Json, params: Mapping[str, Any]) -> Json | None:
    """Events hold text alone, and of the first choice."""
    choices = event["choices"]
    return {"choices": [{"text": choices[0]["text"]}]} if choices and choices[0]["index"] == 0 else None


def _writer_models(reply: Json, params: Mapping[str, Any]) -> Json:
    return {"data": [{"id": item["id"], "name": item["id"], "type": "GPT"} for item in reply["data"]]}


def _writer_v1_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    return {"choices": [_only(choice, "text", "logprobs") for choice in reply["choices"]], "model": reply["model"]}


def _writer_v1_chat(reply: Json, params: Mapping[str, Any]) -> Json:
    empty = {"tool_calls": None, "graph_data": None, "llm_data": None, "refusal": None}
    choices = [
        {**choice, "message": {**empty, **choice["message"], "content": choice["message"]["content"] or ""}}
        for choice in reply["choices"]
    ]
    usage = {**reply["usage"], "prompt_token_details": None}
    return {**reply, "choices": choices, "usage": usage, "system_fingerprint": "v1", "service_tier": None}


def _r9s_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    return {**reply, "object": "completion", "choices": [_without(choice, "logprobs") for choice in reply["choices"]]}


def _r9s_completion_chunk(event: Json, params: Mapping[str, Any]) -> Json | None:
    return {**event, "object": "completion"} if event["choices"] else None


def _openai_image(reply: Json, params: Mapping[str, Any]) -> Json:
    data = [_without(item, "index") for item in reply["data"]]
    return {"created": reply["created"], "data": data, "usage": reply["usage"]}


def _only(item: Json, *names: str) -> Json:
    return {name: item[name] for name in names if name in item}


def _without(item: Json, *names: str) -> Json:
    return {name: value for name, value in item.items() if name not in names}


_IMAGES: dict[str, Shape] = {"createImage": _openai_image, "editImage": _openai_image}
_OPENAI = WireStyle(headers={"x-request-id": "{id}"}, shapes=_IMAGES, takes_any=True)

# Forms as observed where observed, else as documented: Together of 2026, Writer 1.7 and v1, r9s 2026-01-21.
STYLES: Mapping[str, WireStyle] = {
    "openai": _OPENAI,
    "local": _OPENAI,
    "together": WireStyle(
        error=_together_error,
        headers={"cf-ray": "{id}-EMB", "x-ratelimit": "false", "retry-after": "2"},
        reset="2",
        event_type="text/event-stream;charset=utf-8",
        shapes={
            "createCompletion": _together_completion,
            "createCompletion" + CHUNK: _together_completion_chunk,
            "createChatCompletion": _together_chat,
            "createChatCompletion" + CHUNK: _together_chat_chunk,
            "createImage": _together_image,
            "createEmbedding": _together_embedding,
            "listModels": _together_models,
            **dict.fromkeys(("createBatch", "retrieveBatch", "cancelBatch"), _together_batch),
            "listBatches": lambda reply, params: {"data": [_together_batch(job, params) for job in reply["data"]]},
        },
        sends_usage=True,
        splits_echo=True,
        images_as="url",
    ),
    "writer": WireStyle(
        error=_writer_error,
        error_event="error",
        shapes={
            "createCompletion": _writer_completion,
            "createCompletion" + CHUNK: _writer_text_event,
            "createModelCustomizationCompletion": _writer_completion,
            "listModels": _writer_models,
        },
    ),
    "writer_v1": WireStyle(
        error=_writer_error,
        error_event="error",
        shapes={
            "createCompletion": _writer_v1_completion,
            "createCompletion" + CHUNK: _writer_text_event,
            "createChatCompletion": _writer_v1_chat,
            "listModels": _writer_models,
        },
    ),
    "r9s": WireStyle(
        error=_r9s_error,
        shapes={
            **_IMAGES,
            "createCompletion": _r9s_completion,
            "createCompletion" + CHUNK: _r9s_completion_chunk,
        },
        images_as="url",
    ),
}


def style_of(provider: Provider) -> WireStyle:
    """Find a dialect's style; a provider that is not known has the default, with errors where it looks for them."""
    known = STYLES.get(provider.name)
    if known is not None:
        return known
    paths = provider.error

    def error(problem: Problem) -> Json:
        body = openai_error(problem)
        for found, value in ((paths.message, problem.message), (paths.code, problem.word), (paths.type, problem.word)):
            if found:
                body = put(body, steps_of(found[0]), value)
        return body

    return WireStyle(error=error, takes_any=True)


def outward(document: Json, paths: Mapping[str, str]) -> Any:
    """Move values from where we have them to where the wire has them: a route's `reply` or `event`, backwards."""
    moved: Any = document
    for ours, theirs in paths.items():
        moved = _move(moved, steps_of(ours), steps_of(theirs))
    return moved


Step = str | int


def steps_of(path: str) -> list[Step]:
    """Split a JSONPath of names, indexes and `[*]`."""
    found = re.findall(r"\[(\d+)\]|(\[\*\])|\.?([^.\[\]$]+)", path)
    return [int(index) if index else "*" if star else name for index, star, name in found]


def _move(document: Any, ours: list[Step], theirs: list[Step]) -> Any:
    """Take a value out at one path and put it back at another, in every item that a shared `[*]` stands for."""
    if not ours:
        return document
    step = ours[0]
    if theirs and theirs[0] == step:
        if step == "*" and is_list(document):
            return [_move(item, ours[1:], theirs[1:]) for item in document]
        if is_object(document) and isinstance(step, str) and step in document:
            return {**document, step: _move(document[step], ours[1:], theirs[1:])}
        return document
    rest, value, is_found = _take(document, ours)
    return put(rest, theirs, value) if is_found else document


def _take(document: Any, steps: list[Step]) -> tuple[Any, Any, bool]:
    """Split a document in what is left without the value at a path, and the value; what this empties goes too."""
    step, *further = steps
    if is_list(document) and isinstance(step, int) and step < len(document) and further:
        inner, value, is_found = _take(document[step], further)
        items = [inner if at == step else item for at, item in enumerate(document)]
        return items if inner else [*items[:step], *items[step + 1 :]], value, is_found
    if is_object(document) and isinstance(step, str) and step in document:
        left = {name: item for name, item in document.items() if name != step}
        if not further:
            return left, document[step], True
        inner, value, is_found = _take(document[step], further)
        return ({**left, step: inner} if inner else left), value, is_found
    return document, None, False


def put(document: Any, steps: list[Step], value: Any) -> Any:
    """Put a value at a path, making what is missing on the way."""
    if not steps:
        return value
    step, *further = steps
    if isinstance(step, int):
        items: list[Any] = [*document] if is_list(document) else []
        items += [None] * (step + 1 - len(items))
        items[step] = put(items[step], further, value)
        return items
    known = document if is_object(document) else {}
    return {**known, step: put(known.get(step), further, value)}
