"""Rows in, columns out, against the embedded provider: what is sent, what is said of it, and what is passed over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmsdk.errors import ConfigurationError
from llmsdk.frames.columns import NAMES
from llmsdk.frames.gate import LimiterError
from llmsdk.frames.leases import Grant, LeaseRequest
from llmsdk.frames.plan import Plan
from llmsdk.frames.requests import check_columns
from llmsdk.frames.session import Session
from llmsdk.local import LocalServer
from llmsdk.utils import BackoffStrategy, RetryConfig

MODEL = {"model": "m"}
ONCE = {"retries": None}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def plan_for(server: LocalServer, **given: Any) -> Plan:
    return Plan(**{"params": MODEL, "sdk": {"server_url": server.url}, "options": ONCE} | given)


def work(plan: Plan, rows: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    with Session(plan) as session:
        return session.begin(rows).result(60)


def only(plan: Plan, row: dict[str, Any]) -> dict[str, Any]:
    (found,) = work(plan, [row])
    assert found is not None
    return found


def said(server: LocalServer) -> list[str]:
    return sorted(request.json["messages"][-1]["content"] for request in server.requests)


def test_a_reply_in_columns(server: LocalServer) -> None:
    found = only(plan_for(server, row={"prompt": "q"}, key="id"), {"id": 7, "q": "Hi", "other": None})
    assert found.keys() == NAMES.keys()
    assert found["key"] == "7"
    assert "'Hi'" in found["text"]
    assert (found["finish_reason"], found["attempts"]) == ("stop", 1)
    assert found["total_tokens"] == found["prompt_tokens"] + found["completion_tokens"]
    assert json.loads(found["reply"])["choices"][0]["message"]["content"] == found["text"]
    assert found["elapsed_ms"] > 0
    assert found["error_class"] is found["error_status"] is found["error_message"] is None


def test_errors_in_columns_beside_replies(server: LocalServer) -> None:
    cut = {"cut_before_headers": True}
    server.script({"status": 422}, cut, cut)  # the first one is that of a used connection, which is replaced
    found = work(plan_for(server, limit=1, row={"prompt": "q"}, key="id"), [{"id": n, "q": "x"} for n in range(3)])
    assert [row and (row["error_class"], row["error_status"]) for row in found] == [
        ("UnprocessableEntityError", 422),
        ("APIConnectionError", None),
        (None, None),
    ]
    assert [row and (row["text"] is None, row["reply"] is None) for row in found] == [
        (True, True),
        (True, True),
        (False, False),
    ]
    assert "Scripted fault" in str(found[0])


def test_attempts_are_counted(server: LocalServer) -> None:
    server.script({"status": 503}, {"status": 503})
    retries = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 1000), True)
    assert only(plan_for(server, options={"retries": retries}), {"prompt": "x"})["attempts"] == 3


REQUEST = {"messages": [{"role": "user", "content": "Hi"}]}
SOURCES: dict[str, tuple[Any, dict[str, Any]]] = {
    "columns of their own names": (None, {"prompt": "Hi", "system": None, "other": 3}),
    "messages": (None, REQUEST),
    "chosen columns": ({"prompt": "q", "system": "s"}, {"q": "Hi", "s": "Be brief."}),
    "a column of objects": ("request", {"request": {**REQUEST, "tools": None}}),
    "a column of JSON": ("request", {"request": json.dumps(REQUEST)}),
    "a column of bytes": ("request", {"request": json.dumps(REQUEST).encode()}),
    "a column of batch lines": (
        "request",
        {"request": json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST})},
    ),
    "a function": (lambda row: {"prompt": row["q"]}, {"q": "Hi"}),
}


@pytest.mark.parametrize("source", SOURCES)
def test_how_a_row_becomes_a_request(source: str, server: LocalServer) -> None:
    how, row = SOURCES[source]
    found = only(plan_for(server, row=how), row)
    assert found["error_message"] is None
    assert said(server) == ["Hi"]
    assert server.requests[0].json.keys() == {"model", "messages"}
    assert found["key"] == "a" if source == "a column of batch lines" else found["key"].startswith("sha256:")


def fails(row: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("question")


UNFIT: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "no JSON": ("r", {"r": "{"}, "RequestValidationError", "not JSON"),
    "no object": ("r", {"r": 3}, "RequestValidationError", "r: must be an object or JSON text, got int 3"),
    "nothing": ("r", {"r": ""}, "RequestValidationError", "r: is empty"),
    "another operation": ("r", {"r": '{"input": "x", "model": "m"}'}, "RequestValidationError", "embeddings.create"),
    "no key": (None, {"id": None, "prompt": "x"}, "RequestValidationError", "the column 'id' has no value here"),
    "a function that fails": (fails, {"id": 3}, "KeyError", "question"),
    "a function of nothing": (
        lambda row: None,
        {"id": 3},
        "RequestValidationError",
        "must give a mapping of parameters",
    ),
    "nothing to say": ({"prompt": "q"}, {"id": 1, "q": None}, "RequestValidationError", "messages: required"),
}


@pytest.mark.parametrize("row", UNFIT)
def test_a_row_that_is_no_request_is_an_error_of_its_own(row: str, server: LocalServer) -> None:
    source, given, kind, message = UNFIT[row]
    plan = plan_for(server, row=source, key="id")
    bad, good = work(plan, [{"id": "1", **given}, {"id": "2", "prompt": "x", "q": "x", "r": REQUEST, "ok": True}])
    assert bad is not None
    assert bad["error_class"] == kind
    assert message in bad["error_message"]
    assert good is not None
    assert callable(source) or good["error_class"] is None


def test_equal_rows_are_one_key_and_each_sent(server: LocalServer) -> None:
    found = work(plan_for(server), [{"prompt": "x"}, {"prompt": "x"}])
    assert len({row and row["key"] for row in found}) == 1
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(keys)) == 2


def test_a_row_that_is_sent_again_has_its_idempotency_key(server: LocalServer) -> None:
    plan = plan_for(server, key="id")
    for _ in range(2):
        only(plan, {"id": 1, "prompt": "x"})
    only(plan_for(server, key="id"), {"id": 1, "prompt": "x"})
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert keys[0] == keys[1] != keys[2]


def write(path: Path, rows: list[dict[str, Any] | None]) -> Path:
    """Write columns as an earlier run would have."""
    lines = [{f"llm_{name}": value for name, value in row.items()} for row in rows if row]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"llm_key": "2", "llm')
    else:
        pytest.importorskip("pyarrow")
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines), path)
    return path


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("where", ["file", "folder", "URL of a file", "URL of a folder"])
@pytest.mark.parametrize("carry", [False, True], ids=["left out", "carried"])
def test_what_ended_well_before_is_not_sent(
    name: str, where: str, carry: bool, server: LocalServer, tmp_path: Path
) -> None:
    rows = [{"id": n, "prompt": f"row {n}"} for n in range(3)]
    server.script({"status": 400})
    before = work(plan_for(server, key="id", limit=1), rows[:2])
    path = write(tmp_path / name, before)
    server.reset()
    done = tmp_path if "folder" in where else path
    if "URL" in where:
        done = f"file://{done}"
    found = work(plan_for(server, key="id", done=done, carry=carry), rows)
    assert said(server) == ["row 0", "row 2"]
    assert found[1] == (before[1] if carry else None)
    assert all(row and row["error_class"] is None for row in (found[0], found[2]))


def test_keys_that_are_done_are_not_sent(server: LocalServer) -> None:
    found = work(plan_for(server, key="id", done={"1"}), [{"id": n, "prompt": "x"} for n in range(2)])
    assert [row is None for row in found] == [False, True]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("out.jsonl", b"[]\n", "line 1 is not a JSON object"),
        ("out.jsonl", b"{nonsense}\n", "cannot be read"),
        ("out.parquet", b"nonsense", "isn't readable output of workers"),
        ("out.txt", b"", "must end in .parquet or in one of .jsonl"),
    ],
)
def test_an_earlier_output_that_is_none(
    name: str, content: bytes, message: str, server: LocalServer, tmp_path: Path
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        Session(plan_for(server, done=path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "given, names, message",
    [
        ({"key": "id"}, ["prompt"], "there is no column 'id'; the table has 'prompt'"),
        ({"row": "request"}, ["id"], "there is no column 'request'"),
        ({"row": {"prompt": "q"}}, ["id"], "there is no column 'q'"),
        ({}, ["id"], "no column is named like a parameter of chat"),
        ({}, ["prompt", "llm_text"], "has a column 'llm_text' already; choose another prefix"),
    ],
)
def test_a_table_that_does_not_fit(given: dict[str, Any], names: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_columns(Plan(**given), names)
    assert message in str(caught.value)


def test_an_earlier_output_is_brought_up_to_date() -> None:
    plan = Plan()
    check_columns(plan, ["prompt", *plan.columns.values()])


async def gone(asked: LeaseRequest) -> Grant:
    raise LimiterError("the limiter is gone; start it again")


def test_without_its_limiter_nothing_is_sent_and_every_row_says_so(server: LocalServer) -> None:
    with Session(plan_for(server, limiter="llmsdk"), gone, "w") as session:
        found = session.begin([{"prompt": "x"}, {"prompt": "y"}]).result(60)
    assert [row and row["error_class"] for row in found] == ["LimiterError", "LimiterError"]
    assert [row and row["error_message"] for row in found] == ["the limiter is gone; start it again"] * 2
    assert server.requests == []


def test_a_limiter_is_for_ray(server: LocalServer) -> None:
    with pytest.raises(ConfigurationError, match="only workers of Ray share one"):
        Session(plan_for(server, limiter="llmsdk"))


def test_overlapping_batches_share_one_bound(server: LocalServer) -> None:
    server.always({"delay_s": 0.05})
    with Session(plan_for(server, limit=2)) as session:
        begun = [session.begin([{"prompt": f"{batch} {n}"} for n in range(5)]) for batch in range(3)]
        found = [row for future in begun for row in future.result(60)]
        assert server.connection_count == 2  # each is kept, and one is made for every request that finds none at rest
    assert all(row and row["error_class"] is None for row in found)
    assert len(said(server)) == 15


@pytest.mark.parametrize(
    "operation, row", [("completions", {"prompt": "x"}), ("embeddings", {"input": "x"}), ("images", {"prompt": "x"})]
)
def test_other_operations(operation: str, row: dict[str, Any], server: LocalServer) -> None:
    found = only(plan_for(server, operation=operation), row)
    assert found["error_class"] is None
    assert json.loads(found["reply"])
    assert (found["text"] is None) == (operation != "completions")
