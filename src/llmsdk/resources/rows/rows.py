"""Rows: lines of an input file read as requests of one operation."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from ..._call.operation import Operation
from ..._call.request.validate import check_names, known_names
from ...errors import BatchError, RequestValidationError
from ...options import CALL_OPTIONS
from ...utils.shapes import is_list, is_object
from ..operations import all_operations
from .ledger import Ledger

MAX_LINE_BYTES = 64 << 20
"""Longest line that is read; what a longer one holds is not looked at."""

_ROW_OPTIONS = frozenset({"extra_body"})  # a file must not say where a key is sent, or how often
_ROW_NAMES = _ROW_OPTIONS | {"model_id"}
_BLANK = b" \t\r\n"
_HASHED = "sha256:"


@dataclass(frozen=True, slots=True)
class Row:
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
class BadRow:
    """A line that is no request of the operation; `problem` says why, without a quotation of it."""

    line: int
    problem: str
    custom_id: str | None = None

    @property
    def key(self) -> str:
        """What the failure is known by."""
        return f"line:{self.line}" if self.custom_id is None else self.custom_id


class _Unfit(ValueError):
    """The text of a `BadRow`."""

    def __init__(self, problem: str, custom_id: str | None = None) -> None:
        super().__init__(problem)
        self.custom_id = custom_id


def operation_of(name: object) -> Operation:
    """Find the operation that rows are for: `chat`, `completions`, `images`, `embeddings`, or an operation's id.

    Raises:
        BatchError: There is none, or its requests are uploads.
    """
    usable = {
        operation.id: operation
        for operation in all_operations().values()
        if operation.method == "POST" and not operation.files and not operation.is_stored
    }
    first: dict[str, Operation] = {}
    for operation in usable.values():
        first.setdefault(operation.resource, operation)
    known = {**usable, **first}
    if not isinstance(name, str) or name not in known:
        came = repr(name[:80]) if isinstance(name, str) else type(name).__name__
        raise BatchError(f"operation: must be one of {', '.join(first)}, got {came}")
    return known[name]


def url_of(operation: Operation) -> str:
    """Give the `url` of an operation in OpenAI's batch lines."""
    return f"/v1{operation.path}"


def batch_line(row: Row, operation: Operation, body: Mapping[str, Any] | None = None) -> bytes:
    """Write a row as an OpenAI batch line, keyed by its `key`.

    Args:
        body: Goes in place of the row's parameters, where these are spelt otherwise on the wire.
    """
    value = {
        "custom_id": row.key,
        "method": operation.method,
        "url": url_of(operation),
        "body": row.params if body is None else body,
    }
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def read_rows(path: str | os.PathLike[str], operation: Operation) -> Iterator[Row | BadRow]:
    """Read a file row by row, in bounded memory; blank lines count as lines and are passed over.

    Raises:
        BatchError: The file cannot be read, or is no text in UTF-8 from its first bytes on.
    """
    return rows_of(_lines(path), operation)


def rows_of(lines: Iterable[bytes | None], operation: Operation) -> Iterator[Row | BadRow]:
    """Read lines as rows; None is a line that is too long."""
    repeated = Ledger()
    for number, raw in enumerate(lines, 1):
        if raw is None:
            yield BadRow(number, f"longer than {MAX_LINE_BYTES >> 20} MiB; send such files by URL")
            continue
        if not raw.strip(_BLANK):
            continue
        try:
            yield _read(raw, number, operation, repeated)
        except _Unfit as exc:
            yield BadRow(number, str(exc), exc.custom_id)


def read_params(
    params: dict[str, Any], custom_id: object, line: int, operation: Operation, repeated: Ledger
) -> Row | BadRow:
    """Make a row of parameters that did not come as a line, as of a table."""
    name = custom_id if isinstance(custom_id, str) else None
    try:
        return _row(params, _checked_id(custom_id), None, line, operation, repeated)
    except _Unfit as exc:
        return BadRow(line, str(exc), name)


def _lines(path: str | os.PathLike[str]) -> Iterator[bytes | None]:
    shown = os.fspath(path)
    try:
        with open(path, "rb") as file:
            start = file.read(3)
            if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise BatchError(f"{shown}: line 1: the file is UTF-16; save it as UTF-8", path=shown, line=1)
            file.seek(3 if start == b"\xef\xbb\xbf" else 0)
            while raw := file.readline(MAX_LINE_BYTES + 1):
                if len(raw) <= MAX_LINE_BYTES:
                    yield raw
                    continue
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(1 << 20)
                yield None
    except OSError as exc:
        raise BatchError(f"{shown}: cannot be read: {exc.strerror or exc}", path=shown) from exc


def _read(raw: bytes, line: int, operation: Operation, repeated: Ledger) -> Row:
    value = _parsed(raw, line)
    custom_id = _checked_id(value.get("custom_id"))
    try:
        if "error" in value or "response" in value:
            return _failed_before(value, custom_id, line, operation, repeated)
        if "body" in value or "url" in value or "method" in value:
            return _row(_body(value, operation), custom_id, None, line, operation, repeated)
        value.pop("custom_id", None)
        return _row(value, custom_id, None, line, operation, repeated)
    except _Unfit as exc:
        raise _Unfit(str(exc), custom_id) from None


def _parsed(raw: bytes, line: int) -> dict[str, Any]:
    try:
        value: Any = from_json(raw.rstrip(_BLANK), allow_inf_nan=False, cache_strings="keys")
    except ValueError as exc:
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as unicode:
            raise _Unfit(f"not UTF-8 at byte {unicode.start + 1}; save the file as UTF-8") from None
        # The parser's text has no quotation of the line: a few words and a place.
        place = re.search(r"^(.*) at line \d+ column (\d+)$", str(exc))
        where = f" at column {place[2]} ({place[1]})" if place else ""
        array = "; the file looks like a JSON array: write one object per line" if raw[:1] == b"[" and line == 1 else ""
        raise _Unfit(f"not JSON{where}{array}") from None
    if not is_object(value):
        array = "; write one object per line" if is_list(value) else ""
        raise _Unfit(f"must be a JSON object, got {type(value).__name__}{array}")
    return value


def _checked_id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Unfit(f"custom_id: must be a string, got {type(value).__name__}")
    if not value:
        raise _Unfit("custom_id: is empty; leave it out, or give each row its own")
    return value


def _body(value: dict[str, Any], operation: Operation) -> dict[str, Any]:
    method, url, body = (value.get(name) for name in ("method", "url", "body"))
    if not is_object(body):
        raise _Unfit(f"body: must be an object, got {type(body).__name__}")
    if method is not None and method != operation.method:
        raise _Unfit(f"method: must be {operation.method}, got {str(method)[:20]!r}")
    accepted = (url_of(operation), operation.path)
    if url is not None and url not in accepted:
        other = next((known for known in all_operations().values() if url in (url_of(known), known.path)), None)
        whose = "" if other is None else f", which is {other.resource}.{other.name}"
        raise _Unfit(
            f"url: a row of another operation: must be {accepted[0]!r} for {operation.resource}.{operation.name}, "
            f"got {str(url)[:80]!r}{whose}"
        )
    return body


def _failed_before(
    value: dict[str, Any], custom_id: str | None, line: int, operation: Operation, repeated: Ledger
) -> Row:
    """Read a line of a run's failures, which holds its request."""
    request, key = value.get("request"), value.get("key")
    if not is_object(request):
        error = value.get("error")
        message = error.get("message") if is_object(error) and "request" in value else None
        if isinstance(message, str):
            raise _Unfit(f"was no request when it failed ({message[:500]}); mend it in the input")
        raise _Unfit("a result without its request; give the input of the run, or its file of failures")
    return _row(request, custom_id, key if isinstance(key, str) else None, line, operation, repeated)


def _row(
    params: dict[str, Any],
    custom_id: str | None,
    key: str | None,
    line: int,
    operation: Operation,
    repeated: Ledger,
) -> Row:
    for name in params.keys() & CALL_OPTIONS - _ROW_OPTIONS:
        raise _Unfit(f"{name}: is an option of the run, not of a row")
    if params.pop("stream", None):
        raise _Unfit("stream: replies of a batch come whole; take it out")
    _check_names(params, operation)
    if key is None:
        key = _numbered(_hash_of(params), repeated) if custom_id is None else custom_id
    return Row(key, custom_id, params, line)


def _check_names(params: Mapping[str, Any], operation: Operation) -> None:
    try:
        check_names(params, _names_of(operation), where=f"{operation.resource}.{operation.name}")
    except RequestValidationError as exc:
        given = params.keys() - _ROW_OPTIONS
        fitting = [other for other in all_operations().values() if other.required <= given <= _names_of(other)]
        hint = f"; the row looks like one of {fitting[0].resource}.{fitting[0].name}" if fitting else ""
        raise _Unfit(f"{exc}{hint}") from None


def _names_of(operation: Operation) -> frozenset[str]:
    return known_names(operation.request) | _ROW_NAMES


def _hash_of(params: Mapping[str, Any]) -> str:
    canonical = json.dumps(params, sort_keys=True, separators=(",", ":"))
    return _HASHED + hashlib.sha256(canonical.encode()).hexdigest()


def _numbered(key: str, repeated: Ledger) -> str:
    count = repeated.get(key) + 1
    repeated[key] = count
    return key if count == 1 else f"{key}#{count}"
