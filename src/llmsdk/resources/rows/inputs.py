"""Input files: JSON lines, CSV or Parquet, read row by row in bounded memory; Parquet needs the extra `batch`."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from ..._call.operation import Operation
from ...errors import ConfigurationError
from .cells import plain
from .problems import file_error, os_error
from .rows import BLANK, BatchRow, InvalidRow, RowReader, column_names

MAX_LINE_BYTES = 64 << 20
"""Longest line that is read; what a longer one holds is not looked at."""

CSV, PARQUET = ".csv", ".parquet"
_AT_ONCE = 1000  # rows of a Parquet file in memory
# What spreadsheets and pandas write into columns without text.
_WORDS = {"true": True, "false": False, **dict.fromkeys(("nan", "na", "n/a", "<na>", "null", "none"))}


def is_table(path: str) -> bool:
    """Whether a path names a table."""
    return Path(path).suffix.lower() in (CSV, PARQUET)


def check_extra(*paths: str) -> None:
    """Refuse Parquet where nothing can read it."""
    wanted = [path for path in paths if Path(path).suffix.lower() == PARQUET]
    if wanted and find_spec("pyarrow") is None:
        raise ConfigurationError(f"{wanted[0]}: Parquet needs pyarrow; install llmsdk[batch]")


def read_rows(path: str | os.PathLike[str], operation: Operation) -> Iterator[BatchRow | InvalidRow]:
    """Read the rows of a file of any kind that is known by its suffix: JSON lines unless it is a table.

    A table has a column per parameter, and may have `custom_id`; for chat, `prompt` and `system` may stand for
    `messages`. An empty cell is not given; in CSV, what a parameter takes no text for is read as JSON.
    """
    shown = os.fspath(path)
    reader = RowReader(operation)
    try:
        match Path(shown).suffix.lower():
            case ".csv":
                for line, cells in _csv_rows(shown, operation):
                    yield reader.cells(cells, line)
            case ".parquet":
                for line, cells in _parquet_rows(shown, operation):
                    yield reader.cells(cells, line)
            case _:
                yield from _rows(_lines(shown), reader)
    except OSError as exc:
        raise os_error(shown, "read", exc) from exc


# ------------------------------------------------------------------ JSON lines


def _rows(lines: Iterable[bytes | None], reader: RowReader) -> Iterator[BatchRow | InvalidRow]:
    for number, raw in enumerate(lines, 1):
        if raw is None:
            yield InvalidRow(number, f"longer than {MAX_LINE_BYTES >> 20} MiB; send such files by URL")
        elif raw.strip(BLANK):  # blank lines count as lines, as in an editor
            yield reader.line(raw, number)


def _lines(path: str) -> Iterator[bytes | None]:
    """Return the lines of a file; None for one that is too long."""
    with open(path, "rb") as file:
        start = file.read(3)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise file_error(path, "the file is UTF-16; save it as UTF-8", line=1)
        file.seek(3 if start == b"\xef\xbb\xbf" else 0)
        while raw := file.readline(MAX_LINE_BYTES + 1):
            if len(raw) <= MAX_LINE_BYTES:
                yield raw
                continue
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(1 << 20)
            yield None


# ---------------------------------------------------------------------- tables


def _check_columns(names: Sequence[str], path: str, operation: Operation) -> None:
    known = column_names(operation)
    for name in names:
        if name not in known:
            where = f"{operation.resource}.{operation.name}"
            advice = "take it out, or name it custom_id if rows are to be known by it"
            raise file_error(path, f"column {name[:80]!r} isn't a parameter of {where}; {advice}", line=1)


def _csv_rows(path: str, operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            names = _next_cells(reader) or []
            _check_columns(names, path, operation)
            while (cells := _next_cells(reader)) is not None:
                line = reader.line_num
                if len(cells) > len(names):
                    raise file_error(path, "more cells than columns", line=line)
                if cells:
                    yield line, {name: _cell(name, text, operation) for name, text in zip(names, cells, strict=False)}
    except UnicodeDecodeError as exc:
        raise file_error(path, f"not UTF-8 at byte {exc.start + 1}; save it as UTF-8") from None
    except csv.Error as exc:
        raise file_error(path, f"not CSV: {exc}") from exc


def _next_cells(reader: Any) -> list[str] | None:
    # The bound of a cell is one of the whole process, 131,072 characters by default: it is ours for one row only.
    before = csv.field_size_limit(MAX_LINE_BYTES)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _cell(name: str, text: str, operation: Operation) -> Any:
    if not text:
        return None
    if _takes_text(operation, name):
        return text
    try:
        return plain(from_json(text))
    except ValueError:
        # Else it stays text, and the check of parameters says what is wrong with it.
        return _WORDS.get(text.strip().lower(), text)


@cache
def _takes_text(operation: Operation, name: str) -> bool:
    annotation = get_type_hints(operation.request).get(name, str)
    try:
        TypeAdapter[Any](annotation).validate_python("text", strict=True)
    except ValidationError as exc:
        # A choice among words is text too, only not this one.
        return any(error["type"] == "literal_error" for error in exc.errors(include_url=False))
    return True


def _parquet_rows(path: str, operation: Operation) -> Iterator[tuple[int, dict[str, Any]]]:
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, path, operation)
            line = 0
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for cells in batch.to_pylist():
                    line += 1
                    yield line, plain(cells)
    except arrow.ArrowInvalid as exc:
        raise file_error(path, f"not Parquet: {str(exc)[:200]}") from exc
