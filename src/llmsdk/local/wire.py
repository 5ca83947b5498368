"""Wire shapes of the dialects, as data: what a provider's routes don't say about the bytes that it sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..providers.spec import Provider
from ..utils.jsonpaths import assign
from ..utils.shapes import Json
from . import sound_shapes
from .httpd import Refusal
from .native import GENERATE_CONTENT, MESSAGES, RESPONSES, Native, Natives

Shape = Callable[[Json, Mapping[str, Any]], Json | None]
"""Rewrites a neutral reply or event, knowing the request; None where the dialect sends nothing."""

CHUNK = ".chunk"
"""Added to an operation's id: the shape of its events."""

# Status to the word for it, OpenAI's `type` of such an error, and its `code`.
_ERRORS: Mapping[int, tuple[str, str, str | None]] = {
    401: ("Unauthorized", "authentication_error", "invalid_api_key"),
    402: ("PaymentRequired", "invalid_request_error", None),
    403: ("Forbidden", "permission_error", None),
    404: ("NotFound", "not_found_error", "not_found"),
    409: ("Conflict", "invalid_request_error", None),
    413: ("PayloadTooLarge", "invalid_request_error", None),
    422: ("UnprocessableEntity", "invalid_request_error", None),
    429: ("TooManyRequests", "rate_limit_error", "rate_limit_exceeded"),
    503: ("ServiceUnavailable", "service_unavailable", None),
    504: ("GatewayTimeout", "server_error", None),
}


def _words(problem: Refusal) -> tuple[str, str, str | None]:
    usual = "InternalServerError" if problem.status >= 500 else "BadRequest"
    kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    return _ERRORS.get(problem.status, (usual, kind, None))


def openai_error(problem: Refusal, request_id: str) -> Json:
    """Write an error as OpenAI does."""
    _, kind, code = _words(problem)
    return {"error": {"message": str(problem), "type": kind, "param": problem.param, "code": code}}


def _together_error(problem: Refusal, request_id: str) -> Json:
    error = openai_error(problem, request_id)["error"]
    kind = {429: "rate_limit", 401: "invalid_request_error"}.get(problem.status, error["type"])
    return {"id": request_id, "error": {**error, "type": kind}}


def _r9s_error(problem: Refusal, request_id: str) -> Json:
    return {**openai_error(problem, request_id), "status": problem.status}


def _writer_error(problem: Refusal, request_id: str) -> Json:
    word, _, _ = _words(problem)
    key = f"fail.{word[0].lower()}{word[1:]}.{problem.param or 'embedded'}"
    return {"tpe": word, "errors": [{"description": str(problem), "key": key, "extras": {}}], "extras": {}}


@dataclass(frozen=True, kw_only=True)
class WireStyle:
    """How a dialect's bytes look where its routes are silent; the defaults are OpenAI's.

    Attributes:
        error: Makes an error body, of the problem and the request's id.
        error_event: SSE event name of an error inside a stream.
        headers: Headers on every reply, `{id}` standing for the request's id.
        reset: Value of the headers that say when a limit is reset.
        event_type: Content-Type of streams.
        shapes: By operation id, and by operation id plus `CHUNK` for events.
        takes_any: Whether parameters that the vocabulary does not know are let through.
        also_takes: Parameters that are let through and do nothing here.
        sends_usage: Whether streams end with usage without being asked.
        joins_usage: Operations whose streams have their usage in the last event of a choice, and none of its own.
        splits_echo: Whether an echoed prompt has a place of its own, apart from the text.
        unmarked: Operations whose streams end without a sentinel.
        returns_documents: Whether rerank returns the documents unasked.
        sounds_as: What speech comes as: a "file", or "json" with its bytes in it.
        images_as: What images come as where the request does not say.
        natives: By operation id, protocols of its own.
    """

    error: Callable[[Refusal, str], Any] = openai_error
    error_event: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reset: str = "1s"
    event_type: str = "text/event-stream"
    shapes: Mapping[str, Shape] = field(default_factory=dict[str, Shape])
    takes_any: bool = False
    also_takes: frozenset[str] = frozenset()
    sends_usage: bool = False
    joins_usage: frozenset[str] = frozenset()
    splits_echo: bool = False
    unmarked: frozenset[str] = frozenset()
    returns_documents: bool = False
    sounds_as: str = "file"
    images_as: str = "b64_json"
    natives: Natives = field(default_factory=dict[str, Native])


def _each(document: Json, rewrite: Callable[[Json], Json], **more: Any) -> Json:
    """Rewrite every choice; what else there is goes before the choices."""
    return {**document, **more, "choices": [rewrite(choice) for choice in document["choices"]]}


def _only(item: Json, *names: str) -> Json:
    return {name: item[name] for name in names if name in item}


def _without(item: Json, *names: str) -> Json:
    return {name: value for name, value in item.items() if name not in names}


# --------------------------------------------------------------- together


def _together_batch(reply: Json, params: Mapping[str, Any]) -> Json:
    names = ("id", "input_file_id", "endpoint", "output_file_id", "error_file_id", "model_id")
    problems: list[Json] = reply["errors"]["data"] if reply["errors"] else []
    return {
        **{name: reply[name] for name in names if reply.get(name)},
        "status": reply["status"].upper(),
        "progress": 100 if reply["status"] == "completed" else 0,
        "created_at": "2026-01-01T00:00:00Z",
        "job_deadline": "2026-01-02T00:00:00Z",
        **({"error": f"line {problems[0]['line']}: {problems[0]['message']}"} if problems else {}),
    }


def _together_batches(reply: Json, params: Mapping[str, Any]) -> Json:
    return {"data": [_together_batch(job, params) for job in reply["data"]]}


def _together_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    prompt = [{"text": params["prompt"], "logprobs": None}] if params.get("echo") else []
    usage = {**reply["usage"], "cached_tokens": 0}
    return _each(reply, _together_text, object="text.completion", prompt=prompt, usage=usage)


def _together_text(choice: Json) -> Json:
    scores = choice["logprobs"]
    if scores is not None:
        scores = {"token_ids": [None] * len(scores["tokens"]), **_without(scores, "text_offset")}
    return {**choice, "logprobs": scores, "seed": None}


def _together_completion_chunk(event: Json, params: Mapping[str, Any]) -> Json:
    def rewrite(choice: Json) -> Json:
        delta = {"token_id": None, "role": "assistant", "content": choice["text"]}
        return {**_together_text(choice), "delta": delta}

    return {"usage": None, **_each(event, rewrite, object="completion.chunk")}


def _together_chat(reply: Json, params: Mapping[str, Any]) -> Json:
    def rewrite(choice: Json) -> Json:
        message = dict(choice["message"])
        calls = [{**call, "index": at} for at, call in enumerate(message.pop("tool_calls", ()))]
        reasoning = {"reasoning": text} if (text := message.pop("reasoning_content", None)) else {}
        message = {**message, "content": message["content"] or "", "tool_calls": calls, **reasoning}
        return {**choice, "message": message, "seed": None}

    return _each(reply, rewrite, metadata={"weight_version": "default"}, prompt=[])


def _together_chat_chunk(event: Json, params: Mapping[str, Any]) -> Json:
    def rewrite(choice: Json) -> Json:
        delta: Json = dict(choice["delta"])
        text: str = delta.get("content") or ""
        reasoning = delta.pop("reasoning_content", None)
        delta = {"token_id": None, "role": "assistant", **delta, "content": text, "reasoning": reasoning}
        if calls := delta.get("tool_calls"):
            # Later pieces of a call keep their keys, with null in them.
            delta["tool_calls"] = [
                {"id": None, "type": "function", **call, "function": {"name": None, **call["function"]}}
                for call in calls
            ]
        return {**choice, "text": text, "delta": delta, "logprobs": _parallel(choice["logprobs"])}

    return {"usage": None, **_each(event, rewrite)}


def _parallel(scores: Json | None) -> Json | None:
    """Streams keep the older form of log probabilities: parallel lists."""
    if scores is None:
        return None
    rows: list[Json] = scores["content"]
    return {
        "tokens": [row["token"] for row in rows],
        "token_logprobs": [row["logprob"] for row in rows],
        "token_ids": [None] * len(rows),
        "top_logprobs": [[_only(top, "token", "logprob") for top in row["top_logprobs"]] for row in rows],
    }


def _together_file(reply: Json, params: Mapping[str, Any]) -> Json:
    kind = reply["filename"].rpartition(".")[2]
    kind = kind if kind in {"csv", "parquet"} else "jsonl"
    return {**reply, "FileType": kind, "LineCount": 0, "Processed": reply["status"] == "processed"}


def _together_files(reply: Json, params: Mapping[str, Any]) -> Json:
    return {**reply, "data": [_together_file(file, params) for file in reply["data"]]}


def _together_image(reply: Json, params: Mapping[str, Any]) -> Json:
    data = [{**_only(item, "index", "url", "b64_json"), "timings": {"inference": 0.01}} for item in reply["data"]]
    return {"id": "embedded-image", "model": reply["model"], "object": "list", "data": data}


def _together_models(reply: Json, params: Mapping[str, Any]) -> Json:
    extra = {"running": False, "display_name": "Embedded provider", "organization": "llmsdk", "link": None}
    return {"data": [{**_without(item, "owned_by"), **extra} for item in reply["data"]]}


# ----------------------------------------------------------------- writer


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


def _writer_v1_id(reply: Json, params: Mapping[str, Any]) -> Json:
    """Set an id that is a UUID, as the API's description demands."""
    digits = reply["id"][-16:]  # written by hand: importing `uuid` takes longer than starting a server may
    return {**reply, "id": f"{digits[:8]}-{digits[8:12]}-4{digits[13:]}-8{digits[1:4]}-{digits[4:]}"}


def _writer_v1_chat(reply: Json, params: Mapping[str, Any]) -> Json:
    empty = dict.fromkeys(("tool_calls", "graph_data", "llm_data", "refusal"))

    def rewrite(choice: Json) -> Json:
        message = choice["message"]
        return {**choice, "message": {**empty, **message, "content": message["content"] or ""}}

    usage = {**reply["usage"], "prompt_token_details": None}
    reply = _writer_v1_id(reply, params)
    return _each(reply, rewrite, usage=usage, system_fingerprint="v1", service_tier=None)


# -------------------------------------------------------- r9s, and OpenAI


def _r9s_completion(reply: Json, params: Mapping[str, Any]) -> Json:
    return _each(reply, lambda choice: _without(choice, "logprobs"), object="completion")


def _r9s_completion_chunk(event: Json, params: Mapping[str, Any]) -> Json | None:
    return {**event, "object": "completion"} if event["choices"] else None


def _openai_image(reply: Json, params: Mapping[str, Any]) -> Json:
    data = [_without(item, "index") for item in reply["data"]]
    return {"created": reply["created"], "data": data, "usage": reply["usage"]}


def _openai_image_event(kind: str, event: Json, params: Mapping[str, Any]) -> Json:
    """Name an event's type, and say of each image what the request left open."""
    image = event["data"][0]
    more = {"usage": event["usage"]} if "usage" in event else {}
    if not image["is_final"]:
        more = {"partial_image_index": round(image["progress"] * (params["partial_images"] + 1)) - 1}
    return {
        "type": f"{kind}.{'completed' if image['is_final'] else 'partial_image'}",
        **_only(image, "b64_json", "url"),
        "created_at": event["created"],
        "size": params.get("size") or "1024x1024",
        "quality": params.get("quality") or "high",
        "background": params.get("background") or "opaque",
        "output_format": params.get("output_format") or "png",
        **more,
    }


# ------------------------------------------------- protocols of their own

_ANTHROPIC_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",  # a status that no standard knows
}
_GEMINI_ERRORS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _anthropic_error(problem: Refusal, request_id: str) -> Json:
    usual = "api_error" if problem.status >= 500 else "invalid_request_error"
    error = {"type": _ANTHROPIC_ERRORS.get(problem.status, usual), "message": str(problem)}
    return {"type": "error", "error": error, "request_id": request_id}


def _gemini_error(problem: Refusal, request_id: str) -> Json:
    usual = "INTERNAL" if problem.status >= 500 else "INVALID_ARGUMENT"
    status = _GEMINI_ERRORS.get(problem.status, usual)
    return {"error": {"code": problem.status, "message": str(problem), "status": status}}


def _anthropic_model(reply: Json, params: Mapping[str, Any]) -> Json:
    model = {"type": "model", "id": reply["id"], "display_name": reply["id"], "lifecycle": "active"}
    return {**model, "created_at": "2026-01-01T00:00:00Z"}


def _anthropic_models(reply: Json, params: Mapping[str, Any]) -> Json:
    return {**_without(reply, "object"), "data": [_anthropic_model(item, params) for item in reply["data"]]}


def _gemini_model(reply: Json, params: Mapping[str, Any]) -> Json:
    methods = ["generateContent", "streamGenerateContent"]
    # The id is the path of the resource, which calls take with and without its first part.
    return {"id": f"models/{reply['id']}", "displayName": reply["id"], "supportedGenerationMethods": methods}


def _gemini_models(reply: Json, params: Mapping[str, Any]) -> Json:
    return {**_without(reply, "object"), "data": [_gemini_model(item, params) for item in reply["data"]]}


_IMAGES: dict[str, Shape] = {"createImage": _openai_image, "editImage": _openai_image}
_AUDIO = frozenset({"createSpeech", "createTranscription", "createTranslation"})  # whose last event says that it is
_OPENAI = WireStyle(headers={"x-request-id": "{id}"}, shapes=_IMAGES, takes_any=True, unmarked=_AUDIO)

# Forms as observed where observed, else as documented: Together of 2026, Writer 1.7 and v1, r9s 2026-01-21.
STYLES: Mapping[str, WireStyle] = {
    # openai 3.x: types/image_gen_partial_image_event.py, types/image_gen_completed_event.py.
    "openai": replace(
        _OPENAI,
        shapes={
            **_IMAGES,
            "createImage" + CHUNK: partial(_openai_image_event, "image_generation"),
            "editImage" + CHUNK: partial(_openai_image_event, "image_edit"),
        },
    ),
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
            "createSpeech" + CHUNK: sound_shapes.together_sound,
            "createEmbedding": lambda reply, params: _without(reply, "usage"),
            "listModels": _together_models,
            "retrieveFile": _together_file,
            "listFiles": _together_files,
            **dict.fromkeys(("createBatch", "retrieveBatch", "cancelBatch"), _together_batch),
            "listBatches": _together_batches,
        },
        also_takes=frozenset({"checksum"}),  # of an upload: together 3.x, lib/resources/files.py
        sends_usage=True,
        joins_usage=frozenset({"createCompletion"}),  # as recorded; those of chats have an event of their own
        splits_echo=True,
        returns_documents=True,
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
            "createChatCompletion" + CHUNK: _writer_v1_id,
            "listModels": _writer_models,
        },
    ),
    "r9s": WireStyle(
        error=_r9s_error,
        shapes={
            **_IMAGES,
            "createCompletion": _r9s_completion,
            "createCompletion" + CHUNK: _r9s_completion_chunk,
            "editImage" + CHUNK: lambda event, params: {**event, "object": "image.edit.chunk"},
        },
        images_as="url",
    ),
    # mistralai 3.7.0: models/audiotranscriptionrequeststream.py and what stands beside it.
    "mistral": WireStyle(
        takes_any=True,
        shapes={
            "createSpeech" + CHUNK: sound_shapes.mistral_sound,
            "createTranscription": sound_shapes.mistral_reply,
            "createTranscription" + CHUNK: sound_shapes.mistral_event,
        },
        unmarked=_AUDIO,
        sounds_as="json",
    ),
    "vllm": WireStyle(
        takes_any=True,
        returns_documents=True,
        shapes={
            "createTranscription" + CHUNK: sound_shapes.vllm_event,
            "createTranslation" + CHUNK: sound_shapes.vllm_event,
        },
    ),
    "anthropic": WireStyle(
        error=_anthropic_error,
        error_event="error",
        shapes={"listModels": _anthropic_models, "retrieveModel": _anthropic_model},
        natives=MESSAGES,
    ),
    "gemini": WireStyle(
        error=_gemini_error,
        shapes={"listModels": _gemini_models, "retrieveModel": _gemini_model},
        natives=GENERATE_CONTENT,
    ),
    "openai_responses": replace(_OPENAI, error_event="error", natives=RESPONSES),
}


def style_of(provider: Provider) -> WireStyle:
    """Find a dialect's style; a provider that is not known has the default, with errors where it looks for them."""
    known = STYLES.get(provider.name)
    if known is not None:
        return known
    paths = provider.error

    def error(problem: Refusal, request_id: str) -> Any:
        word, _, _ = _words(problem)
        is_listed = paths.message[:1] and paths.message[0].startswith("$[")  # a body that is a list
        body: Any = [] if is_listed else openai_error(problem, request_id)
        for found, value in ((paths.message, str(problem)), (paths.code, word), (paths.type, word)):
            if found:
                assign(body, found[0], value)
        return body

    return WireStyle(error=error, takes_any=True)
