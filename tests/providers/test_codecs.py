"""The codecs by themselves: samples of each protocol through the pure functions, and what strange servers may send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.providers.codecs import anthropic, gemini, responses
from llmsdk.providers.spec import END, CannotSay, Codec
from llmsdk.utils.plain import merged

NATIVE = Path(__file__).parents[1] / "data" / "native"
SAMPLES: list[dict[str, Any]] = json.loads((NATIVE / "index.json").read_text("utf-8"))
CODECS: dict[str, Codec] = {
    "anthropic": anthropic.MESSAGES,
    "gemini": gemini.GENERATE_CONTENT,
    "openai_responses": responses.RESPONSES,
}


def samples(*kinds: str) -> list[Any]:
    return [pytest.param(one, id=one["name"]) for one in SAMPLES if one["kind"] in kinds]


def wire(sample: dict[str, Any]) -> Any:
    return json.loads((NATIVE / sample["file"]).read_text("utf-8"))


def misses(wanted: Any, got: Any, place: str = "$") -> list[str]:
    """Name what of a document is not there: null may be absent, arguments are JSON, blocks are exact."""
    if place.endswith(".blocks"):
        return [] if wanted == got else [f"{place}: {got!r}"]
    if place.endswith(".arguments"):
        return [] if arguments(wanted) == arguments(got) else [f"{place}: {got!r}"]
    if isinstance(wanted, dict) and isinstance(got, dict):
        there = {name: value for name, value in wanted.items() if value is not None or got.get(name) is not None}
        return [miss for name, value in there.items() for miss in misses(value, got.get(name), f"{place}.{name}")]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        pairs = enumerate(zip(wanted, got, strict=True))
        return [miss for index, (one, other) in pairs for miss in misses(one, other, f"{place}[{index}]")]
    return [] if wanted == got else [f"{place}: {got!r}"]


def arguments(text: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@pytest.mark.parametrize("sample", samples("request"))
def test_a_request_is_written_as_the_server_takes_it(sample: dict[str, Any]) -> None:
    call = dict(sample["call"])
    extra = call.pop("extra_body", {})
    assert merged(CODECS[sample["protocol"]].request(call), extra) == wire(sample)


@pytest.mark.parametrize("sample", samples("response"))
def test_a_reply_is_read_in_our_words(sample: dict[str, Any]) -> None:
    assert misses(sample["ours"], CODECS[sample["protocol"]].reply(wire(sample))) == []


def test_every_sample_was_taken() -> None:
    assert len(samples("request")) == 21
    assert len(samples("response")) == 19


VALUE_REFUSALS = [one for one in samples("refused") if one.values[0]["raises"] == "RequestValidationError"]


@pytest.mark.parametrize("sample", VALUE_REFUSALS)
def test_what_a_protocol_cannot_say_is_named(sample: dict[str, Any]) -> None:
    with pytest.raises(CannotSay) as caught:
        CODECS[sample["protocol"]].request(sample["call"])
    assert caught.value.param == sample["param"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def mutated(document: Any, place: int, value: Any) -> Any:
    """Put a value at one place of a document, counted through all that it holds."""
    counter = iter(range(place + 1))

    def walk(node: Any) -> Any:
        if next(counter, None) == place:
            return value
        if isinstance(node, dict):
            return {name: walk(inner) for name, inner in node.items()}
        return [walk(inner) for inner in node] if isinstance(node, list) else node

    return walk(document)


@pytest.mark.parametrize("sample", samples("response"))
@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 60), value=JSON)
def test_whatever_a_server_sends_ends_in_a_document(sample: dict[str, Any], place: int, value: Any) -> None:
    document = mutated(wire(sample), place, value)
    if isinstance(document, dict):
        assert isinstance(CODECS[sample["protocol"]].reply(document), dict)


def events_of(sample: dict[str, Any]) -> list[dict[str, Any]]:
    lines = (NATIVE / sample["file"]).read_text("utf-8").splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


@pytest.mark.parametrize("sample", samples("stream"))
def test_a_stream_gives_as_many_chunks_as_it_says_something(sample: dict[str, Any]) -> None:
    decode = CODECS[sample["protocol"]].decoder()
    chunks = [chunk for event in events_of(sample) for chunk in decode(event)]
    is_ended = chunks[-1] is END
    assert is_ended is (sample["protocol"] != "gemini")
    assert all(isinstance(chunk, dict) for chunk in chunks[: len(chunks) - is_ended])


@pytest.mark.parametrize("sample", samples("stream", "broken stream"))
@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 20), place=st.integers(0, 30), value=JSON)
def test_whatever_a_stream_holds_ends_in_chunks(sample: dict[str, Any], at: int, place: int, value: Any) -> None:
    events = events_of(sample)
    events[at % len(events)] = mutated(events[at % len(events)], place, value)
    decode = CODECS[sample["protocol"]].decoder()
    for event in events:
        if isinstance(event, dict):
            for chunk in decode(event):
                assert chunk is END or isinstance(chunk, dict)
