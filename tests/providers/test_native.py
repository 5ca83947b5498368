"""Native protocols through the real code: every sample over a real socket, sync and async, and what goes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmsdk import errors
from support.canned import CannedServer
from support.colours import KEY, Colour, each

from .test_codecs import NATIVE, SAMPLES, misses, samples, wire

KEY_HEADER = {"anthropic": "x-api-key", "gemini": "x-goog-api-key", "openai_responses": "authorization"}
SMALL = {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


def options(sample: dict[str, Any], canned: CannedServer) -> dict[str, Any]:
    return {"api_key": KEY, "server": sample["protocol"], "server_url": f"{canned.url}/v1", "retry_config": None}


def serve(canned: CannedServer, sample: dict[str, Any]) -> None:
    kind = "text/event-stream" if sample["file"].endswith(".sse") else "application/json"
    headers = {"content-type": kind, **sample.get("headers", {})}
    canned.reply(sample.get("status", 200), (NATIVE / sample["file"]).read_bytes(), headers)


def reply_for(sample: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in SAMPLES if (one["kind"], one["protocol"]) == (kind, sample["protocol"]))


@pytest.mark.parametrize("sample", samples("request"))
async def test_request(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    is_stream = bool(sample["call"].get("stream"))
    serve(canned, reply_for(sample, "stream" if is_stream else "response"))
    async with colour.open(**options(sample, canned)) as client:
        answer = await client.call("chat.create", **sample["call"])
        if is_stream:
            assert [event async for event in each(answer)]
    request = canned.last
    assert (request.method, request.target) == ("POST", f"/v1{sample['path']}")
    assert request.json == wire(sample)
    form = f"Bearer {KEY}" if sample["protocol"] == "openai_responses" else KEY
    keyed = {name: value for name, value in request.headers.items() if KEY in value}
    assert keyed == {KEY_HEADER[sample["protocol"]]: form}
    assert ("anthropic-version" in request.headers) is (sample["protocol"] == "anthropic")


@pytest.mark.parametrize("sample", samples("response"))
async def test_response(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    serve(canned, sample)
    async with colour.open(**options(sample, canned)) as client:
        reply = await client.call("chat.create", **SMALL)
        assert misses(sample["ours"], reply.model_dump(mode="json", exclude_unset=True)) == []
        # The message goes back as the server's own blocks.
        serve(canned, sample)
        again = [*SMALL["messages"], reply.choices[0].message, {"role": "user", "content": "And?"}]  # type: ignore[misc] # a list of dicts and a message
        await client.call("chat.create", **{**SMALL, "messages": again})
    sent = canned.last.json
    own = sample["ours"]["choices"][0]["message"].get("blocks") or []
    if sample["protocol"] == "openai_responses":
        assert sent["input"][1:-1] == own
    else:
        turns = sent.get("messages", sent.get("contents"))
        given = [turn.get("content", turn.get("parts")) for turn in turns if turn["role"] in ("assistant", "model")]
        assert given == ([own] if own else [])


@pytest.mark.parametrize("sample", samples("stream"))
async def test_stream(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    serve(canned, sample)
    async with colour.open(**options(sample, canned)) as client:
        stream = await client.call("chat.create", **SMALL, stream=True)
        events = [event async for event in each(stream)]
        final = stream.final
    assert misses(sample["ours"], final.model_dump(mode="json", exclude_unset=True)) == []
    assert "".join(event.text for event in events) == final.text
    head = [(event.id, event.model) for event in events]
    assert head == [(final.id, final.model)] * len(events)


@pytest.mark.parametrize("sample", samples("broken stream"))
async def test_broken_stream(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    serve(canned, sample)
    async with colour.open(**options(sample, canned)) as client:
        stream = await client.call("chat.create", **SMALL, stream=True)
        with pytest.raises(errors.RemoteError) as caught:
            assert [event async for event in each(stream)]
    error = caught.value
    assert type(error).__name__ == sample["raises"]
    if sample["message"] is not None:
        assert error.message == sample["message"]
    said = error.partial.choices[0].message
    assert {name: getattr(said, name) for name in sample["partial"]} == sample["partial"]


@pytest.mark.parametrize("sample", samples("error"))
async def test_error(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    serve(canned, sample)
    async with colour.open(**options(sample, canned)) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call("chat.create", **SMALL)
    error = caught.value
    assert type(error).__name__ == sample["raises"]
    assert (error.message, error.type, error.request_id) == (sample["message"], sample["type"], sample["request_id"])
    assert error.data == wire(sample)
    if sample["status"] >= 400:
        assert error.status_code == sample["status"]


@pytest.mark.parametrize("sample", samples("refused"))
async def test_refused(sample: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    async with colour.open(**options(sample, canned)) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("chat.create", **sample["call"])
    assert type(caught.value).__name__ == sample["raises"]
    assert caught.value.param == sample["param"]
    assert canned.requests == []


def test_every_sample_ran() -> None:
    kinds = [sample["kind"] for sample in SAMPLES]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "request": 21,
        "response": 19,
        "stream": 9,
        "broken stream": 8,
        "error": 19,
        "refused": 21,
    }
    assert json.loads((NATIVE / "index.json").read_text("utf-8")) == SAMPLES
