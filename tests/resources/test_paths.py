"""`sdk.get`, `sdk.post` and their like: any path of the server in use, with all that holds for other calls."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import AfterValidator, BaseModel

from llmsdk import SDK, Cassette, Failover, Price, errors
from llmsdk._call.request.any_path import checked_path
from llmsdk.models import ChatCompletionChunk, ChatCompletionResponse, JsonObject
from llmsdk.otel import instrument
from llmsdk.providers import Page
from llmsdk.utils import BackoffStrategy, RetryConfig
from llmsdk.utils.urls import join
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect

QUICK = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)


def endless(value: Any) -> Any:
    raise RecursionError


class Graph(BaseModel):
    id: str
    urls: list[str] = []


class Name(BaseModel):
    name: str


class Row(TypedDict):
    id: str
    name: NotRequired[str]


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
async def test_a_call_is_as_any_other(method: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"id": "g"}, {"x-request-id": "r-1", "x-ratelimit-remaining-requests": "4"})
    sends = method in ("post", "put", "patch")
    args = {"body": {"name": "é"}} if sends else {}
    async with colour.open(server_url=f"{canned.url}/v1", api_key=KEY) as client:
        reply = await client.call(method, "/graphs/a b".replace(" ", "%20"), query={"n": [1, 2], "all": True}, **args)
    assert reply == {"id": "g"}
    assert isinstance(reply, JsonObject)
    assert (reply.meta.request_id, reply.meta.rate_limit.requests.remaining) == ("r-1", 4)
    asked = canned.last
    assert (asked.method, asked.target) == (method.upper(), "/v1/graphs/a%20b?n=1&n=2&all=true")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert ("idempotency-key" in asked.headers) is (method in ("post", "patch"))
    assert asked.body == ('{"name":"é"}'.encode() if sends else b"")
    assert asked.headers.get("content-type") == ("application/json" if sends else None)


async def test_it_is_retried_with_the_same_bytes_and_key(colour: Colour, canned: CannedServer) -> None:
    def script(connection: Connection, request: Request) -> bool:
        status = b"503 Busy" if len(canned.requests) < 3 else b"200 OK"
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % status)
        return True

    canned.script = script
    async with colour.open(server_url=canned.url, retry_config=QUICK) as client:
        reply = await client.call("post", "/x", files={"file": ("a.txt", b"abc")}, body={"purpose": "p", "n": 2})
    assert [attempt.status for attempt in reply.meta.attempts] == [503, 503, 200]
    assert len({(one.body, one.headers["idempotency-key"]) for one in canned.requests}) == 1
    assert b'name="purpose"\r\n\r\np\r\n' in canned.last.body
    assert b'name="file"; filename="a.txt"' in canned.last.body


async def test_uploads(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    canned.reply(200, {})
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n")
    async with colour.open(server_url=canned.url) as client:
        for file in (path, str(path), io.BytesIO(b"a,b\n"), b"a,b\n", ("rows.csv", b"a,b\n")):
            await client.call("post", "/files", files={"file": file})
            assert b"a,b\n" in canned.last.body
            assert canned.last.headers["content-type"].startswith("multipart/form-data")
        headers = {"content-disposition": "attachment; filename=rows.csv"}
        await client.call("post", "/files", body=b"a,b\n", http_headers=headers)
        assert canned.last.body == b"a,b\n"
        assert canned.last.headers["content-type"] == "application/octet-stream"
        await client.call("post", "/files", body=bytearray(b"x"), content_type="text/csv")
        assert canned.last.headers["content-type"] == "text/csv"
        with pytest.raises(errors.RequestValidationError, match=r"^file: cannot be read"):
            await client.call("post", "/files", files={"file": tmp_path / "none"})
        with pytest.raises(errors.RequestValidationError, match=r"^body: must be a mapping of the form's fields"):
            await client.call("post", "/files", files={"file": path}, body=b"x")
        with pytest.raises(errors.RequestValidationError, match=r"^body: must be a mapping"):
            await client.call("post", "/files", files={"file": path}, body=[1])
        await client.call("post", "/files", files={"file": path}, body=Name(name="n"), extra_body={"more": 1})
        assert b'name="more"' in canned.last.body


@pytest.mark.parametrize(
    "cast_to, body, read",
    [
        (Graph, b'{"id":"g","urls":["u"]}', Graph(id="g", urls=["u"])),
        (Row, b'{"id":"g"}', {"id": "g"}),
        (list[Graph], b'[{"id":"g"}]', [Graph(id="g")]),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (dict, b"", {}),
        (int | None, b"", None),
        (bytes, b"\x00\xff", b"\x00\xff"),
        (bytes, b"", b""),
        (str, b"caf\xc3\xa9", "café"),
        (Graph, '{"id":"g"}'.encode("utf-16"), Graph(id="g")),
        (
            dict,
            b'{"id":"j","object":"job","error":{"message":"no"}}',
            {"id": "j", "object": "job", "error": {"message": "no"}},
        ),
    ],
)
async def test_a_reply_is_of_the_type_that_is_named(
    cast_to: Any, body: bytes, read: Any, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(200, body)
    async with colour.open(server_url=canned.url) as client:
        reply = await client.call("get", "/x", cast_to=cast_to)
    assert reply == read
    assert type(reply) is type(read) or isinstance(reply, JsonObject)
    assert canned.last.headers["accept"] == ("*/*" if cast_to in (bytes, str) else "application/json")


@pytest.mark.parametrize(
    "cast_to, body, told",
    [
        (Graph, b'{"urls":[]}', "not what cast_to names: id: it is missing"),
        (Graph, b"", "the body is empty"),
        (dict, b"[1]", "not what cast_to names"),
        (dict, b"<html>", "the body is HTML"),
        (dict, b'{"a":', "not valid JSON; an event stream is read with stream=True"),
        (dict, b"[" * 5000, "JSON|nested"),
    ],
)
async def test_a_reply_of_another_type_is_an_error_that_keeps_it(
    cast_to: Any, body: bytes, told: str, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(200, body)
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.ResponseValidationError, match=told) as caught:
            await client.call("get", "/x", cast_to=cast_to)
    assert caught.value.body == body.decode()
    assert caught.value.status_code == 200


async def test_our_models_have_their_meta(colour: Colour) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    async with colour.open(server="local") as client:
        reply = await client.call("post", "/chat/completions", body=body, cast_to=ChatCompletionResponse)
        assert (reply.text, reply.meta.server) == ("Embedded provider: you said 'Hi'.", "local")
        stream = await client.call(
            "post", "/chat/completions", body={**body, "stream": True}, cast_to=ChatCompletionChunk, stream=True
        )
        assert {type(event) for event in await collect(stream)} == {ChatCompletionChunk}
        assert stream.final.text == reply.text


async def test_error_statuses_and_errors_in_disguise(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url, retry_config=None) as client:
        canned.reply(404, {"error": {"message": "No graph.", "code": "none"}})
        with pytest.raises(errors.NotFoundError, match=r"No graph\.") as caught:
            await client.call("get", "/graphs/1")
        assert caught.value.code == "none"
        canned.reply(200, {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}})
        with pytest.raises(errors.RateLimitError, match=r"Slow down\."):
            await client.call("post", "/ask", body={})

        class Job(BaseModel):
            error: dict[str, str] | None

        assert (await client.call("get", "/jobs/1", cast_to=Job)).error["message"] == "Slow down."


def events(*documents: Any, done: bool = True) -> bytes:
    sent = b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in documents)
    return sent + (b"data: [DONE]\n\n" if done else b"")


DELTAS = [{"delta": {"content": f"word {number} of a stream that goes on for a while"}} for number in range(3)]


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("done", [True, False])
async def test_streams(done: bool, colour: Colour, canned: CannedServer) -> None:
    canned.stream(b": hello\n\nevent: ping\ndata: {}\n\n" + events(*DELTAS, None, {"a": 1}, done=done))
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("post", "/ask", body={"stream": True}, stream=True)
        found = await collect(stream)
    assert found == [*DELTAS, {"a": 1}] == stream.final
    assert isinstance(found[0], JsonObject)
    assert stream.meta.status_code == 200
    assert canned.last.headers["accept"].startswith("text/event-stream")


async def test_events_of_a_type(colour: Colour, canned: CannedServer) -> None:
    canned.stream(events({"id": "a"}, {"id": "b" * 100}))
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("get", "/x", cast_to=Graph, stream=True)
        assert [graph.id[0] for graph in await collect(stream)] == ["a", "b"]
        for wrong in ({"urls": []}, {"urls": ["u" * 100]}):
            canned.stream(events({"id": "a"}, wrong))
            stream = await client.call("get", "/x", cast_to=Graph, stream=True)
            with pytest.raises(errors.ResponseValidationError, match="cast_to names: id: it is missing") as caught:
                await collect(stream)
            assert caught.value.partial == [Graph(id="a")]
        canned.stream(events([1, 2], [3]))
        assert await collect(await client.call("get", "/x", cast_to=list[int], stream=True)) == [[1, 2], [3]]
        stream = await client.call("get", "/x", cast_to=Annotated[Any, AfterValidator(endless)], stream=True)
        with pytest.raises(errors.ResponseValidationError, match="its validator raised RecursionError"):
            await collect(stream)
        canned.stream(b'data: {"a": 1}\n\ndata: {"a": \n\n')
        stream = await client.call("get", "/x", stream=True)
        with pytest.raises(errors.ResponseValidationError):
            await collect(stream)


async def test_a_stream_that_was_cut_is_an_error(colour: Colour, canned: CannedServer) -> None:
    def script(connection: Connection, _: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(events(*DELTAS, done=False))
        connection.close()

    canned.script = script
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(await client.call("post", "/ask", stream=True))
        assert (caught.value.reason, caught.value.partial) == ("connection", DELTAS)
        canned.stream(events(*DELTAS, done=False) + b'data: {"half"')
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(await client.call("post", "/ask", stream=True))
        assert caught.value.reason == "truncated"
        choice = {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
        canned.stream(events(choice, done=False))
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(await client.call("post", "/ask", stream=True))
        assert (caught.value.reason, caught.value.partial) == ("truncated", [choice])
        canned.stream(events({"a": 1}, {"error": {"message": "Busy.", "code": "overloaded"}}))
        with pytest.raises(errors.ServiceUnavailableError, match=r"Busy\.") as in_band:
            await collect(await client.call("post", "/ask", stream=True))
        assert in_band.value.partial == [{"a": 1}]


async def test_a_whole_reply_where_a_stream_was_asked_for(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url) as client:
        canned.reply(200, {"answer": 42})
        stream = await client.call("post", "/ask", stream=True)
        assert await collect(stream) == [{"answer": 42}] == stream.final
        canned.reply(200, {"error": "no"})
        with pytest.raises(errors.APIStatusError, match="no"):
            await collect(await client.call("post", "/ask", stream=True))


async def test_pages_make_one_reply(colour: Colour, canned: CannedServer) -> None:
    pages = {
        "/v1/graphs?order=asc": {"data": [{"id": "a"}], "has_more": True, "last_id": "a"},
        "/v1/graphs?order=asc&after=a": {"data": [{"id": "b"}, {"id": "c"}], "has_more": False, "last_id": "c"},
    }

    def script(connection: Connection, request: Request) -> bool:
        body = json.dumps(pages[request.target]).encode()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    canned.script = script
    page = Page(cursor="$.last_id", param="after", more="$.has_more")

    class Graphs(BaseModel):
        data: list[Graph]
        last_id: str

    async with colour.open(server_url=f"{canned.url}/v1") as client:
        args: dict[str, Any] = {"query": {"order": "asc"}, "pages": page}
        reply = await client.call("get", "/graphs", **args)
        assert [one["id"] for one in reply["data"]] == ["a", "b", "c"]
        assert (reply["last_id"], reply["has_more"]) == ("c", False)
        assert [one.id for one in (await client.call("get", "/graphs", cast_to=Graphs, **args)).data] == ["a", "b", "c"]
        assert (await client.call("get", "/graphs", items="other", **args))["data"] == [{"id": "a"}]
        with pytest.raises(errors.RequestValidationError, match=r"^pages: must be a llmsdk\.providers.Page, got dict"):
            await client.call("get", "/graphs", pages={})


REFUSED = [
    ("/a/../b", "'..'"),
    ("../b", "'..'"),
    ("/a/%2e%2E/b", "'..'"),
    ("/a/..%2fb", "'..'"),
    ("/./b", "'..'"),
    ("//other.example/x", "got a URL"),
    ("https://other.example/x", "got a URL"),
    ("\\\\other.example\\x", "got a URL"),
    ("/a\\b", "backslashes"),
    ("/a b", "blanks"),
    ("/a\nb", "control"),
    ("/a\ud800", "surrogates"),
    ("/a?b=c", "query="),
    ("/a#b", "query="),
    ("/graphs/{graph_id}", "{graph_id}"),
    ("/graphs//file", "empty part"),
    ("", "empty"),
    ("/", "empty"),
    ("/v1/models", "leave it out"),
    (None, "got NoneType"),
    ("/" + "a" * 70_000, "too long"),
]


@pytest.mark.parametrize("path, told", REFUSED)
async def test_paths_that_lead_elsewhere_are_refused(
    path: Any, told: str, colour: Colour, canned: CannedServer
) -> None:
    async with colour.open(server_url=f"{canned.url}/v1") as client:
        with pytest.raises(errors.RequestValidationError, match=r"^path: ") as caught:
            await client.call("post", path, body={})
    assert told in str(caught.value)
    assert caught.value.param == "path"
    assert not canned.requests


@settings(max_examples=400)
@given(st.text(st.sampled_from("/.%2eE5cCfF\\?#@: abz{}é\u2028\ud800;=&+~\t\n"), max_size=25))
def test_no_path_leads_anywhere_else(path: str) -> None:
    try:
        checked = checked_path(path)
    except errors.RequestValidationError:
        return
    for base in ("https://api.example.com/v1", "https://api.example.com"):
        url = httpx.Request("GET", join(base, checked)).url
        assert (url.scheme, url.host, url.port, url.query) == ("https", "api.example.com", None, b"")
        sent = url.raw_path.decode()
        assert sent.startswith(urlsplit(base).path + "/")
        for read in (sent, unquote(sent)):
            assert {".", ".."}.isdisjoint(read.replace("\\", "/").split("/"))


@pytest.mark.parametrize(
    "args, told",
    [
        ({"query": {"api_key": "sk-x"}}, "query.api_key: a key does not belong"),
        ({"query": {"access_token": "x"}}, "query.access_token: a key"),
        ({"query": {"a": {}}}, "query.a: expected"),
        ({"query": "a=b"}, "query: must be a mapping, got str"),
        ({"body": {"a": {1}}}, "body.a: cannot be written as JSON"),
        ({"body": {"a": "\ud800"}}, "body.a: cannot be written as JSON"),
        ({"body": [1], "extra_body": {"a": 1}}, "extra_body: adds to a body that is a mapping, got list"),
        ({"extra_body": {"a": {1}}}, "extra_body.a: cannot be written as JSON"),
        ({"body": b"x", "content_type": 1}, "content_type: must be a str, got int 1"),
        ({"body": b"x", "content_type": "a\nb"}, "content_type: "),
        ({"files": [1]}, "files: must be a mapping"),
        ({"files": {"file": b""}}, "file: must be a file, but it is empty"),
        ({"bodi": {}}, "bodi: unknown argument of post; what goes to the server goes in body="),
        ({"stream": 1}, "stream: must be a bool, got int 1"),
        ({"cast_to": 3}, "cast_to: Unable to generate"),
        ({"failover": Failover(["together", "r9s"], models={"r9s": "m"})}, "failover: another server does not have"),
        ({"idle_timeout_ms": 5}, "idle_timeout_ms: sdk.post does not stream"),
    ],
)
async def test_bad_input_is_refused_before_sending(
    args: dict[str, Any], told: str, colour: Colour, canned: CannedServer
) -> None:
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("post", "/x", **args)
    assert str(caught.value).startswith(told)
    assert not canned.requests


async def test_extras_and_the_dialects_of_a_server(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {})
    async with colour.open(server="writer_v1", server_url=canned.url, api_key=KEY) as client:
        await client.call("get", "/v1/graphs", extra_query={"limit": 2}, http_headers={"x-one": "1"})
        assert (canned.last.target, canned.last.headers["x-one"]) == ("/v1/graphs?limit=2", "1")
        await client.call("post", "v1/graphs", body={"name": "g"}, extra_body={"description": "d"})
        assert canned.last.json == {"name": "g", "description": "d"}
        await client.call("post", "/v1/graphs/50%/x:run", extra_body={"a": 1})
        assert (canned.last.target, canned.last.json) == ("/v1/graphs/50%25/x:run", {"a": 1})
        await client.call("post", "/v1/tools/é", body=[1, 2])
        assert (canned.last.target, canned.last.json) == ("/v1/tools/%C3%A9", [1, 2])
        assert canned.last.headers["authorization"] == f"Bearer {KEY}"


class Watch:
    """A hook and an observer."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def before_request(self, ctx: Any, request: Any) -> Any:
        self.seen.append((ctx.operation_id, ctx.server))
        return request


async def test_hooks_failover_usage_and_tracing(colour: Colour, canned: CannedServer) -> None:
    spans, watch = InMemorySpanExporter(), Watch()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    canned.reply(200, {"usage": usage})
    async with colour.open(
        server_url=canned.url,
        hooks=[watch],
        prices={"m": Price(input_per_million=2)},
        observers=[instrument(tracer_provider=provider)],
    ) as client:
        await client.call("post", "/ask", body={"model": "m"})
        assert (client.sdk.usage.calls, client.sdk.usage.cost) == (1, 2.0)
        canned.stream(events({"a": 1}, {"usage": usage}))
        await collect(await client.call("post", "/ask", body={"model": "m"}, stream=True))
        assert (client.sdk.usage.calls, client.sdk.usage.cost) == (2, 4.0)
    assert watch.seen == [("post", "openai")] * 2
    assert [span.name for span in spans.get_finished_spans()] == ["post m", "post m"]


async def test_the_failover_of_the_sdk_is_off(colour: Colour, canned: CannedServer) -> None:
    canned.reply(503, {})
    failover = Failover(["openai", "r9s"], models={"r9s": "m"})
    keys = {"openai": KEY, "r9s": KEY}
    async with colour.open(server_url=canned.url, failover=failover, api_key=keys, retry_config=None) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call("post", "/ask", body={})
    assert len(canned.requests) == 1


async def test_deadline_and_the_guard_against_the_network(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url, retry_config=QUICK) as client:
        canned.script = lambda connection, request: connection.saw_close() and False
        with pytest.raises(errors.DeadlineExceededError):
            await client.call("get", "/slow", deadline_ms=60)
    async with colour.open(server="openai", api_key=KEY) as client:
        with pytest.raises(errors.ConfigurationError, match="LLMSDK_OFFLINE"):
            await client.call("get", "/models")


def test_cassettes(canned: CannedServer, tmp_path: Path) -> None:
    canned.reply(200, {"id": "g"})
    for mode in ("record", "replay"):
        tape = Cassette(tmp_path / "tape.jsonl", mode=mode)  # type: ignore[arg-type] # one of its literals
        with tape, SDK(server_url=canned.url, client=tape.client()) as sdk:
            assert sdk.post("/graphs", body={"name": "g"}) == {"id": "g"}
    assert len(canned.requests) == 1


def test_a_dict_of_ones_own_belongs_to_no_call() -> None:
    with pytest.raises(AttributeError, match="no call"):
        _ = JsonObject(a=1).meta
