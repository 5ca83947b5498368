"""Requests: rows of a table read as requests of a plan's operation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, RequestValidationError
from ..resources.rows.cells import as_json
from ..resources.rows.rows import BatchRow, InvalidRow, RowReader, column_names
from ..utils.shapes import described, is_mapping, is_object
from .plan import Plan


@dataclass(frozen=True, slots=True)
class RowRequest:
    """A row as it is sent.

    Attributes:
        is_named: Whether its key tells it from an equal row.
    """

    key: str
    params: Mapping[str, Any]
    is_named: bool


def check_columns(plan: Plan, names: list[str]) -> None:
    """Refuse a table that lacks a column of the plan, or has one that the output would write over."""
    needed = [] if plan.key is None else [plan.key]
    if isinstance(plan.row, str):
        needed.append(plan.row)
    elif is_mapping(plan.row):
        needed += plan.row.values()
    missing = [name for name in needed if name not in names]
    if missing:
        raise ConfigurationError(f"row: there is no column {missing[0]!r}; the table has {_listed(names)}")
    if plan.row is None and not _own_columns(plan, names):
        raise ConfigurationError(
            f"row: no column is named like a parameter of {plan.operation}; say which is one: row={{'prompt': ...}}; "
            f"the table has {_listed(names)}"
        )
    # Frames and tables allow two columns of one name, and Parquet does not: it would fail after all rows were paid.
    ours = plan.columns.values()
    taken = [name for name in ours if name in names]
    if taken and len(taken) < len(ours):  # all of them: it is an earlier output, and is brought up to date
        raise ConfigurationError(f"prefix: the table has a column {taken[0]!r} already; choose another prefix")


def read(plan: Plan, row: Mapping[str, Any]) -> RowRequest | tuple[str | None, Exception]:
    """Read a row of plain values; where it is no request, the answer is its key, if it has one, and what is wrong."""
    key = None if plan.key is None else _as_key(row[plan.key])
    if plan.key is not None and key is None:
        return None, RequestValidationError(f"key: the column {plan.key!r} has no value here", param="key")
    try:
        found = _found(plan, row)
    except Exception as exc:  # of the caller's function, whatever it is
        return key, exc
    if isinstance(found, InvalidRow):
        return key or found.custom_id, RequestValidationError(found.problem)
    return RowRequest(key or found.key, {**plan.params, **found.params}, key is not None or found.custom_id is not None)


def _as_key(value: Any) -> str | None:
    # One gap in a column of whole numbers makes it one of floats, and its rows are to be known as before.
    is_whole = isinstance(value, float) and value.is_integer()
    return None if value is None else str(int(value) if is_whole else value)


def _found(plan: Plan, row: Mapping[str, Any]) -> BatchRow | InvalidRow:
    # A reader for each row: equal rows are one here, and are not numbered as those of a file.
    reader, source = RowReader(plan.described_operation), plan.row
    if isinstance(source, str):
        value = row[source]
        if is_object(value):
            value = json.dumps(as_json(value), default=str)
        if not isinstance(value, str | bytes):
            return InvalidRow(1, f"{source}: must be an object or JSON text, got {described(value)}")
        raw = value if isinstance(value, bytes) else value.encode()
        return reader.line(raw, 1) if raw.strip() else InvalidRow(1, f"{source}: is empty")
    if callable(source):
        params: Any = source(dict(row))
        if not is_mapping(params):
            return InvalidRow(1, f"row: the function must give a mapping of parameters, got {described(params)}")
        return reader.params(params, 1)
    columns = source if source is not None else _own_columns(plan, list(row))
    return reader.cells({name: row[column] for name, column in columns.items()}, 1)


def _own_columns(plan: Plan, names: list[str]) -> dict[str, str]:
    known = column_names(plan.described_operation)
    own = {name: name for name in names if name in known and name != plan.key}
    return own if own.keys() - {"custom_id"} else {}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown or "none"
