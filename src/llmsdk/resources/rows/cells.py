"""Cells: values of tables and frames as JSON has them, and whole numbers that a gap has turned into floats."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, time
from decimal import Decimal
from typing import Any

from ..._call.request.validate import check_values
from ...errors import RequestValidationError
from ...utils.shapes import is_list, is_listed, is_mapping, is_object


def plain(value: Any) -> Any:
    """Turn a cell of NumPy or pandas into Python's own values; what is missing is None."""
    if hasattr(value, "tolist"):  # of NumPy, a number or an array
        value = value.tolist()
    if is_mapping(value):
        return {name: plain(item) for name, item in value.items()}
    if is_listed(value):
        return [plain(item) for item in value]
    # By name: pandas itself is not imported for it. NaN alone is unlike itself.
    is_missing = type(value).__name__ in ("NAType", "NaTType") or (
        isinstance(value, float | Decimal) and value != value
    )
    return None if is_missing else value


def as_json(value: Any) -> Any:
    """Turn a value into what a JSON body can hold.

    Fields that are None go: Arrow gives every row the fields that one row has.
    """
    if is_mapping(value):
        return {name: as_json(item) for name, item in value.items() if item is not None}
    if is_listed(value):
        return [as_json(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes):  # text of a Parquet file whose writer did not mark it as such
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value


def whole_numbers(params: dict[str, Any], request: type[Any]) -> dict[str, Any]:
    """Turn 3.0 into 3 where a parameter takes whole numbers only; others stay as they are.

    A column of whole numbers that has a gap is one of floats in pandas, and in the files that it writes.
    """
    for name, value in params.items():
        if _has_whole_float(value) and not _fits(request, name, value):
            changed = _whole(value)
            if _fits(request, name, changed):  # else the check of the call says what is wrong with it
                params = {**params, name: changed}
    return params


def _fits(request: type[Any], name: str, value: Any) -> bool:
    try:
        check_values(request, {name: value})
    except RequestValidationError:
        return False
    return True


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    if is_object(value):
        return any(map(_has_whole_float, value.values()))
    return is_list(value) and any(map(_has_whole_float, value))


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if is_object(value):
        return {name: _whole(item) for name, item in value.items()}
    return [_whole(item) for item in value] if is_list(value) else value
