"""Between turns: reasoning as one text, and messages of earlier turns in the form that the server in use takes."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk import Provider, Route, models
from llmsdk._call.request.turns import turned
from llmsdk._call.usage import Meter
from llmsdk.models._thoughts import TagReader, tagged_in
from llmsdk.providers import PROVIDERS, Turns
from support.canned import CannedServer
from support.colours import KEY, Colour, each

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TAGGED = Provider(
    name="tagged",
    servers=("https://tagged.example/v1",),
    routes={"createChatCompletion": Route(turns=Turns(tagged=True))},
)


def reply(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def chunks(*deltas: dict[str, Any]) -> bytes:
    events: list[Any] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events[-1]["choices"][0]["finish_reason"] = "stop"
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


HELLO = {"type": "text", "text": "Hello."}


def thinking(value: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value}


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hello.", "reasoning": "Let me see."},
        {"content": "Hello.", "reasoning_content": "Let me see."},
        {"content": "Hello.", "reasoning": None, "reasoning_content": "Let me see."},
        {"content": [thinking([{"type": "text", "text": "Let me "}, {"type": "text", "text": "see."}]), HELLO]},
        {"content": [{**thinking("Let me see."), "signature": "s"}, HELLO]},
    ],
)
async def test_the_reasoning_of_a_reply_is_one_text(message: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, reply(**message))
    async with colour.open(server_url=canned.url) as client:
        res = await client.call("chat.create", **CHAT)
    assert (res.reasoning, res.text) == ("Let me see.", "Hello.")
    assert res.choices[0].message.content == message["content"]


async def test_tags_count_where_the_dialect_says_so(colour: Colour, canned: CannedServer) -> None:
    text = "\n<think>Let me see.</think>\n\nHello."
    canned.reply(200, reply(content=text))
    for server, found in ((TAGGED, "Let me see."), ("openai", "")):
        async with colour.open(server=server, server_url=canned.url, api_key=KEY) as client:
            res = await client.call("chat.create", **CHAT)
        assert (res.reasoning, res.text) == (found, text)


async def test_the_reasoning_of_a_stream_comes_event_by_event(colour: Colour, canned: CannedServer) -> None:
    canned.stream(chunks({"reasoning_content": "Let "}, {"reasoning_content": "me."}, {"content": "Hello."}))
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        assert [event.reasoning async for event in each(stream)] == ["Let ", "me.", ""]
        assert (stream.final.reasoning, stream.final.text) == ("Let me.", "Hello.")


async def test_tags_of_a_stream_may_be_cut_anywhere(colour: Colour, canned: CannedServer) -> None:
    pieces = ("<thi", "nk>Let me", " see.</", "think>", "\nHello.", " <think>no</think>")
    canned.stream(chunks(*({"content": piece} for piece in pieces)))
    async with colour.open(server=TAGGED, server_url=canned.url, api_key=KEY) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        found = [(event.reasoning, event.text) async for event in each(stream)]
        assert [text for _, text in found] == list(pieces)
        assert "".join(reasoning for reasoning, _ in found) == "Let me see."
        assert stream.final.reasoning == "Let me see."
        assert "_thoughts" not in str(stream.final.model_dump())


@pytest.mark.parametrize(
    "text, thought",
    [
        ("<think>a</think>b", "a"),
        ("  \n<think>a b</think>", "a b"),
        ("<think>never closed </thi", "never closed </thi"),
        ("<think></think>b", ""),
        ("<thinking>a</thinking>", ""),
        ("Hello <think>a</think>", ""),
        ("<", ""),
        ("", ""),
    ],
)
def test_tags_are_read_whatever_the_pieces(text: str, thought: str) -> None:
    assert tagged_in(text) == thought
    for size in range(1, len(text) + 1):
        reader = TagReader()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert "".join(map(reader.feed, pieces)) + reader.end() == thought


def test_a_reply_without_choices_has_no_reasoning() -> None:
    assert models.ChatCompletionResponse(choices=[]).reasoning == ""
    assert models.ChatCompletionChunk().reasoning == ""


# ------------------------------------------------------------------ sending back

SAID: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "reasoning": "Let me see.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Let me see."}],
    "refusal": None,
    "annotations": [],
    "blocks": [{"type": "thinking"}],
    "blocks_of": "else",
    "tool_calls": [{**CALL, "index": 0, "extra_content": {"google": {"thought_signature": "S"}}}],
}


def assistant(turns: Turns | None, message: Any = SAID) -> dict[str, Any]:
    (made,) = turned([message], turns)
    return dict(made)


def test_nothing_changes_where_nothing_is_known_but_blocks_of_other_protocols() -> None:
    assert assistant(None) == {name: value for name, value in SAID.items() if name not in ("blocks", "blocks_of")}
    user = {"role": "user", "content": "Hi", "reasoning": "kept"}
    assert turned([user, 3, {"role": "tool", "index": 1}], Turns(strict=True)) == [
        user,
        3,
        {"role": "tool", "index": 1},
    ]


def test_reasoning_goes_under_the_servers_own_name_or_not_at_all() -> None:
    assert assistant(Turns(reasoning="reasoning_content"))["reasoning_content"] == "Let me see."
    for turns in (Turns(reasoning="reasoning_content"), Turns(), Turns(strict=True)):
        assert assistant(turns).keys().isdisjoint({"reasoning", "reasoning_details", "blocks", "annotations"})
        assert assistant(turns)["tool_calls"] == [CALL]
    assert assistant(Turns(strict=True)) == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_what_a_server_wants_back_stays() -> None:
    kept = assistant(Turns(reasoning="reasoning", keeps=frozenset({"reasoning_details", "extra_content"})))
    assert kept["reasoning_details"] == SAID["reasoning_details"]
    assert kept["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "S"}}


def test_lost_reasoning_is_a_blank_where_it_is_required() -> None:
    needs = Turns(reasoning="reasoning_content", required=True)
    lost = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    assert assistant(needs, lost) == {**lost, "reasoning_content": " "}
    assert assistant(needs, {"role": "assistant", "content": "Hello."}) == {"role": "assistant", "content": "Hello."}


def test_thinking_parts_become_the_servers_reasoning() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hello."}]
    message = {"role": "assistant", "content": parts}
    assert assistant(Turns(reasoning="reasoning_content"), message) == {
        "role": "assistant",
        "content": "Hello.",
        "reasoning_content": "Hm.",
    }
    assert assistant(Turns(), message) == {"role": "assistant", "content": "Hello."}
    picture = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert assistant(Turns(), {**message, "content": [*parts, picture]})["content"] == [parts[1], picture]
    assert assistant(Turns(), {**message, "content": parts[:1]})["content"] is None
    odd = {"type": "text", "text": 7}
    assert assistant(Turns(), {**message, "content": [parts[0], odd]})["content"] == [odd]
    assert assistant(Turns(keeps=frozenset({"content"})), message) == message


@pytest.mark.parametrize("turns", [Turns(), Turns(strict=True), Turns(keeps=frozenset({"reasoning"}))])
def test_what_says_nothing_is_left_out(turns: Turns) -> None:
    """vLLM and Together send empty lists and nulls that OpenAI, Groq and others refuse when they come back."""
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [],
        "function_call": None,
        "audio": None,
        "name": None,
    }
    assert assistant(turns, message) == {"role": "assistant", "content": None}
    assert assistant(turns, {"role": "assistant", "tool_calls": None}) == {"role": "assistant"}


def test_ids_of_calls_fit_the_server_that_reads_them() -> None:
    def moved(id: Any, pattern: str = "[A-Za-z0-9]{9}") -> tuple[Any, Any]:
        messages = [
            {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": id}, 7]},
            {"role": "tool", "tool_call_id": id, "content": "7"},
        ]
        said, result = turned(messages, Turns(call_id=pattern))
        assert said["tool_calls"][1] == 7
        return said["tool_calls"][0].get("id"), result["tool_call_id"]

    assert moved("abcDEF123") == ("abcDEF123", "abcDEF123")
    assert moved(None) == (None, None)
    made = {id: moved(id) for id in ("call_1", "call_2", "functions.look:0", "abcDEF123\n", "ü" * 60, "\ud800")}
    assert all(call == result and re.fullmatch("[a-z0-9]{9}", call) for call, result in made.values())
    assert len(set(made.values())) == len(made)
    assert moved("call_1") == made["call_1"]
    without = [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}, {"role": "tool", "content": "7"}]
    assert turned(without, Turns(call_id="[A-Za-z0-9]{9}")) == without
    assert assistant(Turns(), {"role": "assistant", "tool_calls": {"odd": 1}})["tool_calls"] == {"odd": 1}
    assert turned([{"role": "tool", "tool_call_id": "call_1"}], Turns()) == [{"role": "tool", "tool_call_id": "call_1"}]


TURNS = {
    name: one.routes["createChatCompletion"].turns
    for name, one in PROVIDERS.items()
    if "createChatCompletion" in one.routes
}
NAMES = [
    "role",
    "content",
    "reasoning",
    "tool_calls",
    "id",
    "type",
    "function",
    "text",
    "thinking",
    "index",
    "blocks",
    "extra_content",
    "name",
    "audio",
]
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner), max_leaves=9
)
PARTS = st.sampled_from([thinking("Hm."), thinking([HELLO]), HELLO])
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["assistant", "tool", "user", None])},
    optional={
        "content": ANYTHING | st.lists(PARTS, max_size=3),
        "tool_calls": ANYTHING | st.lists(st.just(CALL) | ANYTHING, max_size=3),
        **dict.fromkeys(("reasoning", "reasoning_content", "reasoning_details", "tool_call_id", "name"), ANYTHING),
    },
)


@pytest.mark.parametrize("server", TURNS)
@settings(max_examples=15, deadline=None)
@given(messages=st.lists(MESSAGES | ANYTHING, max_size=3))
def test_what_fits_stays_and_nothing_of_the_callers_changes(server: str, messages: list[Any]) -> None:
    before = deepcopy(messages)
    once = turned(messages, TURNS[server])
    assert messages == before
    assert turned(once, TURNS[server]) == once
    assert len(once) == len(messages)


# ------------------------------------------------------------------ counting


@pytest.mark.parametrize(
    "usage, completion",
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35,
          "completion_tokens_details": {"reasoning_tokens": 20}}, 25),
        ({"prompt_tokens": 10, "completion_tokens": 25, "total_tokens": 35,
          "completion_tokens_details": {"reasoning_tokens": 20}}, 25),
        ({"prompt_tokens": 10, "completion_tokens": 25, "total_tokens": 35}, 25),
    ],
)  # fmt: skip
def test_reasoning_counts_as_generated_however_the_server_counts_it(usage: Any, completion: int) -> None:
    from collections import deque

    meter = Meter(deque([("xai", "m", usage, ())]), None)
    totals = meter.totals
    assert (totals.completion_tokens, totals.total_tokens) == (completion, 35)
