"""The calls of the seed SDKs, with only import and constructor changed.

Together's generated client, Writer's (writerai) and r9s's; what each call must put on the wire is written out.
"""

from __future__ import annotations

from typing import Any

import pytest

from llmsdk import EventStream, EventStreamAsync, errors, models
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

pytestmark = pytest.mark.every_backend

COMPLETION = {
    "id": "c-1",
    "object": "text.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "text": " there was", "finish_reason": "length"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}
CHAT = {
    "id": "c-2",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
}
COMPLETION_STREAM = (
    b'data: {"id": "c-1", "choices": [{"index": 0, "text": " there"}]}\n\n'
    b'data: {"id": "c-1", "choices": [{"index": 0, "text": " was", "finish_reason": "length"}]}\n\n'
    b"data: [DONE]\n\n"
)

# ---------------------------------------------------------------- Together

# The parameters of Together's completion page, all 18 that go into the body.
TOGETHER_COMPLETION: dict[str, Any] = {
    "model": "mistralai/Mixtral-8x7B-v0.1",
    "prompt": "Once upon a time",
    "max_tokens": 16,
    "stop": ["\n\n"],
    "temperature": 0.7,
    "top_p": 0.7,
    "top_k": 50,
    "repetition_penalty": 1.0,
    "stream": False,
    "logprobs": 1,
    "echo": True,
    "n": 2,
    "safety_model": "Meta-Llama/Llama-Guard-7b",
    "min_p": 0.1,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "logit_bias": {"1024": -10.5, "105": 21.4},
    "seed": 42,
}
# The ten of its image page.
TOGETHER_IMAGE: dict[str, Any] = {
    "model": "black-forest-labs/FLUX.1-schnell",
    "prompt": "cat floating in space, cinematic",
    "steps": 20,
    "image_url": "https://images.example/start.png",
    "seed": 7,
    "n": 1,
    "height": 1024,
    "width": 1024,
    "negative_prompt": "blurry",
    "response_format": "base64",
}


def together(colour: Colour, canned: CannedServer) -> Any:
    return colour.open(api_key=KEY, server="together", server_url=f"{canned.url}/v1")


async def test_together_completions(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, COMPLETION)
    async with together(colour, canned) as s:
        res = await s.call(
            "completions.create",
            completion_request=models.CompletionRequest(
                model="mistralai/Mixtral-8x7B-v0.1", prompt="Once upon a time", max_tokens=16
            ),
        )
    assert res.choices[0].text == " there was"
    assert canned.last.target == "/v1/completions"
    assert canned.last.headers["authorization"] == f"Bearer {KEY}"
    assert canned.last.json == {
        "model": "mistralai/Mixtral-8x7B-v0.1",
        "prompt": "Once upon a time",
        "max_tokens": 16,
    }


async def test_together_chat_completions(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, CHAT)
    request: models.ChatCompletionRequest = {
        "model": "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "messages": [{"role": "user", "content": "Say hello."}],
    }
    async with together(colour, canned) as s:
        res = await s.call("chat.create", chat_completion_request=request)
    assert res.choices[0].message.content == "Hello."
    assert canned.last.target == "/v1/chat/completions"
    assert canned.last.json == request


@pytest.mark.parametrize("form", ["flat", "object"])
async def test_together_completion_takes_all_18_parameters(form: str, colour: Colour, canned: CannedServer) -> None:
    assert len(TOGETHER_COMPLETION) == 18
    canned.reply(200, COMPLETION)
    args = TOGETHER_COMPLETION if form == "flat" else {"completion_request": TOGETHER_COMPLETION}
    async with together(colour, canned) as s:
        await s.call("completions.create", **args)
    assert canned.last.json == TOGETHER_COMPLETION


@pytest.mark.parametrize("form", ["flat", "object"])
async def test_together_image_takes_all_10_parameters(form: str, colour: Colour, canned: CannedServer) -> None:
    assert len(TOGETHER_IMAGE) == 10
    canned.reply(200, {"id": "i", "model": "m", "object": "list", "data": [{"index": 0, "b64_json": "aGk="}]})
    args = TOGETHER_IMAGE if form == "flat" else {"image_request": TOGETHER_IMAGE}
    async with together(colour, canned) as s:
        res = await s.call("images.create", **args)
    assert res.data[0].b64_json == "aGk="
    assert canned.last.target == "/v1/images/generations"
    assert canned.last.json == TOGETHER_IMAGE


async def test_together_completion_streams(colour: Colour, canned: CannedServer) -> None:
    canned.stream(COMPLETION_STREAM)
    async with together(colour, canned) as s:
        request = {**TOGETHER_COMPLETION, "stream": True}
        stream = await s.call("completions.create", completion_request=request)
        assert isinstance(stream, EventStreamAsync if colour.is_async else EventStream)
        assert [event.choices[0].text for event in await collect(stream)] == [" there", " was"]
    assert canned.last.json == request


async def test_together_errors_have_a_class_per_status(colour: Colour, canned: CannedServer) -> None:
    canned.reply(401, {"error": {"message": "Bad key.", "type": "invalid_request_error", "code": "invalid_api_key"}})
    async with together(colour, canned) as s:
        with pytest.raises(errors.AuthenticationError, match=r"Bad key\."):
            await s.call("completions.create", completion_request={"model": "m", "prompt": "p"})


# ------------------------------------------------------------------ Writer


def writer(colour: Colour, canned: CannedServer, **options: Any) -> Any:
    return colour.open(api_key=KEY, server="writer", server_url=canned.url, **options)


WRITER_REPLY = {"choices": [{"text": " there was"}], "model": "palmyra-x"}


async def test_writer_create(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, WRITER_REPLY)
    async with writer(colour, canned) as s:
        res = await s.call(
            "completions.create",
            completion_request=models.CompletionRequest(prompt="Once upon a time", max_tokens=5, best_of=2),
            model_id="palmyra-x",
            organization_id=850421,
        )
    assert res.text == " there was"
    assert canned.last.target == "/llm/organization/850421/model/palmyra-x/completions"
    assert canned.last.headers["authorization"] == KEY
    assert canned.last.json == {"prompt": "Once upon a time", "maxTokens": 5, "bestOf": 2}


@pytest.mark.parametrize("where", ["constructor", "call", "call over constructor"])
async def test_writer_customization(where: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, WRITER_REPLY)
    options = {} if where == "call" else {"organization_id": 1}
    given = {} if where == "constructor" else {"organization_id": 2}
    async with writer(colour, canned, **options) as s:
        res = await s.call(
            "completions.create_model_customization_completion",
            completion_request=models.CompletionRequest(prompt="Once", top_p=0.5, stop=["x"]),
            customization_id="cust/1",
            model_id="palmyra-x",
            **given,
        )
    assert res.choices[0].text == " there was"
    organization = 1 if where == "constructor" else 2
    assert canned.last.target == f"/llm/organization/{organization}/model/palmyra-x/customization/cust%2F1/completions"
    assert canned.last.json == {"prompt": "Once", "topP": 0.5, "stop": ["x"]}


async def test_writer_streams_on_its_own_path(colour: Colour, canned: CannedServer) -> None:
    canned.stream(b'data: {"value": " there"}\n\ndata: {"value": " was"}\n\n')
    async with writer(colour, canned, organization_id=7) as s:
        stream = await s.call(
            "completions.create", completion_request={"prompt": "Once"}, model_id="palmyra-x", stream=True
        )
        assert [event.text for event in await collect(stream)] == [" there", " was"]
        assert stream.final.text == " there was"
    assert canned.last.target == "/llm/organization/7/model/palmyra-x/completions/stream"
    assert canned.last.json == {"prompt": "Once"}


# --------------------------------------------------------------------- r9s

R9S_COMPLETION: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "prompt": "Once upon a time",
    "max_tokens": 100,
    "temperature": 1,
    "top_p": 0.9,
    "n": 1,
    "stop": "\n",
    "presence_penalty": 0,
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "user": "user-1",
    "best_of": 1,
    "echo": False,
    "seed": 5,
}


@pytest.mark.parametrize("stream", [False, True])
async def test_r9s_create_with_all_parameters_and_retries(stream: bool, colour: Colour, canned: CannedServer) -> None:
    statuses = iter([502, 429, 200])

    def script(connection: Any, _: Any) -> bool:
        status = next(statuses)
        body = b'{"error": {"message": "Later."}}'
        if status == 200 and stream:
            connection.head(200, content_type="text/event-stream")
            connection.chunk(COMPLETION_STREAM)
            connection.chunk(b"")
            return True
        if status == 200:
            body = b'{"choices": [{"index": 0, "text": " there was", "finish_reason": "length"}]}'
        connection.send(b"HTTP/1.1 %d Canned\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        return True

    canned.script = script
    async with colour.open(api_key=KEY, server="r9s", server_url=f"{canned.url}/v1") as s:
        res = await s.call(
            "completions.create",
            **R9S_COMPLETION,
            stream=stream,
            retries=RetryConfig("backoff", BackoffStrategy(1, 50, 1.1, 10_000), False),
        )
        if stream:
            await collect(res)
            res = res.final
    assert res.text == " there was"
    assert [attempt.status for attempt in res.meta.attempts] == [502, 429, 200]
    assert [request.json for request in canned.requests] == [{**R9S_COMPLETION, "stream": stream}] * 3
    assert [request.headers.get("x-llmsdk-retry-count") for request in canned.requests] == [None, "1", "2"]
    assert len({request.headers["idempotency-key"] for request in canned.requests}) == 1
    assert canned.connections == 1


async def test_r9s_options_of_a_call(colour: Colour, canned: CannedServer) -> None:
    """`retries`, `server_url`, `timeout_ms`, `http_headers`: the options that every generated method takes."""
    canned.reply(200, COMPLETION)
    async with colour.open(api_key=KEY, server="r9s", server_url="http://127.0.0.1:9") as s:
        res = await s.call(
            "completions.create",
            model="m",
            prompt="p",
            retries=None,
            server_url=f"{canned.url}/v1",
            timeout_ms=5_000,
            http_headers={"X-Mine": "1", "Authorization": "Bearer other-placeholder"},
        )
    assert res.usage.total_tokens == 6
    assert canned.last.headers["x-mine"] == "1"
    assert canned.last.headers["authorization"] == "Bearer other-placeholder"
