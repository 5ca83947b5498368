"""Where the JSON of an answer stands: the whole text, behind thoughts, or in the one fenced block; whole or growing."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmsdk import errors
from llmsdk.structured.answers import AnswerProblems, found_json, partial_json
from llmsdk.structured.forms import form_of
from support.canned import CannedServer
from support.colours import Colour, each


class Offer(BaseModel):
    name: str
    price: int = 1


class Car(BaseModel):
    kind: Literal["car"]
    value: int


class Bike(BaseModel):
    kind: Literal["bike"]


WHOLE = '{"name": "a"}'
FOUND = [
    WHOLE,
    f"\ufeff{WHOLE}",
    f"{WHOLE}<|im_end|>",
    f"{WHOLE}</s>\n",
    f"{WHOLE}\n<|eot_id|><|end_of_text|>",
    f"<think>So: {{}}</think>\n{WHOLE}",
    f"So: {{}}\n</think>\n\n{WHOLE}",
    f"<Thinking>So.</THINKING> {WHOLE}<eos>",
    f"<think>One.</think>\n<think>Two.</think>{WHOLE}",
    f"```json\n{WHOLE}\n```",
    f"```JSON\n{WHOLE}\n```",
    f"``` Json\r\n{WHOLE}\r\n```",
    f"```{WHOLE}```",
    f"[THINK]So: {{}}[/THINK]{WHOLE}",
    f"~~~json\n{WHOLE}\n~~~",
    f"```json\n{WHOLE}",
    f"Here it is:\n\n```json\n{WHOLE}\n```\nAnything else?",
    f"<think>Hm.</think>Here it is:\n  ```\n  {WHOLE}\n  ```<|im_end|>",
]
NOT_FOUND = [
    "",
    "None.",
    f"It is {WHOLE}.",
    f"{WHOLE}{WHOLE}",
    f"```\n{WHOLE}\n```\n```\n{WHOLE}\n```",
    f"<think>{WHOLE}",
]


@pytest.mark.parametrize("text", FOUND)
def test_the_json_is_found(text: str) -> None:
    assert found_json(text)[1] == {"name": "a"}
    assert form_of(Offer).read(text) == Offer(name="a")
    assert partial_json(text.partition("<|")[0].removesuffix("</s>\n").removesuffix("<eos>")) == {"name": "a"}


@pytest.mark.parametrize("text", NOT_FOUND)
def test_nothing_is_guessed(text: str) -> None:
    with pytest.raises(AnswerProblems) as caught:
        found_json(text)
    assert [problem.kind for problem in caught.value.problems] == ["json_invalid"]


@pytest.mark.parametrize(
    "text", ['{"name": "a', '{"name": "</think>', '<think>x</think>{"name"', '```json\n{"name": "a"', "```json\n{"]
)
def test_what_lacks_its_end_is_cut(text: str) -> None:
    with pytest.raises(AnswerProblems) as caught:
        found_json(text)
    assert caught.value.is_cut


def test_the_whole_text_comes_first() -> None:
    text = json.dumps({"name": "<think>x</think>```json\n{}\n```"})
    assert found_json(text) == (text, json.loads(text))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='{}[]":, \n`<>/think1json|ufeff\ufeff', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    partial_json(text)
    try:
        found_json(text)
    except AnswerProblems:
        pass


# ---------------------------------------------------------------- bare values where an object was asked for

BARE: list[tuple[Any, str, Any]] = [
    (list[int], "[1, 2]", [1, 2]),
    (list[int], '{"value": [1, 2]}', [1, 2]),
    (Car | Bike, '{"kind": "bike"}', Bike(kind="bike")),
    (Car | Bike, '{"value": {"kind": "car", "value": 5}}', Car(kind="car", value=5)),
    (Car | Bike, '{"kind": "car", "value": 5}', Car(kind="car", value=5)),
    (int, "5", 5),
    (str, '"text"', "text"),
]


@pytest.mark.parametrize("kind, text, value", BARE)
def test_a_bare_value_is_read_and_grows(kind: Any, text: str, value: Any) -> None:
    form = form_of(kind)
    assert form.read(text) == value
    seen = [form.so_far(text[:end]) for end in range(len(text) + 1)]
    whole = json.loads(text)
    assert seen[-1] == (whole["value"] if isinstance(whole, dict) and whole.keys() == {"value"} else whole)
    if isinstance(value, list):
        assert [one for at, one in enumerate(seen) if one not in seen[:at]][-2:] == [[1], [1, 2]]


async def test_a_streamed_answer_grows_behind_its_thoughts(colour: Colour, canned: CannedServer) -> None:
    pieces = ["\ufeff<think>Hm", ".</think>", "```JSON\n[", "1, ", "22", "]\n```", ""]
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    canned.stream("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks]).encode() + b"data: [DONE]\n\n")
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call(
            "chat.parse", model="m", messages=[{"role": "user", "content": "x"}], response_format=list[int], stream=True
        )
        seen = [stream.parsed_partial async for _ in each(stream)]
    assert seen[:2] == [None, None]
    assert seen[2:6] == [[], [1], [1, 22], [1, 22]]
    assert stream.final.parsed == [1, 22]


async def test_a_refusal_to_answer_in_json_is_an_error_as_before(colour: Colour, canned: CannedServer) -> None:
    message = {"role": "assistant", "content": "<think>Hm.</think>I'd rather not."}
    canned.reply(200, {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.ParseError) as caught:
            await client.call(
                "chat.parse", model="m", messages=[{"role": "user", "content": "x"}], response_format=Offer
            )
    assert caught.value.text == message["content"]
