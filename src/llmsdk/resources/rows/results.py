"""Results: what became of a row, as a line of the output or of the file of failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from ...errors import APIStatusError, RequestValidationError
from ...utils.shapes import is_object
from .rows import BatchRow, InvalidRow

_MAX_TEXT = 4_000  # characters of a message
_HEAD = b'{"custom_id":'  # of every line


def succeeded(row: BatchRow, reply: Any) -> bytes:
    """Write a reply in the shape of OpenAI's batch output; its body is in the SDK's words, as it came."""
    meta = reply.meta
    head = _dumped({"custom_id": row.custom_id, "key": row.key})
    answer = _dumped({"status_code": meta.status_code, "request_id": meta.request_id})
    # Put together as text: reading the body's JSON only to write it again would cost as much as the rest of the row.
    body: str = reply.model_dump_json(exclude_unset=True)
    return b'%b,"response":%b,"body":%b},"error":null}\n' % (head[:-1], answer[:-1], body.encode())


def failed(row: BatchRow, error: BaseException, *, attempts: int, failures: int, with_request: bool = True) -> bytes:
    """Write a failure, with its request so that the line can be run again.

    Args:
        failures: How often the row has been answered with an error, this time included.
    """
    response = None
    if isinstance(error, APIStatusError):
        body = error.body[:_MAX_TEXT] if error.data is None else error.data
        response = {"status_code": error.status_code, "request_id": error.request_id, "body": body}
    about = {**_described(error), "attempts": attempts, "failures": failures, "line": row.line}
    return _line(row.custom_id, row.key, response, about, row.params if with_request else None)


def invalid(row: InvalidRow, path: str) -> bytes:
    """Write that a line of the input is no request."""
    error = RequestValidationError(f"{path}: line {row.line}: {row.problem}")
    return _line(row.custom_id, row.key, None, {**_described(error), "attempts": 0, "line": row.line}, None)


def key_of(raw: bytes) -> str | None:
    """Read the key of a line of the output; None where it is no result."""
    value = _parsed(raw) or {}
    key = value.get("key") if is_object(value.get("response")) else None
    return key if isinstance(key, str) else None


def failure_of(raw: bytes) -> tuple[str, int] | None:
    """Read the key of a line of failures, and how often an error had been the answer; None where it is no request."""
    value = _parsed(raw) or {}
    key, error = value.get("key"), value.get("error")
    if not is_object(value.get("request")) or not isinstance(key, str):
        return None
    failures = error.get("failures") if is_object(error) else None
    return key, failures if isinstance(failures, int) and failures >= 0 else 0


def is_failure(raw: bytes) -> bool:
    """Whether a line is of a file of failures, or the beginning of such a line, which a kill has torn."""
    value = _parsed(raw)
    if value is None:
        return not raw.endswith(b"\n") and raw[: len(_HEAD)] == _HEAD[: len(raw)]
    return isinstance(value.get("key"), str) and is_object(value.get("error"))


def _parsed(raw: bytes) -> dict[str, Any] | None:
    """Parse a line; None where it is no JSON, and nothing in it where it is no object."""
    try:
        value: Any = from_json(raw)
    except ValueError:
        return None
    return value if is_object(value) else {}


def _described(error: BaseException) -> dict[str, Any]:
    message = getattr(error, "message", None) or str(error)
    return {
        "class": type(error).__name__,
        "message": str(message)[:_MAX_TEXT],
        **{name: getattr(error, name, None) for name in ("status_code", "code", "type", "param")},
    }


def _line(
    custom_id: str | None,
    key: str,
    response: Mapping[str, Any] | None,
    error: Mapping[str, Any],
    request: Mapping[str, Any] | None,
) -> bytes:
    value = {"custom_id": custom_id, "key": key, "response": response, "error": error, "request": request}
    return _dumped(value) + b"\n"


def _dumped(value: Any) -> bytes:
    # A file's name that is no UTF-8 is text with halves of characters, and an error's message may quote it.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")
