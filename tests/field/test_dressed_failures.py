"""Failures that dress as success, and what servers say of them: nothing came, and something reads as the reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llmsdk import errors
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
DONE = b"data: [DONE]\n\n"
PIECE = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"Half"}}]}\n\n'


async def asked(colour: Colour, canned: CannedServer, *, stream: bool, method: str = "chat.create", **args: Any) -> Any:
    """Call, and take a stream to its end."""
    async with colour.open(api_key=KEY, server_url=canned.url, retry_config=None) as client:
        answer = await client.call(method, **{**ASK, **args}, stream=stream)
        if stream:
            await collect(answer)
            return answer.final
        return answer


def serve(canned: CannedServer, document: Any, *, stream: bool) -> None:
    text = json.dumps(document).encode()
    if stream:
        canned.stream(b"data: " + text + b"\n\n" + DONE)
    else:
        canned.reply(200, text, {"content-type": "application/json"})


# A document without a result, and the server's text in it, whatever it is called.
REASONS: list[tuple[dict[str, Any], str]] = [
    (
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        "insufficient balance",
    ),
    ({"text": "Worker crashed.", "error_code": 50001}, "Worker crashed."),
    ({"choices": [], "message": "no capacity"}, "no capacity"),
    ({"choices": [], "info": "try again later"}, "try again later"),
    ({"choices": [], "data": {"deep": {"err_msg": "overloaded"}}}, "overloaded"),
    ({"code": 401, "msg": "bad key", "success": False}, "bad key"),
    ({"success": False, "result": None, "errors": [{"code": 7, "message": "No route."}]}, "No route."),
    ({"id": "x", "object": "chat.completion", "model": "a b c", "choices": [], "detail": "gone"}, "gone"),
    ({"error": ["a bad", {"message": "b bad"}]}, "a bad; b bad"),
    ({"error": True, "reason": "it broke"}, "it broke"),
    ({"detail": {"error": {"message": "deep"}}}, "deep"),
    ({"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, "field required"),
    ({"errors": {"model": ["is unknown"]}}, "model: is unknown"),
    ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens"),
    ({"Response": {"Error": {"Code": "AuthFailure", "Message": "bad token"}}}, "bad token"),
    ({"data": {"error": "boom"}}, "boom"),
    ({"errcode": 40001, "errmsg": "invalid credential"}, "invalid credential"),
    ([{"error": {"code": "x", "message": "in a list"}}], "in a list"),
    # Marks of failure without a text: the document is the message.
    *(
        (document, json.dumps(document))
        for document in (
            {"choices": [], "status": "failed"},
            {"choices": None, "state": "CANCELED"},
            {"choices": [], "status": 512},
            {"choices": [], "code": 1001},
            {"choices": [], "header": {"code": "AuthFailure"}},
            {"choices": [], "success": False},
        )
    ),
    # Choices in which there is nothing are no answer either.
    ({"choices": [{"index": 0, "finish_reason": "error"}], "error": {"message": "down"}}, "down"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("document, text", REASONS)
async def test_nothing_with_a_reason_is_a_status_error(
    document: Any, text: str, stream: bool, colour: Colour, canned: CannedServer
) -> None:
    serve(canned, document, stream=stream)
    with pytest.raises(errors.APIStatusError) as caught:
        await asked(colour, canned, stream=stream)
    assert caught.value.message == text
    assert caught.value.data == document
    assert json.loads(caught.value.body) == document


@pytest.mark.every_backend
@pytest.mark.parametrize("end", [b"", DONE])
@pytest.mark.parametrize("document, text", REASONS[::5])
async def test_the_reason_may_follow_half_an_answer(
    document: Any, text: str, end: bytes, colour: Colour, canned: CannedServer
) -> None:
    canned.stream(PIECE + b"data: " + json.dumps(document).encode() + b"\n\n" + end)
    with pytest.raises(errors.APIStatusError) as caught:
        await asked(colour, canned, stream=True)
    assert caught.value.message == text
    assert caught.value.partial.text == "Half"


@pytest.mark.parametrize("document, text", REASONS[::5])
async def test_a_named_event_with_any_of_them_is_an_error(
    document: Any, text: str, colour: Colour, canned: CannedServer
) -> None:
    canned.stream(PIECE + b"event: error\ndata: " + json.dumps(document).encode() + b"\n\n" + DONE)
    with pytest.raises(errors.APIStatusError, match=re.escape(text)):
        await asked(colour, canned, stream=True)


FAILED = {"code": 502, "message": "Provider down"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reason", [None, "", "error"])
@pytest.mark.parametrize("count", [1, 2])
async def test_choices_that_failed_are_the_error(
    count: int, reason: str | None, stream: bool, colour: Colour, canned: CannedServer
) -> None:
    choices = [{"index": at, "finish_reason": reason, "error": FAILED} for at in range(count)]
    serve(canned, {"id": "x", "choices": choices}, stream=stream)
    with pytest.raises(errors.BadGatewayError) as caught:
        await asked(colour, canned, stream=stream)
    assert caught.value.message == "Provider down"
    assert stream or json.loads(caught.value.body)["id"] == "x"


async def test_an_answer_beside_a_choice_that_failed_stands(colour: Colour, canned: CannedServer) -> None:
    good = {"index": 1, "message": {"content": "Hi"}, "finish_reason": "stop"}
    serve(canned, {"choices": [{"index": 0, "error": FAILED}, good], "message": "half of it"}, stream=False)
    reply = await asked(colour, canned, stream=False)
    assert reply.choices[0].error == FAILED
    assert reply.choices[1].message.content == "Hi"


async def test_a_reason_beside_an_empty_choice_is_the_error(colour: Colour, canned: CannedServer) -> None:
    serve(canned, {"choices": [{"index": 0, "message": {"content": ""}}], "message": "overloaded"}, stream=False)
    with pytest.raises(errors.SDKDefaultError, match="overloaded"):
        await asked(colour, canned, stream=False)


# Events beside an answer that say nothing of a failure.
BESIDE: list[dict[str, Any]] = [
    {"choices": [], "note": "cached until noon", "code": 0, "status": "ok", "success": True, "msg": "success"},
    {"choices": [], "status": "completed", "code": 200, "ret": "0", "error_code": None, "state": 1},
]


@pytest.mark.parametrize("document", BESIDE)
async def test_other_words_beside_an_answer_are_no_reason(
    document: dict[str, Any], colour: Colour, canned: CannedServer
) -> None:
    canned.stream(PIECE + b"data: " + json.dumps(document).encode() + b"\n\n" + DONE)
    assert (await asked(colour, canned, stream=True)).text == "Half"
    canned.stream(b"data: " + json.dumps({"choices": [], "status": "ok", "msg": "success"}).encode() + b"\n\n" + DONE)
    with pytest.raises(errors.ResponseValidationError, match="without choices"):
        await asked(colour, canned, stream=True)


async def test_the_last_of_many_events_without_results_is_the_reason(colour: Colour, canned: CannedServer) -> None:
    said = [{"choices": [], "queue": number} for number in range(20)]
    events = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in [*said, {"message": "gone"}])
    canned.stream(events)
    with pytest.raises(errors.SDKDefaultError, match="gone"):
        await asked(colour, canned, stream=True)


NOTHING: list[dict[str, Any]] = [
    {"choices": []},
    {},
    {"id": "x", "object": "chat.completion", "created": 1, "model": "some model of ours", "choices": [], "usage": None},
    {"choices": [], "code": 0, "msg": "success"},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("document", NOTHING)
async def test_nothing_without_a_reason_is_no_reply(
    document: dict[str, Any], stream: bool, colour: Colour, canned: CannedServer
) -> None:
    serve(canned, document, stream=stream)
    with pytest.raises(errors.ResponseValidationError, match="choices") as caught:
        await asked(colour, canned, stream=stream)
    assert json.loads(caught.value.body) == document


OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("models.list", {}),
    ("files.list", {}),
    ("embeddings.create", {"model": "m", "input": "a"}),
    ("images.create", {"model": "m", "prompt": "p"}),
    ("moderations.create", {"input": "a"}),
    ("audio.transcribe", {"model": "m", "file": ("a.wav", b"RIFF1234WAVE")}),
    ("audio.speech", {"model": "m", "input": "a", "voice": "v"}),
]


@pytest.mark.parametrize("document", [{"code": 1001, "msg": "bad key"}, {"status": "failed", "reason": "bad key"}])
@pytest.mark.parametrize("method, args", OTHERS)
async def test_a_reason_is_the_error_of_every_operation(
    method: str, args: dict[str, Any], document: dict[str, Any], colour: Colour, canned: CannedServer
) -> None:
    canned.reply(200, document)
    async with colour.open(api_key=KEY, server="openai", server_url=canned.url) as client:
        with pytest.raises(errors.SDKDefaultError, match="bad key"):
            await client.call(method, **args)


async def test_choices_without_anything_are_no_reply(colour: Colour, canned: CannedServer) -> None:
    for method, args in (("chat.create", ASK), ("completions.create", {"model": "m", "prompt": "p"})):
        canned.reply(200, {"choices": [{"index": 0}]})
        async with colour.open(api_key=KEY, server_url=canned.url) as client:
            with pytest.raises(errors.ResponseValidationError, match="none of them has a message"):
                await client.call(method, **args)


async def test_a_stream_that_breaks_off_without_results_is_kept(colour: Colour, canned: CannedServer) -> None:
    canned.stream(b'data: {"choices":[],"queue":3}\n\n')
    with pytest.raises(errors.StreamInterruptedError) as caught:
        await asked(colour, canned, stream=True)
    assert json.loads(caught.value.body) == {"choices": [], "queue": 3}


async def test_an_answer_without_a_token_is_legal(colour: Colour, canned: CannedServer) -> None:
    canned.stream(DONE)
    assert (await asked(colour, canned, stream=True)).choices == []
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    serve(canned, {"choices": [choice]}, stream=False)
    assert (await asked(colour, canned, stream=False)).text == ""


# ------------------------------------------------------- text outside `data:`

CONTEXT = b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n'


@pytest.mark.parametrize("before", [b"", PIECE])
@pytest.mark.parametrize("after", [b"", DONE])
async def test_an_error_as_a_line_of_its_own(before: bytes, after: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.stream(before + CONTEXT + after)
    with pytest.raises(errors.BadRequestError) as caught:
        await asked(colour, canned, stream=True)
    assert caught.value.message == "the request exceeds the available context size"
    assert (caught.value.partial.text or "") == ("Half" if before else "")


@pytest.mark.parametrize("after", [b"", b"\n\n", b"\n\n" + DONE])
@pytest.mark.parametrize(
    "line", [b'{"error":{"code":400,"message":"too long"}}', b'{\n"error": {"code": 400,\n"message": "too long"}}']
)
async def test_an_error_without_a_field(line: bytes, after: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.stream(PIECE + line + after)
    with pytest.raises(errors.BadRequestError) as caught:
        await asked(colour, canned, stream=True)
    assert (caught.value.message, caught.value.partial.text) == ("too long", "Half")


@pytest.mark.parametrize("line", [b"upstream connect error\n\n", b"Internal: boom\r\n\r\n", b"upstream connect error"])
@pytest.mark.parametrize("before", [b"", PIECE])
async def test_other_text_between_events_is_in_the_error(
    line: bytes, before: bytes, colour: Colour, canned: CannedServer
) -> None:
    canned.stream(before + line)
    with pytest.raises(errors.RemoteError) as caught:
        await asked(colour, canned, stream=True)
    assert line.strip().decode() in caught.value.body


async def test_text_and_an_end_mark_are_no_answer(colour: Colour, canned: CannedServer) -> None:
    canned.stream(b"upstream connect error\n\n" + DONE)
    with pytest.raises(errors.ResponseValidationError) as caught:
        await asked(colour, canned, stream=True)
    assert "upstream connect error" in caught.value.body


# ------------------------------------------------------- classes and waits

CLASSES: list[tuple[dict[str, Any], str]] = [
    ({"error": "Input validation error: too long", "error_type": "validation"}, "UnprocessableEntityError"),
    ({"error": {"message": "bad", "http_status_code": 422}}, "UnprocessableEntityError"),
    ({"error": {"message": "busy", "http_status": 503}}, "ServiceUnavailableError"),
    ({"error": "Model is overloaded", "error_type": "overloaded"}, "ServiceUnavailableError"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("document, name", CLASSES)
async def test_the_class_is_that_of_the_type(
    document: dict[str, Any], name: str, stream: bool, colour: Colour, canned: CannedServer
) -> None:
    serve(canned, document, stream=stream)
    with pytest.raises(errors.APIStatusError) as caught:
        await asked(colour, canned, stream=stream)
    assert type(caught.value).__name__ == name


SPENT = [
    {"type": "exceeded_current_quota_error"},
    {"code": "1113"},
    {"code": 1113},
    {"code": "insufficient_balance"},
    {"code": "InsufficientBalance"},
    {"type": "insufficient_quota"},
    {"code": "billing_hard_limit_reached"},
    {"code": "Arrearage"},
    {"code": "insufficient_user_quota"},
    {"type": "credit_balance_too_low"},
    {"code": "AccountOverdueError"},
    {"code": "out_of_credits"},
]


PASSING = [{"code": "rate_limit_exceeded"}, {"code": 429, "status": "RESOURCE_EXHAUSTED"}, {"type": "tokens"}]


@pytest.mark.parametrize("passing", PASSING)
async def test_a_limit_that_passes_is_tried_again(
    passing: dict[str, Any], colour: Colour, canned: CannedServer
) -> None:
    canned.reply(429, {"error": {"message": "Slow down.", **passing}}, {"retry-after-ms": "1"})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        with pytest.raises(errors.RateLimitError):
            await client.call("chat.create", **ASK)
    assert len(canned.requests) == 3


@pytest.mark.parametrize("spent", SPENT)
async def test_a_spent_balance_is_not_tried_again(spent: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    canned.reply(429, json.dumps({"error": {"message": "No credit.", **spent}}).encode(), {"x-a": "b"})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        with pytest.raises(errors.RateLimitError):
            await client.call("chat.create", **ASK)
    assert len(canned.requests) == 1


INFO = "type.googleapis.com/google.rpc.RetryInfo"
WAITS: list[tuple[Any, dict[str, str], float | None]] = [
    ({"error": {"message": "x", "details": [{"@type": INFO, "retryDelay": "1.5s"}]}}, {}, 1.5),
    ([{"error": {"message": "x", "details": [{"@type": INFO, "retryDelay": "17s"}]}}], {}, 17.0),
    ({"error": {"message": "x"}, "retry_after": 3}, {}, 3.0),
    ({"error": {"message": "x", "details": [{"retryDelay": "1.5s"}]}}, {"retry-after": "4"}, 4.0),
    ({"error": {"message": "x", "details": [{"retryDelay": "soon"}]}}, {}, None),
    ({"error": {"message": "x"}, "retry_after": None}, {}, None),
    ({"error": {"message": "x", "retry_after_ms": 1500}}, {}, 1.5),
    ({"detail": "x", "parameters": {"retryAfterMs": 250}}, {}, 0.25),
    ({"detail": "x", "retryDelay": "1m2.5s"}, {}, 62.5),
    ({"detail": "x", "retry_after": "-5", "retry_after_ms": True}, {}, None),
]


@pytest.mark.parametrize("document, headers, wait", WAITS)
async def test_a_wait_may_stand_in_the_body(
    document: Any, headers: dict[str, str], wait: float | None, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(429, json.dumps(document).encode(), headers)
    with pytest.raises(errors.RateLimitError) as caught:
        await asked(colour, canned, stream=False)
    assert caught.value.retry_after_s == wait


async def test_a_wait_in_the_body_is_waited_for(colour: Colour, canned: CannedServer) -> None:
    canned.reply(429, b'{"error": {"message": "x", "details": [{"retryDelay": "0.05s"}]}}', {})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        with pytest.raises(errors.RateLimitError) as caught:
            await client.call("chat.create", **ASK)
    assert len(caught.value.meta.attempts) == 3


# ------------------------------------------------------- bodies and requests


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_that_only_says_it_is_coded_is_kept(stream: bool, colour: Colour, canned: CannedServer) -> None:
    body = PIECE if stream else b'{"id": "1", "choices": []}'
    kind = "text/event-stream" if stream else "application/json"
    canned.reply(200, body, {"content-type": kind, "content-encoding": "gzip"})
    with pytest.raises(errors.ResponseValidationError, match="gzip") as caught:
        await asked(colour, canned, stream=stream)
    assert caught.value.body == body.decode()


PROMPTS: list[Any] = [["a", "b"], [1, 2, 3], [[1, 2], [3]], ("a",)]


@pytest.mark.parametrize("prompt", PROMPTS)
async def test_prompts_in_other_forms(prompt: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, b'{"choices": [{"index": 0, "text": "Hi", "finish_reason": "stop"}]}', {})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        await client.call("completions.create", model="m", prompt=prompt)
    assert canned.last.json["prompt"] == json.loads(json.dumps(prompt))
    async with colour.open(api_key=KEY, server="together", server_url=canned.url) as client:
        with pytest.raises(errors.RequestValidationError, match="prompt: must be one string"):
            await client.call("completions.create", model="m", prompt=prompt)


async def test_a_named_function_in_writers_form(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, b'{"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}', {})
    named = {"type": "function", "function": {"name": "f"}}
    async with colour.open(api_key=KEY, server="writer_v1", server_url=canned.url) as client:
        for choice in (named, {"value": named}):
            await client.call("chat.create", **ASK, tool_choice=choice)
            assert canned.last.json["tool_choice"] == {"value": named}
        await client.call("chat.create", **ASK, tool_choice="auto")
        assert canned.last.json["tool_choice"] == "auto"
