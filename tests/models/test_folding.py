"""How chunks fold where servers differ."""

import gc
import json
import pickle
import tracemalloc
from typing import Any

import pytest

from llmsdk.models.chat import ChatAccumulator, ChatCompletionChunk, ChatCompletionResponse
from llmsdk.models.completions import CompletionAccumulator, CompletionChunk
from llmsdk.models.images import ImageAccumulator, ImageChunk

HEAD = {"id": "c1", "model": "m", "created": 1, "object": "chat.completion.chunk"}


def fold(*choices: Any, **head: Any) -> ChatCompletionResponse:
    accumulator = ChatAccumulator()
    for choice in choices:
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, **head, "choices": [{"index": 0, **choice}]}))
    return accumulator.build()


def calls(*deltas: Any) -> list[tuple[Any, Any, Any]]:
    built = fold(*({"delta": {"tool_calls": pieces}} for pieces in deltas))
    return [(call.id, call.function.name, call.function.arguments) for call in built.tool_calls]


def piece(name: str | None = None, arguments: str | None = None, **rest: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**rest, "function": {key: value for key, value in function.items() if value is not None}}


@pytest.mark.parametrize("later", [{}, {"id": None}, {"id": ""}])
def test_pieces_go_together_by_index(later: dict[str, Any]) -> None:
    assert calls(
        [piece("f", "", index=0, id="a")],
        [piece("g", "", index=1, id="b")],
        [piece(None, "[1", index=0, **later), piece(None, "[2", index=1, **later)],
        [piece(None, "]", index=1, **later)],
        [piece(None, "]", index=0, **later)],
    ) == [("a", "f", "[1]"), ("b", "g", "[2]")]


def test_pieces_without_index_go_together_by_id() -> None:
    assert calls(
        [piece("f", "[", id="a"), piece("g", "{", id="b")], [piece(None, "]", id="a")], [piece(None, "}", id="b")]
    ) == [("a", "f", "[]"), ("b", "g", "{}")]


def test_pieces_without_index_and_id_go_together_by_order() -> None:
    assert calls([piece("f", "[")], [piece(None, "]")], [piece("g", "{")], [piece(None, "}", id="")]) == [
        (None, "f", "[]"),
        (None, "g", "{}"),
    ]


def test_whole_calls_in_one_delta_stay_apart() -> None:
    assert calls([piece("f", "[1]"), piece("f", "[2]")]) == [(None, "f", "[1]"), (None, "f", "[2]")]
    assert calls([piece("f", "[1]")], [piece("f", "[2]")]) == [(None, "f", "[1]"), (None, "f", "[2]")]


def test_a_name_on_every_piece_begins_no_new_call() -> None:
    assert calls([piece("f", "[")], [piece("f", "1")], [piece("f", "]")]) == [(None, "f", "[1]")]


def test_whole_calls_of_one_index_stay_apart_by_their_ids() -> None:
    whole = [piece("f", "[1]", index=0, id="a"), piece("g", "[2]", index=0, id="b"), piece("g", "[3]", index=0, id="c")]
    apart = [("a", "f", "[1]"), ("b", "g", "[2]"), ("c", "g", "[3]")]
    assert calls(whole) == calls(*([one] for one in whole)) == apart
    assert calls(*([one] for one in whole), [piece(None, " ", index=0)])[2] == ("c", "g", "[3] ")


@pytest.mark.parametrize("name", [None, "", "f"])
def test_an_id_of_its_own_on_every_piece_begins_no_new_call(name: str | None) -> None:
    pieces = [piece("f", "", index=0, id="a"), piece(name, "[1", index=0, id="b"), piece(name, "]", index=0, id="c")]
    assert calls(*([one] for one in pieces)) == [("a", "f", "[1]")]


@pytest.mark.parametrize("odd", [[None], [5, "x"], [[]], [{"index": "q"}], {"id": "a"}, "x"])
def test_tool_calls_that_are_none_are_kept_as_they_came(odd: Any) -> None:
    built = fold({"delta": {"tool_calls": odd}}, {"delta": {"content": "t"}})
    assert (built.text, built.choices[0].message.tool_calls) == ("t", odd)


def test_arguments_that_are_an_object_are_kept() -> None:
    delta = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]}
    assert fold({"delta": delta}).model_dump()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == {
        "x": 1
    }


def test_an_older_function_call_is_put_together() -> None:
    built = fold(
        {"delta": {"function_call": {"name": "f", "arguments": "["}}}, {"delta": {"function_call": {"arguments": "]"}}}
    )
    call = built.choices[0].message.function_call
    assert call is not None
    assert (call.name, call.arguments) == ("f", "[]")


def test_reasoning_and_refusal_are_put_together() -> None:
    built = fold(
        {"delta": {"reasoning": "a", "reasoning_content": "x", "refusal": "n"}},
        {"delta": {"reasoning": "b", "reasoning_content": "y", "refusal": "o"}},
        {"delta": {"content": "t"}},
    )
    message = built.choices[0].message
    assert (message.reasoning, message.reasoning_content, message.refusal, message.content) == ("ab", "xy", "no", "t")


def test_text_beside_a_delta_counts_once() -> None:
    assert fold({"delta": {"content": "a"}, "text": "a"}, {"delta": {}, "text": "b"}).text == "ab"


def test_a_message_beside_deltas_is_used_only_without_them() -> None:
    message = {"role": "assistant", "content": "whole"}
    assert fold({"delta": {"content": "de"}}, {"delta": {"content": "lta"}, "message": message}).text == "delta"
    assert fold({"delta": {}, "message": message}).text == "whole"
    assert fold({"delta": None, "message": message}).text == "whole"


def test_content_in_parts_keeps_text_and_the_rest() -> None:
    built = fold(
        {"delta": {"content": [{"type": "text", "text": "a"}]}},
        {"delta": {"content": [{"type": "thinking", "thinking": "b"}, {"type": "text", "text": "c"}]}},
    )
    assert built.text == "ac"
    assert "thinking" in json.loads(built.model_dump_json())["choices"][0]["message"]["content"][0]


def test_logprobs_of_all_forms_are_put_together() -> None:
    arrays = fold(
        {"logprobs": {"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": [{"a": -1}], "extra": [1]}},
        {"logprobs": None},
        {"logprobs": {"tokens": ["b"], "token_logprobs": [-2.5], "top_logprobs": [{"b": -2}], "extra": [2]}},
    )
    assert arrays.model_dump(exclude_unset=True)["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [-1, -2.5],
        "top_logprobs": [{"a": -1}, {"b": -2}],
        "extra": [1, 2],
    }
    objects = fold(
        {"logprobs": {"content": [{"token": "a", "logprob": -1}], "refusal": None}},
        {"logprobs": {"content": [{"token": "b", "logprob": -2}], "refusal": None}},
    )
    logprobs = objects.choices[0].logprobs
    assert logprobs is not None
    assert [token.token for token in logprobs.content or ()] == ["a", "b"]
    assert fold({"logprobs": -0.5}, {"logprobs": -0.25}).model_dump(exclude_unset=True)["choices"][0]["logprobs"] == {
        "token_logprobs": [-0.5, -0.25]
    }


@pytest.mark.parametrize("value", [1.5, -1, 0, True, False, "none", ""])
def test_logprobs_that_are_no_more_than_a_value_stay_one(value: Any) -> None:
    choice = fold({"logprobs": None}, {"logprobs": value}, {"logprobs": None}).choices[0]
    assert choice.logprobs == value
    assert type(choice.logprobs) is type(value)
    twice = fold({"logprobs": value}, {"logprobs": value}).model_dump(exclude_unset=True)["choices"][0]["logprobs"]
    assert twice == {"token_logprobs": [value, value]}
    mixed = fold({"logprobs": value}, {"logprobs": {"tokens": ["a"]}}).model_dump(exclude_unset=True)
    assert mixed["choices"][0]["logprobs"] == {"tokens": ["a"], "token_logprobs": [value]}


def test_ids_and_models_that_come_late_or_change() -> None:
    accumulator = ChatAccumulator()
    for number, head in enumerate([{"id": ""}, {"id": "a", "model": ""}, {"id": "b", "model": "m", "created": 5}]):
        accumulator.add(
            ChatCompletionChunk.model_validate({**head, "choices": [{"index": 0, "delta": {"content": str(number)}}]})
        )
    built = accumulator.build()
    assert (built.id, built.model, built.created, built.text, built.object) == ("a", "m", 5, "012", "chat.completion")


def test_chunks_without_choices_and_a_second_finish_reason() -> None:
    accumulator = ChatAccumulator()
    assert accumulator.finished is False
    choices: list[Any] = [
        [{"index": 0, "delta": {"content": "a"}, "finish_reason": ""}],
        [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [{"index": 0, "delta": {}, "finish_reason": ""}],
        None,
    ]
    seen = []
    for choice in choices:
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": choice}))
        seen.append(accumulator.finished)
    accumulator.add(ChatCompletionChunk.model_validate({"usage": {"total_tokens": 3}}))
    assert seen == [False, True, True, True, True]
    built = accumulator.build()
    assert built.choices[0].finish_reason == "stop"
    assert built.usage is not None
    assert built.usage.total_tokens == 3


def test_a_failed_choice_is_told_until_it_finishes() -> None:
    accumulator = ChatAccumulator()
    failed = {"index": 0, "delta": {"content": "a"}, "error": {"message": "broke"}}
    accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [failed]}))
    assert accumulator.failed_choice() == {"message": "broke"}
    assert accumulator.build().text == "a"
    accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [{"index": 0, "finish_reason": "stop"}]}))
    assert accumulator.failed_choice() is None


def test_extras_and_warnings_are_kept() -> None:
    built = fold({"delta": {"content": "a", "x": 1}, "y": 1}, {"delta": {"content": "b", "x": 2}, "y": None}, z="k")
    assert built.text == "ab"
    dumped = built.model_dump()
    assert (dumped["choices"][0]["message"]["x"], dumped["choices"][0]["y"], dumped["z"]) == (2, 1, "k")
    warned = fold({"delta": {"content": "a"}}, {"delta": {"content": "b"}}, warnings=[{"message": "w"}])
    assert warned.warnings == [{"message": "w"}]


def test_the_quick_way_and_the_long_way_give_the_same() -> None:
    plain = [{"delta": {"role": "assistant", "content": part}} for part in "abc"]
    assert fold(*plain) == fold(*plain[:1], {"delta": {"content": "bc"}})


def test_completions_take_a_finish_reason_at_the_top_and_drop_what_describes_one_chunk() -> None:
    accumulator = CompletionAccumulator()
    for text, reason in (("a", None), ("b", None), ("", "stop")):
        accumulator.add(
            CompletionChunk.model_validate(
                {
                    "id": "c",
                    "object": "completion.chunk",
                    "token": {"id": 1},
                    "choices": [{"index": 0, "text": text}],
                    "finish_reason": reason,
                    "seed": 1 << 70,
                }
            )
        )
    assert accumulator.finished
    assert accumulator.build().model_dump(exclude_unset=True) == {
        "id": "c",
        "object": "completion",
        "choices": [{"index": 0, "text": "ab", "finish_reason": "stop", "seed": 1 << 70}],
    }


def test_completions_in_a_dialect_leave_no_trace_of_its_spelling() -> None:
    accumulator = CompletionAccumulator()
    for text in ("", "a", "b"):
        accumulator.add(CompletionChunk.model_validate({"value": text, "choices": [{"text": text}]}))
    built = accumulator.build()
    assert built.text == "ab"
    assert "value" not in built.model_dump()


def test_completions_tell_a_failed_choice() -> None:
    accumulator = CompletionAccumulator()
    accumulator.add(CompletionChunk.model_validate({"choices": [{"text": "a", "error": "broke"}]}))
    assert accumulator.failed_choice() == "broke"
    accumulator.add(CompletionChunk.model_validate({"choices": [], "finish_reason": "stop"}))
    assert accumulator.failed_choice() is None


def test_several_images_of_vendor_events_stay_apart() -> None:
    accumulator = ImageAccumulator()
    for kind, data in (("partial_image", "QQ=="), ("completed", "Qg=="), ("completed", "Qw==")):
        accumulator.add(ImageChunk.model_validate({"type": f"image_generation.{kind}", "b64_json": data}))
    assert [image.b64_json for image in accumulator.build().data] == ["Qg==", "Qw=="]
    assert accumulator.finished
    assert accumulator.failed_choice() is None


def test_a_long_text_takes_little_more_memory_than_its_bytes() -> None:
    def chunk_of(text: str) -> ChatCompletionChunk:
        choices = [{"index": 0, "delta": {"content": text}}]
        return ChatCompletionChunk.model_validate({**HEAD, "choices": choices})

    texts = [f"{number:05} and more of it" for number in range(5000)]
    accumulator = ChatAccumulator()
    accumulator.add(chunk_of(texts[0]))
    tracemalloc.start()
    try:
        for number, text in enumerate(texts[1:], 1):
            accumulator.add(chunk_of(text))
            if number in (511, 512, 513, 1200):
                assert accumulator.build().text == "".join(texts[: number + 1])
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    whole = "".join(texts)
    assert accumulator.build().text == whole
    assert kept < len(whole) * 1.7  # the pieces themselves would be four times as much


def _chat_piece(index: int | None, text: str) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate({**HEAD, "choices": [{"index": index, "delta": {"content": text}}]})


def _completion_piece(index: int | None, text: str) -> CompletionChunk:
    return CompletionChunk.model_validate({**HEAD, "choices": [{"index": index, "text": text}]})


_FAMILIES = [(ChatAccumulator, _chat_piece), (CompletionAccumulator, _completion_piece)]


@pytest.mark.parametrize("family", _FAMILIES, ids=["chat", "completions"])
@pytest.mark.parametrize(
    "indexes, texts",
    [
        ([1, 1, 1, 1], "0123"),
        ([1, 2, 1, 2, 1], "024"),  # two choices where one was asked for
        ([2, 2, 1], "2"),  # nobody counts from 2
        ([0, 1, 0, 1], "02"),
        ([1, 0, 1, 0], "013"),
        ([None, 1, None], "02"),
    ],
)
def test_the_only_choice_is_the_first_where_a_server_counts_from_1(family: Any, indexes: Any, texts: str) -> None:
    kind, piece_of = family
    for is_single in (True, False):
        accumulator = kind()
        accumulator.is_single = is_single
        pieces = [piece_of(index, str(position)) for position, index in enumerate(indexes)]
        for one in pieces:
            accumulator.add(one)
        first = "".join(str(position) for position, index in enumerate(indexes) if not index)
        assert "".join(one.text for one in pieces) == (texts if is_single else first)
        whole = accumulator.build()
        numbers = [index or 0 for index in indexes]
        assert whole.text == "".join(str(place) for place, number in enumerate(numbers) if number == min(numbers))


@pytest.mark.parametrize("family", _FAMILIES, ids=["chat", "completions"])
def test_the_text_of_a_choice_that_is_number_1_leaves_no_trace(family: Any) -> None:
    kind, piece_of = family
    accumulator = kind()
    accumulator.is_single = True
    one, plain = piece_of(1, "a"), piece_of(1, "a")
    usage = type(one).model_validate({**HEAD, "choices": [], "usage": {"total_tokens": 1}})
    for chunk in (one, usage):
        accumulator.add(chunk)
    assert (one.text, plain.text, usage.text) == ("a", "", "")
    assert one == plain
    assert one.model_dump() == plain.model_dump()
    assert one.model_dump_json() == plain.model_dump_json()
    assert repr(one) == repr(plain)
    assert pickle.loads(pickle.dumps(one)).text == "a"
