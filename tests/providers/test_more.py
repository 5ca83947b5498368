"""Speech, transcription, rerank, moderation and image edits as nine servers write them: every sample on sockets."""

from __future__ import annotations

import base64
import json
from collections import Counter
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Client, Colour, collect

FOLDER = Path(__file__).parents[1] / "data" / "more"
INDEX: list[dict[str, Any]] = json.loads((FOLDER / "index.json").read_text())
# The smallest arguments of each method, for samples that are replies, and a reply, for those that are requests.
ARGS: dict[str, dict[str, Any]] = {
    "audio.speech": {"model": "m", "input": "Hi.", "voice": "v"},
    "audio.transcribe": {"model": "m", "file": ("clip.wav", b"RIFF")},
    "audio.translate": {"model": "m", "file": ("clip.wav", b"RIFF")},
    "rerank.create": {"model": "m", "query": "q", "documents": ["a", "b"]},
    "moderations.create": {"model": "m", "input": ["a"]},
    "images.edit": {"model": "m", "prompt": "p", "image": b"x"},
}
REPLIES: dict[str, tuple[str, bytes]] = {
    "audio.speech": ("audio/wav", b"RIFF....WAVE"),
    "images.edit": ("application/json", b'{"created":1,"data":[{"b64_json":"iVBORw0KGgo="}]}'),
    "audio.transcribe": ("application/json", b'{"text":"x"}'),
    "audio.translate": ("application/json", b'{"text":"x"}'),
    "rerank.create": ("application/json", b'{"results":[{"index":0,"relevance_score":1}]}'),
    "moderations.create": ("application/json", b'{"results":[{"flagged":false},{"flagged":false}]}'),
}
SOUND = base64.b64decode("AAAQACAAEAAAAPD/")


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(row, id=row["file"]) for row in INDEX if row["kind"] in kinds]


def test_all_samples_are_here() -> None:
    assert Counter(row["kind"] for row in INDEX) == {"request": 25, "response": 29, "stream": 13, "error": 13}
    assert sum(len(of_kind(kind)) for kind in ("request", "response", "stream", "error")) == 80
    assert all((FOLDER / row["file"]).is_file() for row in INDEX)


def opened(row: dict[str, Any], colour: Colour, canned: CannedServer) -> Client:
    base = canned.url + urlsplit(PROVIDERS[row["server"]].servers[0]).path
    return colour.open(server=row["server"], server_url=base, api_key=KEY, retry_config=None)


def parts_of(request: Request) -> list[Any]:
    """Read a form as the samples write it."""
    kind = request.headers["content-type"]
    if kind == "application/x-www-form-urlencoded":
        return [list(pair) for pair in parse_qsl(request.body.decode())]
    message: Any = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.body, policy=HTTP)
    found: list[Any] = []
    for part in message.iter_parts():
        head = part["content-disposition"].params
        content: bytes = part.get_payload(decode=True)
        value: Any = content.decode("latin-1")
        if "filename" in head:
            encoded = base64.b64encode(content).decode()
            value = {"filename": head["filename"], "content_type": part.get_content_type(), "base64": encoded}
        elif "content-type" in part:
            value = {"content_type": part.get_content_type(), "text": value}
        found.append([head["name"], value])
    return found


@pytest.mark.parametrize("row", of_kind("request"))
async def test_a_call_sends_what_the_vendor_client_sends(
    row: dict[str, Any], colour: Colour, canned: CannedServer
) -> None:
    sample = json.loads((FOLDER / row["file"]).read_text())
    call = dict(row["call"])
    for name in call.keys() & {"file", "image"}:
        call[name] = (call[name]["filename"], base64.b64decode(call[name]["base64"]))
    kind, body = REPLIES[row["operation"]]
    canned.reply(200, body, {"content-type": kind})
    async with opened(row, colour, canned) as client:
        result = await client.call(row["operation"], **call)
        if call.get("stream"):
            await collect(result)
    assert f"{canned.last.method} {canned.last.target}" == f"POST {urlsplit(row['base']).path}{row['path']}"
    assert canned.last.headers["authorization"] == f"Bearer {KEY}"
    assert canned.last.headers["content-type"].startswith(sample["headers"]["content-type"])
    if "json" in sample:
        assert canned.last.json == sample["json"]
    else:
        assert sorted(parts_of(canned.last), key=repr) == sorted(sample["form"], key=repr)


@pytest.mark.parametrize("row", of_kind("response"))
async def test_a_reply_is_read_whole(row: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    body = (FOLDER / row["file"]).read_bytes()
    if row.get("encoding") == "base64":
        body = base64.b64decode(body)
    canned.reply(row["status"], body, row["headers"])
    async with opened(row, colour, canned) as client:
        reply = await client.call(row["operation"], **ARGS[row["operation"]])
    assert reply.meta.status_code == 200
    if row["operation"] == "audio.speech":
        wanted = base64.b64decode(json.loads(body)["audio_data"]) if row["file"].endswith(".json") else body
        assert reply.audio == wanted
        assert reply.media_type in ("audio/wav", "audio/mpeg")
    elif row["file"].endswith(".txt"):
        assert reply.text == body.decode()
        assert reply.model_dump(exclude_unset=True) == {"text": reply.text}
    else:  # nothing is lost, and nothing is added
        assert json.loads(reply.model_dump_json(exclude_unset=True)) == json.loads(body)


def test_replies_of_all_forms_have_one_place_for_each_thing() -> None:
    from llmsdk.models import RerankResponse, Transcription

    told = json.loads((FOLDER / "together/audio-transcribe.verbose.response.json").read_text())
    reply = Transcription.model_validate(told)
    assert reply.words is not None
    assert reply.speaker_segments is not None
    assert [word.speaker for word in reply.words] == ["SPEAKER_00", "SPEAKER_01"]
    assert reply.speaker_segments[0].speaker == "SPEAKER_00"
    told = json.loads((FOLDER / "openai/audio-transcribe.diarized.response.json").read_text())
    segments = Transcription.model_validate(told).segments
    assert segments is not None
    assert [(one.id, one.speaker) for one in segments] == [("seg_001", "guide"), ("seg_002", "A")]
    told = json.loads((FOLDER / "vllm/rerank-create.response.json").read_text())
    results = RerankResponse.model_validate(told).results
    assert [one.document and one.document.text for one in results] == ["A red boat.", "A blue boat."]


@pytest.mark.parametrize("row", of_kind("stream"))
async def test_a_stream_is_read_to_its_end(row: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    body = (FOLDER / row["file"]).read_bytes()
    if row.get("encoding") == "base64":

        def raw(connection: Connection, request: Request) -> None:
            connection.head(content_type=row["headers"]["content-type"])
            for line in body.splitlines():
                connection.chunk(base64.b64decode(line))
            connection.chunk(b"")

        canned.script = raw
    else:
        canned.reply(row["status"], body, row["headers"])
    async with opened(row, colour, canned) as client:
        stream = await client.call(row["operation"], **ARGS[row["operation"]], stream=True)
        if "failed" in row["file"]:
            with pytest.raises(errors.BadRequestError, match="engine stopped") as caught:
                await collect(stream)
            assert caught.value.partial.text == "The ferry"
            return
        events = await collect(stream)
    if row["operation"] == "audio.speech":
        assert b"".join(event.audio for event in events) == SOUND
        assert stream.final.audio == b""
        has_usage = b"usage" in body
        assert (stream.final.usage is not None) == has_usage
        if has_usage:
            assert stream.final.usage.total_tokens == 67
        return
    if row["operation"] == "images.edit":
        assert len(events) == 2
        check_images(stream.final, body)
        return
    said = "".join(event.text for event in events)
    assert said.startswith("The ferry leaves")
    assert stream.final.text == said
    assert stream.final.usage.total_tokens in (11, 22, 25, 200)
    if "speakers" in row["file"] or row["server"] == "mistral":
        (segment,) = stream.final.segments
        assert (segment.text, segment.end) == ("The ferry leaves.", 1.0)
        assert [event.segment.text for event in events if event.segment] == ["The ferry leaves."]
    if row["server"] == "mistral":
        assert (stream.final.language, stream.final.model) == ("en", "voxtral-mini-2602")
    if row["file"] == "openai/audio-transcribe.stream.sse":
        assert stream.final.logprobs == [{"token": "The ferry", "logprob": -0.02, "bytes": [84]}]
        assert stream.final.languages == [{"code": "en"}]


def check_images(final: Any, body: bytes) -> None:
    """The last picture, with what the last event says of it, in either shape of the events."""
    last = json.loads([line for line in body.splitlines() if line.startswith(b"data: {")][-1][6:])
    (image,) = final.data
    assert image.b64_json == "iVBORw0KGgo="
    assert image.revised_prompt == ("A red boat" if "data" in last else None)
    assert final.usage.model_dump(exclude_unset=True) == last["usage"]
    assert final.created == 1769000000 + ("data" not in last)


@pytest.mark.parametrize("row", of_kind("error"))
async def test_an_error_is_the_one_of_its_status(row: dict[str, Any], colour: Colour, canned: CannedServer) -> None:
    body = (FOLDER / row["file"]).read_bytes()
    canned.reply(row["status"], body, row["headers"])
    async with opened(row, colour, canned) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call(row["operation"], **ARGS[row["operation"]])
    assert caught.value.status_code == row["status"]
    assert len(canned.requests) == 1
    texts = [one for one in _texts(json.loads(body)) if " " in one] if row["file"].endswith("json") else [body.decode()]
    assert caught.value.message.strip() in [one.strip() for one in texts]


def _texts(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in _texts(value)]
    if isinstance(document, list):
        return [text for value in document for text in _texts(value)]
    return [document] if isinstance(document, str) else []
