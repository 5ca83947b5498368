"""Files of rows, tracing, cassettes and the command line over the native protocols, as over any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from llmsdk import SDK, Cassette, Failover, tool
from llmsdk.cli.app import app
from llmsdk.local import Fault, LocalServer
from llmsdk.otel import instrument
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import Colour, each
from support.storages import script

KEY = "sk-placeholder-of-some-length"
HI: list[Any] = [{"role": "user", "content": "Hi"}]
ASK: dict[str, Any] = {"model": "m", "max_tokens": 200, "messages": HI}
ANSWER = "Embedded provider: you said 'Hi'."


NATIVE = ["anthropic", "gemini", "openai_responses"]


@pytest.fixture(params=NATIVE)
def server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    with LocalServer(dialect=request.param) as server:
        yield server


def options(server: LocalServer, **more: Any) -> dict[str, Any]:
    return {"server": server.provider.name, "server_url": server.url, "api_key": KEY, **more}


def test_a_file_of_rows(server: LocalServer, tmp_path: Path) -> None:
    rows = [
        {"custom_id": f"r{n}", "body": {**ASK, "messages": [{"role": "user", "content": str(n)}]}} for n in range(3)
    ]
    given, made = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with SDK(**options(server)) as sdk:
        report = sdk.batch.run(given, made, operation="chat")
    assert (report.succeeded, report.failed) == (3, 0)
    lines = [json.loads(line) for line in made.read_text("utf-8").splitlines()]
    texts = {line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in lines}
    assert texts == {f"r{n}": f"Embedded provider: you said '{n}'." for n in range(3)}


def test_traces_name_the_model_and_count_the_tokens(server: LocalServer) -> None:
    spans, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    with SDK(**options(server, observers=[instrument(tracers)])) as sdk:
        usage = sdk.chat.create(**ASK).usage
        with sdk.chat.create(**ASK, stream=True) as stream:
            list(stream)
        sdk.chat.count_tokens(model="m", messages=HI)  # no work of a model, and no span
    assert usage is not None
    assert len(spans.get_finished_spans()) == 2
    for span in spans.get_finished_spans():
        told = dict(span.attributes or {})
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.request.model"] == "m"
        assert told["gen_ai.usage.input_tokens"] == usage.prompt_tokens
        assert told["gen_ai.usage.output_tokens"] == usage.completion_tokens
        assert told["gen_ai.response.finish_reasons"] == ("stop",)


async def test_cassettes(server: LocalServer, colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    replies: list[Any] = []
    for mode in ("record", "replay"):
        with Cassette(path, mode) as tape:
            carried = {"client": tape.client(), "async_client": tape.async_client(), "retry_config": None}
            async with colour.open(**options(server, **carried)) as client:
                reply = await client.call("chat.create", **ASK)
                events = await client.events("chat.create", **ASK)
                replies.append((reply.model_dump(), events))
    assert replies[0] == replies[1]
    assert len(server.requests) == 2
    assert KEY not in path.read_text("utf-8")


def test_the_command_line(server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLMSDK_HISTORY", str(tmp_path / "chat.json"))
    monkeypatch.setenv("LLMSDK_API_KEY", KEY)
    where = ["-s", server.provider.name, "--server-url", server.url]
    asked = CliRunner().invoke(app, ["chat", "Hi", "-m", "m", "--max-tokens", "200", *where])
    assert (asked.exit_code, asked.stdout) == (0, f"{ANSWER}\n"), asked.output
    listed = CliRunner().invoke(app, ["models", *where])
    assert listed.exit_code == 0, listed.output
    assert "embedded-chat" in listed.stdout


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


async def test_tools_streamed_in_both_colours(server: LocalServer, colour: Colour) -> None:
    asked: list[Any] = [{"role": "user", "content": "What's the weather in Lima?"}]
    async with colour.open(**options(server)) as client:
        events = await client.events("chat.run_tools", **{**ASK, "messages": asked}, tools=[weather])
    assert events
    sent = json.dumps(server.requests[-1].json)
    assert "sunny in Lima" in sent


@pytest.mark.parametrize("second", [*NATIVE, "openai"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_of_tools_goes_on_at_another_server(server: LocalServer, second: str, streamed: bool) -> None:
    """The call that the first server made, and its result, are a call and a result at the next one."""
    first = server.provider
    if second == first.name:
        pytest.skip("the same server")
    asked: list[Any] = [{"role": "user", "content": "What's the weather in Lima?"}]
    with LocalServer(dialect=second) as other:
        chain = [replace(first, servers=(server.url,)), replace(PROVIDERS[second], servers=(other.url,))]
        keys = {first.name: KEY, second: KEY}
        with SDK(api_key=keys, failover=Failover(chain), retry_config=None) as sdk:
            given: dict[str, Any] = {**ASK, "messages": asked, "tools": [weather]}
            given["on_round"] = lambda done: server.script(Fault(status=503)) if done.number == 1 else None
            if streamed:
                with sdk.chat.run_tools(**given, stream=True) as stream:
                    list(stream)
                    run = stream.final
            else:
                run = sdk.chat.run_tools(**given)
    assert run.meta.server == second
    assert "sunny in Lima" in run.text
    assert "blocks" not in json.dumps(other.requests[-1].json)


def paused(reason: str, *blocks: Any) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks)}
    return {**head, "stop_reason": reason, "usage": {"input_tokens": 1, "output_tokens": 1}}


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "Lima"}}


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_turn_that_the_server_pauses_is_gone_on_with(
    colour: Colour, canned: CannedServer, streamed: bool
) -> None:
    replies = [paused("pause_turn", SEARCH), paused("end_turn", {"type": "text", "text": "Sunny."})]
    script(canned, {"POST /messages": replies})
    async with colour.open(server="anthropic", server_url=canned.url, api_key=KEY) as client:
        given = {**ASK, "tools": [weather, {"type": "web_search_20250305", "name": "web_search"}]}
        if streamed:
            stream = await client.call("chat.run_tools", **given, stream=True)
            assert [event async for event in each(stream)]
            run = stream.final
        else:
            run = await client.call("chat.run_tools", **given)
    assert run.text == "Sunny."
    assert [len(one.results) for one in run.rounds] == [0, 0]
    assert canned.last.json["messages"][-1] == {"role": "assistant", "content": [SEARCH]}


async def test_previews_are_what_is_sent(server: LocalServer, colour: Colour) -> None:
    async with colour.open(**options(server)) as client:
        shown = client.preview("chat", **ASK)
        await client.call("chat.create", **ASK)
    assert shown.body == server.requests[-1].json
    assert shown.url.endswith(server.requests[-1].path)
