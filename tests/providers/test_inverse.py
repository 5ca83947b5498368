"""Nothing of a request is lost on the way to a native protocol: read back by the tests' inverse, it is the same."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .inverses import INVERSES, plain
from .test_codecs import CODECS

Json = dict[str, Any]
NATIVE = sorted(CODECS)

texts = st.text(min_size=1, max_size=8)
words = st.text("abcdefgh", min_size=1, max_size=6)
MARK = {"type": "ephemeral"}


def data_url(kind: str) -> st.SearchStrategy[str]:
    return st.binary(max_size=6).map(lambda raw: f"data:{kind};base64,{base64.b64encode(raw).decode()}")


def address(suffix: str) -> st.SearchStrategy[str]:
    return words.map(lambda word: f"https://example.org/{word}.{suffix}")


def object_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Objects of which each field may be absent; a name that begins with `must_` may not."""
    must = {name[5:]: found for name, found in fields.items() if name.startswith("must_")}
    return st.fixed_dictionaries(must, optional={n: found for n, found in fields.items() if n[5:] not in must})


def marked(part: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.tuples(part, st.booleans()).map(lambda both: {**both[0], "cache_control": MARK} if both[1] else both[0])


text_part = st.builds(lambda text: {"type": "text", "text": text}, texts)


def media(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return object_of(**fields).map(lambda held: {"type": kind, kind: held})


PARTS: dict[str, st.SearchStrategy[Json]] = {
    "anthropic": marked(
        text_part
        | media("image_url", must_url=data_url("image/png") | address("png"))
        | media("image_url", must_file_id=words)
        | media("file", must_file_data=data_url("application/pdf"), filename=words)
        | media("file", must_file_url=address("pdf"), filename=words)
        | media("file", must_file_id=words)
        | media(
            "file",
            must_file_data=texts.map(lambda t: f"data:text/plain;base64,{base64.b64encode(t.encode()).decode()}"),
        )
        | st.just({"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]})
    ),
    "gemini": text_part
    | media("image_url", must_url=data_url("image/png"))
    | media("image_url", must_url=address("png"), must_mime_type=st.just("image/png"))
    | media("video_url", must_url=address("mp4"), must_mime_type=st.just("video/mp4"))
    | media("audio_url", must_url=data_url("audio/mp3"))
    | media("file", must_file_data=data_url("application/pdf"))
    | media("file", must_file_url=address("pdf")),
    "openai_responses": text_part
    | media("image_url", must_url=data_url("image/png") | address("png"), detail=st.sampled_from(["low", "high"]))
    | media("image_url", must_file_id=words)
    | media("file", must_file_data=data_url("application/pdf"), filename=words)
    | media("file", must_file_url=address("pdf"))
    | media("file", must_file_id=words),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
arguments = st.dictionaries(words, JSON, max_size=2)
RESULTS = words.map(lambda word: f"it is {word}") | st.dictionaries(
    words.map(lambda word: f"of {word}"), JSON, min_size=1, max_size=2
).map(json.dumps)


@st.composite
def conversations(draw: st.DrawFn, protocol: str) -> list[Json]:
    """Conversations in the one order that all protocols have: instructions, then turns; results before words."""
    parts = st.lists(PARTS[protocol], min_size=1, max_size=3)
    talk: list[Json] = []
    if draw(st.booleans()):
        said = marked(text_part) if protocol == "anthropic" else text_part
        talk.append({"role": "system", "content": draw(st.lists(said, min_size=1, max_size=2))})
    waiting: list[tuple[str, str]] = []
    for number in range(draw(st.integers(1, 4))):
        if number % 2 == 0:
            for call_id, name in waiting:
                talk.append(draw(results(protocol, call_id, name)))
            waiting = []
            if draw(st.booleans()) or talk[-1:] == [] or talk[-1]["role"] in ("system", "assistant"):
                talk.append({"role": "user", "content": draw(parts)})
            continue
        names = draw(st.lists(words, max_size=3))
        calls = [
            {
                "id": f"call_{number}_{place}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(draw(arguments))},
            }
            for place, name in enumerate(names)
        ]
        answer: Json = {"role": "assistant", "content": draw(texts if calls == [] else st.none() | texts)}
        if calls:
            answer["tool_calls"] = calls
        waiting = [(call["id"], call["function"]["name"]) for call in calls]
        talk.append(answer)
    return talk


@st.composite
def results(draw: st.DrawFn, protocol: str, call_id: str, name: str) -> Json:
    result: Json = {"role": "tool", "tool_call_id": call_id, "content": draw(RESULTS)}
    if protocol == "gemini":
        result["name"] = name
    elif draw(st.booleans()):
        result["content"] = draw(st.lists(PARTS[protocol], min_size=1, max_size=2))
    if protocol != "openai_responses" and draw(st.booleans()):
        result["is_error"] = True
    return result


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
SCHEMAS = st.sampled_from([SCHEMA, {**SCHEMA, "additionalProperties": False}, {"type": "object", "properties": {}}])
floats = st.floats(0, 2)
counts = st.integers(0, 100)
stops = st.lists(words, min_size=1, max_size=3)
formed = st.builds(lambda schema: {"type": "json_schema", "json_schema": {"schema": schema}}, SCHEMAS)
choices = st.sampled_from(["auto", "none", "required"]) | words.map(
    lambda name: {"type": "function", "function": {"name": name}}
)


def functions(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return object_of(must_name=words, description=texts, **fields).map(
        lambda function: {"type": "function", "function": function}
    )


PARAMETERS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "anthropic": {
        "must_model": words,
        "must_max_tokens": counts,
        "temperature": floats,
        "top_p": floats,
        "top_k": counts,
        "stop": stops,
        "user": words,
        "metadata": st.just({"kept": "1"}),
        "service_tier": words,
        "stream": st.booleans(),
        "thinking": st.just({"type": "enabled", "budget_tokens": 1024}),
        "reasoning_effort": words,
        "response_format": formed,
        "tools": st.lists(
            marked(functions(must_parameters=SCHEMAS, strict=st.booleans()))
            | st.just({"type": "web_search_20250305", "name": "web_search"}),
            min_size=1,
            max_size=2,
        ),
        "tool_choice": choices,
    },
    "gemini": {
        "temperature": floats,
        "top_p": floats,
        "top_k": counts,
        "seed": counts,
        "n": counts,
        "presence_penalty": floats,
        "frequency_penalty": floats,
        "max_tokens": counts,
        "stop": stops,
        "logprobs": st.booleans(),
        "top_logprobs": counts,
        "modalities": st.lists(words, min_size=1, max_size=2),
        "thinking": st.just({"includeThoughts": True, "thinkingBudget": 5}),
        "response_format": formed | st.just({"type": "json_object"}),
        "tools": st.lists(functions(parameters=SCHEMAS), min_size=1, max_size=2).map(
            lambda tools: [*tools, {"googleSearch": {}}]
        ),
        "tool_choice": choices,
        "service_tier": words,
        "store": st.booleans(),
    },
    "openai_responses": {
        "must_model": words,
        "max_tokens": counts,
        "temperature": floats,
        "top_p": floats,
        "top_logprobs": counts,
        "logprobs": st.just(True),
        "user": words,
        "metadata": st.just({"kept": "1"}),
        "store": st.booleans(),
        "service_tier": words,
        "parallel_tool_calls": st.booleans(),
        "stream": st.booleans(),
        "reasoning_effort": words,
        "verbosity": words,
        "response_format": object_of(must_name=words, must_schema=SCHEMAS, strict=st.booleans()).map(
            lambda inner: {"type": "json_schema", "json_schema": inner}
        )
        | st.just({"type": "json_object"}),
        "tools": st.lists(
            functions(parameters=SCHEMAS, strict=st.booleans()) | st.just({"type": "web_search"}),
            min_size=1,
            max_size=2,
        ),
        "tool_choice": choices,
    },
}


def requests(protocol: str) -> st.SearchStrategy[Json]:
    return st.builds(
        lambda params, talk: {**params, "messages": talk},
        object_of(**PARAMETERS[protocol]),
        conversations(protocol),
    )


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def canonical(params: Json) -> Json:
    return {**params, "messages": [plain(message) for message in params["messages"]]}


@pytest.mark.parametrize("protocol", NATIVE)
@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_a_request_read_back_is_the_same(protocol: str, data: st.DataObject) -> None:
    params = data.draw(requests(protocol))
    before = copy.deepcopy(params)
    body = CODECS[protocol].request(params)
    assert params == before  # what the caller holds is not changed
    assert json.loads(json.dumps(body)) == body
    assert canonical(INVERSES[protocol](copy.deepcopy(body))) == canonical(params)
    # Nothing that the reader left in the body would be noticed otherwise: written again it is the same body.
    assert CODECS[protocol].request(INVERSES[protocol](copy.deepcopy(body))) == body


# What every message may say, in any order and in any of its forms; each text is another one, so that none can stand in
# for a lost one.
FORMS: dict[str, list[Any]] = {
    "system": [lambda one: {"content": one()}, lambda one: {"content": [one(), {"type": "text", "text": one()}]}],
    "developer": [lambda one: {"content": [{"type": "text", "text": one()}]}],
    "user": [
        lambda one: {"content": one(), "name": "someone"},
        lambda one: {"content": [{"type": "text", "text": ""}, {"type": "text", "text": one()}, one()]},
        lambda one: {"content": [{"type": "image_url", "image_url": f"data:image/png;base64,{one()}"}]},
        lambda one: {"content": [{"type": "image_url", "image_url": {"url": f"https://example.org/{one()}"}}]},
    ],
    "assistant": [
        lambda one: {"content": one(), "reasoning": "never sent", "refusal": None, "function_call": None},
        lambda one: {"content": None, "refusal": one()},
        lambda one: {"content": [{"type": "refusal", "refusal": one()}]},
        lambda one: {"content": [{"type": "text", "text": one()}, {"type": "text", "text": one()}]},
        lambda one: {"tool_calls": [_function(one, json.dumps({"a": one()})), _function(one, "")]},
        lambda one: {"content": one(), "tool_calls": [_function(one, {"a": one()})]},
        lambda one: {"content": "", "tool_calls": [_function(one, "broken " + one())]},
        lambda one: {"tool_calls": [{"id": one(), "type": "custom", "custom": {"name": one(), "input": one()}}]},
        lambda one: {"content": one(), "blocks": [{"type": "x"}], "blocks_of": "another"},
    ],
    "tool": [
        lambda one: {"tool_call_id": one(), "name": one(), "content": one()},
        lambda one: {"tool_call_id": one(), "name": one(), "content": [{"type": "text", "text": one()}, one()]},
        lambda one: {
            "tool_call_id": one(),
            "name": one(),
            "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{one()}"}}],
        },
    ],
}


def _function(one: Any, arguments: Any) -> Json:
    return {"id": one(), "type": "function", "function": {"name": one(), "arguments": arguments}}


def atoms_of(document: Any) -> list[str]:
    """The numbered texts inside a document, wherever they stand."""
    return re.findall(r"@\d+@", json.dumps(document))


@pytest.mark.parametrize("protocol", NATIVE)
@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_nothing_that_a_message_says_is_lost_in_any_order(protocol: str, data: st.DataObject) -> None:
    numbers = itertools.count()
    roles = data.draw(st.lists(st.sampled_from(sorted(FORMS)), min_size=1, max_size=6))
    talk = [{"role": role, **data.draw(st.sampled_from(FORMS[role]))(lambda: f"@{next(numbers)}@")} for role in roles]
    body = CODECS[protocol].request({"model": "m", "max_tokens": 1, "messages": talk})
    wanted = [atom for message in talk for atom in atoms_of({k: v for k, v in message.items() if k != "name"})]
    found = [atom for atom in atoms_of(body) if atom in wanted]
    assert sorted(found) == sorted(wanted)
    assert "never sent" not in json.dumps(body)
    # Instructions may move to the front and results to the front of their turn; all else keeps its order.
    order = [atom for message in talk if message["role"] in ("user", "assistant") for atom in atoms_of(message)]
    assert [atom for atom in found if atom in order] == [atom for atom in order if atom in wanted]
