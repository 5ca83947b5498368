"""Cassettes: recorded in one colour, replayed in any, without secrets, and loud where something does not fit."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from llmsdk import SDK, Cassette
from llmsdk.errors import (
    CassetteError,
    ConfigurationError,
    RateLimitError,
    ResponseValidationError,
    SDKError,
    StreamInterruptedError,
    StreamTimeoutError,
)
from llmsdk.local import Fault, LocalServer
from support.colours import Client, Colour, collect, each, settled

KEY = "sk-placeholder-of-some-length"
HI: list[Any] = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(dialect="together") as server:
        yield server


def opened(colour: Colour, tape: Cassette, url: str, **options: Any) -> Client:
    return colour.open(
        **{"api_key": KEY, "server": "together", "server_url": url, "retry_config": None}
        | {"client": tape.client(), "async_client": tape.async_client()}
        | options
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def write(path: Path, *values: Any) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), "utf-8")


@pytest.mark.also_trio
async def test_what_is_recorded_is_replayed_without_a_server(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "new" / "tape.jsonl"
    with LocalServer(dialect="together") as server:
        with Cassette(path) as tape:
            async with opened(colour, tape, server.url) as client:
                reply = await client.call("chat.create", model="m", messages=HI)
                events = await client.events("chat.create", model="m", messages=HI)
                image = await client.call("images.create", model="m", prompt="a cat", response_format="base64")
        count, url = len(server.requests), server.url
    with Cassette(path, "replay") as tape:
        assert tape.unused == 3
        async with opened(colour, tape, url) as client:
            again = await client.call("chat.create", model="m", messages=HI)
            assert again.model_dump() == reply.model_dump()
            assert again.meta.request_id == reply.meta.request_id
            assert await client.events("chat.create", model="m", messages=HI) == events
            same = await client.call("images.create", model="m", prompt="a cat", response_format="base64")
            assert same.data[0].b64_json == image.data[0].b64_json
        assert tape.unused == 0
    assert count == len(server.requests) == 3


@pytest.mark.parametrize("offline", [True, False])
async def test_an_image_behind_an_address_is_replayed_without_its_host(
    colour: Colour, tmp_path: Path, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*args: Any, **more: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def serve(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, content=b"\x89PNG picture")
        return httpx.Response(200, json={"created": 1, "data": [{"url": "http://images.invalid/cat.png"}]})

    monkeypatch.delenv("LLMSDK_OFFLINE")
    over = httpx.MockTransport(serve)
    path = tmp_path / "tape.jsonl"
    for mode in ("record", "replay"):
        if mode == "replay":
            monkeypatch.setattr(socket, "getaddrinfo", unknown)
            if offline:
                monkeypatch.setenv("LLMSDK_OFFLINE", "1")
        with Cassette(path, mode) as tape:
            given: dict[str, Any] = {
                "client": tape.client(httpx.Client(transport=over)),
                "async_client": tape.async_client(httpx.AsyncClient(transport=over)),
            }
            async with colour.open(server_url="http://127.0.0.1:9", api_key=KEY, **given) as client:
                image = (await client.call("images.create", model="m", prompt="a cat")).data[0]
                save = image.save_async if colour.is_async else image.save
                allowed = {"allow_private": True} if mode == "record" else {}  # there is no such host
                saved = await settled(save(tmp_path / mode, **allowed))
                assert saved.read_bytes() == b"\x89PNG picture"


@pytest.mark.parametrize("recorder", ["sync", "asyncio"])
@pytest.mark.parametrize("player", ["sync", "asyncio"])
def test_one_colour_replays_what_the_other_recorded(
    recorder: str, player: str, server: LocalServer, tmp_path: Path
) -> None:
    async def ask(colour: Colour, mode: Any) -> None:
        with Cassette(tmp_path / "tape.jsonl", mode) as tape:
            async with opened(colour, tape, server.url) as client:
                stream = await client.call("completions.create", model="m", prompt="Hello", stream=True)
                await collect(stream)
                texts.append(stream.final.text)

    texts: list[str] = []
    Colour(recorder).run(ask, colour=Colour(recorder), mode="record")
    Colour(player).run(ask, colour=Colour(player), mode="replay")
    assert texts[0] == texts[1] != ""
    assert len(server.requests) == 1


async def test_secrets_do_not_reach_the_file(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    echo = {"choices": [], "error": {"message": f"bad key {KEY} in Bearer {KEY}"}}
    server.script(Fault(status=401, body=echo, headers={"set-cookie": "session=abc-123", "x-echo": f"key {KEY}"}))
    with Cassette(path) as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(SDKError):
                await client.call(
                    "chat.create",
                    model="m",
                    messages=HI,
                    http_headers={"x-api-key": "header-secret", "cookie": "sid=cookie-secret"},
                    extra_body={"note": f"{KEY} and header-secret and cookie-secret"},
                    extra_query={"api_key": "query-secret"},
                )
    text = path.read_text("utf-8")
    for secret in (KEY, "header-secret", "cookie-secret", "query-secret", "session=abc", "authorization"):
        assert secret not in text, secret
    (line,) = lines_of(path)
    assert line["request"]["url"] == f"{server.url}/chat/completions?api_key=***"
    assert line["request"]["json"]["note"] == "*** and *** and ***"
    assert line["request"]["json"]["messages"] == HI
    assert "bad key " + "*" * len(KEY) in line["chunks"][0]["text"]
    # Another key at the time of the replay is no difference.
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, server.url, api_key="sk-another") as client:
            with pytest.raises(SDKError):
                await client.call(
                    "chat.create",
                    model="m",
                    messages=HI,
                    http_headers={"x-api-key": "other-header-secret", "cookie": "sid=other"},
                    extra_body={"note": "sk-another and other-header-secret and other"},
                    extra_query={"api_key": "another"},
                )


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_a_secret_across_chunks_is_masked(colour: Colour, server: LocalServer, tmp_path: Path, size: int) -> None:
    server.script(Fault(status=401, body={"error": {"message": f"é {KEY} é"}}, split=size, chunk_delay_s=0.001))
    with Cassette(tmp_path / "tape.jsonl") as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(SDKError):
                await client.call("chat.create", model="m", messages=HI)
    (line,) = lines_of(tmp_path / "tape.jsonl")
    pieces = [chunk.get("text", "").encode() or base64.b64decode(chunk["base64"]) for chunk in line["chunks"]]
    joined = b"".join(pieces)
    assert KEY.encode() not in joined
    assert b"*" * len(KEY) in joined
    assert len(pieces) > 1


async def test_compressed_replies_are_kept_decoded(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    server.script(Fault(status=401, content_encoding="gzip", body={"error": {"message": f"no {KEY}"}}))
    server.script(Fault(content_encoding="gzip", body=b"this is not gzip"))
    with Cassette(path) as tape:
        async with opened(colour, tape, server.url) as client:
            for _ in range(2):
                with pytest.raises(SDKError):
                    await client.call("chat.create", model="m", messages=HI)
    first = lines_of(path)[0]
    assert "no " + "*" * len(KEY) in first["chunks"][0]["text"]
    assert "content-encoding" not in dict(first["headers"])
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(SDKError, match=r"no \*+"):
                await client.call("chat.create", model="m", messages=HI)


async def test_a_broken_coding_is_broken_in_the_replay_too(colour: Colour, tmp_path: Path) -> None:
    body = gzip.compress(b'{"choices": []}')[:-4] + b"????"
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(body))
    )
    path = tmp_path / "tape.jsonl"
    for mode in ("record", "replay"):
        with httpx.Client(transport=transport) as sync:
            asynchronous = httpx.AsyncClient(transport=transport)
            with Cassette(path, mode) as tape:  # type: ignore[arg-type]  # the loop's variable is a plain str
                clients = {"client": tape.client(sync), "async_client": tape.async_client(asynchronous)}
                async with opened(colour, tape, "http://127.0.0.1:9", **clients) as client:
                    with pytest.raises(ResponseValidationError):
                        await client.call("chat.create", model="m", messages=HI)
    assert lines_of(path)[0]["end"] == "broken"


async def test_chunk_boundaries_and_delays_are_kept(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    server.script(Fault(chunk_delay_s=0.03, delay_s=0.05))
    with Cassette(path) as tape:
        async with opened(colour, tape, server.url) as client:
            await client.events("completions.create", model="m", prompt="Hello", max_tokens=4)
    (line,) = lines_of(path)
    assert len(line["chunks"]) > 3
    assert line["ms"] >= 45
    assert sum(chunk["ms"] >= 20 for chunk in line["chunks"]) >= 3
    total = (line["ms"] + sum(chunk["ms"] for chunk in line["chunks"])) / 1000
    for realtime in (False, True):
        with Cassette(path, "replay", realtime=realtime) as tape:
            async with opened(colour, tape, server.url) as client:
                started = time.monotonic()
                await client.events("completions.create", model="m", prompt="Hello", max_tokens=4)
                took = time.monotonic() - started
        assert (took >= total * 0.9) if realtime else (took < total / 2 + 0.05), (took, total)


async def test_a_replay_in_real_time_can_time_out(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    exchange = recorded(stream=True)
    exchange["chunks"] = [{"ms": 0, "text": 'data: {"choices": []}\n\n'}, {"ms": 5000, "text": "data: [DONE]\n\n"}]
    write(path, exchange)
    with Cassette(path, "replay", realtime=True) as tape:
        async with opened(colour, tape, "http://127.0.0.1:9") as client:
            started = time.monotonic()
            with pytest.raises(StreamTimeoutError):
                await client.events("chat.create", model="m", messages=HI, timeout_ms=200)
            assert time.monotonic() - started < 3


def recorded(*, stream: bool = False, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "m", "messages": HI}
    if stream:
        body["stream"] = True
    text = 'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    if not stream:
        text = '{"choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]}'
    return {
        "v": 1,
        "request": {"method": "POST", "url": "http://127.0.0.1:9/chat/completions", "json": body},
        "status": 200,
        "headers": [["content-type", "text/event-stream" if stream else "application/json"]],
        "ms": 1,
        "chunks": [{"ms": 0, "text": text}],
        "end": "complete",
    } | changes


async def test_equal_requests_are_replayed_in_order(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    server.script(Fault(status=429, retry_after=0), None)
    for mode, count in (("auto", 2), ("replay", 2)):
        with Cassette(path, mode) as tape:  # type: ignore[arg-type]  # the loop's variable is a plain str
            async with colour.open(
                api_key=KEY,
                server="together",
                server_url=server.url,
                client=tape.client(),
                async_client=tape.async_client(),
            ) as client:
                reply = await client.call("chat.create", model="m", messages=HI)
                assert [attempt.status for attempt in reply.meta.attempts] == [429, 200]
        assert len(server.requests) == count
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(RateLimitError):
                await client.call("chat.create", model="m", messages=HI)
            await client.call("chat.create", model="m", messages=HI)
            with pytest.raises(CassetteError, match=r"is left: it is recorded 2 times, and all of them"):
                await client.call("chat.create", model="m", messages=HI)


async def test_auto_records_what_is_missing(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    for prompts in (["one"], ["one", "two"], ["two", "one"]):
        with Cassette(path) as tape:
            async with opened(colour, tape, server.url) as client:
                for prompt in prompts:
                    await client.call("completions.create", model="m", prompt=prompt)
    assert [request.json["prompt"] for request in server.requests] == ["one", "two"]
    assert [line["request"]["json"]["prompt"] for line in lines_of(path)] == ["one", "two"]


async def test_record_writes_the_file_anew(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text("what was there\n", "utf-8")
    with Cassette(path, "record") as tape:
        assert path.read_text("utf-8") == "what was there\n"  # until there is something better
        async with opened(colour, tape, server.url) as client:
            for prompt in ("one", "two", "two"):
                await client.call("completions.create", model="m", prompt=prompt)
    assert [line["request"]["json"]["prompt"] for line in lines_of(path)] == ["one", "two", "two"]


async def test_an_unmatched_request_names_the_nearest_and_what_differs(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    far = recorded()
    far["request"] = {"method": "POST", "url": "http://127.0.0.1:9/completions", "json": {"model": "m"}}
    write(path, far, recorded())
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, "http://127.0.0.1:9") as client:
            with pytest.raises(CassetteError) as caught:
                await client.call(
                    "chat.create",
                    model="m2",
                    messages=[{"role": "user", "content": "private words"}, {"role": "user", "content": "more"}],
                    temperature=0.5,
                )
            assert str(caught.value) == (
                f"{path}: no recording of POST http://127.0.0.1:9/chat/completions; the nearest is line 2, which "
                "differs in body.model, body.messages[0].content, body.messages (2 items, recorded are 1), "
                "body.temperature (not recorded); record it with mode='auto'"
            )
            with pytest.raises(CassetteError, match=r"line 1, which differs in URL \(recorded is http.*body.prompt"):
                await client.call("completions.create", model="m", prompt="x", server_url="http://127.0.0.1:9/other")
    assert isinstance(caught.value, ConfigurationError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_replay_needs_no_network_and_recording_respects_offline(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    exchange = recorded()
    exchange["request"]["url"] = "https://api.together.xyz/v1/chat/completions"
    write(path, exchange)
    with Cassette(path) as tape:
        clients = {"client": tape.client(), "async_client": tape.async_client()}
        async with colour.open(api_key=KEY, server="together", **clients) as client:
            assert (await client.call("chat.create", model="m", messages=HI)).text == "x"
            with pytest.raises(ConfigurationError, match="LLMSDK_OFFLINE"):
                await client.call("chat.create", model="m", messages=HI)


async def test_a_cut_stream_is_cut_in_the_replay_too(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    server.script(Fault(cut_after_events=2))
    texts = []
    for mode in ("auto", "replay"):
        with Cassette(path, mode) as tape:  # type: ignore[arg-type]  # the loop's variable is a plain str
            async with opened(colour, tape, server.url) as client:
                with pytest.raises(StreamInterruptedError) as caught:
                    await client.events("chat.create", model="m", messages=HI)
                assert caught.value.reason == "connection"
                texts.append(caught.value.partial.text)
    assert texts[0] == texts[1] != ""
    assert len(server.requests) == 1


async def test_a_stream_that_was_left_early_ends_loudly(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    server.script(Fault(chunk_delay_s=0.02))
    with Cassette(path) as tape:
        async with opened(colour, tape, server.url) as client:
            stream = await client.call("chat.create", model="m", messages=HI, stream=True)
            async for _ in each(stream):
                break
            await settled(stream.close())
    assert lines_of(path)[0]["end"] == "closed"
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(CassetteError, match="line 1 of the cassette: the recording ends here"):
                await client.events("chat.create", model="m", messages=HI)


def test_closing_the_cassette_writes_what_came(server: LocalServer, tmp_path: Path) -> None:
    tape = Cassette(tmp_path / "tape.jsonl")
    client = tape.client()
    response = client.send(
        client.build_request("GET", f"{server.url}/models", headers={"authorization": f"Bearer {KEY}"}), stream=True
    )
    assert not tape.path.exists()
    tape.close()
    tape.close()
    assert lines_of(tape.path)[0]["end"] == "closed"
    response.close()
    assert len(lines_of(tape.path)) == 1
    with pytest.raises(CassetteError, match="is closed"):
        client.send(client.build_request("GET", f"{server.url}/models"))


def test_the_clients_read_the_reply_where_no_stream_is_asked_for(server: LocalServer, tmp_path: Path) -> None:
    async def ask(tape: Cassette) -> Any:
        client = tape.async_client()
        request = client.build_request("GET", f"{server.url}/models", headers={"authorization": f"Bearer {KEY}"})
        return (await client.send(request)).json()

    with Cassette(tmp_path / "tape.jsonl") as tape:
        client = tape.client()
        request = client.build_request("GET", f"{server.url}/models", headers={"authorization": f"Bearer {KEY}"})
        first = client.send(request).json()

    async def both() -> list[Any]:
        async with Cassette(tmp_path / "tape.jsonl") as tape:
            return [await ask(tape), await ask(tape)]

    assert anyio.run(both) == [first, first]
    assert len(server.requests) == 2


async def test_clients_of_other_families_record_too(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    texts = []
    for mode in ("record", "replay"):
        with httpx2.Client() as sync:
            asynchronous = httpx2.AsyncClient()
            with Cassette(path, mode) as tape:  # type: ignore[arg-type]  # the loop's variable is a plain str
                clients: Any = {"client": tape.client(sync), "async_client": tape.async_client(asynchronous)}
                async with opened(colour, tape, server.url, **clients) as client:
                    stream = await client.call("chat.create", model="m", messages=HI, stream=True)
                    await collect(stream)
                    texts.append(stream.final.text)
            if colour.is_async:
                await asynchronous.aclose()
    assert texts[0] == texts[1] != ""
    assert len(server.requests) == 1


async def test_hooks_see_replayed_replies(colour: Colour, tmp_path: Path) -> None:
    class Note:
        def after_success(self, ctx: Any, response: Any) -> Any:
            seen.append((ctx.operation_id, response.status_code))
            return response

    seen: list[Any] = []
    write(tmp_path / "tape.jsonl", recorded())
    with Cassette(tmp_path / "tape.jsonl", "replay") as tape:
        async with opened(colour, tape, "http://127.0.0.1:9", hooks=[Note()]) as client:
            await client.call("chat.create", model="m", messages=HI)
    assert seen == [("createChatCompletion", 200)]


async def test_uploads_match_whatever_their_boundary(colour: Colour, tmp_path: Path) -> None:
    with LocalServer(dialect="r9s") as server:
        for mode in ("auto", "replay"):
            with Cassette(tmp_path / "tape.jsonl", mode) as tape:  # type: ignore[arg-type]  # a plain str
                async with opened(colour, tape, server.url, server="r9s") as client:
                    await client.call("images.edit", model="m", prompt="a hat", image=b"\x89PNG\r\n\x1a\n\xff")
        assert len(server.requests) == 1
    assert "base64" in lines_of(tmp_path / "tape.jsonl")[0]["request"]


def test_many_threads_write_whole_lines(server: LocalServer, tmp_path: Path) -> None:
    with (
        Cassette(tmp_path / "tape.jsonl") as tape,
        SDK(api_key=KEY, server="together", server_url=server.url, client=tape.client()) as sdk,
    ):

        def ask(number: int) -> None:
            for turn in range(5):
                sdk.completions.create(model="m", prompt=f"{number} {turn} " + "long " * 500)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(lines_of(tmp_path / "tape.jsonl")) == 30


def test_a_line_without_its_end_gets_one(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text(json.dumps(recorded()), "utf-8")
    with (
        Cassette(path) as tape,
        SDK(api_key=KEY, server="together", server_url=server.url, client=tape.client()) as sdk,
    ):
        sdk.completions.create(model="m", prompt="x")
    assert len(lines_of(path)) == 2


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


BROKEN = {
    "not JSON": (b'{"v": 1', "it is not JSON"),
    "deep": (b"[" * 200_000, "it is not JSON"),
    "not UTF-8": (b'"\xff"', "it is not UTF-8"),
    "not an object": (b"[]", "it is not a JSON object"),
    "no version": (b"{}", "v is missing"),
    "other version": (recorded(v=2), "its version is 2, known is 1"),
    "status": (recorded(status="200"), "status is of the wrong type, str"),
    "bool": (recorded(status=True), "status is of the wrong type, bool"),
    "headers": (recorded(headers=[["a"]]), "headers must be pairs of strings"),
    "chunk": (recorded(chunks=[{"ms": 1}]), "each of chunks must have either text or base64"),
    "base64": (recorded(chunks=[{"ms": 1, "base64": "?"}]), "base64 of a chunk is broken"),
    "end": (recorded(end="over"), "its end must be one of complete, closed, broken"),
    "error": (recorded(end="broken", error=["ReadError"]), "error must be a list of two strings"),
    "error's kind": (recorded(end="broken", error=[1, 2]), "error must hold strings"),
    "deep body": (
        recorded(request={**recorded()["request"], "json": deep(300)}),
        "it is nested more than 200 levels deep",
    ),
    "deep elsewhere": (recorded(more=deep(900)), "it is nested more than 200 levels deep"),
    "negative time": (recorded(ms=-1), "ms must be from 0 to 86400000"),
    "negative time of a chunk": (recorded(chunks=[{"ms": -0.5, "text": ""}]), "ms must be from 0 to 86400000"),
    "no time": (recorded(ms=float("nan")), "ms must be from 0 to 86400000"),
    "endless time": (recorded(ms=float("inf")), "ms must be from 0 to 86400000"),
    "large time": (recorded(chunks=[{"ms": 10**400, "text": ""}]), "ms must be from 0 to 86400000"),
    "no status": (recorded(status=10**30), "status must be from 100 to 999"),
    "header's line": (recorded(headers=[["a", "b\r\nc: d"]]), "a header has a name or a value that no header can have"),
    "header's name": (recorded(headers=[["a b", ""]]), "a header has a name or a value that no header can have"),
    "half a letter": (recorded(headers=[["a", "\ud800"]]), "a header has a name or a value that no header can have"),
    "text": (recorded(request={"method": "GET", "url": "x", "text": 1}), "text is of the wrong type, int"),
    "base64 body": (recorded(request={"method": "GET", "url": "x", "base64": []}), "base64 is of the wrong type, list"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_line_is_named(case: str, tmp_path: Path) -> None:
    value, message = BROKEN[case]
    line = value if isinstance(value, bytes) else json.dumps(value).encode()
    path = tmp_path / "tape.jsonl"
    path.write_bytes(json.dumps(recorded()).encode() + b"\n\n" + line + b"\n")
    with pytest.raises(CassetteError) as caught:
        Cassette(path)
    assert str(caught.value) == (
        f"{path}: line 3 is broken: {message}; delete the line, or record anew with mode='record'"
    )


def test_what_cannot_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match=r"mode: must be one of auto, record, replay, got 'once'"):
        Cassette(tmp_path / "tape.jsonl", "once")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(CassetteError, match=r"there is no such cassette; record it with mode='auto'"):
        Cassette(tmp_path / "tape.jsonl", "replay")
    with pytest.raises(CassetteError, match="cannot be read"):
        Cassette(tmp_path)
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with Cassette(tmp_path / "empty.jsonl", "replay") as tape, SDK(api_key=KEY, client=tape.client()) as sdk:
        with pytest.raises(CassetteError, match="the cassette is empty"):
            sdk.chat.create(model="m", messages=HI)
        assert "empty.jsonl" in repr(tape)


async def test_a_file_that_cannot_be_written_is_one_error(colour: Colour, server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with Cassette(tmp_path / "file" / "tape.jsonl", "record") as tape:
        async with opened(colour, tape, server.url) as client:
            with pytest.raises(CassetteError, match="cannot be written"):
                await client.call("completions.create", model="m", prompt="x")


TEST_FILE = """
import pytest
from llmsdk import SDK

URL = {url!r}

class TestApp:
    @pytest.mark.parametrize("word", ["a/b", "c"])
    def test_answer(self, llm_cassette, word):
        with SDK(server_url=URL, client=llm_cassette.client()) as sdk:
            assert word in sdk.completions.create(model="m", prompt=word).text
"""


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_app.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.slow
def test_the_fixture_keeps_a_file_per_test(tmp_path: Path) -> None:
    with LocalServer() as server:
        (tmp_path / "test_app.py").write_text(TEST_FILE.format(url=server.url), "utf-8")
        missing = run_pytest(tmp_path, "--llm-cassette", "replay")
        assert (missing.returncode, "there is no such cassette" in missing.stdout) == (1, True), missing.stdout
        done = run_pytest(tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(server.requests) == 2
    names = sorted(path.name for path in (tmp_path / "cassettes").iterdir())
    assert names == ["test_app.TestApp.test_answer-a-b.jsonl", "test_app.TestApp.test_answer-c.jsonl"]
    again = run_pytest(tmp_path, "--llm-cassette=replay")
    assert again.returncode == 0, again.stdout + again.stderr


def test_the_fixture_of_this_process(
    llm_server: LocalServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(type(request.node), "path", property(lambda item: tmp_path / "test_here.py"), raising=False)
    monkeypatch.setenv("LLMSDK_CASSETTE", "record")
    tape: Cassette = request.getfixturevalue("llm_cassette")
    assert tape.mode == "record"
    with SDK(server_url=llm_server.url, client=tape.client()) as sdk:
        sdk.completions.create(model="m", prompt="x")
    assert tape.path.name == "test_here.test_the_fixture_of_this_process.jsonl"
    assert len(lines_of(tape.path)) == 1


@pytest.mark.parametrize("body", [f"plain {KEY} text".encode(), b"\xff " + KEY.encode()])
def test_bodies_that_are_not_json_are_matched_and_masked_too(body: bytes, server: LocalServer, tmp_path: Path) -> None:
    def ask(tape: Cassette, content: bytes) -> Any:
        client = tape.client()
        headers = {"authorization": f"Bearer {KEY}"}
        return client.send(
            client.build_request("POST", f"{server.url}/chat/completions", headers=headers, content=content)
        )

    with Cassette(tmp_path / "tape.jsonl") as tape:
        assert ask(tape, body).status_code == 400
    (line,) = lines_of(tmp_path / "tape.jsonl")
    written = line["request"].get("text", "").encode() or base64.b64decode(line["request"]["base64"])
    assert written == body.replace(KEY.encode(), b"***")
    with Cassette(tmp_path / "tape.jsonl", "replay") as tape:
        assert ask(tape, body).status_code == 400
        with pytest.raises(CassetteError, match="which differs in body;"):
            ask(tape, b"other")
    assert len(server.requests) == 1


async def test_headers_beyond_ascii_are_replayed_as_they_were(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    write(path, recorded(headers=[["content-type", "application/json"], ["x-city", "K\u00f6ln \u6771\u4eac"]]))
    with Cassette(path, "replay") as tape:
        async with opened(colour, tape, "http://127.0.0.1:9") as client:
            reply = await client.call("chat.create", model="m", messages=HI)
    assert reply.meta.headers["x-city"] == "K\u00f6ln \u6771\u4eac"


def test_a_body_that_is_one_value_is_read(tmp_path: Path) -> None:
    for value in (True, None, 5, "x"):
        write(tmp_path / "tape.jsonl", recorded(request={"method": "POST", "url": "x", "json": value}))
        assert Cassette(tmp_path / "tape.jsonl", "replay").unused == 1


def test_a_deep_request_can_be_read_again(tmp_path: Path) -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=recorded()["chunks"][0]["text"])

    with httpx.Client(transport=httpx.MockTransport(serve)) as client:
        for mode in ("record", "replay"):
            with (
                Cassette(tmp_path / "tape.jsonl", mode) as tape,
                SDK(server_url="http://127.0.0.1:9", api_key=KEY, client=tape.client(client)) as sdk,
            ):
                assert sdk.chat.create(model="m", messages=HI, extra_body={"x": deep(250)}).text == "x"
