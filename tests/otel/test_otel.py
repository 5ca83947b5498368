"""OpenTelemetry: one span and its measurements per call, to the end of its stream, in both colours."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from llmsdk import SDK, errors
from llmsdk._call.failover.policy import Failover
from llmsdk._call.operation import Operation
from llmsdk.otel import instrument
from llmsdk.providers import R9S, TOGETHER
from llmsdk.resources.operations import all_operations
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Client, Colour, collect, each

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "a secret question"}]}
REPLY = {
    "id": "c-1",
    "model": "m-2024",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a secret answer"}}],
    "usage": {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "total_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}
QUICK = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)


def event(text: str, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c-1", "model": "m-2024", "choices": [choice], **more}).encode() + b"\n\n"


WHOLE = event("Hel") + event("lo", "stop", usage=REPLY["usage"]) + b"data: [DONE]\n\n"


class Watch:
    """Providers that keep what they are given."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._metrics = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._metrics])

    def observer(self, **options: Any) -> Any:
        return instrument(self.tracers, self.meters, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        (span,) = self.spans
        return span

    def measured(self) -> dict[str, list[Any]]:
        data = self._metrics.get_metrics_data()
        found: dict[str, list[Any]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found


@pytest.fixture
def watch() -> Iterator[Watch]:
    kept = Watch()
    yield kept
    kept.tracers.shutdown()
    kept.meters.shutdown()


def open_client(colour: Colour, canned: CannedServer, watch: Watch, **options: Any) -> Client:
    given = {"server_url": canned.url, "api_key": KEY, "retry_config": QUICK, **options}
    return colour.open(observers=[watch.observer()], **given)


async def test_a_call(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, REPLY)
    async with open_client(colour, canned, watch) as client:
        await client.call("chat.create", **ASK, temperature=0.5, max_tokens=9, stop="x", n=2, seed=3, top_p=1)
    span = watch.span
    assert (span.name, span.kind, span.status.status_code) == ("chat m", SpanKind.CLIENT, StatusCode.UNSET)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.seed": 3,
        "gen_ai.request.top_p": 1.0,
        "server.address": "127.0.0.1",
        "server.port": canned.port,
        "gen_ai.response.id": "c-1",
        "gen_ai.response.model": "m-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }
    measured = watch.measured()
    (duration,) = measured["gen_ai.client.operation.duration"]
    assert duration.count == 1
    assert duration.attributes["gen_ai.response.model"] == "m-2024"
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in measured["gen_ai.client.token.usage"]}
    assert tokens == {"input": 7, "output": 3}


@pytest.mark.parametrize("end", ["finished", "closed", "broke", "dropped"])
async def test_a_stream_has_its_span_until_it_ends(
    colour: Colour, canned: CannedServer, watch: Watch, end: str
) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned, watch) as client:
        stream = await client.call("chat.create", **ASK, stream=True)
        assert watch.spans == []
        if end == "finished":
            assert len(await collect(stream)) == 2
        elif end == "broke":
            events = each(stream)
            await anext(events)
            await events.aclose()
        elif end == "closed":
            await (anext(stream) if colour.is_async else _value(next(stream)))
            await (stream.close() if colour.is_async else _value(stream.close()))
        if end in ("broke", "dropped"):
            stream = events = None
            gc.collect()
            if colour.is_async:
                await anyio.sleep(0.05)
        attributes = dict(watch.span.attributes or {})
        assert attributes["gen_ai.request.stream"] is True
        assert ("gen_ai.response.time_to_first_chunk" in attributes) is (end != "dropped")
        assert attributes.get("gen_ai.response.finish_reasons") == (("stop",) if end == "finished" else None)
        assert watch.span.status.status_code is StatusCode.UNSET
        canned.reply(200, REPLY)
        await client.call("chat.create", **ASK)
    measured = watch.measured()
    assert sum(point.count for point in measured["gen_ai.client.operation.duration"]) == 2
    firsts = measured.get("gen_ai.client.operation.time_to_first_chunk", [])
    assert sum(point.count for point in firsts) == (0 if end == "dropped" else 1)


async def _value(value: Any) -> Any:
    return value


async def test_a_stream_that_breaks(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    def script(connection: Connection, _: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(event("Hel"))

    canned.script = script
    async with open_client(colour, canned, watch) as client:
        with pytest.raises(errors.StreamInterruptedError):
            await client.events("chat.create", **ASK)
    span = watch.span
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "StreamInterruptedError")
    assert dict(span.attributes or {})["error.type"] == "StreamInterruptedError"
    assert dict(span.attributes or {})["gen_ai.response.id"] == "c-1"


@pytest.mark.parametrize("ways", ["one server", "failover"])
async def test_the_first_chunk_is_timed_however_it_comes(
    colour: Colour, canned: CannedServer, watch: Watch, ways: str
) -> None:
    def beats_first(connection: Connection, _: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(b": a heartbeat, in a read of its own\n\n")
        connection.chunk(WHOLE)
        connection.chunk(b"")

    canned.script = beats_first
    more: dict[str, Any] = {}
    if ways == "failover":
        servers = [replace(TOGETHER, servers=(canned.url,)), replace(R9S, servers=(canned.url,))]
        more = {"server_url": None, "api_key": {"together": KEY, "r9s": KEY}, "failover": Failover(servers)}
    async with open_client(colour, canned, watch, **more) as client:
        assert len(await client.events("chat.create", **ASK)) == 2
    (first,) = watch.measured()["gen_ai.client.operation.time_to_first_chunk"]
    assert first.count == 1


async def test_a_reply_in_place_of_a_stream_has_its_first_chunk(
    colour: Colour, canned: CannedServer, watch: Watch
) -> None:
    canned.reply(200, REPLY)
    async with open_client(colour, canned, watch) as client:
        (chunk,) = await client.events("chat.create", **ASK)
    assert chunk.choices[0].delta.content == "a secret answer"
    (first,) = watch.measured()["gen_ai.client.operation.time_to_first_chunk"]
    assert first.count == 1


async def test_one_span_over_all_attempts(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(503, {"error": {"message": "a secret question is too much"}})
    async with open_client(colour, canned, watch) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call("chat.create", **ASK)
    span = watch.span
    assert dict(span.attributes or {})["error.type"] == "503"
    assert "secret" not in span.to_json()
    context = span.get_span_context()
    assert context is not None
    expected = f"00-{context.trace_id:032x}-{context.span_id:016x}"  # its flags differ between versions
    assert [request.headers["traceparent"][:-3] for request in canned.requests] == [expected] * 3
    (duration,) = watch.measured()["gen_ai.client.operation.duration"]
    assert duration.attributes["error.type"] == "503"


async def test_a_header_of_the_callers_own_stands(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, REPLY)
    async with open_client(colour, canned, watch) as client:
        await client.call("chat.create", **ASK, http_headers={"traceparent": "theirs"})
    assert canned.last.headers["traceparent"] == "theirs"


async def test_failover_is_one_span_and_names_who_answered(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, REPLY)
    answer = canned.script

    def script(connection: Connection, request: Request) -> Any:
        if len(canned.requests) > 1:
            return answer(connection, request)
        connection.head(500)
        connection.chunk(b"")
        return True

    canned.script = script
    first, second = (replace(one, servers=(canned.url,)) for one in (TOGETHER, R9S))
    sdk = {"api_key": {"together": KEY, "r9s": KEY}, "failover": Failover([first, second])}
    async with colour.open(observers=[watch.observer()], retry_config=None, **sdk) as client:
        await client.call("chat.create", **ASK)
    attributes = dict(watch.span.attributes or {})
    assert attributes["gen_ai.provider.name"] == "r9s"
    assert len(canned.requests) == 2


@pytest.mark.parametrize("capture", [False, True])
async def test_contents_only_when_asked_for(colour: Colour, canned: CannedServer, watch: Watch, capture: bool) -> None:
    canned.reply(200, REPLY)
    observer = watch.observer(capture_content=capture)
    async with colour.open(server_url=canned.url, api_key=KEY, observers=[observer]) as client:
        await client.call("chat.create", **ASK)
    assert ("secret" in watch.span.to_json()) is capture
    if capture:
        attributes: Any = watch.span.attributes
        text = [{"type": "text", "content": "a secret question"}]
        assert json.loads(attributes["gen_ai.input.messages"]) == [{"role": "user", "parts": text}]
        answer = {"role": "assistant", "parts": [{"type": "text", "content": "a secret answer"}]}
        assert json.loads(attributes["gen_ai.output.messages"]) == [{**answer, "finish_reason": "stop"}]


async def test_contents_of_a_talk_with_tools(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    call = {"id": "t-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    messages: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": "Like this?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t-1", "content": "rain"},
    ]
    answer = {"role": "assistant", "content": "Again.", "tool_calls": [call]}
    canned.reply(200, {**REPLY, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": answer}]})
    observer = watch.observer(capture_content=True)
    async with colour.open(server_url=canned.url, api_key=KEY, observers=[observer]) as client:
        await client.call("chat.create", model="m", messages=messages, tools=[tool])
    attributes: Any = watch.span.attributes
    asked = {"type": "tool_call", "id": "t-1", "name": "weather", "arguments": '{"city": "Bern"}'}
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Like this?"}, picture]},
        {"role": "assistant", "parts": [asked]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t-1", "response": "rain"}]},
    ]
    said = [{"type": "text", "content": "Again."}, asked]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": said, "finish_reason": "tool_calls"}
    ]
    assert json.loads(attributes["gen_ai.tool.definitions"]) == [tool]


async def test_contents_of_a_completion(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, {"id": "c-2", "choices": [{"index": 0, "text": " upon a time", "finish_reason": "length"}]})
    observer = watch.observer(capture_content=True)
    async with colour.open(server_url=canned.url, api_key=KEY, observers=[observer]) as client:
        await client.call("completions.create", model="m", prompt="Once")
    attributes: Any = watch.span.attributes
    assert watch.span.name == "text_completion m"
    once, rest = ({"type": "text", "content": text} for text in ("Once", " upon a time"))
    assert json.loads(attributes["gen_ai.input.messages"]) == [{"role": "user", "parts": [once]}]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [rest], "finish_reason": "length"}
    ]


@pytest.mark.parametrize(
    "method, given, expected",
    [
        (
            "embeddings.create",
            {"input": "a secret", "encoding_format": "float", "dimensions": 3},
            {
                "gen_ai.operation.name": "embeddings",
                "gen_ai.request.encoding_formats": ("float",),
                "gen_ai.embeddings.dimension.count": 3,
            },
        ),
        ("images.create", {"prompt": "a cat", "size": "8x8"}, {"gen_ai.output.type": "image"}),
        (
            "chat.create",
            {"messages": ASK["messages"], "response_format": {"type": "json_object"}, "stop": ["x", "y"]},
            {"gen_ai.output.type": "json", "gen_ai.request.stop_sequences": ("x", "y")},
        ),
        (
            "chat.create",
            {"messages": ASK["messages"], "response_format": {"type": "text"}},
            {"gen_ai.output.type": "text"},
        ),
    ],
)
async def test_what_a_request_asks_for(
    colour: Colour, watch: Watch, method: str, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    observer = watch.observer(capture_content=True)
    async with colour.open(server="local", observers=[observer]) as client:
        await client.call(method, model="m", **given)
    attributes = dict(watch.span.attributes or {})
    assert {name: attributes.get(name) for name in expected} == expected
    # Vectors and pictures are no words: of them only the prompt of a picture is one.
    assert ("gen_ai.input.messages" in attributes) is (method != "embeddings.create")
    assert ("gen_ai.output.messages" in attributes) is (method == "chat.create")


async def test_lists_of_models_are_no_work_of_a_model(colour: Colour, watch: Watch) -> None:
    async with colour.open(server="local", observers=[watch.observer()]) as client:
        await client.call("models.list")
    assert watch.spans == []


async def test_spans_are_below_that_of_the_caller(colour: Colour, canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, REPLY)
    async with open_client(colour, canned, watch) as client:
        with trace.get_tracer("t", tracer_provider=watch.tracers).start_as_current_span("outer") as outer:
            await client.call("chat.create", **ASK)
    inner = watch.spans[0]
    assert inner.parent is not None
    assert inner.parent.span_id == outer.get_span_context().span_id


def test_threads_and_tasks_keep_apart(canned: CannedServer, watch: Watch) -> None:
    canned.reply(200, REPLY)
    tracer = trace.get_tracer("t", tracer_provider=watch.tracers)

    def call(sdk: SDK, number: int) -> None:
        with tracer.start_as_current_span(f"outer {number}"):
            sdk.chat.create(**ASK)

    async def tasks(sdk: SDK) -> None:
        async def one(number: int) -> None:
            with tracer.start_as_current_span(f"outer {number}"):
                await sdk.chat.create_async(**ASK)

        async with anyio.create_task_group() as group:
            for number in range(4, 8):
                group.start_soon(one, number)
        await sdk.aclose()

    with SDK(server_url=canned.url, api_key=KEY, observers=[watch.observer()]) as sdk:
        threads = [threading.Thread(target=call, args=(sdk, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        anyio.run(tasks, sdk)
    outer = {span.context.span_id for span in watch.spans if span.name != "chat m" and span.context}
    inner = {span.parent.span_id for span in watch.spans if span.name == "chat m" and span.parent}
    assert len(outer) == 8
    assert inner == outer


async def test_cancelled(canned: CannedServer, watch: Watch, colour: Colour) -> None:
    if not colour.is_async:
        return
    canned.script = lambda connection, request: connection.saw_close()
    async with open_client(colour, canned, watch) as client:
        with anyio.move_on_after(0.1):
            await client.call("chat.create", **ASK)
    assert dict(watch.span.attributes or {})["error.type"] == "CancelledError"


async def test_an_observer_that_fails_hurts_nobody(
    colour: Colour, canned: CannedServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises:
        def start(self, call: Any) -> Any:
            raise RuntimeError(call.params["messages"])

    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url, api_key=KEY, observers=[Raises()]) as client:
        assert (await client.call("chat.create", **ASK)).text == "a secret answer"
    assert "an observer failed in" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("given", [[object()], [None], 3])
def test_what_is_no_observer_is_refused(given: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="observers: must be a list of observers"):
        SDK(server="local", observers=given)


def test_the_missing_extra_is_one_clear_line() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from llmsdk import errors\nfrom llmsdk.otel import instrument\n"
        "try:\n    instrument()\nexcept errors.ConfigurationError as exc:\n    print(exc)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "instrument: needs opentelemetry-api; install it with: pip install 'llmsdk[otel]'\n"


def test_an_operation_that_does_not_say_how_it_is_traced_cannot_be_made() -> None:
    operation = all_operations()["createChatCompletion"]
    known: dict[str, Any] = {name: getattr(operation, name) for name in operation.takes}
    del known["traced_as"]
    with pytest.raises(TypeError, match="'traced_as'"):
        Operation(**known)
