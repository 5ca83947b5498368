"""What native servers, and proxies before them, send beside the protocol; and what requests say in rarer words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmsdk import SDK, errors
from support.canned import CannedServer
from support.colours import KEY, Colour, each

HI: list[Any] = [{"role": "user", "content": "Hi"}]
NATIVE = ["anthropic", "gemini", "openai_responses"]
REPLIES: dict[str, dict[str, Any]] = {
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
        "modelVersion": "g-1",
    },
    "openai_responses": {
        "id": "resp_1",
        "status": "completed",
        "error": None,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
    },
}


def body(server: str, **params: Any) -> dict[str, Any]:
    limit = {"max_tokens": 5} if server == "anthropic" else {}
    with SDK(server=server, api_key=KEY) as sdk:
        shown: dict[str, Any] = sdk.chat.preview(**{"model": "m", "messages": HI, **limit, **params}).body
    return shown


def turns(server: str, *messages: Any) -> list[Any]:
    """What is written of a conversation."""
    sent = body(server, messages=[*HI, *messages])
    written: list[Any] = sent.get("messages") or sent.get("contents") or sent["input"]
    return written[1:]


@pytest.mark.parametrize("server", NATIVE)
def test_none_is_as_if_not_given_also_where_the_server_lacks_it(server: str) -> None:
    lacking = dict.fromkeys(
        ["seed", "n", "stop", "user", "logit_bias", "thinking", "reasoning", "tools", "stream_options"]
    )
    assert body(server, **lacking) == body(server)


@pytest.mark.parametrize("server", NATIVE)
def test_an_earlier_call_in_the_older_form_is_refused(server: str) -> None:
    with pytest.raises(errors.RequestValidationError, match="use tool_calls") as caught:
        turns(server, {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}})
    assert caught.value.param == "messages"


@pytest.mark.parametrize("server", NATIVE)
def test_thoughts_of_another_server_are_left_out(server: str) -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "secret"}]}
    message = {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]}
    assert "secret" not in json.dumps(turns(server, message))
    assert "Yes." in json.dumps(turns(server, message))


def test_signed_thoughts_as_parts_go_back_as_they_are() -> None:
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "SIG"}
    (turn,) = turns("anthropic", {"role": "assistant", "content": [signed, {"type": "text", "text": "Yes."}]})
    assert turn["content"][0] == signed


@pytest.mark.parametrize("server", ["anthropic", "gemini"])
@pytest.mark.parametrize("held", [{}, {"name": "x"}])
def test_a_form_without_a_schema_is_refused(server: str, held: dict[str, Any]) -> None:
    with pytest.raises(errors.RequestValidationError, match="schema") as caught:
        body(server, response_format={"type": "json_schema", "json_schema": held})
    assert caught.value.param == "response_format"


@pytest.mark.parametrize("server", NATIVE)
@pytest.mark.parametrize("effort", [True, 1.5])
def test_an_effort_that_is_no_word_is_refused(server: str, effort: Any) -> None:
    with pytest.raises(errors.RequestValidationError) as caught:
        body(server, reasoning_effort=effort)
    assert caught.value.param == "reasoning_effort"


def test_an_effort_in_tokens_is_geminis_budget() -> None:
    config = body("gemini", reasoning_effort=100)["generationConfig"]
    assert config == {"thinkingConfig": {"thinkingBudget": 100}}


def test_a_choice_of_tools_that_gemini_lacks_is_refused() -> None:
    with pytest.raises(errors.RequestValidationError, match="name a function"):
        body("gemini", tool_choice={"type": "custom", "custom": {"name": "f"}})
    calling = {"mode": "VALIDATED"}
    assert body("gemini", tool_choice=calling)["toolConfig"] == {"functionCallingConfig": calling}


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({"logprobs": False}, {}),
        ({"logprobs": True}, {"include": ["message.output_text.logprobs"]}),
        ({"logprobs": 3}, {"include": ["message.output_text.logprobs"], "top_logprobs": 3}),
        ({"logprobs": True, "top_logprobs": 2}, {"include": ["message.output_text.logprobs"], "top_logprobs": 2}),
    ],
)
def test_log_probabilities_are_asked_for_in_either_form(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    sent = body("openai_responses", **given)
    assert {name: sent[name] for name in ("include", "top_logprobs") if name in sent} == wanted


def test_files_by_address_or_data_under_one_name() -> None:
    parts = [{"type": "file", "file": url} for url in ("https://example.org/a.pdf", "data:application/pdf;base64,aGk=")]
    (item,) = body("openai_responses", messages=[{"role": "user", "content": parts}])["input"]
    assert item["content"] == [
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,aGk="},
    ]


def test_a_conversation_that_the_server_keeps_is_gone_on_with() -> None:
    sent = body("openai_responses", previous_response_id="resp_1", store=True)
    assert (sent["previous_response_id"], sent["store"]) == ("resp_1", True)
    for server in ("anthropic", "gemini", "together", "r9s", "writer_v1"):
        with pytest.raises(errors.UnsupportedParameterError, match="previous_response_id"):
            body(server, previous_response_id="resp_1")


@pytest.mark.parametrize(
    "server, param, params",
    [
        ("anthropic", "tool_choice", {"tool_choice": "any"}),
        ("gemini", "tool_choice", {"tool_choice": "any"}),
        ("gemini", "response_format", {"response_format": {"type": "regex", "pattern": "a"}}),
        *((server, "messages", {"messages": [{"role": "function", "name": "f", "content": "x"}]}) for server in NATIVE),
        ("anthropic", "messages", {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}),
        ("gemini", "messages", {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}),
        (
            "anthropic",
            "messages",
            {"messages": [{"role": "user", "content": [{"type": "file", "file": "data:text/plain;base64,%%"}]}]},
        ),
    ],
)
def test_what_cannot_be_said_is_named(server: str, param: str, params: dict[str, Any]) -> None:
    with pytest.raises(errors.RequestValidationError) as caught:
        body(server, **params)
    assert caught.value.param == param


def test_data_that_is_no_base64_is_made_so() -> None:
    part = {"type": "file", "file": "data:text/plain,Hello%20there"}
    sent = body("gemini", messages=[{"role": "user", "content": [part]}])
    media = {"mimeType": "text/plain", "data": "SGVsbG8gdGhlcmU="}
    assert sent["contents"][0]["parts"] == [{"inlineData": media}]


def test_log_probabilities_at_gemini_in_either_form() -> None:
    assert body("gemini", logprobs=3)["generationConfig"] == {"responseLogprobs": True, "logprobs": 3}
    both = body("gemini", logprobs=True, top_logprobs=2)["generationConfig"]
    assert both == {"responseLogprobs": True, "logprobs": 2}


def test_a_schema_that_is_true_somewhere_goes_as_json_schema() -> None:
    schema = {"type": "object", "properties": {"a": True}}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    assert body("gemini", response_format=form)["generationConfig"]["responseJsonSchema"] == schema


# ------------------------------------------------------------------ replies


async def answer(colour: Colour, canned: CannedServer, server: str, stream: bool = False) -> Any:
    async with colour.open(server=server, server_url=canned.url, api_key=KEY, retry_config=None) as client:
        limit = {"max_tokens": 5} if server == "anthropic" else {}
        reply = await client.call(
            "chat.create", model="m", messages=HI, **limit, **({"stream": True} if stream else {})
        )
        if not stream:
            return reply
        assert [event async for event in each(reply)]
        return reply.final


@pytest.mark.parametrize("server", NATIVE)
@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_a_whole_reply_in_the_place_of_a_stream(
    colour: Colour, canned: CannedServer, server: str, kind: str
) -> None:
    canned.reply(200, json.dumps(REPLIES[server]).encode(), {"content-type": kind})
    final = await answer(colour, canned, server, stream=True)
    assert (final.text, final.choices[0].finish_reason) == ("Hello", "stop")
    assert final.choices[0].message.blocks


@pytest.mark.parametrize("server", NATIVE)
@pytest.mark.parametrize("document", [{}, {"id": "x"}, {"type": "message"}])
async def test_what_is_no_reply_is_an_error(colour: Colour, canned: CannedServer, server: str, document: Any) -> None:
    canned.reply(200, json.dumps(document).encode(), {"content-type": "application/json"})
    with pytest.raises(errors.ResponseValidationError, match="choices"):
        await answer(colour, canned, server)


async def test_an_error_of_geminis_in_a_200(colour: Colour, canned: CannedServer) -> None:
    stated = {"error": {"code": 429, "message": "Slow down", "status": "RESOURCE_EXHAUSTED"}}
    canned.reply(200, json.dumps(stated).encode(), {"content-type": "application/json"})
    with pytest.raises(errors.RateLimitError, match="Slow down"):
        await answer(colour, canned, "gemini")


@pytest.mark.parametrize("call", ["batches.list", "batches.retrieve"])
async def test_batches_of_anthropics_that_are_none(colour: Colour, canned: CannedServer, call: str) -> None:
    canned.reply(200, b"{}", {"content-type": "application/json"})
    async with colour.open(server="anthropic", server_url=canned.url, api_key=KEY, retry_config=None) as client:
        with pytest.raises(errors.ResponseValidationError):
            await client.call(call, *(["b"] if call == "batches.retrieve" else []))


@pytest.mark.parametrize("server", NATIVE)
async def test_an_error_of_a_proxy_inside_a_stream(colour: Colour, canned: CannedServer, server: str) -> None:
    canned.stream(b'data: {"error": {"message": "Slow down", "code": 429}}\n\n')
    with pytest.raises(errors.RateLimitError, match="Slow down"):
        await answer(colour, canned, server, stream=True)


@pytest.mark.parametrize("server", NATIVE)
async def test_an_error_that_is_no_json_inside_a_stream(colour: Colour, canned: CannedServer, server: str) -> None:
    canned.stream(b"event: error\ndata: upstream overloaded\n\n")
    with pytest.raises(errors.APIStatusError, match="upstream overloaded"):
        await answer(colour, canned, server, stream=True)


@pytest.mark.parametrize("server", NATIVE)
async def test_an_end_mark_of_openais_does_not_end_a_native_stream(
    colour: Colour, canned: CannedServer, server: str
) -> None:
    canned.stream(b"data: [DONE]\n\n")
    with pytest.raises(errors.StreamInterruptedError) as caught:
        await answer(colour, canned, server, stream=True)
    assert caught.value.reason == "truncated"
