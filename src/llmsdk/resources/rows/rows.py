"""One row: a line of JSON, or a row of a table, read as a request of an operation under a key of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from ..._call.operation import Operation
from ..._call.request.validate import check_names
from ...errors import BatchError, RequestValidationError
from ...options import CALL_OPTIONS
from ...utils.shapes import is_list, is_object
from ..operations import all_operations
from .cells import as_json, whole_numbers

BLANK = b" \t\r\n"
_ROW_OPTIONS = frozenset({"extra_body"})  # a file must not say where a key is sent, or how often
_NOT_OF_ROWS = CALL_OPTIONS - _ROW_OPTIONS
_SHORTHANDS = frozenset({"prompt", "system"})
_HASHED = "sha256:"
# Where none of these is in a line, its values need no walk, which would double the time of reading.
_WHOLE_FLOAT = re.compile(rb"[0-9](?:\.0|[eE])")


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One request.

    Attributes:
        key: What the row is known by: its `custom_id`, else a hash of its parameters. A repetition of a row without
            `custom_id` has its number behind the hash: `sha256:...#2`.
        custom_id: As the file names it; None where it does not.
        params: Parameters of the operation, without `stream`.
        line: Line number, from 1.
    """

    key: str
    custom_id: str | None
    params: dict[str, Any]
    line: int


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A line that is no request of the operation; `problem` says why, without quoting the line."""

    line: int
    problem: str
    custom_id: str | None = None

    @property
    def key(self) -> str:
        """What the failure is known by."""
        return f"line:{self.line}" if self.custom_id is None else self.custom_id


class _Invalid(ValueError):
    """Carries the text of an `InvalidRow`."""


# ---------------------------------------------------------------- operations


def row_operation(name: object) -> Operation:
    """Find the operation of rows: by its resource, such as `chat`, or by its id."""
    by_id = {operation.id: operation for operation in all_operations().values() if operation.is_row}
    by_resource: dict[str, Operation] = {}
    for operation in by_id.values():
        by_resource.setdefault(operation.resource, operation)  # the first of a family is its `create`
    found = (by_id | by_resource).get(name) if isinstance(name, str) else None
    if found is None:
        came = repr(name[:80]) if isinstance(name, str) else type(name).__name__
        raise BatchError(f"operation: must be one of {', '.join(by_resource)}, got {came}")
    return found


def endpoint_of(operation: Operation) -> str:
    """Return the `endpoint` of a batch of such rows, which is also the `url` of each row."""
    return f"/v1{operation.path}"


def operation_at(endpoint: object) -> Operation | None:
    """Find the operation of rows that are sent to an endpoint, with or without its version."""
    rows = (operation for operation in all_operations().values() if operation.is_row)
    return next((one for one in rows if endpoint in (endpoint_of(one), one.path)), None)


def column_names(operation: Operation) -> frozenset[str]:
    """Name the columns that a table of such rows may have."""
    names = operation.parameters - {"stream"} | {"custom_id"}
    return names | _SHORTHANDS if "messages" in operation.required else names


# -------------------------------------------------------------------- reading


class RowReader:
    """Reads the rows of one file, and numbers those that are equal."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._names = _names_of(operation)
        self._repeated: dict[str, int] = {}

    def line(self, raw: bytes, number: int) -> BatchRow | InvalidRow:
        """Read a line: parameters, an OpenAI batch line, or a failure of an earlier run."""
        custom_id = None
        try:
            value = _parsed(raw, number)
            custom_id = _checked_id(value.pop("custom_id", None))
            key = None
            if "error" in value or "response" in value:
                value, key = _failed_before(value)
            elif "body" in value or "url" in value or "method" in value:
                value = _body(value, self._operation)
            if _WHOLE_FLOAT.search(raw):
                value = whole_numbers(value, self._operation.request)
            return self._row(value, key, custom_id, number)
        except _Invalid as exc:
            return InvalidRow(number, str(exc), custom_id)

    def cells(self, values: Mapping[str, Any], number: int) -> BatchRow | InvalidRow:
        """Read a row of a table, whose empty cells are None and are not given."""
        return self.params({name: as_json(value) for name, value in values.items() if value is not None}, number)

    def params(self, given: Mapping[str, Any], number: int) -> BatchRow | InvalidRow:
        """Read parameters, perhaps with `custom_id`; for chat, `prompt` and `system` make the messages."""
        params = dict(given)
        named = params.pop("custom_id", None)
        if "messages" in self._operation.required and "prompt" in params and "messages" not in params:
            said = [("system", params.pop("system", None)), ("user", params.pop("prompt"))]
            params["messages"] = [{"role": role, "content": text} for role, text in said if text is not None]
        params = whole_numbers(params, self._operation.request)
        try:
            return self._row(params, None, _checked_id(named), number)
        except _Invalid as exc:
            return InvalidRow(number, str(exc), named if isinstance(named, str) else None)

    def _row(self, params: dict[str, Any], key: str | None, custom_id: str | None, line: int) -> BatchRow:
        for name in params.keys() & _NOT_OF_ROWS:
            raise _Invalid(f"{name}: is an option of the run, not of a row")
        if params.pop("stream", None):
            raise _Invalid("stream: rows of a batch can't be streamed; remove it")
        self._check_names(params)
        return BatchRow(key or custom_id or self._numbered(_hash_of(params)), custom_id, params, line)

    def _check_names(self, params: Mapping[str, Any]) -> None:
        try:
            check_names(params, self._names, where=f"{self._operation.resource}.{self._operation.name}")
        except RequestValidationError as exc:
            given = params.keys() - _ROW_OPTIONS
            fitting = [other for other in all_operations().values() if other.required <= given <= _names_of(other)]
            # The one that needs most of what the row has: others ask for a model alone.
            best = max(fitting, key=lambda other: len(other.required), default=None)
            hint = f"; the row looks like one of {best.resource}.{best.name}" if best else ""
            raise _Invalid(f"{exc}{hint}") from None

    def _numbered(self, key: str) -> str:
        count = self._repeated[key] = self._repeated.get(key, 0) + 1
        return key if count == 1 else f"{key}#{count}"


def _parsed(raw: bytes, line: int) -> dict[str, Any]:
    try:
        value: Any = from_json(raw.rstrip(BLANK), allow_inf_nan=False, cache_strings="keys")
    except ValueError as exc:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as unicode:
            raise _Invalid(f"not UTF-8 at byte {unicode.start + 1}; save the file as UTF-8") from None
        # The parser's text has no quotation of the line, which may be a prompt: a few words and a place.
        place = re.search(r"^(.*) at line \d+ column (\d+)$", str(exc))
        where = f" at column {place[2]} ({place[1]})" if place else ""
        array = "; the file looks like a JSON array: write one object per line" if raw[:1] == b"[" and line == 1 else ""
        raise _Invalid(f"not JSON{where}{array}") from None
    if not is_object(value):
        array = "; write one object per line" if is_list(value) else ""
        raise _Invalid(f"must be a JSON object, got {type(value).__name__}{array}")
    return value


def _checked_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Invalid(f"custom_id: must be a string, got {type(value).__name__}")
    if not value:
        raise _Invalid("custom_id: is empty; leave it out, or use a unique one for each row")
    return value


def _body(value: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    method, url, body = (value.get(name) for name in ("method", "url", "body"))
    if not is_object(body):
        raise _Invalid(f"body: must be an object, got {type(body).__name__}")
    if method is not None and method != operation.method:
        raise _Invalid(f"method: must be {operation.method}, got {str(method)[:20]!r}")
    accepted = (endpoint_of(operation), operation.path)
    if url is not None and url not in accepted:
        other = operation_at(url)
        whose = "" if other is None else f", which is {other.resource}.{other.name}"
        raise _Invalid(
            f"url: a row of another operation: must be {accepted[0]!r} for {operation.resource}.{operation.name}, "
            f"got {str(url)[:80]!r}{whose}"
        )
    return body


def _failed_before(value: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Take request and key out of a line of a run's failures."""
    request, key = value.get("request"), value.get("key")
    if is_object(request):
        return request, key if isinstance(key, str) else None
    error = value.get("error")
    message = error.get("message") if is_object(error) and "request" in value else None
    if isinstance(message, str):
        raise _Invalid(f"was no request when it failed ({message[:500]}); mend it in the input")
    raise _Invalid("a result without its request; pass the input of the run, or its file of failures")


def _names_of(operation: Operation) -> frozenset[str]:
    return operation.parameters | _ROW_OPTIONS | {"model_id"}


def _hash_of(params: Mapping[str, Any]) -> str:
    # Sorted and without blanks: the same request is the same row however its line is written.
    canonical = json.dumps(params, sort_keys=True, separators=(",", ":"), default=str)
    return _HASHED + hashlib.sha256(canonical.encode()).hexdigest()
