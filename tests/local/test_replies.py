"""What the embedded provider says: text, tools, JSON, counts; the same each time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from llmsdk.local.png import png
from llmsdk.local.replies import chat, completion, tokenize
from llmsdk.local.schemas import MAX_SIZE, example


def ask(content: Any, **params: Any) -> Any:
    return chat({"model": "m", "messages": [{"role": "user", "content": content}], **params})


def message(content: Any, **params: Any) -> Any:
    return ask(content, **params).reply["choices"][0]["message"]


def tool(name: str, **properties: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": properties}}}


WEATHER = tool("get_weather", city={"type": "string"})
TIME = tool("get_time")


def test_text_quotes_the_prompt_and_never_changes():
    assert message("Hi")["content"] == "Embedded provider: you said 'Hi'."
    assert ask("Hi").reply == ask("Hi").reply
    assert ask("Hi").reply["id"] != ask("Ho").reply["id"]
    assert message("x" * 1000)["content"].endswith("xxx...'.")


def test_seed_and_choices_vary_the_text():
    texts = [message("Hi", seed=seed)["content"] for seed in (1, 2, 1)]
    assert texts[0] == texts[2] != texts[1]
    choices = ask("Hi", n=3).reply["choices"]
    assert len({choice["message"]["content"] for choice in choices}) == 3


def test_stop_and_max_tokens_end_the_text():
    assert message("Hi", stop="said")["content"] == "Embedded provider: you "
    assert message("Hi", stop=["nothing", " you"])["content"] == "Embedded provider:"
    cut = ask("Hi", max_tokens=2).reply["choices"][0]
    assert (cut["message"]["content"], cut["finish_reason"]) == ("Embedded provider:", "length")
    assert ask("Hi").reply["choices"][0]["finish_reason"] == "stop"


def test_streams_fold_to_the_reply():
    produced = completion({"model": "m", "prompt": "Hi there", "echo": True, "logprobs": 2, "n": 2})
    whole = ["", ""]
    scores: list[str] = []
    for chunk in produced.chunks:
        for choice in chunk["choices"]:
            whole[choice["index"]] += choice["text"]
            if choice["logprobs"] and choice["index"] == 0:
                scores += choice["logprobs"]["tokens"]
    assert whole == [choice["text"] for choice in produced.reply["choices"]]
    assert scores == produced.reply["choices"][0]["logprobs"]["tokens"]
    assert whole[0].startswith("Hi thereEmbedded")
    assert produced.chunks[-1]["usage"] == produced.reply["usage"]


def test_tokens_join_to_the_text():
    for text in ("", " ", "a  b\n c ", "one"):
        assert "".join(tokenize(text)) == text


@pytest.mark.parametrize(
    "asked, params, called",
    [
        ("Use get_weather and get_time", {}, ["get_weather", "get_time"]),
        ("Use get_weather and get_time", {"parallel_tool_calls": False}, ["get_weather"]),
        ("Weather in Lima?", {}, ["get_weather"]),
        ("Weather in Lima.", {}, []),
        ("Hi", {"tool_choice": "auto"}, []),
        ("Hi", {"tool_choice": "required"}, ["get_weather"]),
        ("Hi", {"tool_choice": "get_time"}, ["get_time"]),
        ("Hi", {"tool_choice": {"type": "function", "function": {"name": "get_time"}}}, ["get_time"]),
        ("Hi", {"tool_choice": {"value": "required"}}, ["get_weather"]),
        ("Hi", {"function_call": {"name": "get_time"}}, ["get_time"]),
        ("get_weather", {"tool_choice": "none"}, []),
    ],
)
def test_tools_are_called_by_the_rule(asked, params, called):
    produced = ask(asked, tools=[WEATHER, TIME, {"type": "graph", "function": {"graph_ids": []}}], **params)
    calls = produced.reply["choices"][0]["message"].get("tool_calls", [])
    assert [entry["function"]["name"] for entry in calls] == called
    assert produced.reply["choices"][0]["finish_reason"] == ("tool_calls" if called else "stop")
    pieces = [
        piece
        for chunk in produced.chunks
        for choice in chunk["choices"]
        for piece in choice["delta"].get("tool_calls", [])
    ]
    for at, entry in enumerate(calls):
        arguments = "".join(piece["function"]["arguments"] for piece in pieces if piece["index"] == at)
        assert arguments == entry["function"]["arguments"]


def test_arguments_take_names_from_the_question():
    entry = message("Weather in Lima?", tools=[WEATHER])["tool_calls"][0]
    assert json.loads(entry["function"]["arguments"]) == {"city": "Lima"}


def test_a_tools_reply_is_quoted_even_when_a_call_is_required():
    messages = [{"role": "user", "content": "Weather?"}, {"role": "tool", "tool_call_id": "a", "content": "19 C"}]
    produced = chat({"model": "m", "messages": messages, "tools": [WEATHER], "tool_choice": "required"})
    assert produced.reply["choices"][0]["message"]["content"] == "Embedded provider: the tool said '19 C'."


def test_parts_are_read_and_named():
    parts = [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": "https://example.com/a"}}]
    assert message(parts)["content"] == "Embedded provider: you said 'Look [image_url]'."


def test_json_mode_and_reasoning():
    said = json.loads(message("Hi", response_format={"type": "json_object"})["content"])
    assert said == {"provider": "embedded", "said": "Hi"}
    produced = ask("Hi", reasoning_effort="low", logprobs=True, top_logprobs=2)
    choice = produced.reply["choices"][0]
    assert "effort low" in choice["message"]["reasoning_content"]
    assert len(choice["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert produced.reply["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert "reasoning_content" not in message("Hi", reasoning_effort="low", reasoning={"enabled": False})
    assert ask("Hi", logprobs=0).reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}}}


@pytest.mark.parametrize(
    "schema, value",
    [
        ({"const": 3}, 3),
        ({"enum": ["x", "y"]}, "x"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "multipleOf": 7, "minimum": 8}, 14),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"], "maxLength": 3}, "emb"),
        ({"type": "string", "minLength": 10}, "embedded.."),
        ({"type": "string", "pattern": "^[0-9]{3}$"}, "123"),
        ({"type": "string", "format": "date"}, "2025-01-01"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True}, [1, 2]),
        ({"type": "array", "prefixItems": [{"type": "null"}, {"type": "boolean"}]}, [None, False]),
        ({"type": "array", "maxItems": 0}, []),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"properties": {"k": {"const": "a"}}, "required": ["k"]}]}, {"k": "a"}),
        (
            {"allOf": [{"properties": {"a": {"type": "null"}}}, {"properties": {"b": {"const": 1}}}]},
            {"a": None, "b": 1},
        ),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "required": ["z"]}}}, {"z": "embedded"}),
        ({"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}}, {"key0": 1}),
        ({"type": ["null"]}, None),
        ({"type": "number", "minimum": 5}, 5.5),
        ({"type": "number", "maximum": -3}, -3.5),
        ({"type": "number", "multipleOf": 0.25, "minimum": 0.3}, 1.0),
        ({"type": "array", "items": {"type": "integer", "maximum": -3}, "minItems": 3}, [-3, -4, -5]),
        ({"type": "array", "items": {"type": "string", "maxLength": 5}, "minItems": 3}, ["embed", "1embe", "2embe"]),
        ({"type": "string", "pattern": "^0{30}$"}, "0" * 30),
        ({"type": "string", "pattern": "^a+$", "minLength": 50}, "a" * 50),
        ({"type": "string", "pattern": "^[0-9]+$", "minLength": 2, "maxLength": 3}, "12"),
        ({"type": "string", "pattern": "("}, "embedded"),
        # No type, which what else is said tells.
        ({"pattern": "^[A-Z]{3}$"}, "ABC"),
        ({"minimum": 3}, 3.5),
        ({"minItems": 2}, ["embedded"] * 2),
        ({"required": ["x"]}, {"x": "embedded"}),
        ({"type": "of another draft"}, "embedded"),
        ({"allOf": [True, {"type": "integer"}]}, 1),
        ({"allOf": [False, {"type": "integer"}]}, None),
        (
            {
                "properties": {"a": {"type": "null"}},
                "required": ["a"],
                "allOf": [{"properties": {"b": {"type": "boolean"}}, "required": ["b"]}],
            },
            {"a": None, "b": True},
        ),
        ({"$ref": "#/$defs/a~1b/c~0d", "$defs": {"a/b": {"c~d": {"const": 3}}}}, 3),
        ({"$ref": "#/$defs/nowhere"}, "embedded"),
        (True, "embedded"),
        (False, None),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "embedded"),
    ],
)
def test_values_fit_their_schema(schema, value):
    assert example(schema) == value


@pytest.mark.parametrize("number", range(1, 30))
def test_bounds_hold(number):
    schema = {"type": "integer", "minimum": -number, "maximum": number * 2, "multipleOf": number}
    assert example(schema) in {-number, 0, number, number * 2}
    inside = example({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 / number})
    assert 0 < inside < 1 / number


def test_recursive_schemas_end():
    depth, node = 0, example({**NODE, "$defs": {"N": NODE}})
    while node:
        depth, node = depth + 1, node.get("next")
    assert depth < 12


def test_recursion_ends_where_an_option_ends_it():
    options = [{"type": "object", "properties": {"x": {"$ref": "#/$defs/N"}}, "required": ["x"]}, {"type": "integer"}]
    depth, node = 0, example({"$ref": "#/$defs/N", "$defs": {"N": {"anyOf": options}}})
    while isinstance(node, dict):
        depth, node = depth + 1, node["x"]
    assert node == 1
    assert depth < 12


def test_recursion_ends_in_an_array_where_the_other_option_is_an_object():
    node = {
        "anyOf": [
            {"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}, "required": ["next"]},
            {"type": "array", "items": {"$ref": "#/$defs/N"}},
        ]
    }
    made = example({"$ref": "#/$defs/N", "$defs": {"N": node}})
    while isinstance(made, dict):
        made = made["next"]
    assert made == []


def test_trees_end_in_leaves_without_children():
    tree = {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/N"}}},
        "required": ["value", "children"],
    }
    depth, nodes = 0, [example({**tree, "$defs": {"N": tree}})]
    while nodes:
        assert nodes[0].keys() == {"value", "children"}
        depth, nodes = depth + 1, nodes[0]["children"]
    assert 1 < depth < 12


@pytest.mark.parametrize("width, height", [(1, 1), (9, 17), (1024, 1024), (100_000, 1)])
def test_pictures_stay_small(width, height):
    content = png(width, height, 7)
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert content.endswith(b"IEND\xaeB`\x82")
    assert len(content) < 4_000


TEXT, NEXT = {"type": "string"}, {"$ref": "#/$defs/N"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 10**12},
        {"type": "string", "minLength": 10**9, "pattern": "^x"},
        {"type": "array", "items": TEXT, "minItems": 10**12},
        {"type": "array", "items": {"type": "array", "items": TEXT, "minItems": 10**6}, "minItems": 10**6},
        {"type": "array", "items": {"const": "x" * 100_000}, "minItems": 10**6},
        {"type": "object", "minProperties": 10**12},
        {
            "$ref": "#/$defs/N",
            "$defs": {"N": {"required": ["a", "b"], "properties": {"a": NEXT, "b": NEXT}}},
        },
    ],
)
def test_no_schema_asks_for_too_much(schema):
    assert len(json.dumps(example(schema))) < 4 * MAX_SIZE
    assert len(json.dumps(example(schema, size=1000))) < 200_000


@pytest.mark.parametrize("limit", [1, 5, 40])
def test_max_tokens_bounds_what_a_schema_asks_for(limit):
    schema = {"type": "object", "properties": {"text": {"type": "string", "minLength": 10**9}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    produced = ask("Hi", response_format=form, max_tokens=limit)
    said = produced.reply["choices"][0]
    assert said["finish_reason"] == "length"
    assert produced.reply["usage"]["completion_tokens"] == limit
    assert len(said["message"]["content"]) <= 128 * limit
    called = ask("long?", tools=[tool("long", text={"type": "string", "minLength": 10**9})], max_tokens=limit)
    assert called.reply["choices"][0]["finish_reason"] == "length"
    assert called.reply["usage"]["completion_tokens"] == limit
    assert len(called.reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) <= 128 * limit


def test_a_pattern_takes_no_time(monkeypatch):
    began = time.monotonic()
    example({"type": "string", "pattern": "^(a+)+$b", "minLength": 100})
    assert time.monotonic() - began < 5
