"""The handlers of operations, by their ids; those of files and batches, which are kept, are in `stored`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..utils.jsonpaths import assign
from ..utils.shapes import Json
from . import pictures, replies, sounds, vectors
from .httpd import Refusal, Response
from .parsing import ParsedRequest
from .replies import CREATED, Produced

Handler = Callable[[ParsedRequest], Produced | Response]

MAX_ECHO = 10_000  # tokens, each of which is an event of a stream
MAX_INPUTS = 2048  # as at OpenAI
MODELS = (("embedded-chat", "chat"), ("embedded-text", "language"), ("embedded-image", "image"))


def _completion(parsed: ParsedRequest) -> Produced:
    params = _with_model(parsed)
    if params.get("echo") and replies.count_tokens(params["prompt"]) > MAX_ECHO:
        raise Refusal(400, f"A prompt that is echoed may have {MAX_ECHO} tokens.", "prompt")
    if parsed.setting.style.splits_echo:  # the prompt stands in a place of its own, which the dialect's shape fills
        params.pop("echo", None)
    return replies.completion(params)


def _chat(parsed: ParsedRequest) -> Produced:
    if not parsed.params["messages"]:
        raise Refusal(400, "messages must not be empty.", "messages")
    return replies.chat(_with_model(parsed))


def _token_count(parsed: ParsedRequest) -> Produced:
    usage: Json = _chat(parsed).reply["usage"]
    return Produced(reply={"input_tokens": usage["prompt_tokens"]})


def _image(parsed: ParsedRequest) -> Produced:
    return pictures.image({"response_format": parsed.setting.style.images_as, **parsed.params}, parsed.setting.origin)


def _embeddings(parsed: ParsedRequest) -> Produced:
    inputs = vectors.inputs(parsed.params["input"])
    if not parsed.params["input"] or not all(inputs):
        raise Refusal(400, "input must not be empty.", "input")
    if len(inputs) > MAX_INPUTS:
        raise Refusal(400, f"input may have {MAX_INPUTS} items.", "input")
    return vectors.embed(_with_model(parsed))


def _rerank(parsed: ParsedRequest) -> Produced:
    """Score documents by the share of the query's words that they have."""
    params = _with_model(parsed)
    wanted = {word.strip(".,!?") for word in str(params["query"]).lower().split()}
    texts = [one if isinstance(one, str) else json.dumps(one) for one in params["documents"]]
    if not texts:
        raise Refusal(400, "documents must not be empty.", "documents")
    found = [len(wanted & {word.strip(".,!?") for word in text.lower().split()}) for text in texts]
    order = sorted(range(len(texts)), key=lambda at: -found[at])
    results: list[Json] = [{"index": at, "relevance_score": found[at] / max(1, len(wanted))} for at in order]
    if params.get("return_documents") or parsed.setting.style.returns_documents:
        results = [{**result, "document": {"text": texts[result["index"]]}} for result in results]
    tokens = sum(map(replies.count_tokens, texts))
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    top = results[: params.get("top_n") or len(results)]
    return Produced(
        reply={"object": "rerank", "id": "rerank-embedded", "model": params["model"], "results": top, "usage": usage}
    )


def _moderation(parsed: ParsedRequest) -> Produced:
    """Flag nothing but what says that it is to be flagged."""
    given = parsed.params["input"]
    inputs = [given] if isinstance(given, str) or (given and isinstance(given[0], dict)) else given
    if not inputs:
        raise Refusal(400, "input must not be empty.", "input")
    results: list[Json] = []
    for one in inputs:
        flagged = "flag this" in str(one).lower()
        results.append(
            {"flagged": flagged, "categories": {"violence": flagged}, "category_scores": {"violence": float(flagged)}}
        )
    return Produced(reply={"id": "modr-embedded", "model": _with_model(parsed)["model"], "results": results})


def _decision(parsed: ParsedRequest) -> Produced:
    """Answer by the share of a text's words that the input has; the likeliest of equals is the first."""
    params = _with_model(parsed)
    words = _words(params["input"])
    answers = [_answered(question, words) for question in params["questions"]]
    if not answers:
        raise Refusal(400, "questions must not be empty.", "questions")
    tokens = replies.count_tokens(json.dumps(params["input"]))
    usage = {
        "input_tokens": tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens,
    }
    return Produced(reply={"model": params["model"], "answers": answers, "usage": usage})


def _answered(question: Json, words: set[str]) -> Json:
    kind = question.get("type")
    top: Json = {"type": kind, "name": question.get("name")}
    if kind == "predicate":
        return {**top, "probability": _share(question["instructions"], words)}
    named = {"choice": ("choices", "value"), "score": ("levels", "label")}.get(str(kind))
    if named is None or not question.get(named[0]):
        raise Refusal(400, "questions must be predicates, choices or scores with their values.", "questions")
    places: list[Json] = question[named[0]]
    shares = [1 + _share([place[named[1]], place.get("description")], words) for place in places]
    chances = [share / sum(shares) for share in shares]
    if kind == "choice":
        rows = [{"value": place["value"], "probability": one} for place, one in zip(places, chances, strict=True)]
        best = max(rows, key=lambda row: row["probability"])
        return {**top, "choice": best["value"], "confidence": max(chances), "probabilities": rows}
    rows = [
        {"value": at, "label": place["label"], "probability": one}
        for at, (place, one) in enumerate(zip(places, chances, strict=True))
    ]
    score = sum(at * one for at, one in enumerate(chances))
    return {**top, "score": score, "confidence": max(chances), "probabilities": rows}


def _words(value: Any) -> set[str]:
    return {word.strip('.,!?"[]{}:').lower() for word in json.dumps(value, ensure_ascii=False).split()}


def _share(value: Any, words: set[str]) -> float:
    wanted = _words(value)
    return len(wanted & words) / len(wanted)


def _models(parsed: ParsedRequest) -> Produced:
    return Produced(reply=paged(parsed, [_model(name, kind) for name, kind in MODELS]))


def _one_model(parsed: ParsedRequest) -> Produced:
    return Produced(reply=_model(_with_model(parsed)["model"]))


HANDLERS: Mapping[str, Handler] = {
    "countTokens": _token_count,
    "createCompletion": _completion,
    "createModelCustomizationCompletion": _completion,
    "createChatCompletion": _chat,
    "createImage": _image,
    "editImage": _image,
    "createDecision": _decision,
    "createEmbedding": _embeddings,
    "createModeration": _moderation,
    "createSpeech": sounds.speech,
    "createTranscription": sounds.listen,
    "createTranslation": sounds.listen,
    "createRerank": _rerank,
    "listModels": _models,
    "retrieveModel": _one_model,
}


def paged(parsed: ParsedRequest, items: list[Json]) -> Json:
    """Make a list, or the page of it that is asked for where the dialect pages."""
    page, size = parsed.endpoint.route.page, parsed.setting.page_size
    if page is None:
        return {"object": "list", "data": items}
    size = min(parsed.params.get("limit") or size, size)  # a server's own bound stands
    names = [item["id"] for item in items]
    after = parsed.request.query.get(page.param)
    start = names.index(after) + 1 if after in names else 0
    shown = items[start : start + size]
    is_last = start + size >= len(items)
    reply: Json = {"object": "list", "data": shown}
    if page.more is not None:
        assign(reply, page.more, not is_last)
    # Where nothing else says that this is the last page, its missing cursor does.
    assign(reply, page.cursor, shown[-1]["id"] if shown and not (is_last and page.more is None) else None)
    return reply


def _model(name: str, kind: str = "chat") -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "embedded provider", "type": kind}


def _with_model(parsed: ParsedRequest) -> dict[str, Any]:
    """Return the parameters with a model in them; every name is one, but those that begin with "missing"."""
    model = parsed.params.get("model")
    if isinstance(model, str) and model.startswith("missing"):
        raise Refusal(404, f"The model {model[:100]!r} does not exist.", "model")
    return {**parsed.params, "model": model or "embedded-chat"}
