"""CSV and Parquet, in and out."""

from __future__ import annotations

import csv
import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pytest

from llmsdk.errors import BatchError, ConfigurationError
from llmsdk.local import LocalServer
from llmsdk.resources.rows import inputs

from .conftest import Folder, chat_row, read

pyarrow = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def files(tmp_path: Path, server: LocalServer) -> Folder:
    return Folder(tmp_path, server, is_async=False)


def test_csv_in_and_out(files: Folder) -> None:
    source, output = files.path / "in.csv", files.path / "out.csv"
    source.write_text(
        '\ufeffcustom_id,model,system,prompt,temperature,stop\na,m,Be brief,"two\nlines",0.5,7\nb,m,,123,,\n',
        encoding="utf-8",
    )
    assert files.run(input=source, output=output).is_complete
    sent = {request.json["messages"][-1]["content"]: request.json for request in files.server.requests}
    assert sent["two\nlines"] == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "two\nlines"}],
        "temperature": 0.5,
        "stop": "7",
    }
    assert sent["123"] == {"model": "m", "messages": [{"role": "user", "content": "123"}]}
    with output.open(encoding="utf-8", newline="") as file:
        rows = {row["custom_id"]: row for row in csv.DictReader(file)}
    assert rows["a"]["text"] == "Embedded provider: you said 'two\nlines'."
    assert int(rows["b"]["total_tokens"]) > 0
    assert len(read(files.path / "out.csv.jsonl")) == 2
    sent_before = files.sent
    assert files.run(input=source, output=output).done_before == 2
    assert files.sent == sent_before


def test_parquet_in_and_out(files: Folder) -> None:
    source, output = files.path / "in.parquet", files.path / "out.parquet"
    messages = [[{"role": "user", "content": "a", "name": None}], [{"role": "user", "content": "b", "name": "Bo"}]]
    table = pyarrow.table({"custom_id": ["x", "y"], "messages": messages, "seed": [None, 4]})
    parquet.write_table(table, source)
    assert files.run(input=source, output=output, model="m").is_complete
    sent = {request.json["messages"][0]["content"]: request.json for request in files.server.requests}
    assert sent["a"] == {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    assert sent["b"]["seed"] == 4
    rows = {row["custom_id"]: row for row in parquet.read_table(output).to_pylist()}
    assert rows["y"]["text"].startswith("Embedded provider: you said 'b'.")
    assert rows["x"]["status_code"] == 200


@pytest.mark.parametrize(
    "name, content, told",
    [
        (
            "in.csv",
            b"model,promt\nm,a\n",
            r"in\.csv: line 1: column 'promt' isn't a parameter of chat\.create; take it out",
        ),
        ("in.csv", b"model,prompt\nm,a,b\n", r"in\.csv: line 2: more cells than columns"),
        ("in.csv", b"model,prompt\nm,\xff\n", r"in\.csv: not UTF-8 at byte 16; save it as UTF-8"),
        ("in.parquet", b"PAR", r"in\.parquet: not Parquet"),
    ],
)
def test_a_table_that_cannot_be_read(files: Folder, name: str, content: bytes, told: str) -> None:
    (files.path / name).write_bytes(content)
    with pytest.raises(BatchError, match=told):
        files.run(input=files.path / name)
    assert files.sent == 0


def test_without_pyarrow_the_extra_is_named(files: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "find_spec", lambda name: None)
    files.write({"model": "m"})
    with pytest.raises(ConfigurationError, match=r"out\.parquet: Parquet needs pyarrow; install llmsdk\[batch\]"):
        files.run(output=files.path / "out.parquet")


def test_a_value_of_the_wrong_type_fails_alone(files: Folder) -> None:
    source = files.path / "in.csv"
    source.write_text("model,prompt,temperature\nm,a,warm\nm,b,1\n")
    report = files.run(input=source)
    assert (report.succeeded, report.failed) == (1, 1)
    assert "temperature: must be" in read(files.errors)[0]["error"]["message"]


def test_a_cell_has_the_bound_of_a_line(files: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    source = files.path / "in.csv"
    source.write_text(f"model,prompt\nm,{'x' * 200_000}\n")
    assert files.run(input=source).is_complete
    assert files.server.requests[0].json["messages"][0]["content"] == "x" * 200_000
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 100_000)
    with pytest.raises(BatchError, match=r"in\.csv: not CSV: field larger than field limit"):
        files.run(input=source, output=files.path / "other.jsonl")
    assert files.sent == 1


def test_a_folder_is_no_table(files: Folder) -> None:
    (files.path / "in.csv").mkdir()
    with pytest.raises(BatchError, match=r"in\.csv: cannot be read: Is a directory"):
        files.run(input=files.path / "in.csv")


def test_a_table_that_cannot_be_written_leaves_the_results(files: Folder) -> None:
    files.write(chat_row("a"))
    output = files.path / "out.csv"
    output.mkdir()
    with pytest.raises(BatchError, match=r"out\.csv: cannot be written: Is a directory; the results are in .*\.jsonl$"):
        files.run(output=output)
    assert [line["custom_id"] for line in read(files.path / "out.csv.jsonl")] == ["a"]
    assert list(files.path.glob("*.tmp")) == []
    output.rmdir()
    assert files.run(output=output).done_before == 1
    assert files.sent == 1
    with output.open(encoding="utf-8", newline="") as file:
        assert [row["custom_id"] for row in csv.DictReader(file)] == ["a"]


def test_replies_without_text_have_an_empty_cell(files: Folder) -> None:
    files.write({"custom_id": "a", "model": "m", "input": "words"})
    output = files.path / "out.csv"
    assert files.run(output=output, operation="embeddings").is_complete
    with output.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["completion_tokens"]) == ("", "")
    assert len(json.loads(row["body"])["data"]) == 1


def test_a_custom_id_of_a_table_that_is_no_text_fails_alone(files: Folder) -> None:
    source = files.path / "in.parquet"
    parquet.write_table(pyarrow.table({"custom_id": [1, None], "prompt": ["a", "b"], "model": ["m", "m"]}), source)
    report = files.run(input=source)
    assert (report.succeeded, report.failed) == (1, 1)
    assert "custom_id: must be" in read(files.errors)[0]["error"]["message"]


# ------------------------------------------------------ whole numbers with a gap


def sent_tokens(folder: Folder) -> dict[str, Any]:
    """Tell the bounds that were sent, by prompt; "" where none was."""
    return {
        request.json["messages"][0]["content"]: repr(request.json.get("max_tokens", ""))
        for request in folder.server.requests
    }


GAPS: dict[str, tuple[str, Any]] = {
    "CSV as pandas writes it": ("in.csv", "prompt,max_tokens\na,3.0\nb,\n"),
    "CSV with NaN": ("in.csv", "prompt,max_tokens\na,3.0\nb,NaN\n"),
    "CSV with null": ("in.csv", "prompt,max_tokens\na,3\nb,null\n"),
    "CSV with a word for a gap": ("in.csv", "prompt,max_tokens\na,3\nb,<NA>\n"),
    "JSON lines": ("in.jsonl", [{"max_tokens": 3.0}, {}]),
    "floats": ("in.parquet", [3.0, None]),
    "NaN itself": ("in.parquet", [3.0, float("nan")]),
    "integers": ("in.parquet", [3, None]),
    "decimals": ("in.parquet", [decimal.Decimal("3.0"), None]),
}


@pytest.mark.parametrize("case", GAPS)
def test_a_gap_in_a_column_of_whole_numbers(folder: Folder, case: str) -> None:
    name, content = GAPS[case]
    source = folder.path / name
    match content:
        case str():
            source.write_text(content)
        case [dict(), *_]:
            said = [{"messages": [{"role": "user", "content": text}]} for text in "ab"]
            folder.write(*({**row, **more} for row, more in zip(said, content, strict=True)))
        case _:
            parquet.write_table(pyarrow.table({"prompt": ["a", "b"], "max_tokens": content}), source)
    assert folder.run(input=source, model="m").is_complete
    assert sent_tokens(folder) == {"a": "3", "b": "''"}


def test_booleans_as_spreadsheets_write_them_and_words_in_text(folder: Folder) -> None:
    source = folder.path / "in.csv"
    source.write_text("prompt,logprobs,parallel_tool_calls,n\nNA,True,FALSE,N/A\n")
    assert folder.run(input=source, model="m").is_complete
    (sent,) = (request.json for request in folder.server.requests)
    assert sent["messages"][0]["content"] == "NA"
    assert (sent["logprobs"], sent["parallel_tool_calls"], "n" in sent) == (True, False, False)


def test_nested_numbers_with_gaps(folder: Folder) -> None:
    source = folder.path / "in.parquet"
    floats = pyarrow.array([[1.0, 2.0], [3.0]], pyarrow.list_(pyarrow.float64()))
    parquet.write_table(pyarrow.table({"input": floats, "dimensions": [8.0, float("nan")]}), source)
    assert folder.run(input=source, operation="embeddings", model="m").is_complete
    sent = sorted(repr((request.json["input"], request.json.get("dimensions"))) for request in folder.server.requests)
    assert sent == ["([1, 2], 8)", "([3], None)"]


def test_numbers_that_are_not_whole_stay_and_fail_where_they_must(folder: Folder) -> None:
    source = folder.path / "in.csv"
    source.write_text("prompt,max_tokens,temperature\na,3.5,\nb,,1.0\n")
    report = folder.run(input=source, model="m")
    assert (report.succeeded, report.failed) == (1, 1)
    assert read(folder.errors)[0]["error"]["message"].startswith("max_tokens: must be")
    assert [repr(request.json["temperature"]) for request in folder.server.requests] == ["1.0"]


def test_dates_bytes_and_decimals_are_sent_as_text_and_numbers(folder: Folder) -> None:
    source = folder.path / "in.parquet"
    prompts = pyarrow.array([b"a", "é".encode()], pyarrow.binary())
    users = pyarrow.array([datetime.date(2026, 1, 2), None])
    numbers = pyarrow.array([decimal.Decimal("0.25"), decimal.Decimal("1.00")])
    table = {"prompt": prompts, "user": users, "temperature": numbers}
    parquet.write_table(pyarrow.table(table), source)
    assert folder.run(input=source, model="m").is_complete
    sent = {request.json["messages"][0]["content"]: request.json for request in folder.server.requests}
    assert (sent["a"]["user"], sent["a"]["temperature"]) == ("2026-01-02", 0.25)
    assert "user" not in sent["é"]


def test_the_bound_of_a_cell_is_left_as_it_was(files: Folder) -> None:
    before = csv.field_size_limit(1234)
    try:
        source = files.path / "in.csv"
        source.write_text(f"prompt\n{'x' * 5000}\n")
        assert files.run(input=source, model="m").is_complete
        assert csv.field_size_limit() == 1234
    finally:
        csv.field_size_limit(before)
