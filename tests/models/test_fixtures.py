"""Every recorded request, reply and stream event passes through the models without loss."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from llmsdk._call.reply.reading import decode_reply
from llmsdk._call.stream.events import EventDecoder
from llmsdk.errors import ReplyMeta
from llmsdk.models.catalog import ModelInfo, ModelList
from llmsdk.models.chat import ChatAccumulator, ChatCompletionChunk, ChatCompletionRequest, ChatCompletionResponse
from llmsdk.models.completions import CompletionAccumulator, CompletionChunk, CompletionRequest, CompletionResponse
from llmsdk.models.folding import Accumulator
from llmsdk.models.images import ImageAccumulator, ImageChunk, ImageRequest, ImageResponse
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations.chat import CREATE_CHAT_COMPLETION
from llmsdk.resources.operations.completions import CREATE_COMPLETION
from llmsdk.resources.operations.images import CREATE_IMAGE
from llmsdk.utils.headers import Headers
from llmsdk.utils.secrets import Secrets

FIXTURES = Path(__file__).parents[1] / "data" / "fixtures"
INDEX = json.loads((FIXTURES / "index.json").read_text(encoding="utf-8"))

REPLIES = {"completions": CompletionResponse, "chat": ChatCompletionResponse, "images": ImageResponse}
CHUNKS = {"completions": CompletionChunk, "chat": ChatCompletionChunk, "images": ImageChunk}
REQUESTS: dict[str, Any] = {
    "completions": CompletionRequest,
    "chat": ChatCompletionRequest,
    "images": ImageRequest,
}
FOLDS: dict[str, type[Accumulator[Any, Any]]] = {
    "completions": CompletionAccumulator,
    "chat": ChatAccumulator,
    "images": ImageAccumulator,
}
OPERATIONS = {"completions": CREATE_COMPLETION, "chat": CREATE_CHAT_COMPLETION, "images": CREATE_IMAGE}
# Spelt camelCase on the wire: the dialect renames ours, so that these never are a caller's words.
CAMEL_CASE = {"minTokens", "maxTokens", "topP", "presencePenalty", "frequencyPenalty", "bestOf"}


def files(kind: str) -> list[str]:
    return sorted(entry["file"] for entry in INDEX if entry["kind"] == kind)


def family(file: str) -> str:
    operation = file.partition("/")[2].partition(".")[0]
    return next(name for name in ("completions", "chat", "images", "models", "model") if name in operation)


def events(file: str) -> list[Any]:
    text = (FIXTURES / file).read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n")
    lines = [line.removeprefix("data:").strip() for line in text.split("\n") if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def is_error(event: Any) -> bool:
    return "error" in event or "tpe" in event


def exact(value: Any) -> Any:
    """Make 1 and 1.0 differ, and True and 1."""
    return json.dumps(value, sort_keys=True)


def test_no_fixture_is_left_out() -> None:
    on_disk = sorted(str(path.relative_to(FIXTURES).as_posix()) for path in FIXTURES.glob("*/*"))
    assert sorted(entry["file"] for entry in INDEX) == on_disk
    kinds = Counter(entry["kind"] for entry in INDEX)
    assert len(on_disk) == 214
    assert kinds == {"request": 31, "response": 46, "stream": 43, "error": 94}


@pytest.mark.parametrize("file", files("response"))
def test_a_reply_is_parsed_without_loss(file: str) -> None:
    body = (FIXTURES / file).read_bytes()
    document = json.loads(body)
    kind = family(file)
    if kind == "models":
        wrapped = {"data": document} if isinstance(document, list) else document
        reply: BaseModel = ModelList.model_validate_json(json.dumps(wrapped))
        document = wrapped
    else:
        reply = (ModelInfo if kind == "model" else REPLIES[kind]).model_validate_json(body)
    assert exact(reply.model_dump(mode="json", exclude_unset=True)) == exact(document)
    assert exact(json.loads(reply.model_dump_json(exclude_unset=True))) == exact(document)
    reply.model_dump()


@pytest.mark.parametrize("file", files("stream"))
def test_a_stream_event_is_parsed_without_loss(file: str) -> None:
    found = events(file)
    assert found
    for event in found:
        chunk = CHUNKS[family(file)].model_validate_json(json.dumps(event))
        assert exact(chunk.model_dump(mode="json", exclude_unset=True)) == exact(event)


@pytest.mark.parametrize("file", files("request"))
def test_a_request_passes_the_strict_check(file: str) -> None:
    request = json.loads((FIXTURES / file).read_bytes())
    params = {name: value for name, value in request.items() if name not in CAMEL_CASE}
    checked = TypeAdapter(REQUESTS[family(file)]).validate_python(params, strict=True)
    assert checked["prompt" if "prompt" in params else "messages"]
    unknown = set(params) - set(REQUESTS[family(file)].__annotations__) - {"random_seed"}
    assert unknown == set()


def plain_text(found: list[Any], index: int) -> str:
    """Add up the text of a choice, straight from the wire."""
    text = ""
    for event in found:
        text += event.get("value", "") if index == 0 else ""
        for choice in event.get("choices", ()):
            if choice["index"] == index:
                text += choice.get("delta", {}).get("content") or choice.get("text") or ""
    return text


def with_text(event: Any) -> Any:
    """Do what Writer's dialect does before an event becomes a chunk."""
    return event | {"choices": [{"text": event["value"]}]} if "value" in event else event


@pytest.mark.parametrize("file", [file for file in files("stream") if family(file) != "images"])
def test_a_stream_folds_into_text_calls_and_usage(file: str) -> None:
    found = [event for event in events(file) if not is_error(event)]
    fold = FOLDS[family(file)]()
    for event in found:
        fold.add(CHUNKS[family(file)].model_validate(with_text(event)))
        fold.build()
    built = fold.build()
    indexes = sorted({choice["index"] for event in found for choice in event.get("choices", ())}) or [0]
    assert [choice.index or 0 for choice in built.choices] == indexes
    for choice, index in zip(built.choices, indexes, strict=True):
        text = choice.text if family(file) == "completions" else choice.message.content
        assert (text or "") == plain_text(found, index)
    usage = [event["usage"] for event in found if event.get("usage")]
    assert (built.usage and built.usage.model_dump(exclude_unset=True)) == (usage[-1] if usage else None)
    reasons = [choice.get("finish_reason") for event in found for choice in event.get("choices", ())]
    reasons += [event.get("finish_reason") for event in found]
    assert fold.finished == any(reasons)
    json.loads(built.model_dump_json())


def test_tool_calls_of_every_stream_are_put_together() -> None:
    lima, cusco = '{"city":"Lima"}', '{"city":"Cusco"}'
    wanted = {
        "together/chat.tools.stream.sse": [("call_a1", lima), ("call_b2", cusco)],
        "r9s/chat.tools-wire.stream.sse": [("call_a1", lima), ("call_b2", "{}")],
        "r9s/chat.tools.stream.sse": [("call_a1", lima)],
        "writer/v1-chat.tools.stream.sse": [("call_a1", lima), ("call_b2", cusco)],
    }
    for file, calls in wanted.items():
        fold = ChatAccumulator()
        for event in events(file):
            fold.add(ChatCompletionChunk.model_validate(event))
        built = fold.build()
        assert [(call.id, json.loads(call.function.arguments or "")) for call in built.tool_calls] == [
            (name, json.loads(arguments)) for name, arguments in calls
        ]
        assert {call.function.name for call in built.tool_calls} == {"get_weather"}
        assert built.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("file", [file for file in files("stream") if family(file) == "images"])
def test_an_image_stream_folds_into_the_last_state_of_each_image(file: str) -> None:
    fold = ImageAccumulator()
    finished = []
    for event in events(file):
        fold.add(ImageChunk.model_validate(event))
        finished.append(fold.finished)
    built = fold.build()
    assert finished == [False, True]
    assert [image.b64_json for image in built.data] == ["iVBORw0KGgo="]
    assert built.usage is not None
    assert built.created == 1766500000


@pytest.mark.parametrize("file", [file for file in files("response") if "model" not in family(file)])
def test_a_reply_in_place_of_a_stream_is_one_event_and_loses_nothing(file: str) -> None:
    operation, provider = OPERATIONS[family(file)], PROVIDERS["writer_v1" if "/v1-" in file else file.partition("/")[0]]
    body = (FIXTURES / file).read_bytes()
    meta = ReplyMeta(provider.name, 200, Headers({"content-type": "application/json"}))
    reply = decode_reply(operation, provider, body, content_type="application/json", meta=meta, secrets=Secrets())
    decoder = EventDecoder(
        operation, provider, meta, Secrets(), coding=None, max_event_bytes=1 << 20, max_response_bytes=1 << 20
    )
    (event,) = [*decoder.feed(body), *decoder.end()]
    assert decoder.done
    assert decoder.accumulator.build() == reply
    assert event.text == ("" if isinstance(reply, ImageResponse) else reply.text)
    assert decoder.accumulator.usage == reply.usage
