"""Tables: rows from CSV or Parquet, results as one; Parquet needs the extra `batch`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from ..._call.operation import Operation
from ...errors import BatchError, ConfigurationError
from ...utils.shapes import is_list, is_mapping, is_object
from .ledger import Ledger
from .rows import MAX_LINE_BYTES, BadRow, Row, read_params, read_rows

_SUFFIXES = (".csv", ".parquet")
_AT_ONCE = 1000
_COLUMNS = (
    ("custom_id", "string"),
    ("key", "string"),
    ("status_code", "int64"),
    ("request_id", "string"),
    ("text", "string"),
    ("prompt_tokens", "int64"),
    ("completion_tokens", "int64"),
    ("total_tokens", "int64"),
    ("body", "string"),
)


def is_table(path: str) -> bool:
    """Whether a path names a table."""
    return Path(path).suffix.lower() in _SUFFIXES


def check_extra(*paths: str) -> None:
    """Refuse Parquet where nothing can read it.

    Raises:
        ConfigurationError: It names the extra.
    """
    wanted = [path for path in paths if Path(path).suffix.lower() == ".parquet"]
    if wanted and find_spec("pyarrow") is None:
        raise ConfigurationError(f"{wanted[0]}: Parquet needs pyarrow; install llmsdk[batch]")


def read_input(path: str, operation: Operation) -> Iterator[Row | BadRow]:
    """Read the rows of a file of any kind that is known by its suffix: JSON lines unless it is a table.

    A table has a column per parameter, and may have `custom_id`; for chat, `prompt` and `system` may stand for
    `messages`.
    An empty cell is not given; in CSV, what a parameter takes no text for is read as JSON.

    Raises:
        BatchError: The file cannot be read, or has a column that is no parameter.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        yield from read_rows(path, operation)
        return
    repeated = Ledger()
    try:
        for line, cells in (_csv_rows if suffix == ".csv" else _parquet_rows)(path, operation):
            params = {name: value for name, value in cells.items() if value is not None}
            custom_id = params.pop("custom_id", None)
            yield read_params(with_messages(params, operation), custom_id, line, operation, repeated)
    except OSError as exc:
        raise BatchError(f"{path}: cannot be read: {exc.strerror or exc}", path=path) from exc


def write_results(journal: str, path: str) -> None:
    """Write the lines of an output as a table; what was there before is replaced when it is whole.

    Raises:
        BatchError: It cannot be written.
    """
    draft = f"{path}.tmp"
    try:
        (_write_csv if Path(path).suffix.lower() == ".csv" else _write_parquet)(_results(journal), draft)
        os.replace(draft, path)
    except OSError as exc:
        with suppress(OSError):
            os.unlink(draft)
        raise BatchError(
            f"{path}: cannot be written: {exc.strerror or exc}; the results are in {journal}", path=path
        ) from exc


def with_messages(params: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """Take `prompt` and `system` for messages where an operation has these."""
    if "messages" not in operation.required or "messages" in params or "prompt" not in params:
        return params
    said = [{"role": "user", "content": params.pop("prompt")}]
    if "system" in params:
        said.insert(0, {"role": "system", "content": params.pop("system")})
    return {**params, "messages": said}


def _check_columns(names: list[str], path: str, operation: Operation) -> None:
    known = {"custom_id", *operation.request.__annotations__} - {"stream"}
    known |= {"prompt", "system"} if "messages" in operation.required else set()
    for name in names:
        if name not in known:
            raise BatchError(
                f"{path}: line 1: column {name[:80]!r} is no parameter of {operation.resource}.{operation.name}; "
                "take it out, or name it custom_id if rows are to be known by it",
                path=path,
                line=1,
            )


def _csv_rows(path: str, operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(MAX_LINE_BYTES)
    takes_text: dict[str, bool] = {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_columns(list(reader.fieldnames or ()), path, operation)
            for cells in reader:
                if None in cells:
                    line = reader.line_num
                    raise BatchError(f"{path}: line {line}: more cells than columns", path=path, line=line)
                yield reader.line_num, {name: _cell(name, text, operation, takes_text) for name, text in cells.items()}
    except UnicodeDecodeError as exc:
        raise BatchError(f"{path}: not UTF-8 at byte {exc.start + 1}; save it as UTF-8", path=path) from None
    except csv.Error as exc:
        raise BatchError(f"{path}: not CSV: {exc}", path=path) from exc


def _cell(name: str, text: str | None, operation: Operation, takes_text: dict[str, bool]) -> Any:
    if not text:
        return None
    if name not in takes_text:
        annotation = get_type_hints(operation.request).get(name, str)
        try:
            TypeAdapter[Any](annotation).validate_python("text", strict=True)
            takes_text[name] = True
        except ValidationError as exc:
            # A choice among words is text too, only not this one.
            takes_text[name] = any(error["type"] == "literal_error" for error in exc.errors(include_url=False))
    if takes_text[name]:
        return text
    try:
        return from_json(text)
    except ValueError:
        return text  # the check of parameters says what is wrong with it


def _parquet_rows(path: str, operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    parquet: Any = __import__("pyarrow.parquet").parquet
    arrow: Any = __import__("pyarrow")
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(list(file.schema_arrow.names), path, operation)
            line = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for cells in batch.to_pylist():
                    line += 1
                    yield line, without_nulls(cells)
    except arrow.ArrowInvalid as exc:
        raise BatchError(f"{path}: not Parquet: {str(exc)[:200]}", path=path) from exc


def without_nulls(value: Any) -> Any:
    """Take out the fields that Parquet gives to every row because one row has them."""
    if is_object(value):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if is_list(value) else value


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
                **{name: usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
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


def _write_csv(rows: Iterator[dict[str, Any]], path: str) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name, _ in _COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(rows: Iterator[dict[str, Any]], path: str) -> None:
    parquet: Any = __import__("pyarrow.parquet").parquet
    arrow: Any = __import__("pyarrow")
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in _COLUMNS])
    with parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            writer.write_table(arrow.Table.from_pylist(some, schema=schema))
