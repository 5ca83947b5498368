"""`sdk.batches`: the round trip over the embedded provider, the servers' own words, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmsdk import SDK, errors
from llmsdk.local import LocalServer
from llmsdk.models import Batch, ChatCompletionResponse
from support import batch_samples as samples
from support.canned import CannedServer
from support.colours import KEY, Colour
from support.storages import script

DIALECTS = ("openai", "together", "local")
SAID = [{"role": "user", "content": "Hi"}]
ROWS = [
    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": SAID}},
    {"model": "m", "messages": SAID, "stop": "x"},
    {"custom_id": "c", "model": "missing-m", "messages": SAID},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


def at(server: LocalServer | CannedServer, dialect: str) -> dict[str, Any]:
    if dialect == "local":
        return {"server": "openai", "server_url": server.url, "api_key": KEY}
    return {"server": dialect, "server_url": server.url, "api_key": KEY}


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_rows_go_all_the_way_and_come_back_typed(colour: Colour, rows: Path, dialect: str) -> None:
    with LocalServer(dialect) as server:
        async with colour.open(**at(server, dialect)) as client:
            made = await client.call("batches.create", file=rows)
            assert made.status == "validating"
            over = await client.call("batches.wait", made, poll_ms=1)
            assert (over.status, over.is_over) == ("completed", True)
            assert over.wire_status == ("COMPLETED" if dialect == "together" else "completed")
            with await client.call("batches.fetch", over) as results:
                found = list(results)
                assert [(key, type(result).__name__) for key, result in results] == [
                    (key, type(result).__name__) for key, result in found
                ]
    (first, answer), (second, other), (third, error) = found
    assert (first, third) == ("a", "c")
    assert isinstance(answer, ChatCompletionResponse)
    assert isinstance(other, ChatCompletionResponse)
    assert answer.text == "Embedded provider: you said 'Hi'."
    assert answer.meta.status_code == 200
    assert isinstance(error, errors.NotFoundError)
    assert len(second.removeprefix("sha256:")) == 64
    assert len(second) <= 64 or dialect != "together"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_rows_are_uploaded_in_the_words_of_the_server(colour: Colour, rows: Path, dialect: str) -> None:
    with LocalServer(dialect) as server:
        async with colour.open(**at(server, dialect)) as client:
            made = await client.call("batches.create", file=str(rows), completion_window="24h")
            sent = [json.loads(line) for line in (await client.call("files.content", made.input_file_id)).splitlines()]
            body = client.preview("chat", model="m", messages=SAID, stop="x").body
        wanted = {"custom_id", "body"} if dialect == "together" else {"custom_id", "method", "url", "body"}
        assert [set(line) for line in sent] == [wanted] * 3
        assert sent[1]["body"] == body
        assert body["stop"] == (["x"] if dialect == "together" else "x")
        create = next(request for request in server.requests if request.operation == "createBatch")
        assert create.json == {
            "input_file_id": made.input_file_id,
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }


async def test_rows_go_along_with_the_batch_where_the_server_takes_no_file(colour: Colour, rows: Path) -> None:
    wanted = [{"max_tokens": 9, **json.loads(line)} for line in rows.read_text("utf-8").splitlines()]
    wanted[0] = {"custom_id": "a", "model": "m", "messages": SAID, "max_tokens": 9}
    rows.write_text("\n".join(map(json.dumps, wanted)), "utf-8")
    with LocalServer("anthropic") as server:
        async with colour.open(**at(server, "anthropic")) as client:
            made = await client.call("batches.create", file=rows)
            sent = server.requests[-1].json
            body = client.preview("chat", model="m", messages=SAID, stop="x", max_tokens=9).body
            over = await client.call("batches.wait", made, poll_ms=1)
            with await client.call("batches.fetch", over) as results:
                found = dict(results)
            assert [one.id for one in (await client.call("batches.list")).data] == [made.id]
        assert [request.operation for request in server.requests].count("createBatch") == 1
    assert sent.keys() == {"requests"}
    names = [row["custom_id"] for row in sent["requests"]]
    assert (names[0], names[2], len(names[1])) == ("a", "c", 64)
    assert sent["requests"][1]["params"] == body
    assert (made.status, over.status, over.request_counts.total) == ("in_progress", "completed", 3)
    assert found["a"].text == found[names[1]].text == "Embedded provider: you said 'Hi'."
    assert isinstance(found["c"], errors.NotFoundError)


async def test_rows_go_along_with_geminis_batch_of_one_model(colour: Colour, tmp_path: Path) -> None:
    rows = [
        {"custom_id": name, "model": "models/m", "messages": SAID, "n": count} for name, count in (("a", 1), ("b", 2))
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with LocalServer("gemini") as server:
        async with colour.open(**at(server, "gemini")) as client:
            made = await client.call("batches.create", file=path)
            sent = server.requests[-1]
            over = await client.call("batches.wait", made, poll_ms=1)
            with await client.call("batches.fetch", over) as results:
                found = dict(results)
            assert (await client.call("batches.retrieve", f"batches/{made.id}")).id == made.id
            assert [one.id for one in (await client.call("batches.list")).data] == [made.id]
            rows[1]["model"] = "other"
            path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
            with pytest.raises(errors.BatchError, match="line 2: model: a batch of this server has one model"):
                await client.call("batches.create", file=path)
            with pytest.raises(errors.UnsupportedOperationError):
                await client.call("batches.cancel", made.id)
    assert sent.path.endswith("/models/m:batchGenerateContent")
    lines = sent.json["batch"]["inputConfig"]["requests"]["requests"]
    assert [line["metadata"]["key"] for line in lines] == ["a", "b"]
    assert lines[1]["request"]["generationConfig"] == {"candidateCount": 2}
    assert (made.status, over.status, over.request_counts.completed) == ("validating", "completed", 2)
    assert [len(found[name].choices) for name in ("a", "b")] == [1, 2]


async def test_geminis_results_are_read(colour: Colour, canned: CannedServer) -> None:
    reply = {"candidates": [{"content": {"parts": [{"text": "Hello"}]}, "finishReason": "STOP"}], "modelVersion": "g-1"}
    lines = [
        {"response": reply, "metadata": {"key": "a"}},
        {"error": {"code": 8, "message": "Slow down"}, "metadata": {"key": "b"}},
        {"error": {"code": 99, "message": "Odd"}, "metadata": {"key": "c"}},
        {"response": {}, "metadata": {"key": "d"}},
        {"response": reply},
    ]
    said = {"state": "BATCH_STATE_SUCCEEDED", "output": {"inlinedResponses": {"inlinedResponses": lines}}}
    script(canned, {"GET /batches/b": {"name": "batches/b", "metadata": said, "done": True}})
    async with colour.open(**at(canned, "gemini")) as client:
        batch = await client.call("batches.retrieve", "b")
        assert "output" not in batch.model_dump()
        with await client.call("batches.fetch", batch) as results:
            found = dict(results)
    assert found["a"].text == "Hello"
    assert isinstance(found["b"], errors.RateLimitError)
    assert (type(found["c"]), found["c"].message) == (errors.SDKDefaultError, "Odd")
    assert isinstance(found["d"], errors.ResponseValidationError)
    assert isinstance(found["line:5"], errors.ResponseValidationError)


@pytest.mark.parametrize("document", [b"[]", b"{}", b'{"name": "batches/b"}'])
async def test_a_batch_of_geminis_without_results(colour: Colour, canned: CannedServer, document: bytes) -> None:
    done = {"name": "batches/b", "metadata": {"state": "BATCH_STATE_SUCCEEDED", "output": {"x": 1}}, "done": True}
    script(canned, {"GET /batches/b": [done, document]})
    async with colour.open(**at(canned, "gemini")) as client:
        batch = await client.call("batches.retrieve", "b")
        with await client.call("batches.fetch", batch) as results:
            assert list(results) == []
    script(canned, {"GET /batches/b": b"no JSON"})
    async with colour.open(**at(canned, "gemini")) as client:
        with await client.call("batches.fetch", batch) as results:
            assert [type(one) for _, one in results] == [errors.ResponseValidationError]


RESULTS = b"""\
{"custom_id": "a", "result": {"type": "succeeded", "message": {"id": "msg_1", "type": "message", "role": "assistant", \
"model": "m", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "usage": {"input_tokens": 2, \
"output_tokens": 1}}}}
{"custom_id": "b", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", \
"message": "max_tokens: too many"}, "request_id": "req_1"}}}
{"custom_id": "c", "result": {"type": "expired"}}
{"custom_id": "d", "result": {"type": "canceled"}}
{"custom_id": "e"}
[1]
"""


async def test_anthropics_results_are_read(colour: Colour, canned: CannedServer) -> None:
    batch = {"id": "b_1", "type": "message_batch", "processing_status": "ended", "results_url": "http://127.0.0.1:9/x"}
    script(canned, {"GET /messages/batches/b_1": batch, "GET /messages/batches/b_1/results": RESULTS})
    async with colour.open(**at(canned, "anthropic")) as client:
        with await client.call("batches.fetch", "b_1") as results:
            found = dict(results)
    assert (found["a"].text, found["a"].usage.total_tokens) == ("Hello", 3)
    assert isinstance(found["b"], errors.BadRequestError)
    assert found["b"].message == "max_tokens: too many"
    assert "expired before" in found["c"].message
    assert "cancelled before" in found["d"].message
    assert isinstance(found["e"], errors.SDKError)
    assert isinstance(found["line:6"], errors.ResponseValidationError)


async def test_an_anthropic_batch_that_is_refused_sends_no_rows(colour: Colour, rows: Path) -> None:
    with LocalServer("anthropic") as server:
        async with colour.open(**at(server, "anthropic")) as client:
            with pytest.raises(errors.UnsupportedParameterError, match="metadata"):
                await client.call("batches.create", file=rows, metadata={"a": "b"})
            with pytest.raises(errors.BatchError, match="line 1: max_tokens"):
                await client.call("batches.create", file=rows)
    assert server.requests == []


async def test_results_are_written_as_a_local_run_writes_them(colour: Colour, rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    async with colour.open(server="local") as client:
        made = await client.call("batches.create", file=rows)
        await client.call("batches.wait", made.id, poll_ms=1)
        assert await client.call("batches.fetch", made.id, output) == output
    good = [json.loads(line) for line in output.read_text().splitlines()]
    bad = [json.loads(line) for line in (tmp_path / "out.jsonl.errors.jsonl").read_text().splitlines()]
    assert good[0]["custom_id"] == "a"
    assert all(line["response"]["status_code"] == 200 and line["error"] is None for line in good)
    assert [(line["custom_id"], line["error"]["class"], line["request"]) for line in bad] == [
        ("c", "NotFoundError", None)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.errors.jsonl"]


@pytest.mark.parametrize(
    "operation, row",
    [
        ("completions", {"custom_id": "a", "model": "m", "prompt": "x"}),
        ("embeddings", {"custom_id": "a", "model": "m", "input": "x"}),
        ("images", {"custom_id": "a", "model": "m", "prompt": "x", "size": "64x64"}),
    ],
)
async def test_other_operations_have_batches_too(
    colour: Colour, tmp_path: Path, operation: str, row: dict[str, Any]
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(row))
    async with colour.open(server="local") as client:
        made = await client.call("batches.create", file=path, operation=operation)
        over = await client.call("batches.wait", made, poll_ms=1)
        with await client.call("batches.fetch", over) as results:
            [(_, reply)] = list(results)
    assert not isinstance(reply, errors.SDKError)


# ------------------------------------------------------------ the servers' own words


async def test_openais_batch_is_read(colour: Colour, canned: CannedServer) -> None:
    script(canned, {"GET /batches/batch_abc123": samples.OPENAI_BATCH})
    async with colour.open(**at(canned, "openai")) as client:
        batch = await client.call("batches.retrieve", "batch_abc123")
        assert client.sdk.usage.total_tokens == 0  # a look costs nothing
    assert batch.request_counts.total == 3
    assert (batch.created_at, batch.metadata) == (1711471533, {"job": "nightly"})
    assert batch.model_dump(exclude_unset=True) == samples.OPENAI_BATCH


async def test_togethers_new_batch_is_taken_out_of_its_envelope(colour: Colour, canned: CannedServer) -> None:
    script(canned, {"POST /batches": (201, {}, {"job": samples.TOGETHER_BATCH, "warning": "slow today"})})
    async with colour.open(**at(canned, "together")) as client:
        batch = await client.call("batches.create", input_file_id="file-30b2f515", priority=1)
    assert (batch.id, batch.status, batch.wire_status) == (samples.TOGETHER_BATCH["id"], "in_progress", "IN_PROGRESS")
    assert (batch.progress, batch.job_deadline, batch.warning) == (75, "2026-01-15T15:30:00Z", "slow today")
    assert canned.last.json == {
        "input_file_id": "file-30b2f515",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "priority": 1,
    }


@pytest.mark.parametrize(
    "dialect, document",
    [
        ("openai", {"object": "list", "data": [samples.OPENAI_BATCH], "has_more": False, "last_id": "x"}),
        ("together", [samples.TOGETHER_BATCH]),
    ],
)
async def test_lists_are_read(colour: Colour, canned: CannedServer, dialect: str, document: Any) -> None:
    script(canned, {"GET /batches": json.dumps(document).encode()})
    async with colour.open(**at(canned, dialect)) as client:
        listed = await client.call("batches.list")
    assert [batch.is_over for batch in listed] == [dialect == "openai"]
    assert len(listed) == 1


async def test_all_pages_of_a_list_are_read(colour: Colour, tmp_path: Path) -> None:
    with LocalServer("openai", page_size=2) as server:
        async with colour.open(**at(server, "openai")) as client:
            kept = await client.call("files.upload", b"{}")
            made = [await client.call("batches.create", input_file_id=kept.id) for _ in range(5)]
            listed = await client.call("batches.list", limit=2)
    assert [batch.id for batch in listed] == [batch.id for batch in made]


@pytest.mark.parametrize(
    "dialect, failures, kinds",
    [
        ("openai", samples.OPENAI_ERRORS, [errors.BadRequestError, errors.SDKDefaultError]),
        ("together", samples.TOGETHER_ERRORS, [errors.SDKDefaultError, errors.GatewayTimeoutError]),
    ],
)
async def test_failed_rows_are_errors_of_their_class(
    colour: Colour, canned: CannedServer, dialect: str, failures: bytes, kinds: list[type[Exception]]
) -> None:
    script(canned, {"GET /files/file-out/content": samples.OUTPUT, "GET /files/file-err/content": failures})
    batch = Batch.model_validate(samples.OPENAI_BATCH)
    async with colour.open(**at(canned, dialect)) as client:
        with await client.call("batches.fetch", batch) as results:
            found = dict(results)
    assert found["one"].text == "Hello."
    assert found["one"].meta.request_id == "req-1"
    assert [type(found[key]) for key in ("two", "three")] == kinds
    codes = [found[key].code for key in ("two", "three")]
    wanted = ["context_length_exceeded", "batch_expired"] if dialect == "openai" else ["invalid_model", "timeout"]
    assert codes == wanted


LIMITED = {"error": {"message": "Slow down.", "code": "rate_limit_exceeded"}}
FAILED_ROWS: dict[str, tuple[dict[str, Any], type[errors.SDKError], int | None, str]] = {
    "an error beside the status": (
        {"response": {"status_code": 429, "request_id": "r"}, "error": {"message": "Slow down."}},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "an error in words": (
        {"response": {"status_code": 500, "body": None}, "error": "It broke."},
        errors.InternalServerError,
        500,
        "It broke.",
    ),
    "a status as text": (
        {"response": {"status_code": "429", "body": {}}, "error": {"message": "Slow down."}},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "a status as text with its body": (
        {"response": {"status_code": "429", "body": LIMITED}, "error": None},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "a status as a float": (
        {"response": {"status_code": 503.0}, "error": {"message": "Busy."}},
        errors.ServiceUnavailableError,
        503,
        "Busy.",
    ),
    "a body that says more than the error": (
        {"response": {"status_code": 400, "body": LIMITED}, "error": {"message": "failed"}},
        errors.BadRequestError,
        400,
        "Slow down.",
    ),
    "a status that no class has": (
        {"response": {"status_code": 418}, "error": "A teapot."},
        errors.SDKDefaultError,
        418,
        "A teapot.",
    ),
    "no response, a status beside the error": (
        {"status_code": 429, "error": {"message": "Slow down."}},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "no response, a status in the error": (
        {"response": None, "error": {"message": "Gone.", "status_code": 404}},
        errors.NotFoundError,
        404,
        "Gone.",
    ),
    "no response, a code": (
        {"response": None, "error": {"message": "Slow down.", "code": "rate_limit_exceeded"}},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "no response, words": ({"response": None, "error": "It broke."}, errors.SDKDefaultError, 200, "It broke."),
    "a status alone": (
        {"response": {"status_code": 429}, "error": None},
        errors.RateLimitError,
        429,
        '{"status_code":429}',
    ),
    "an error beside a good status": (
        {"response": {"status_code": 200, "body": None}, "error": {"message": "Slow down.", "code": 429}},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "no status": (
        {"response": {"status_code": "soon", "body": LIMITED}, "error": None},
        errors.RateLimitError,
        429,
        "Slow down.",
    ),
    "nothing": ({"response": None, "error": None}, errors.ResponseValidationError, None, "not a chat reply"),
}


@pytest.mark.parametrize("case", FAILED_ROWS)
async def test_a_failed_row_has_the_class_of_its_status(colour: Colour, canned: CannedServer, case: str) -> None:
    line, kind, status, message = FAILED_ROWS[case]
    script(canned, {"GET /files/file-out/content": samples.lines({"custom_id": "a", **line})})
    batch = Batch.model_validate({**samples.OPENAI_BATCH, "error_file_id": None})
    async with colour.open(**at(canned, "openai")) as client:
        with await client.call("batches.fetch", batch) as results:
            [(_, error)] = list(results)
    assert type(error) is kind
    assert getattr(error, "status_code", None) == status
    assert error.message.startswith(message)


async def test_a_broken_line_of_results_is_an_error_of_its_own(colour: Colour, canned: CannedServer) -> None:
    script(canned, {"GET /files/file-out/content": samples.OUTPUT + b'\n{"custom_id": \n[1]\n{"custom_id": "z"}'})
    batch = Batch.model_validate({**samples.OPENAI_BATCH, "error_file_id": None})
    async with colour.open(**at(canned, "openai")) as client:
        with await client.call("batches.fetch", batch) as results:
            found = list(results)
    assert [key for key, _ in found] == ["one", "line:2", "line:3", "z"]
    assert all(isinstance(result, errors.ResponseValidationError) for _, result in found[1:])


# --------------------------------------------------------------------- wait


async def test_a_wait_ends_at_its_deadline(colour: Colour, canned: CannedServer) -> None:
    script(canned, {"GET /batches/b": samples.TOGETHER_BATCH})
    async with colour.open(**at(canned, "together")) as client:
        with pytest.raises(errors.DeadlineExceededError, match="its last status was 'in_progress'"):
            await client.call("batches.wait", "b", poll_ms=20, deadline_ms=600)
    assert 2 <= len(canned.requests) <= 8  # 20, 30, 45, 67, 101 and 152 ms between looks


async def test_a_wait_ends_at_its_deadline_inside_a_look_too(colour: Colour) -> None:
    with LocalServer("openai") as server:
        server.always({"delay_s": 30})
        async with colour.open(**at(server, "openai")) as client:
            with pytest.raises(errors.DeadlineExceededError, match="the batch goes on, its last status was 'unknown'"):
                await client.call("batches.wait", "b", deadline_ms=100)


async def test_a_wait_outlives_failures_that_pass(colour: Colour, rows: Path) -> None:
    with LocalServer("openai") as server:
        async with colour.open(**at(server, "openai"), retry_config=None) as client:
            made = await client.call("batches.create", file=rows)
            server.script({"status": 503}, {"cut_before_headers": True}, None, {"status": 429})
            over = await client.call("batches.wait", made, poll_ms=1, max_poll_ms=2)
            assert over.status == "completed"
            server.script(*[{"status": 503}] * 9)
            with pytest.raises(errors.ServiceUnavailableError):
                await client.call("batches.wait", made, poll_ms=1, max_poll_ms=2)
            server.reset()
            server.script({"status": 401})
            with pytest.raises(errors.AuthenticationError):
                await client.call("batches.wait", made, poll_ms=1)


@pytest.mark.also_trio
async def test_a_wait_can_be_cancelled(colour: Colour, canned: CannedServer) -> None:
    if not colour.is_async:
        pytest.skip("a thread that sleeps cannot be cancelled")
    script(canned, {"GET /batches/b": samples.TOGETHER_BATCH})
    async with colour.open(**at(canned, "together")) as client:
        with anyio.move_on_after(0.2) as scope:
            await client.call("batches.wait", "b")
    assert scope.cancelled_caught


@pytest.mark.parametrize("name", ["poll_ms", "max_poll_ms"])
async def test_a_wait_has_real_pauses(colour: Colour, name: str) -> None:
    async with colour.open(server="local") as client:
        with pytest.raises(errors.ConfigurationError, match=name):
            await client.call("batches.wait", "b", **{name: -1})


# ------------------------------------------------------------------- cancel


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_batch_is_cancelled_once(colour: Colour, rows: Path, dialect: str) -> None:
    with LocalServer(dialect) as server:
        async with colour.open(**at(server, dialect)) as client:
            made = await client.call("batches.create", file=rows)
            assert (await client.call("batches.cancel", made.id)).status == "cancelled"
            assert server.requests[-1].body == b""
            over = await client.call("batches.wait", made, poll_ms=1)
            assert over.status == "cancelled"
            with await client.call("batches.fetch", over) as results:
                assert list(results) == []
            with pytest.raises(errors.ConflictError):
                await client.call("batches.cancel", made.id, retries=None)


# ---------------------------------------------------------------- bad input

BAD = {
    "another operation": (
        b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"model":"m","input":"x"}}',
        r"in\.jsonl: line 2: url: a row of another operation",
    ),
    "broken": (b'{"custom_id": ', r"in\.jsonl: line 2: not JSON"),
    "repeated": (
        b'{"custom_id":"ok","model":"m","messages":SAID}',
        r"line 2: custom_id: the same as in line 1",
    ),
    "missing parameter": (b'{"custom_id":"b","model":"m"}', r"line 2: messages: required by chat\.create"),
    "mistyped": (b'{"custom_id":"b","model":"m","messages":"x"}', r"line 2: messages: must be"),
    "unknown": (
        b'{"custom_id":"b","model":"m","messages":SAID,"temprature":1}',
        r"line 2: temprature: unknown.*mean",
    ),
    "query": (
        b'{"model":"m","messages":SAID,"extra_query":{"a":1}}',
        "line 2: extra_query: ",
    ),
    "streamed": (b'{"model":"m","messages":SAID,"stream":true}', "line 2: stream"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_row_is_named_before_anything_is_sent(colour: Colour, tmp_path: Path, case: str) -> None:
    line, message = BAD[case]
    path = tmp_path / "in.jsonl"
    whole = b'{"custom_id":"ok","model":"m","messages":SAID}\n' + line + b"\n"
    path.write_bytes(whole.replace(b"SAID", json.dumps(SAID).encode()))
    with LocalServer("openai") as server:
        async with colour.open(**at(server, "openai")) as client:
            with pytest.raises(errors.BatchError, match=message) as caught:
                await client.call("batches.create", file=path)
        assert server.requests == []
    assert (caught.value.path, caught.value.line) == (str(path), 2)


async def test_extras_and_the_other_name_of_the_model_go_into_the_body(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"model_id": "m", "messages": SAID, "extra_body": {"top_k": 3}}))
    async with colour.open(server="local") as client:
        made = await client.call("batches.create", file=path)
        [line] = (await client.call("files.content", made.input_file_id)).splitlines()
    assert json.loads(line)["body"] == {"model": "m", "messages": SAID, "top_k": 3}


async def test_what_a_server_lacks_is_named_with_the_line(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"custom_id": "b", "model": "m", "messages": SAID, "store": True}))
    with LocalServer("together") as server:
        async with colour.open(**at(server, "together")) as client:
            with pytest.raises(errors.BatchError, match="line 1: store: server 'together' doesn't support it"):
                await client.call("batches.create", file=path)
            assert server.requests == []
            made = await client.call("batches.create", file=path, unsupported="drop")
            [line] = (await client.call("files.content", made.input_file_id)).splitlines()
    assert "store" not in json.loads(line)["body"]


async def test_a_name_that_is_too_long_is_refused_where_the_server_says_so(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"custom_id": "b" * 65, "model": "m", "messages": SAID}))
    with LocalServer("together") as server, LocalServer("openai") as other:
        async with colour.open(**at(server, "together")) as client:
            with pytest.raises(errors.BatchError, match="line 1: custom_id: the server takes 64 characters, got 65"):
                await client.call("batches.create", file=path)
        async with colour.open(**at(other, "openai")) as client:
            await client.call("batches.create", file=path)


async def test_rows_without_names_get_names_that_fit(colour: Colour, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text((json.dumps({"model": "m", "messages": SAID}) + "\n") * 3)
    with LocalServer("together") as server:
        async with colour.open(**at(server, "together")) as client:
            made = await client.call("batches.create", file=path)
            sent = (await client.call("files.content", made.input_file_id)).splitlines()
    names = [json.loads(line)["custom_id"] for line in sent]
    assert [len(name) for name in names] == [64, 64, 64]
    assert [name[-2:] for name in names[1:]] == ["-2", "-3"]


@pytest.mark.parametrize("given", [{}, {"file": "x", "input_file_id": "y"}])
async def test_rows_come_from_one_place(colour: Colour, given: dict[str, str]) -> None:
    async with colour.open(server="local") as client:
        with pytest.raises(errors.RequestValidationError, match="file: pass either file or input_file_id"):
            await client.call("batches.create", **given)


async def test_a_missing_or_empty_file_is_named(colour: Colour, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"\n \n")
    async with colour.open(server="local") as client:
        with pytest.raises(errors.BatchError, match=r"gone\.jsonl: cannot be read: No such file"):
            await client.call("batches.create", file=tmp_path / "gone.jsonl")
        with pytest.raises(errors.BatchError, match=r"empty\.jsonl: holds no rows"):
            await client.call("batches.create", file=tmp_path / "empty.jsonl")
        with pytest.raises(errors.BatchError, match="operation: must be one of"):
            await client.call("batches.create", file=tmp_path / "empty.jsonl", operation="batches")


@pytest.mark.parametrize("dialect", ["r9s", "writer_v1"])
async def test_a_server_without_batches_names_those_that_have_them(colour: Colour, rows: Path, dialect: str) -> None:
    async with colour.open(server=dialect, api_key=KEY) as client:
        for call, args in (
            ("batches.create", {"file": rows}),
            ("batches.create", {"input_file_id": "x"}),
            ("batches.list", {}),
            ("batches.wait", {"batch": "x"}),
            ("files.upload", {"file": b"x"}),
            ("files.content", {"file_id": "x"}),
        ):
            with pytest.raises(errors.UnsupportedOperationError) as caught:
                await client.call(call, **args)
            assert caught.value.servers[:3] == ("together", "openai", "local")


async def test_an_unknown_batch_is_not_found(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        for call in ("retrieve", "cancel", "wait", "fetch"):
            with pytest.raises(errors.NotFoundError):
                await client.call(f"batches.{call}", "nothing")
        with pytest.raises(errors.RequestValidationError, match="batch_id"):
            await client.call("batches.retrieve", "")
        with pytest.raises(errors.NotFoundError):
            await client.call("batches.create", input_file_id="nothing")


async def test_what_is_not_over_cannot_be_fetched(colour: Colour, rows: Path) -> None:
    async with colour.open(server="local") as client:
        made = await client.call("batches.create", file=rows)
        with pytest.raises(errors.BatchError, match="is validating and has no results: wait for its end"):
            await client.call("batches.fetch", made)


async def test_a_batch_that_failed_says_why(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        kept = await client.call("files.upload", b"no rows")
        over = await client.call("batches.wait", await client.call("batches.create", input_file_id=kept.id), poll_ms=1)
        assert over.status == "failed"
        with pytest.raises(errors.BatchError, match="invalid_json_line"):
            await client.call("batches.fetch", over)


async def test_no_other_server_takes_over(colour: Colour, rows: Path) -> None:
    from llmsdk import Failover

    with LocalServer("openai", faults=[{"status": 503}]) as server:
        failover = Failover(["r9s", "together"])
        keys = {"openai": KEY, "r9s": KEY, "together": KEY}
        options = {"server": "openai", "server_url": server.url, "api_key": keys, "failover": failover}
        async with colour.open(**options, retry_config=None) as client:
            with pytest.raises(errors.ServiceUnavailableError):
                await client.call("batches.create", input_file_id="x")
            with pytest.raises(errors.RequestValidationError, match="failover"):
                await client.call("files.upload", b"x", failover=failover)


async def test_an_upload_that_fails_starts_nothing(colour: Colour, rows: Path) -> None:
    with LocalServer("openai", faults=[{"status": 400}]) as server:
        async with colour.open(**at(server, "openai")) as client:
            with pytest.raises(errors.BadRequestError):
                await client.call("batches.create", file=rows)
        assert [request.operation for request in server.requests] == ["uploadFile"]


async def test_results_that_are_closed_say_so(colour: Colour, rows: Path) -> None:
    async with colour.open(server="local") as client:
        over = await client.call("batches.wait", await client.call("batches.create", file=rows), poll_ms=1)
        results = await client.call("batches.fetch", over)
        results.close()
        with pytest.raises(errors.ConfigurationError, match="closed"):
            list(results)


async def test_failures_are_as_private_as_the_results(colour: Colour, rows: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    output.touch(0o600)
    async with colour.open(server="local") as client:
        over = await client.call("batches.wait", await client.call("batches.create", file=rows), poll_ms=1)
        await client.call("batches.fetch", over, output)
    assert [path.stat().st_mode & 0o777 for path in (output, tmp_path / "out.jsonl.errors.jsonl")] == [0o600, 0o600]


async def test_results_that_cannot_be_written_leave_nothing(colour: Colour, rows: Path, tmp_path: Path) -> None:
    async with colour.open(server="local") as client:
        over = await client.call("batches.wait", await client.call("batches.create", file=rows), poll_ms=1)
        with pytest.raises(FileNotFoundError):
            await client.call("batches.fetch", over, tmp_path / "no" / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


async def test_replies_and_failures_go_to_two_files(colour: Colour, rows: Path, tmp_path: Path) -> None:
    with LocalServer() as server:
        async with colour.open(**at(server, "openai")) as client:
            made = await client.call("batches.wait", await client.call("batches.create", file=rows), poll_ms=1)
            with pytest.raises(errors.BatchError, match=r"x\.jsonl: is output and errors at once; name another file"):
                await client.call("batches.fetch", made, tmp_path / "x.jsonl", errors=tmp_path / "y" / ".." / "x.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("name", ["wait", "fetch"])
async def test_what_is_no_batch_is_refused(colour: Colour, name: str) -> None:
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(errors.RequestValidationError, match=r"^batch: must be a Batch or its id, got int"):
            await client.call(f"batches.{name}", 7)


async def test_a_table_runs_there_as_it_does_here(colour: Colour, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    table.write_text("custom_id,model,prompt,max_tokens\na,m,Hi,9\nb,m,Ho,\n")
    with LocalServer() as server:
        async with colour.open(**at(server, "openai")) as client:
            made = await client.call("batches.wait", await client.call("batches.create", file=table), poll_ms=1)
            with await client.call("batches.fetch", made) as results:
                assert {custom_id: reply.text for custom_id, reply in results} == {
                    "a": "Embedded provider: you said 'Hi'.",
                    "b": "Embedded provider: you said 'Ho'.",
                }


async def test_rows_without_a_name_are_written_as_a_local_run_writes_them(colour: Colour, tmp_path: Path) -> None:
    source, there, here = (tmp_path / f"{name}.jsonl" for name in ("in", "there", "here"))
    row = {"model": "m", "messages": SAID}
    source.write_text("\n".join(json.dumps(one) for one in (row, row, {**row, "custom_id": "c"})), encoding="utf-8")
    with LocalServer() as server:
        async with colour.open(**at(server, "openai")) as client:
            made = await client.call("batches.wait", await client.call("batches.create", file=source), poll_ms=1)
            await client.call("batches.fetch", made, there)
            await client.call("batch.run", source, here)
    named = [
        sorted((line["key"], line["custom_id"]) for line in map(json.loads, path.read_text("utf-8").splitlines()))
        for path in (there, here)
    ]
    assert named[0] == named[1]


def test_an_async_hook_is_refused_by_a_sync_call() -> None:
    class Hook:
        async def before_request(self, ctx: Any, request: Any) -> Any:
            return request

    with SDK(server="local", hooks=[Hook()]) as sdk, pytest.raises(errors.ConfigurationError, match="hooks"):
        sdk.files.upload(b"x")
