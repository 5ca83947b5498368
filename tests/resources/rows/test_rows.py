"""Lines of an input file as rows: both shapes, keys, and what a bad line is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from llmsdk.errors import BatchError
from llmsdk.resources.operations import all_operations
from llmsdk.resources.rows import inputs
from llmsdk.resources.rows.inputs import read_rows
from llmsdk.resources.rows.rows import BatchRow, InvalidRow, RowReader, row_operation
from llmsdk.resources.rows.server import BatchReply

CHAT = row_operation("chat")
SAID = [{"role": "user", "content": "Hi"}]


def one(value: Any, operation: str = "chat") -> BatchRow | InvalidRow:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return RowReader(row_operation(operation)).line(raw, 1)


def problem_of(value: Any, operation: str = "chat") -> str:
    row = one(value, operation)
    assert isinstance(row, InvalidRow), row
    assert row.line == 1
    return row.problem


def test_both_shapes_are_the_same_row() -> None:
    flat = one({"custom_id": "a", "model": "m", "messages": SAID})
    line = one(
        {
            "custom_id": "a",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": SAID, "stream": False},
        }
    )
    assert flat == line == BatchRow("a", "a", {"model": "m", "messages": SAID}, 1)


def test_without_custom_id_the_content_is_the_key_and_repetitions_are_numbered() -> None:
    reader = RowReader(CHAT)
    first, other, second, third = (
        reader.line(raw, 1)
        for raw in [
            b'{"model":"m","messages":[]}',
            b'{"model":"n","messages":[]}',
            b'{"messages": [], "model": "m"}',
            b'{"body":{"model":"m","messages":[]}}',
        ]
    )
    assert first.key.startswith("sha256:")
    assert len(first.key) == 7 + 64
    assert (second.key, third.key) == (f"{first.key}#2", f"{first.key}#3")
    assert other.key not in (first.key, second.key)
    assert first.custom_id is None


def test_a_failure_is_read_with_its_key() -> None:
    row = one({"custom_id": None, "key": "sha256:ab#2", "response": None, "error": {}, "request": {"model": "m"}})
    assert row == BatchRow("sha256:ab#2", None, {"model": "m"}, 1)


@pytest.mark.parametrize(
    "value, told",
    [
        (b'{"model": }', "not JSON at column 11 (expected value)"),
        (b'[{"model": "m"}]', "must be a JSON object, got list; write one object per line"),
        (b"[", "not JSON at column 1 (EOF while parsing a list); the file looks like a JSON array: write one object"),
        (b'{"model": "\xff"}', "not UTF-8 at byte 12; save the file as UTF-8"),
        (b"7", "must be a JSON object, got int"),
        ({"custom_id": 7, "model": "m"}, "custom_id: must be a string, got int"),
        ({"custom_id": "", "model": "m"}, "custom_id: is empty; leave it out, or use a unique one for each row"),
        ({"body": 7}, "body: must be an object, got int"),
        ({"method": "GET", "body": {}}, "method: must be POST, got 'GET'"),
        (
            {"url": "/v1/embeddings", "body": {}},
            "must be '/v1/chat/completions' for chat.create, got '/v1/embeddings', which is embeddings.create",
        ),
        ({"url": "https://evil.example/v1", "body": {}}, "url: a row of another operation"),
        ({"model": "m", "prompt": "Hi"}, "the row looks like one of completions.create"),
        ({"model": "m", "mesages": []}, "mesages: unknown parameter of chat.create; did you mean 'messages'?"),
        ({"server_url": "https://evil.example"}, "server_url: is an option of the run, not of a row"),
        ({"http_headers": {}}, "http_headers: is an option of the run, not of a row"),
        ({"stream": True}, "stream: rows of a batch can't be streamed; remove it"),
        ({"key": "a", "response": {}, "error": None}, "a result without its request"),
        (
            {"key": "line:2", "response": None, "error": {"message": "in.jsonl: line 2: not JSON"}, "request": None},
            "was no request when it failed (in.jsonl: line 2: not JSON); mend it in the input",
        ),
    ],
)
def test_a_bad_line_is_told_what_is_wrong(value: Any, told: str) -> None:
    assert problem_of(value).startswith(told) or told in problem_of(value)


def test_no_problem_quotes_the_line() -> None:
    for raw in (b'{"messages": "secret prompt" ', b'"secret prompt"', b'{"body": "secret prompt"}'):
        assert "secret prompt" not in problem_of(raw)


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"custom_id":"a"}\r\n\n  \n{"custom_id":"b"}\nx\n{"custom_id":"c"}')
    found = list(read_rows(path, CHAT))
    assert [(row.line, row.key) for row in found] == [(1, "a"), (4, "b"), (5, "line:5"), (6, "c")]


def test_a_huge_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"custom_id":"a"}\n{"custom_id":"' + b"x" * (3 << 20) + b'"}\n{"custom_id":"c"}\n')
    found = list(read_rows(path, CHAT))
    assert [row.key for row in found] == ["a", "line:2", "c"]
    assert isinstance(found[1], InvalidRow)
    assert found[1].problem.startswith("longer than 1 MiB")


def test_what_is_no_text_at_all(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"custom_id":"a"}', encoding="utf-16")
    with pytest.raises(BatchError, match="line 1: the file is UTF-16; save it as UTF-8"):
        list(read_rows(path, CHAT))
    with pytest.raises(BatchError, match="cannot be read: Is a directory"):
        list(read_rows(tmp_path, CHAT))


@pytest.mark.parametrize("name", ["chatt", "editImage", "listModels", 7, None])
def test_an_operation_that_there_is_not(name: Any) -> None:
    with pytest.raises(BatchError, match=r"operation: must be one of chat, completions, decisions, .*, got"):
        row_operation(name)


def test_operations_go_by_resource_and_by_id() -> None:
    assert row_operation("createCompletion") is row_operation("completions")
    assert row_operation("createModelCustomizationCompletion").resource == "completions"


def test_what_checkers_know_of_replies_is_what_rows_have() -> None:
    rows = {operation.reply for operation in all_operations().values() if operation.is_row}
    assert set(get_args(BatchReply)) == rows


@pytest.mark.parametrize(
    "number, wanted", [("3.0", "3"), ("3.00", "3"), ("1e2", "100"), ("1E2", "100"), ("3.05", "3.05"), ("3", "3")]
)
def test_a_whole_number_may_be_written_as_a_float(number: str, wanted: str) -> None:
    row = one(b'{"model": "m", "messages": [], "max_tokens": %b, "temperature": 1.0}' % number.encode())
    assert isinstance(row, BatchRow)
    assert (repr(row.params["max_tokens"]), repr(row.params["temperature"])) == (wanted, "1.0")
