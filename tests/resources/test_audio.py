"""`sdk.audio`: sounds in memory, in files and in pieces; recordings of every kind; and what both get wrong."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmsdk import SDK, Failover, errors
from llmsdk.local import Fault, LocalServer
from llmsdk.models import Speech, SpeechChunk, Transcription
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Client, Colour, collect, each, settled

SAY = {"model": "m", "input": "The ferry leaves at nine.", "voice": "calm"}
HEAR = {"model": "m", "file": ("clip.wav", b"RIFF0000WAVEfmt ")}
WAV = b"RIFF0000WAVEfmt " + bytes(range(256)) * 4
SSE = (
    b'data: {"type":"speech.audio.delta","audio":"AAEC"}\n\n'
    b'data: {"type":"speech.audio.done","usage":{"total_tokens":3}}\n\n'
)


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "said.wav"


def opened(colour: Colour, canned: CannedServer, **options: Any) -> Client:
    return colour.open(server_url=canned.url, api_key=KEY, **options)


# ---------------------------------------------------------------- speech: three ways


@pytest.mark.also_trio
@pytest.mark.every_backend
async def test_one_sound_in_three_ways(colour: Colour, to: Path) -> None:
    with LocalServer() as server:
        async with colour.open(server_url=server.url, api_key=KEY) as client:
            whole = await client.call("audio.speech", **SAY)
            stream = await client.call("audio.speech", **SAY, stream=True)
            pieces = [event.audio for event in await collect(stream)]
            assert await client.call("audio.speech", **SAY, to=to) == to
            assert await client.call("audio.speech", **SAY, to=str(to), stream=True) == to
            events = await client.events("audio.speech", **SAY, stream_format="sse")
            folded = await client.call("audio.speech", **SAY, stream_format="sse")  # a stream that nobody asked for
    assert whole.audio[:4] == b"RIFF"
    assert whole.content == whole.audio
    assert pieces
    assert whole.audio == b"".join(pieces) == to.read_bytes() == b"".join(event.audio for event in events)
    assert folded.audio == whole.audio
    assert folded.usage.total_tokens == events[-1].usage.total_tokens > 0


@pytest.mark.parametrize("server", ["openai", "together", "r9s", "groq", "mistral"])
async def test_every_server_speaks(server: str, colour: Colour, to: Path) -> None:
    with LocalServer(dialect=server) as local:
        async with colour.open(server=server, server_url=local.url, api_key=KEY) as client:
            whole = await client.call("audio.speech", **SAY)
            stream = await client.call("audio.speech", **SAY, stream=True)
            pieces = b"".join(event.audio for event in await collect(stream))
            await client.call("audio.speech", **SAY, to=to)
            # What the stream itself costs no memory for is not kept.
            with pytest.raises(errors.ConfigurationError, match="handed out in pieces"):
                stream.final.save(to)
    assert whole.audio == pieces == to.read_bytes()
    assert whole.media_type == "audio/wav"


async def test_a_sound_is_saved_with_its_suffix(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    canned.reply(200, WAV, {"content-type": "application/octet-stream"})
    async with opened(colour, canned) as client:
        reply = await client.call("audio.speech", **SAY)
    save = reply.save_async if colour.is_async else reply.save
    assert await settled(save(tmp_path / "ferry")) == tmp_path / "ferry.wav"
    assert await settled(save(tmp_path / "ferry.bin")) == tmp_path / "ferry.bin"
    assert (tmp_path / "ferry.wav").read_bytes() == (tmp_path / "ferry.bin").read_bytes() == WAV
    with pytest.raises(errors.RequestValidationError, match="is a folder"):
        await settled(save(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["ferry.bin", "ferry.wav"]


def test_a_sound_as_json_pickle_print_and_player() -> None:
    speech = Speech(audio=WAV)
    assert Speech.model_validate_json(speech.model_dump_json()) == speech
    assert Speech.model_validate(speech.model_dump()) == speech
    assert pickle.loads(pickle.dumps(speech)) == copy.deepcopy(speech) == speech
    assert repr(speech) == f"Speech(audio='<{len(WAV)} bytes of audio/wav>')"
    page = speech._repr_html_()
    assert f"data:audio/wav;base64,{base64.b64encode(WAV).decode()}" in page
    assert "<audio controls" in page
    raw = Speech(audio=b"\0\1" * 8)
    assert raw.media_type == "application/octet-stream"
    assert "16 bytes of sound</div>" in raw._repr_html_()
    assert "<audio" not in raw._repr_html_()
    assert repr(SpeechChunk(audio=b"abc", type="x")) == "SpeechChunk(audio='<3 bytes of sound>', type='x')"


@pytest.mark.parametrize("name", ["audio", "audio_data", "b64", "delta"])
async def test_base64_under_every_name(name: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {name: base64.b64encode(WAV).decode(), "id": "s1", "usage": {"total_tokens": 1}})
    async with opened(colour, canned) as client:
        reply = await client.call("audio.speech", **SAY)
        stream = await client.call("audio.speech", **SAY, stream=True)
        (event,) = await collect(stream)
    assert reply.audio == event.audio == WAV
    assert reply.id == "s1"
    assert stream.final.usage.total_tokens == 1


# ---------------------------------------------------------------- speech: what is no sound


@pytest.mark.parametrize("way", ["whole", "stream", "to"])
@pytest.mark.parametrize(
    "kind, body, error",
    [
        ("application/json", b'{"error":{"message":"no voice","code":"rate_limit_exceeded"}}', errors.RateLimitError),
        ("audio/mpeg", b'{"error":{"message":"no voice","code":"rate_limit_exceeded"}}', errors.RateLimitError),
        ("text/html", b"<html>Sign in</html>", errors.ResponseValidationError),
        ("application/json", b'{"audio":"not base64!"}', errors.ResponseValidationError),
        ("application/json", b'{"audio":"AAE', errors.ResponseValidationError),
        ("application/json", b"{}", errors.ResponseValidationError),
        ("application/json", b"", errors.ResponseValidationError),
        ("audio/wav", b"", errors.ResponseValidationError),
    ],
)
async def test_what_is_no_sound(
    kind: str, body: bytes, error: type[errors.SDKError], way: str, colour: Colour, canned: CannedServer, to: Path
) -> None:
    canned.reply(200, body, {"content-type": kind})
    to.write_bytes(b"before")
    async with opened(colour, canned, retry_config=None) as client:
        with pytest.raises(errors.SDKError) as caught:
            if way == "stream":
                await client.events("audio.speech", **SAY)
            else:
                await client.call("audio.speech", **SAY, **({"to": to} if way == "to" else {}))
    assert type(caught.value) is error or (way != "whole" and isinstance(caught.value, errors.StreamInterruptedError))
    assert to.read_bytes() == b"before"
    assert os.listdir(to.parent) == ["said.wav"]


@pytest.mark.parametrize("kind", ["application/octet-stream", "audio/mpeg", "text/plain", None])
async def test_events_that_call_themselves_something_else(
    kind: str | None, colour: Colour, canned: CannedServer
) -> None:
    headers = {"content-type": kind} if kind else {"content-type": ""}
    canned.reply(200, SSE, headers)
    async with opened(colour, canned) as client:
        stream = await client.call("audio.speech", **SAY, stream=True)
        assert b"".join(event.audio for event in await collect(stream)) == b"\0\1\2"
        assert stream.final.usage.total_tokens == 3
        assert (await client.call("audio.speech", **SAY)).audio == b"\0\1\2"


@pytest.mark.parametrize("sound", [b"{", b"{ \0\1", b"data", b":", b"id: 1\n\n", b"[]", b"d", b"\n\n\n"])
async def test_sounds_that_begin_as_something_else(sound: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, sound, {"content-type": "audio/pcm"})
    async with opened(colour, canned) as client:
        assert (await client.call("audio.speech", **SAY)).audio == sound
        assert [event.audio for event in await client.events("audio.speech", **SAY)] == [sound]


async def test_events_cut_anywhere(colour: Colour, canned: CannedServer) -> None:
    """A stream that calls itself a file is told from one by its first bytes, however these come."""

    def script(connection: Connection, request: Request) -> bool:
        connection.head(content_type="application/octet-stream")
        for at in range(len(SSE)):
            connection.chunk(SSE[at : at + 1])
        connection.chunk(b"")
        return True

    canned.script = script
    async with opened(colour, canned) as client:
        assert [event.audio for event in await client.events("audio.speech", **SAY)] == [b"\0\1\2", b""]


async def test_an_error_inside_the_events(colour: Colour, canned: CannedServer, to: Path) -> None:
    body = SSE.split(b"\n\n")[0] + b'\n\ndata: {"type":"speech.audio.error","error":{"message":"gone","code":503}}\n\n'
    canned.stream(body)
    async with opened(colour, canned, retry_config=None) as client:
        with pytest.raises(errors.ServiceUnavailableError, match="gone"):
            await client.events("audio.speech", **SAY)
        with pytest.raises(errors.ServiceUnavailableError, match="gone"):
            await client.call("audio.speech", **SAY, to=to)
    assert os.listdir(to.parent) == []


async def test_a_coded_file(colour: Colour, canned: CannedServer, to: Path) -> None:
    coded = gzip.compress(WAV)
    canned.reply(200, coded, {"content-type": "audio/wav", "content-encoding": "gzip"})
    async with opened(colour, canned, retry_config=None) as client:
        await client.call("audio.speech", **SAY, to=to)
        assert to.read_bytes() == (await client.call("audio.speech", **SAY)).audio == WAV
        canned.reply(200, coded[:-9], {"content-type": "audio/wav", "content-encoding": "gzip"})
        with pytest.raises(errors.StreamInterruptedError, match="cut"):
            await client.call("audio.speech", **SAY, to=to)
    assert to.read_bytes() == WAV


@pytest.mark.parametrize("kind", ["audio/wav", "text/event-stream"])
async def test_no_server_fills_a_disk(
    kind: str, colour: Colour, canned: CannedServer, to: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pieces", "events"):
        monkeypatch.setattr(f"llmsdk._call.stream.{module}.MAX_FILE_BYTES", 100)
    canned.reply(200, WAV if kind == "audio/wav" else SSE, {"content-type": kind})
    async with opened(colour, canned, retry_config=None) as client:
        with pytest.raises(errors.ResponseValidationError, match="is larger than 100 bytes"):
            await client.call("audio.speech", **SAY, to=to)
    assert not to.exists()


# ---------------------------------------------------------------- speech: cut in the middle


def cut(connection: Connection, request: Request) -> None:
    connection.head(content_type="audio/wav")
    connection.chunk(WAV)


def cut_short(connection: Connection, request: Request) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: 9999\r\n\r\n" + WAV)


def reset(connection: Connection, request: Request) -> None:
    cut_short(connection, request)
    connection.close(reset=True)


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("script", [cut, cut_short, reset])
async def test_a_cut_in_the_middle_is_never_a_sound(
    script: Any, colour: Colour, canned: CannedServer, to: Path
) -> None:
    canned.script = script
    to.write_bytes(b"before")
    async with opened(colour, canned) as client:
        with pytest.raises(errors.APIConnectionError):
            await client.call("audio.speech", **SAY)
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await client.call("audio.speech", **SAY, to=to)
        assert caught.value.partial.audio == b""
        stream = await client.call("audio.speech", **SAY, stream=True)
        with pytest.raises(errors.StreamInterruptedError):
            await collect(stream)
    assert to.read_bytes() == b"before"
    assert os.listdir(to.parent) == ["said.wav"]
    assert len(canned.requests) == 3  # what has begun is not asked for again


async def test_a_path_that_cannot_be_written(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    canned.reply(200, WAV, {"content-type": "audio/wav"})
    async with opened(colour, canned) as client:
        for bad in (tmp_path, "", b"x", 5, "a\0b"):
            with pytest.raises(errors.RequestValidationError) as caught:
                await client.call("audio.speech", **SAY, to=bad)
            assert caught.value.param == "to"
        with pytest.raises(FileNotFoundError) as missing:
            await client.call("audio.speech", **SAY, to=tmp_path / "none" / "a.wav")
        assert canned.requests == []  # before anything is paid for
        assert missing.value.filename == str(tmp_path / "none" / "a.wav")


async def test_a_file_counts_as_a_call(colour: Colour, canned: CannedServer, to: Path) -> None:
    canned.stream(SSE)
    async with opened(colour, canned) as client:
        await client.call("audio.speech", **SAY, to=to)
        assert (client.sdk.usage.calls, client.sdk.usage.total_tokens) == (1, 3)


@pytest.mark.parametrize("given", [b"RIFFxx", io.BytesIO])
async def test_failover_of_sounds_and_recordings(given: Any, colour: Colour, to: Path) -> None:
    with LocalServer(dialect="openai") as busy, LocalServer(dialect="mistral") as free:
        busy.always(Fault(status=503))
        providers = [
            replace(PROVIDERS[name], servers=(server.url,), base_url_var=None)
            for name, server in (("openai", busy), ("mistral", free))
        ]
        keys = {"openai": KEY, "mistral": KEY}
        file = given if isinstance(given, bytes) else given(b"RIFFxx")
        async with colour.open(failover=Failover(providers), api_key=keys, retry_config=None) as client:
            await client.call("audio.speech", **SAY, to=to)
            assert "6 bytes" in (await client.call("audio.transcribe", model="m", file=file)).text
    assert to.read_bytes()[:4] == b"RIFF"
    assert [request.status for request in busy.requests] == [503, 503]


# ---------------------------------------------------------------- transcription: files


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda path: path, "clip.mp3"),
        (lambda path: path.read_bytes(), "upload.mp3"),
        (lambda path: ("other.ogg", path.read_bytes()), "other.ogg"),
        (lambda path: io.BytesIO(path.read_bytes()), "upload.mp3"),
        (lambda path: path.open("rb"), "clip.mp3"),
    ],
)
async def test_recordings_of_every_kind(make: Any, name: str, colour: Colour, canned: CannedServer, to: Path) -> None:
    path = to.with_name("clip.mp3")
    path.write_bytes(b"ID3\4" + b"x" * 100)
    replies = iter([(503, b"{}"), (200, b'{"text":"heard"}')])

    def script(connection: Connection, request: Request) -> bool:
        status, body = next(replies)
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        connection.send(f"{head}retry-after: 0\r\n\r\n".encode() + body)
        return True

    canned.script = script
    given = make(path)
    async with opened(colour, canned) as client:
        assert (await client.call("audio.transcribe", model="m", file=given)).text == "heard"
    if hasattr(given, "close"):
        given.close()
    first, second = canned.requests
    assert first.body == second.body  # the same bytes on a retry
    assert f'filename="{name}"\r\nContent-Type: audio/'.encode() in first.body
    assert path.read_bytes() in first.body


@pytest.mark.parametrize(
    "given, text",
    [
        (Path("/no/such/file.mp3"), r"file: cannot be read: No such file"),
        (Path("/tmp"), r"file: cannot be read: Is a directory"),
        (b"", r"file: must be a file, but it is empty"),
        (io.BytesIO(b""), r"file: must be a file, but it is empty"),
        ("clip.mp3", r"file: must be bytes, a path object"),
        ([b"one"], r"file: must be bytes, a path object.*, got list"),
        (io.StringIO("x"), r"file: .*text"),
        (("", b"x"), r"file: must have a name"),
        (None, r"file: audio.transcribe on server 'openai' needs one of file or file_id or url, but it is missing"),
    ],
)
async def test_what_is_no_recording(given: Any, text: str, colour: Colour, canned: CannedServer) -> None:
    async with opened(colour, canned) as client:
        with pytest.raises(errors.RequestValidationError, match=text) as caught:
            await client.call("audio.transcribe", model="m", file=given)
        assert caught.value.param == "file"
    assert canned.requests == []


async def test_one_recording_and_no_more(colour: Colour, canned: CannedServer) -> None:
    async with opened(colour, canned) as client:
        with pytest.raises(errors.RequestValidationError, match="needs one of file or url, but file and url came"):
            await client.call("audio.translate", **HEAR, url="https://example.org/a.mp3")
        with pytest.raises(errors.RequestValidationError, match="is missing"):
            await client.call("audio.translate", model="m", unsupported="drop")
    async with colour.open(server="mistral", server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match="doesn't support it together with timestamp_granul"):
            await client.call("audio.transcribe", **HEAR, language="en", timestamp_granularities=["segment"])
        with pytest.raises(errors.RequestValidationError, match="must have an item for each of known_speaker_names"):
            await client.call("audio.transcribe", **HEAR, known_speaker_names=["guide"])
    async with colour.open(server="groq", server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.UnsupportedParameterError, match=r"servers that do: .*fireworks"):
            await client.call("audio.transcribe", **HEAR, diarize=True)
        with pytest.raises(errors.UnsupportedParameterError, match=r"does not stream audio\.transcribe"):
            await client.call("audio.transcribe", **HEAR, stream=True)
    assert canned.requests == []


# ---------------------------------------------------------------- transcription: replies


@pytest.mark.parametrize(
    "kind, body, text",
    [
        ("text/plain; charset=utf-8", "Fähre um neun.\n".encode(), "Fähre um neun.\n"),
        ("text/plain; charset=iso-8859-1", "Fähre".encode("latin-1"), "Fähre"),
        ("text/vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nx\n", "WEBVTT\n\n00:00.000 --> 00:01.000\nx\n"),
        ("application/json", b"1\n00:00:00,000 --> 00:00:01,000\nx\n\n", "1\n00:00:00,000 --> 00:00:01,000\nx\n\n"),
        ("application/x-subrip", b"1\r\n00:00:00,000 --> 00:00:01,000\r\nx", "1\r\n00:00:00,000 --> 00:00:01,000\r\nx"),
        ("application/json", b'"A text alone."', "A text alone."),
        ("text/plain", b'{"text":"JSON that calls itself text"}', "JSON that calls itself text"),
        ("text/plain", b"data about ferries: 5", "data about ferries: 5"),
        ("text/plain", b"9", "9"),
        ("", b"no type at all", "no type at all"),
        ("application/json", b'{"text":""}', ""),  # of silence
    ],
)
async def test_texts_of_every_kind(kind: str, body: bytes, text: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, body, {"content-type": kind})
    async with opened(colour, canned) as client:
        assert (await client.call("audio.transcribe", **HEAR)).text == text
        # A server that does not stream answers with the same.
        stream = await client.call("audio.transcribe", **HEAR, stream=True)
        assert "".join(event.text for event in await collect(stream)) == text
        assert stream.final.text == text


@pytest.mark.parametrize("way", ["whole", "stream"])
@pytest.mark.parametrize(
    "kind, body, error",
    [
        ("text/html", b"<html>Sign in</html>", errors.ResponseValidationError),
        ("application/json", b'{"text":"cut', errors.ResponseValidationError),
        ("application/json", b"not JSON", errors.ResponseValidationError),
        ("application/json", b'"a text that is cut', errors.ResponseValidationError),
        ("application/json", b"{}", errors.ResponseValidationError),
        ("application/json", b"", errors.ResponseValidationError),
        ("application/json", b'{"text":5}', errors.ResponseValidationError),
        ("text/plain", b'{"error":{"message":"too long","code":413}}', errors.PayloadTooLargeError),
        ("application/json", b'{"error":"busy","status":503}', errors.ServiceUnavailableError),
    ],
)
async def test_what_is_no_text(
    kind: str, body: bytes, error: type[errors.SDKError], way: str, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(200, body, {"content-type": kind})
    async with opened(colour, canned, retry_config=None) as client:
        with pytest.raises(errors.SDKError) as caught:
            if way == "stream":
                await client.events("audio.transcribe", **HEAR)
            else:
                await client.call("audio.transcribe", **HEAR)
    assert type(caught.value) is error or (way == "stream" and isinstance(caught.value, errors.StreamInterruptedError))


async def test_a_stream_that_is_cut_holds_what_came(colour: Colour, canned: CannedServer) -> None:
    canned.stream(b'data: {"type":"transcript.text.delta","delta":"The fer"}\n\n')
    async with opened(colour, canned) as client:
        stream = await client.call("audio.transcribe", **HEAR, stream=True)
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(stream)
    assert caught.value.reason == "truncated"
    assert caught.value.partial.text == stream.partial.text == "The fer"


async def test_what_an_event_says_beside_the_text_is_kept(colour: Colour, canned: CannedServer) -> None:
    events: list[Any] = [
        {"type": "transcript.text.delta", "delta": "a", "logprobs": [{"token": "a", "logprob": -1}], "new": 1},
        {"type": "transcript.text.segment", "id": "s0", "start": 0, "end": 1, "text": "ab", "speaker": "A", "x": 2},
        {"type": "transcript.text.delta", "delta": "b", "logprobs": [{"token": "b", "logprob": -2}]},
        {"type": "transcript.text.done", "text": "a b", "other": {"y": 3}},
    ]
    canned.stream(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))
    async with opened(colour, canned) as client:
        stream = await client.call("audio.transcribe", **HEAR, stream=True)
        told = [json.loads(event.model_dump_json(exclude_unset=True)) for event in await collect(stream)]
    assert told == events
    final = stream.final
    assert final.text == "a b"  # the last event has the say
    assert json.loads(final.model_dump_json(exclude_unset=True)) == {
        "text": "a b",
        "segments": [{"id": "s0", "start": 0, "end": 1, "text": "ab", "speaker": "A", "x": 2}],
        "logprobs": events[0]["logprobs"] + events[2]["logprobs"],
        "new": 1,
        "other": {"y": 3},
    }
    assert isinstance(final, Transcription)


def test_a_request_is_shown_as_it_would_be_sent() -> None:
    with SDK(server="mistral", api_key=KEY) as sdk:
        shown = sdk.audio.preview(
            model="m", url="https://example.org/a b.mp3", keywords=["x", "y"], known_speaker_names=["a"],
            known_speaker_references=["QQ=="],
        )  # fmt: skip
        assert shown.body["context_bias"] == ["x", "y"]
        assert "-F 'speaker_references=" in shown.as_curl()
        assert "context_bias=x" in shown.as_curl()
        alone = sdk.audio.preview(model="m", url="https://example.org/a b.mp3")
        assert "--data-urlencode 'file_url=https://example.org/a b.mp3'" in alone.as_curl()
        assert sdk.audio.preview(**SAY).body["voice_id"] == "calm"
        assert sdk.audio.preview(**{**SAY, "voice": {"id": "v1"}}).body["voice_id"] == "v1"


# ---------------------------------------------------------------- memory


def flood(connection: Connection, request: Request) -> bool:
    """Answer with 64 MB of sound: the file itself, or as events where these are asked for."""
    piece = bytes(1 << 20)
    is_sse = b"sse" in request.body
    if is_sse:
        piece = b'data: {"type":"speech.audio.delta","audio":"' + base64.b64encode(piece) + b'"}\n\n'
    connection.head(content_type="text/event-stream" if is_sse else "audio/pcm")
    for _ in range(64):
        connection.chunk(piece)
    if is_sse:
        connection.chunk(b'data: {"type":"speech.audio.done"}\n\n')
    connection.chunk(b"")
    return True


@pytest.mark.own_connections
@pytest.mark.parametrize("form", ["audio", "sse"])
async def test_long_sounds_take_little_memory(form: str, colour: Colour, canned: CannedServer, to: Path) -> None:
    import tracemalloc

    canned.script = flood
    async with opened(colour, canned, max_response_bytes=16 << 20) as client:
        await client.call("audio.speech", **SAY, to=to)  # what is imported and made once
        tracemalloc.start()
        try:
            await client.call("audio.speech", **SAY, stream_format=form, to=to)
            stream = await client.call("audio.speech", **SAY, stream_format=form, stream=True)
            size = 0
            async for event in each(stream):
                size += len(event.audio)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        with pytest.raises(errors.ResponseValidationError, match="larger than"):  # in memory, the bound holds
            await client.call("audio.speech", **SAY)
    assert to.stat().st_size == size == 64 << 20
    assert peak < 16 << 20


# ---------------------------------------------------------------- ends


@pytest.mark.parametrize(
    "method, given, events, rest",
    [
        ("audio.speech", SAY, SSE, b""),
        ("audio.transcribe", HEAR, b'data: {"type":"transcript.text.done","text":"heard"}\n\n', b""),
        (
            "audio.transcribe",
            HEAR,
            b'event: transcription.done\ndata: {"type":"transcription.done","text":"heard"}\n\n',
            b"",
        ),
        ("audio.transcribe", HEAR, b'data: {"type":"transcript.text.done","text":"heard"}\n\n', b"data: [DONE]\n\n"),
    ],
)
async def test_the_last_event_is_the_end(
    method: str, given: Any, events: bytes, rest: bytes, colour: Colour, canned: CannedServer
) -> None:
    """A server that keeps the stream open behind it is not waited for."""
    left: list[bool] = []

    def script(connection: Connection, request: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(events)
        if rest:
            connection.chunk(rest)
        left.append(connection.saw_close())

    canned.script = script
    async with opened(colour, canned, timeout_ms=8000) as client:
        stream = await client.call(method, **given, stream=True)
        await collect(stream)
        assert stream.final is not None
    assert stream.meta.status_code == 200


async def test_a_last_event_without_a_sound_before_it(colour: Colour, canned: CannedServer) -> None:
    canned.stream(b'data: {"type":"speech.audio.done","usage":{"total_tokens":3}}\n\n')
    async with opened(colour, canned) as client:
        with pytest.raises(errors.ResponseValidationError, match="without audio"):
            await client.events("audio.speech", **SAY)


async def test_a_silent_server_while_a_file_is_written(colour: Colour, canned: CannedServer, to: Path) -> None:
    def script(connection: Connection, request: Request) -> None:
        cut(connection, request)
        connection.saw_close()

    canned.script = script
    async with opened(colour, canned) as client:
        with pytest.raises(errors.StreamTimeoutError):
            await client.call("audio.speech", **SAY, to=to, idle_timeout_ms=200)
    assert os.listdir(to.parent) == []


def test_the_key_of_fireworks_goes_to_its_hosts_of_audio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREWORKS_API_KEY", KEY)
    for host in ("audio-prod", "audio-turbo"):
        url = f"https://{host}.us-virginia-1.direct.fireworks.ai/v1"
        with SDK(server="fireworks", server_url=url) as sdk:
            assert sdk.audio.preview(file=b"x").url == f"{url}/audio/transcriptions"
    with pytest.raises(errors.ConfigurationError, match="api_key"):
        SDK(server="fireworks", server_url="https://elsewhere.example/v1")


@pytest.mark.parametrize(
    "method, given, hint",
    [
        ("audio.speech", {"text": "x", "voice": "v"}, "pass input="),
        ("audio.speech", {"input": "x", "voice_id": "v"}, "pass voice="),
        ("audio.transcribe", {"audio": b"x"}, "pass file="),
        ("audio.transcribe", {"file_url": "https://example.org/a.mp3"}, "pass url="),
    ],
)
async def test_names_of_other_clients(method: str, given: Any, hint: str, colour: Colour, canned: CannedServer) -> None:
    async with opened(colour, canned) as client:
        with pytest.raises(errors.RequestValidationError, match=hint):
            await client.call(method, model="m", **given)


@pytest.mark.also_trio
async def test_a_cancelled_call_leaves_no_file(colour: Colour, canned: CannedServer, to: Path) -> None:
    """Cancelled in the middle of a sound, which only async calls can be; a sync one ends at its deadline."""
    closed: list[bool] = []

    def script(connection: Connection, request: Request) -> None:
        cut(connection, request)
        closed.append(connection.saw_close())

    canned.script = script
    to.write_bytes(b"before")
    async with opened(colour, canned) as client:
        if colour.is_async:
            with anyio.move_on_after(0.5) as scope:
                await client.call("audio.speech", **SAY, to=to)
            assert scope.cancelled_caught
        else:
            with pytest.raises(errors.DeadlineExceededError):
                await client.call("audio.speech", **SAY, to=to, deadline_ms=500)
    assert to.read_bytes() == b"before"
    assert os.listdir(to.parent) == ["said.wav"]
