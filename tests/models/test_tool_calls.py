"""The pieces of tool calls, cut as each known server cuts them, give the same calls again."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.models.chat import ChatAccumulator, ChatCompletionChunk

HEAD = {"id": "c1", "model": "m", "created": 1, "object": "chat.completion.chunk"}
Call = tuple[str | None, str, str]
Delta = list[dict[str, Any]]


def folded(deltas: list[Delta]) -> list[Call]:
    """Fold the deltas of one message; ask for what has come after each of them too."""
    accumulator = ChatAccumulator()
    for pieces in deltas:
        choice = {"index": 0, "delta": {"tool_calls": pieces}}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
        accumulator.build()
    calls = accumulator.build().tool_calls
    return [(call.id, call.function.name or "", call.function.arguments or "") for call in calls]


def piece(index: int | None, identity: Any, name: Any, arguments: Any, **rest: Any) -> dict[str, Any]:
    made = {**rest, "function": {"name": name, "arguments": arguments}}
    if index is not None:
        made["index"] = index
    return made if identity is ... else {**made, "id": identity}


# ---------------------------------------------------------------- known calls, and the ways of servers


def cut(text: str, places: list[int]) -> list[str]:
    """Cut a text into pieces, none of them empty."""
    marks = [0, *sorted({place % len(text) for place in places} - {0}), len(text)] if text else [0, 0]
    return [text[start:end] for start, end in itertools.pairwise(marks)]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(st.sampled_from(["city", "unit", "q", "{", '"}']), values, max_size=3).map(json.dumps)
names = st.sampled_from(["get_weather", "now", "find", "get_weather_2"])
places = st.lists(st.integers(1, 200), max_size=6)
known_calls = st.lists(st.tuples(names, arguments, places), min_size=1, max_size=4)
Known = list[tuple[str, str, list[int]]]


def openai(calls: Known) -> Iterator[Delta]:
    """Index, id and name first, with empty arguments; then pieces of arguments by index."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(at, f"call_{at}", name, "", type="function")]
        yield from ([piece(at, ..., None, part)] for part in cut(text, places))


def together(calls: Known) -> Iterator[Delta]:
    """As OpenAI, with nulls in place of what is not said again."""
    for (delta,) in openai(calls):
        yield [{"id": None, "type": "function", **delta}]


def interleaved(calls: Known) -> Iterator[Delta]:
    """As OpenAI, the calls side by side, and several pieces in one delta."""
    parts = [cut(text, places) for _, text, places in calls]
    yield [piece(at, f"call_{at}", name, "") for at, (name, _, _) in enumerate(calls)]
    for step in range(max(map(len, parts))):
        yield [piece(at, ..., None, mine[step]) for at, mine in enumerate(parts) if step < len(mine)]


def gemini(calls: Known) -> Iterator[Delta]:
    """Whole calls, all with the index 0 and ids of their own."""
    for at, (name, text, _) in enumerate(calls):
        yield [piece(0, f"function-call-{at}", name, text, type="function")]


def gemini_at_once(calls: Known) -> Iterator[Delta]:
    """The same in one delta."""
    yield [one for delta in gemini(calls) for one in delta]


def ollama_of_old(calls: Known) -> Iterator[Delta]:
    """Whole calls with ids, in one delta, all with the index 0."""
    yield [piece(0, f"call_{at}", name, text, type="function") for at, (name, text, _) in enumerate(calls)]


def qwen(calls: Known) -> Iterator[Delta]:
    """As OpenAI, with empty ids and names in place of none."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(at, f"call_{at}", name, "", type="function")]
        yield from ([piece(at, "", "", part, type="function")] for part in cut(text, places))


def mistral_of_today(calls: Known) -> Iterator[Delta]:
    """Whole calls with their indexes, one delta each, and an empty one at the end."""
    for at, (name, text, _) in enumerate(calls):
        yield [piece(at, f"call_{at}", name, text)]
    yield []


def ollama(calls: Known) -> Iterator[Delta]:
    """Whole calls with ids, without index."""
    for at, (name, text, _) in enumerate(calls):
        yield [piece(None, f"call_{at}", name, text)]


def lm_studio(calls: Known) -> Iterator[Delta]:
    """Pieces, every call with the index 0, ids with the first piece alone."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(0, f"call_{at}", name, "", type="function")]
        yield from ([piece(0, None, None, part)] for part in cut(text, places))


def mistral(calls: Known) -> Iterator[Delta]:
    """Whole calls in one delta, without index."""
    yield [piece(None, f"call_{at}", name, text) for at, (name, text, _) in enumerate(calls)]


def vllm(calls: Known) -> Iterator[Delta]:
    """As OpenAI, with another id on every piece; the first is that of the call."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(at, f"call_{at}", name, "", type="function")]
        yield from ([piece(at, f"other_{at}_{n}", None, part)] for n, part in enumerate(cut(text, places)))


def llama_cpp(calls: Known) -> Iterator[Delta]:
    """The first piece has the name and the beginning of the arguments."""
    for at, (name, text, places) in enumerate(calls):
        first, *rest = cut(text, places)
        yield [piece(at, f"call_{at}", name, first, type="function")]
        yield from ([{"index": at, "function": {"arguments": part}}] for part in rest)


def counted_on(calls: Known) -> Iterator[Delta]:
    """An index that counts the pieces in place of the calls."""
    count = 0
    for at, (name, text, places) in enumerate(calls):
        yield [piece(count, f"call_{at}", name, "")]
        for part in cut(text, places):
            count += 1
            yield [piece(count, None, None, part)]
        count += 1


def names_in_pieces(calls: Known) -> Iterator[Delta]:
    """The name comes in two pieces before the arguments."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(at, f"call_{at}", name[:2], "")]
        yield [piece(at, ..., name[2:], None)]
        yield from ([piece(at, ..., None, part)] for part in cut(text, places))


def names_that_grow(calls: Known) -> Iterator[Delta]:
    """Each piece of the name holds those before it."""
    for at, (name, text, places) in enumerate(calls):
        yield from ([piece(at, f"call_{at}", name[:size], "")] for size in (2, 3, len(name)))
        yield from ([piece(at, ..., None, part)] for part in cut(text, places))


def names_last(calls: Known) -> Iterator[Delta]:
    """The name comes with the last piece of the arguments."""
    for at, (name, text, places) in enumerate(calls):
        *parts, last = ["", *cut(text, places)]
        yield from ([piece(at, f"call_{at}", None, part)] for part in parts)
        yield [piece(at, f"call_{at}", name, last)]


def whole_again(calls: Known) -> Iterator[Delta]:
    """As OpenAI, and every call whole once more at its end."""
    for at, (name, text, places) in enumerate(calls):
        yield [piece(at, f"call_{at}", name, "")]
        yield from ([piece(at, ..., None, part)] for part in cut(text, places))
        yield [piece(at, f"call_{at}", name, text)]


def names_again(calls: Known) -> Iterator[Delta]:
    """Index, id and name on every piece."""
    for at, (name, text, places) in enumerate(calls):
        yield from ([piece(at, f"call_{at}", name, part)] for part in ["", *cut(text, places), ""])


WITH_IDS = [
    *(openai, together, interleaved, gemini, gemini_at_once, ollama, lm_studio, mistral, vllm, llama_cpp),
    *(counted_on, names_in_pieces, names_again, names_that_grow, names_last, whole_again),
    *(ollama_of_old, qwen, mistral_of_today),
]


def whole_without_ids(calls: Known) -> Iterator[Delta]:
    """Whole calls on one index, without ids."""
    for name, text, _ in calls:
        yield [piece(0, ..., name, text)]


def gemini_without_ids(calls: Known) -> Iterator[Delta]:
    """Whole calls in one delta, all with the index 0 and an empty id."""
    yield [piece(0, "", name, text, type="function") for name, text, _ in calls]


def whole_without_anything(calls: Known) -> Iterator[Delta]:
    """Whole calls with nothing but a name and arguments."""
    for name, text, _ in calls:
        yield [{"function": {"name": name, "arguments": text}}]


def whole_at_once(calls: Known) -> Iterator[Delta]:
    """The same in one delta."""
    yield [one for delta in whole_without_anything(calls) for one in delta]


def pieces_by_order(calls: Known) -> Iterator[Delta]:
    """Pieces without ids and index, one call after the other."""
    for name, text, places in calls:
        yield [piece(None, "", name, "")]
        yield from ([piece(None, ..., None, part)] for part in cut(text, places))


def pieces_on_one_index(calls: Known) -> Iterator[Delta]:
    """Pieces on one index without ids, the name with each of them, and an empty one at the end."""
    for name, text, places in calls:
        yield from ([piece(0, ..., name, part)] for part in [*cut(text, places), ""])


WITHOUT_IDS = [
    *(whole_without_ids, whole_without_anything, whole_at_once, pieces_by_order, pieces_on_one_index),
    gemini_without_ids,
]


@pytest.mark.parametrize("server", WITH_IDS, ids=lambda server: server.__name__)
@settings(max_examples=40)
@given(known_calls)
def test_calls_come_back_as_they_were(server: Any, calls: Known) -> None:
    assert folded(list(server(calls))) == [
        (f"call_{at}".replace("call_", _prefix(server)), *one[:2]) for at, one in enumerate(calls)
    ]


def _prefix(server: Any) -> str:
    return "function-call-" if server in (gemini, gemini_at_once) else "call_"


@pytest.mark.parametrize("server", WITHOUT_IDS, ids=lambda server: server.__name__)
@settings(max_examples=40)
@given(known_calls)
def test_calls_without_ids_come_back_as_they_were(server: Any, calls: Known) -> None:
    assert folded(list(server(calls))) == [(None, name, text) for name, text, _ in calls]


@given(st.lists(names, min_size=1, max_size=4))
def test_calls_without_arguments_are_as_many_as_their_ids(found: list[str]) -> None:
    deltas = [[piece(0, f"call_{at}", name, "")] for at, name in enumerate(found)]
    wanted = [(f"call_{at}", name, "") for at, name in enumerate(found)]
    assert folded(deltas) == folded([[one for delta in deltas for one in delta]]) == wanted


# ---------------------------------------------------------------- single rules


def test_a_nameless_piece_under_an_unknown_index_goes_on_with_the_call_under_way() -> None:
    begun = [[piece(0, "a", "f", "")], [piece(0, None, None, '{"x":1}')], [piece(0, "b", "g", "")]]
    wanted = [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
    assert folded([*begun, [piece(1, None, None, '{"y":2}')]]) == wanted
    assert folded([*begun, [piece(1, "c", None, '{"y"')], [piece(1, None, None, ":2}")]]) == wanted
    assert folded([*begun, [piece(None, "c", None, '{"y":2}')]]) == wanted
    assert folded([*begun, [piece(1, None, None, '{"y":2}')], [piece(2, None, None, "")]]) == wanted


def test_a_nameless_piece_after_arguments_that_have_ended_is_kept() -> None:
    deltas = [[piece(0, "a", "f", "{}")], [piece(1, "b", None, '{"y"')], [piece(1, None, None, ":2}")]]
    assert folded(deltas) == [("a", "f", "{}"), ("b", "", '{"y":2}')]


def test_names_come_in_pieces_and_whole_again() -> None:
    pieces = [piece(0, "a", "get_wea", None), piece(0, None, "ther", ""), piece(0, None, "get_weather", "{}")]
    assert folded([[one] for one in pieces]) == [("a", "get_weather", "{}")]
    without = [{"function": {"name": "get_wea"}}, {"function": {"name": "ther", "arguments": "{}"}}]
    assert folded([[one] for one in without]) == [(None, "get_weather", "{}")]


def test_an_object_in_place_of_arguments_is_whole() -> None:
    chunks = [[piece(0, ..., "f", {"x": 1})], [piece(0, ..., "f", {"x": 2})]]
    accumulator = ChatAccumulator()
    for pieces in chunks:
        choice = {"index": 0, "delta": {"tool_calls": pieces}}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
    assert [call.function.arguments for call in accumulator.build().tool_calls] == [{"x": 1}, {"x": 2}]


def test_a_call_of_another_kind_is_put_together_and_gets_no_function() -> None:
    begun = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": "pri"}}
    accumulator = ChatAccumulator()
    for pieces in ([begun], [{"index": 0, "custom": {"input": "nt(1)"}}]):
        choice = {"index": 0, "delta": {"tool_calls": pieces}}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
    (call,) = accumulator.build().choices[0].message.to_param()["tool_calls"]
    assert call == {"index": 0, "id": "a", "type": "custom", "custom": {"name": "run", "input": "print(1)"}}


def test_what_stands_beside_a_call_adds_up() -> None:
    signature = {"google": {"thought_signature": "SIG"}}
    deltas = [
        [piece(0, "a", "f", "", extra_content=signature)],
        [piece(0, ..., None, "{}", extra_content={"google": {}})],
    ]
    accumulator = ChatAccumulator()
    for pieces in deltas:
        choice = {"index": 0, "delta": {"tool_calls": pieces}}
        accumulator.add(ChatCompletionChunk.model_validate({**HEAD, "choices": [choice]}))
    (call,) = accumulator.build().choices[0].message.to_param()["tool_calls"]
    assert call["extra_content"] == signature
