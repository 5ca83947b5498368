"""Tables of results: the lines of an output as CSV or Parquet, written when all rows are through."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json

from ...utils.files import Draft
from ...utils.shapes import is_list, is_mapping
from .inputs import CSV
from .problems import os_error

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_COLUMNS = {
    "custom_id": "string",
    "key": "string",
    "status_code": "int64",
    "request_id": "string",
    "text": "string",
    **dict.fromkeys(_TOKENS, "int64"),
    "body": "string",
}
_AT_ONCE = 1000  # rows of a group in Parquet, and in memory: replies of 4 kB are then 4 MB


def write_results(journal: str, path: str) -> None:
    """Write the lines of an output as a table; what was there before is replaced when it is whole."""
    write = _write_csv if Path(path).suffix.lower() == CSV else _write_parquet
    try:
        draft = Draft(path, journal)
        try:
            write(_results(journal), draft.file)
            draft.commit()
        finally:
            draft.discard()
    except OSError as exc:
        raise os_error(path, "written", exc, f"; the results are in {journal}") from exc


def _results(journal: str) -> Iterator[dict[str, Any]]:
    with open(journal, "rb") as file:
        for raw in file:
            line: Any = from_json(raw)
            response = line["response"]
            body = response["body"]
            usage: Mapping[str, Any] = body.get("usage") or {}
            yield {
                "custom_id": line["custom_id"],
                "key": line["key"],
                "status_code": response["status_code"],
                "request_id": response["request_id"],
                "text": _text(body),
                **{name: usage.get(name) for name in _TOKENS},
                "body": json.dumps(body, ensure_ascii=False),
            }


def _text(body: Mapping[str, Any]) -> str | None:
    choices = body.get("choices")
    first = choices[0] if is_list(choices) and choices else None
    if not is_mapping(first):
        return None
    message = first.get("message")
    text = message.get("content") if is_mapping(message) else first.get("text")
    return text if isinstance(text, str) else None


def _write_csv(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        writer = csv.DictWriter(text, list(_COLUMNS))
        writer.writeheader()
        writer.writerows(rows)
    finally:
        text.detach()  # left to itself, it would close the file


def _write_parquet(rows: Iterator[dict[str, Any]], file: BinaryIO) -> None:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in _COLUMNS.items()])
    with parquet.ParquetWriter(file, schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            writer.write_table(arrow.Table.from_pylist(some, schema=schema))
