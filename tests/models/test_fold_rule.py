"""One rule adds up what a stream says beside what the models name, at every level of its chunks."""

import base64
import copy
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsdk.models._fold.rule import Fold, Pieces
from llmsdk.models.chat import ChatAccumulator, ChatCompletionChunk
from llmsdk.models.completions import CompletionAccumulator, CompletionChunk
from llmsdk.models.images import ImageAccumulator, ImageChunk

HEAD = {"id": "c1", "model": "m", "created": 1, "object": "chat.completion.chunk"}


def folded(*said: Any, is_state: bool = False) -> Any:
    fold = Fold(is_state=is_state)
    for one in said:
        before = copy.deepcopy(one)
        fold.add(one)
        fold.build()
        assert one == before
    return fold.build()


def chunk_with(level: str, said: dict[str, Any], text: str = "a") -> ChatCompletionChunk:
    """Make a chunk that says something at one level."""
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}, **(said if level == "call" else {})}
    delta = {"content": text, "tool_calls": [call], **(said if level == "delta" else {})}
    choice = {"index": 0, "delta": delta, **(said if level == "choice" else {})}
    return ChatCompletionChunk.model_validate({**HEAD, "choices": [choice], **(said if level == "chunk" else {})})


def at(level: str, built: Any) -> Any:
    choice = built.choices[0]
    places = {
        "chunk": built,
        "choice": choice,
        "delta": choice.message,
        "call": (choice.message.tool_calls or [None])[0],
    }
    return places[level].model_extra


def streamed(level: str, *said: dict[str, Any]) -> Any:
    """Fold chunks that say these one after the other, and tell what the whole reply has of it."""
    accumulator = ChatAccumulator()
    for one in said:
        chunk = chunk_with(level, one)
        before = chunk.model_dump()
        accumulator.add(chunk)
        accumulator.build()
        assert chunk.model_dump() == before  # a chunk is the caller's
    return at(level, accumulator.build())


LEVELS = ("chunk", "choice", "delta", "call")
PARTS = LEVELS[1:]

# ---------------------------------------------------------------- known values, cut into pieces


def cut(text: str, places: list[int]) -> list[str]:
    marks = [0, *sorted({place % len(text) for place in places} - {0}), len(text)] if text else [0, 0]
    return [text[start:end] for start, end in itertools.pairwise(marks)]


texts = st.text(min_size=1, max_size=12)
places = st.lists(st.integers(1, 20), max_size=4)
kinds = st.sampled_from([("reasoning.text", "text"), ("reasoning.summary", "summary"), ("reasoning.encrypted", "data")])


@st.composite
def blocks(draw: Any) -> Any:
    """A list of blocks with indexes, and the pieces in which they come: texts first, the signature last."""
    whole: list[dict[str, Any]] = []
    pieces: list[dict[str, Any]] = []
    for index in range(draw(st.integers(1, 4))):
        kind, name = draw(kinds)
        text, signature = draw(texts), draw(st.none() | st.just("SIG"))
        head = {"index": index, "type": kind, "format": "f-v1", "id": f"r{index}"}
        whole.append({**head, name: text, **({"signature": signature} if signature else {})})
        pieces += [{**head, name: part, "signature": None} for part in cut(text, draw(places))]
        pieces += [{"index": index, "signature": signature}] if signature else []
    return whole, pieces


def without_nulls(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: inner for name, inner in one.items() if inner is not None} for one in value]


@pytest.mark.parametrize("level", PARTS)
@given(blocks(), st.integers(1, 3))
def test_blocks_with_an_index_come_back_whole(level: str, known: Any, at_once: int) -> None:
    whole, pieces = known
    chunks = [{"details": pieces[start : start + at_once]} for start in range(0, len(pieces), at_once)]
    assert without_nulls(streamed(level, *chunks)["details"]) == whole


@given(st.lists(st.tuples(texts, places, st.booleans()), min_size=1, max_size=3))
def test_blocks_without_index_come_back_whole(known: Any) -> None:
    whole, pieces = [], []
    for text, where, is_list in known:  # each is signed at its end, so that the next is another one

        def thinking(part: str, is_list: bool = is_list) -> Any:
            return [{"type": "text", "text": part}] if is_list else part

        whole.append({"type": "thinking", "thinking": thinking(text), "signature": "SIG"})
        pieces += [{"type": "thinking", "thinking": thinking(part)} for part in cut(text, where)]
        pieces.append({"type": "thinking", "thinking": thinking(""), "signature": "SIG"})
    assert streamed("delta", *({"thinking_blocks": [one]} for one in pieces)) == {"thinking_blocks": whole}
    assert streamed("delta", {"thinking_blocks": pieces}) == {"thinking_blocks": whole}


@given(st.binary(min_size=1, max_size=60), places, texts, places)
def test_a_recording_comes_back_whole(sound: bytes, where: list[int], words: str, breaks: list[int]) -> None:
    marks = [0, *sorted({place % len(sound) for place in where} - {0}), len(sound)]
    said: list[Any] = [{"audio": {"id": "a", "transcript": part}} for part in cut(words, breaks)]
    for start, end in itertools.pairwise(marks):  # encoded one by one, with padding inside
        said.append({"audio": {"data": base64.b64encode(sound[start:end]).decode()}})
    said.append({"audio": {"id": "a", "expires_at": 5}})
    audio = streamed("delta", *said)["audio"]
    assert base64.b64decode(audio.pop("data"), validate=True) == sound
    assert audio == {"id": "a", "transcript": words, "expires_at": 5}


@pytest.mark.parametrize("level", PARTS)
@given(st.lists(st.lists(st.integers(0, 9) | texts, max_size=3), max_size=5))
def test_other_lists_extend(level: str, lists: list[list[Any]]) -> None:
    said = streamed(level, {}, *({"token_ids": one} for one in lists))
    assert (said or {}).get("token_ids", []) == [item for one in lists for item in one]


@pytest.mark.parametrize("level", ["delta", "call"])
@given(texts, places)
def test_texts_are_joined(level: str, text: str, where: list[int]) -> None:
    pieces = cut(text, where)
    assert streamed(level, *({"vendor_text": part} for part in pieces)) == {"vendor_text": text}
    assert streamed(level, *({"vendor": {"thinkingContent": part}} for part in pieces)) == {
        "vendor": {"thinkingContent": text}
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "index", "text", "a", "status"]), inner, max_size=3)
    ),
    max_leaves=10,
)
objects = st.dictionaries(st.sampled_from(["id", "type", "x", "citations", "text"]), json_values, max_size=4)


@given(objects)
def test_what_is_said_once_is_kept_as_it_is(said: dict[str, Any]) -> None:
    assert folded(said, is_state=True) == said


values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "index", "a", "status"]), inner | st.integers(), max_size=3)
    ),
    max_leaves=10,
)
states = st.dictionaries(st.sampled_from(["id", "type", "x", "citations"]), values, max_size=4)


@given(states, states)
def test_what_a_chunk_says_of_the_whole_can_be_said_again(first: dict[str, Any], second: dict[str, Any]) -> None:
    once = folded(first, second, is_state=True)
    assert folded(first, second, second, is_state=True) == once


@given(objects, objects)
def test_no_name_is_lost_and_nothing_unsays(first: dict[str, Any], second: dict[str, Any]) -> None:
    for is_state in (True, False):
        kept = folded(first, is_state=is_state)
        assert folded(first, second, is_state=is_state).keys() == first.keys() | second.keys()
        for nothing in (None, "", [], {}):
            assert (
                folded(first, dict.fromkeys((name for name in first if first[name]), nothing), is_state=is_state)
                == kept
            )


# ---------------------------------------------------------------- single rules


@pytest.mark.parametrize("level", LEVELS)
def test_what_was_said_stands_until_something_is_said_anew(level: str) -> None:
    full = {"hate": {"filtered": False, "severity": "safe"}}
    for nothing in ({}, None, [], ""):
        assert streamed(level, {"results": full}, {"results": nothing}) == {"results": full}
    newer = {"hate": {"severity": "low"}}
    assert streamed(level, {"results": full}, {"results": newer}) == {
        "results": {"hate": {"filtered": False, "severity": "low"}}
    }


@pytest.mark.parametrize("level", LEVELS)
def test_objects_merge(level: str) -> None:
    said = streamed(level, {"x_groq": {"id": "r", "seed": 5}}, {"x_groq": {"id": "r", "usage": {"total": 3}}})
    assert said == {"x_groq": {"id": "r", "seed": 5, "usage": {"total": 3}}}


@pytest.mark.parametrize("level", LEVELS)
def test_values_that_repeat_are_kept_once_and_the_newest_stands(level: str) -> None:
    same = {
        "vendor_tier": "default",
        "channel": "final",
        "nested": {"type": "t", "status": "done"},
        "n": 1.5,
        "b": False,
    }
    assert streamed(level, same, same, same) == same
    assert streamed(level, {"status": "begun", "n": 1}, {"status": "done", "n": 2}) == {"status": "done", "n": 2}


@pytest.mark.parametrize("level", PARTS)
@pytest.mark.parametrize("arguments", ['{"q": 1}', "print(1)"])
def test_an_entry_said_again_is_one_entry_in_its_newer_state(level: str, arguments: str) -> None:
    begun = {"index": 0, "type": "search", "arguments": arguments}
    done = {**begun, "output": "found", "results": [{"title": "t"}]}
    assert streamed(level, {"executed_tools": [begun]}, {"executed_tools": [done]}) == {"executed_tools": [done]}
    assert streamed(level, {"executed_tools": [begun]}, {"executed_tools": [done]}, {"executed_tools": [done]}) == {
        "executed_tools": [done]
    }


def test_the_first_piece_of_a_text_may_come_twice() -> None:
    said = {"details": [{"index": 0, "type": "reasoning.text", "text": "ha"}]}
    for level in PARTS:
        assert streamed(level, said, said, said)["details"][0]["text"] == "hahaha"
        assert streamed(level, {"text_content": "ha"}, {"text_content": "ha"}) == {"text_content": "haha"}


def test_blocks_of_one_index_and_of_two_types_are_two() -> None:
    first = {"index": 0, "type": "reasoning.summary", "summary": "s"}
    second = {"index": 0, "type": "reasoning.encrypted", "data": "d"}
    assert streamed("delta", {"details": [first]}, {"details": [second]}, {"details": [{"index": 0, "data": "e"}]}) == {
        "details": [first, {**second, "data": "de"}]
    }


@pytest.mark.parametrize("kind", ["reasoning.encrypted", "redacted_thinking"])
def test_sealed_blocks_without_index_or_of_two_ids_are_two(kind: str) -> None:
    loose = [{"type": kind, "data": data} for data in ("AA", "BB")]
    assert streamed("delta", *({"details": [one]} for one in loose)) == {"details": loose}
    named = [{"index": 0, "type": kind, "id": f"tool_{data}", "data": data} for data in ("AA", "BB")]
    assert streamed("delta", *({"details": [one]} for one in named)) == {"details": named}
    rest = {"index": 0, "type": kind, "data": "CC"}
    assert streamed("delta", {"details": named}, {"details": [rest]})["details"] == [
        named[0],
        {**named[1], "data": "BBCC"},
    ]


def test_a_block_that_is_closed_with_its_last_piece_is_one() -> None:
    pieces = [
        {"type": "thinking", "thinking": text, "closed": is_last} for text, is_last in (("a", False), ("b", True))
    ]
    whole = {"type": "thinking", "thinking": "ab", "closed": True}
    assert streamed("delta", *({"details": [one]} for one in pieces)) == {"details": [whole]}
    assert streamed("delta", {"details": [pieces[1]]}, {"details": [pieces[0]]}) == {"details": pieces[::-1]}


def test_entries_come_in_the_order_of_their_indexes() -> None:
    said = [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}, {"index": 1, "text": "c"}]
    assert streamed("delta", *({"details": [one]} for one in said))["details"] == [
        {"index": 0, "text": "a"},
        {"index": 1, "text": "bc"},
    ]


def test_entries_that_differ_in_more_than_texts_stay_apart() -> None:
    citations = [{"type": "url_citation", "url_citation": {"url": url}} for url in ("u1", "u2", "u2")]
    assert streamed("delta", *({"annotations": [one]} for one in citations)) == {"annotations": citations}


def test_numbers_and_texts_of_a_chunk_add_up() -> None:
    assert streamed("chunk", {"ids": [1, 2]}, {"ids": [1]}, {"ids": [3]}) == {"ids": [1, 2, 1, 3]}
    assert streamed("chunk", {"ids": [1, 2]}, {"ids": [1, 2]}, {"ids": [1, 2, 1]}) == {"ids": [1, 2, 1]}
    assert streamed("chunk", {"x": {"text": "a"}}, {"x": {"text": "b"}}, {"x": {"text": "b"}}) == {"x": {"text": "abb"}}
    assert streamed("chunk", {"x": {"text": "ab"}}, {"x": {"text": "ab"}}) == {"x": {"text": "ab"}}


def test_what_describes_the_whole_reply_is_said_in_every_chunk() -> None:
    said = {"citations": ["u1", "u2"], "search_results": [{"url": "u1"}], "provider_note": "same"}
    more = {"citations": ["u1", "u2", "u3"], "search_results": [{"url": "u1"}, {"url": "u2"}], "provider_note": "other"}
    assert streamed("chunk", said, said, more) == more
    assert streamed("chunk", {"obfuscation": "abc"}, {"obfuscation": "def"}) == {}


def test_token_counts_add_to_those_that_came_before() -> None:
    accumulator = ChatAccumulator()
    counts = [
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}, "cost": 1},
        {"completion_tokens": 2},
        {},
    ]
    for usage in counts:
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [], "usage": usage}))
    usage = accumulator.build().usage
    assert usage is not None
    assert usage == accumulator.usage
    assert usage.model_dump(exclude_unset=True) == {**counts[0], **counts[1]}


def test_text_completions_and_images_keep_the_rule() -> None:
    completion = CompletionAccumulator()
    for said in ({"token_ids": [5], "m": {"a": 1}}, {"token_ids": [5], "m": {}}):
        completion.add(CompletionChunk.model_validate({**HEAD, "x": said["m"], "choices": [{"text": "a", **said}]}))
    built = completion.build()
    assert (built.model_extra, built.choices[0].model_extra) == ({"x": {"a": 1}}, {"token_ids": [5, 5], "m": {"a": 1}})
    images = ImageAccumulator()
    for meta in ({"a": 1}, {"b": 2}, {}):
        images.add(ImageChunk.model_validate({"data": [{"index": 0, "url": "u"}], "meta": meta}))
    assert images.build().model_extra == {"meta": {"a": 1, "b": 2}}


# ---------------------------------------------------------------- content


def content(*said: Any) -> Any:
    accumulator = ChatAccumulator()
    for one in said:
        choice = {"index": 0, "delta": {"content": one}}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
        accumulator.build()
    return accumulator.build().choices[0].message.content


def thinking(text: str) -> Any:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


@given(texts, places, texts, places)
def test_thoughts_and_text_come_back_as_parts(thought: str, where: list[int], text: str, breaks: list[int]) -> None:
    said = [[thinking(part)] for part in cut(thought, where)]
    assert content(*said, *cut(text, breaks)) == [thinking(thought), {"type": "text", "text": text}]
    assert content(*said, *([{"type": "text", "text": part}] for part in cut(text, breaks))) == [
        thinking(thought),
        {"type": "text", "text": text},
    ]


def test_other_parts_keep_their_place_in_the_text() -> None:
    first, second = ({"type": "reference", "reference_ids": [number]} for number in (1, 2))
    assert content("a", [first], [{"type": "text", "text": "b"}], "c", [second, thinking("t")]) == [
        thinking("t"),
        {"type": "text", "text": "a"},
        first,
        {"type": "text", "text": "bc"},
        second,
    ]


def test_content_of_nothing_but_text_is_a_string() -> None:
    assert content([{"type": "text", "text": "a"}], "b", ["c"], {"type": "text", "text": "d"}) == "abcd"
    assert content([]) == ""
    assert content(None) is None
    noted = [{"type": "text", "text": text, "annotations": [text]} for text in "ab"]
    assert content("0", *([one] for one in noted)) == [{"type": "text", "text": "0a", "annotations": ["a"]}, noted[1]]


# ---------------------------------------------------------------- logprobs


def logprobs(*said: Any) -> Any:
    accumulator = ChatAccumulator()
    for one, text in said:
        choice = {"index": 0, "delta": {"content": text}, "logprobs": one}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
        accumulator.build()
    return accumulator.build().model_dump(exclude_unset=True)["choices"][0].get("logprobs")


def test_numbers_stand_in_step_with_their_tokens() -> None:
    lists = {"tokens": ["c"], "token_logprobs": [-3.5], "top_logprobs": [{"c": -3.5}]}
    assert logprobs((0, "a"), (-1.78e-06, "b"), (lists, "c"), (lists, "c")) == {
        "tokens": ["a", "b", "c", "c"],
        "token_logprobs": [0, -1.78e-06, -3.5, -3.5],
        "top_logprobs": [None, None, {"c": -3.5}, {"c": -3.5}],
    }
    assert logprobs((0, ""), (lists, "c"), (-1, None)) == {
        "tokens": [None, "c", None],
        "token_logprobs": [0, -3.5, -1],
        "top_logprobs": [None, {"c": -3.5}, None],
    }
    assert logprobs((0, "a"), (-1, "b")) == {"tokens": ["a", "b"], "token_logprobs": [0, -1]}
    assert logprobs((0, "a")) == 0


columns = st.sampled_from(["token_logprobs", "token_ids", "top_logprobs", "text_offset"])


@given(st.lists(st.tuples(st.integers(1, 3), st.sets(columns)) | st.floats(-5, 0), min_size=2, max_size=8))
def test_lists_stay_in_step_whatever_a_chunk_leaves_out(said: list[Any]) -> None:
    chunks, tokens, numbers = [], 0, []
    for one in said:
        if isinstance(one, float):
            chunks.append((one, f"t{tokens}"))
            numbers.append((tokens, one))
            tokens += 1
            continue
        count, names = one
        lists = {name: list(range(count)) for name in names}
        numbers += [(tokens + at, at) for at in range(count)] if "token_logprobs" in names else []
        chunks.append(({"tokens": [f"t{tokens + at}" for at in range(count)], **lists}, "x"))
        tokens += count
    built = logprobs(*chunks)
    assert built["tokens"] == [f"t{at}" for at in range(tokens)]
    assert {len(column) for column in built.values()} == {tokens}
    assert [(at, one) for at, one in enumerate(built.get("token_logprobs", ())) if one is not None] == numbers


# ---------------------------------------------------------------- cost


def test_a_long_text_takes_little_more_memory_than_its_letters() -> None:
    text = Pieces()
    for number in range(5000):
        text.add(f"{number:05}")
    assert len(text.parts) < 1100
    assert str(text) == "".join(f"{number:05}" for number in range(5000))
    assert text.equals(str(text))
    assert not text.equals(str(text)[:-1])


def test_a_fold_is_json() -> None:
    said = [{"details": [{"index": 0, "text": "a"}], "n": 1}, {"details": [{"index": 0, "text": "b"}]}]
    assert json.loads(json.dumps(folded(*said))) == {"details": [{"index": 0, "text": "ab"}], "n": 1}
