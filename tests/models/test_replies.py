"""Replies in foreign shapes are kept, and the conveniences read them."""

import json
import pickle
from typing import Any

import pytest
from pydantic import TypeAdapter

from llmsdk import models
from llmsdk.errors import ReplyMeta
from llmsdk.models import ChatCompletionChunk, ChatCompletionResponse, CompletionResponse, ModelList
from llmsdk.models.common import _PLAIN_TYPES, _is_plain


@pytest.mark.parametrize(
    "message, text",
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "image", "x": 1}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": {"type": "text", "text": "a"}}, "a"),
        ({"content": {"answer": 1}}, ""),
        ({"content": None}, ""),
        ({"content": 3}, ""),
        ({}, ""),
    ],
)
def test_content_of_any_form_is_kept_and_read(message: dict[str, Any], text: str) -> None:
    document = {"choices": [{"message": message}]}
    reply = ChatCompletionResponse.model_validate_json(json.dumps(document))
    assert reply.model_dump(mode="json", exclude_unset=True) == document
    assert json.loads(reply.model_dump_json(exclude_unset=True)) == document
    assert reply.text == text


@pytest.mark.parametrize(
    "choice",
    [
        {"logprobs": -0.5},
        {"logprobs": [{"token": "a"}]},
        {"logprobs": {"top_logprobs": {"a": -1}, "token_logprobs": "none", "tokens": [None]}},
        {"finish_reason": "", "seed": 15158565520978651000, "stop_reason": 7},
        {"finish_reason": 3, "seed": 1.0},
        {"error": "broke", "index": None},
        {"delta": {"tool_calls": {"a": 1}, "content": [1]}},
    ],
)
def test_foreign_shapes_are_kept(choice: dict[str, Any]) -> None:
    document = {"id": 7, "created": 1.5, "usage": {"total_tokens": "many"}, "choices": [choice]}
    chunk = ChatCompletionChunk.model_validate_json(json.dumps(document))
    assert json.dumps(chunk.model_dump(mode="json", exclude_unset=True), sort_keys=True) == json.dumps(
        document, sort_keys=True
    )
    assert isinstance(chunk.text, str)


def test_null_where_a_list_or_an_object_belongs_reads_as_empty() -> None:
    assert ChatCompletionChunk.model_validate_json('{"choices":null}').choices == []
    assert ChatCompletionChunk.model_validate_json('{"choices":[{"delta":null}]}').choices[0].delta.content is None
    assert CompletionResponse.model_validate_json("{}").text == ""
    assert ChatCompletionResponse(choices=[]).text == ""
    assert ChatCompletionResponse(choices=[]).tool_calls == []


@pytest.mark.parametrize("calls", [[None], [{"index": "q"}], ["x"], {"a": 1}, "x"])
def test_tool_calls_that_are_none_stay_in_the_message_alone(calls: Any) -> None:
    reply = ChatCompletionResponse.model_validate({"choices": [{"message": {"tool_calls": calls}}]})
    assert (reply.tool_calls, reply.choices[0].message.tool_calls) == ([], calls)


def test_a_chunk_tells_the_text_of_the_first_choice_only() -> None:
    chunk = ChatCompletionChunk.model_validate({"choices": [{"index": 1, "delta": {"content": "b"}}]})
    assert chunk.text == ""
    assert models.CompletionChunk.model_validate({"choices": [{"index": 1, "text": "b"}]}).text == ""
    assert models.CompletionChunk.model_validate({"choices": [{"delta": {"content": "b"}}]}).text == "b"


def test_meta_is_there_only_after_a_call_and_not_in_the_dump() -> None:
    reply = CompletionResponse.model_validate({"choices": [{"text": "a"}]})
    with pytest.raises(AttributeError, match="has no meta"):
        _ = reply.meta
    reply._meta = ReplyMeta(server="s")
    assert reply.meta.server == "s"
    assert "meta" not in json.dumps(reply.model_dump())
    assert pickle.loads(pickle.dumps(reply)).meta == reply.meta


def test_a_message_can_be_sent_again() -> None:
    document = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}], "x": 1}
    reply = ChatCompletionResponse.model_validate({"choices": [{"message": document}]})
    assert reply.choices[0].message.to_param() == document
    assert [call.id for call in reply.tool_calls] == ["a"]


def test_a_list_of_models_is_a_list() -> None:
    listed = ModelList.model_validate({"data": [{"id": "a"}, {"id": "b"}]})
    assert [model.id for model in listed] == ["a", "b"]
    assert len(listed) == 2
    assert ModelList()
    assert repr(listed).startswith("ModelList(")
    assert listed == listed.model_copy(deep=True)


def test_names_are_found_late() -> None:
    assert set(models.__all__) <= set(dir(models))
    assert all(getattr(models, name) for name in models.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = models.no_such_name


@pytest.mark.parametrize("source", sorted(_PLAIN_TYPES, key=str), ids=str)
def test_a_type_that_is_taken_for_plain_is_plain(source: Any) -> None:
    assert _is_plain(TypeAdapter(source).core_schema)
