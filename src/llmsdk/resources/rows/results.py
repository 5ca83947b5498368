"""Results: what came of a row, as a line of the output or of the file of failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from ...errors import APIStatusError, RequestValidationError
from ...utils.shapes import is_object
from .rows import BadRow, Row

_MAX_TEXT = 4_000  # characters of a message
_HEAD = b'{"custom_id":'  # of every line


def succeeded(row: Row, reply: Any) -> bytes:
    """Write a reply in the shape of OpenAI's batch output; its body is in the SDK's words, as it came."""
    meta = reply.meta
    head = _dumped({"custom_id": row.custom_id, "key": row.key})
    answer = _dumped({"status_code": meta.status_code, "request_id": meta.request_id})
    body: str = reply.model_dump_json(exclude_unset=True)
    return b'%b,"response":%b,"body":%b},"error":null}\n' % (head[:-1], answer[:-1], body.encode())


def failed(row: Row, error: BaseException, *, attempts: int, failures: int) -> bytes:
    """Write a failure with its request, so that the line can be run again.

    Args:
        failures: How often the row has been answered with an error, with this time.
    """
    response = None
    if isinstance(error, APIStatusError):
        body = error.body[:_MAX_TEXT] if error.data is None else error.data
        response = {"status_code": error.status_code, "request_id": error.request_id, "body": body}
    told = {**_told(error), "attempts": attempts, "failures": failures, "line": row.line}
    return _line(row.custom_id, row.key, response, told, row.params)


def unfit(row: BadRow, path: str) -> bytes:
    """Write that a line of the input is no request."""
    error = RequestValidationError(f"{path}: line {row.line}: {row.problem}")
    return _line(row.custom_id, row.key, None, {**_told(error), "attempts": 0, "line": row.line}, None)


def key_of(raw: bytes) -> str | None:
    """Read the key of a line of the output; None where it is none."""
    try:
        value: Any = from_json(raw)
    except ValueError:
        return None
    if not is_object(value) or not is_object(value.get("response")):
        return None
    key = value.get("key")
    return key if isinstance(key, str) else None


def failure_of(raw: bytes) -> tuple[str, int] | None:
    """Read the key of a line of failures, and how often an error had been the answer; None where it is no request."""
    try:
        value: Any = from_json(raw)
    except ValueError:
        return None
    if not is_object(value) or not is_object(value.get("request")) or not isinstance(value.get("key"), str):
        return None
    error = value.get("error")
    failures = error.get("failures") if is_object(error) else None
    return value["key"], failures if isinstance(failures, int) and failures >= 0 else 0


def is_failure(raw: bytes) -> bool:
    """Whether a line is of a file of failures, or the beginning of such a line, which a kill has torn."""
    try:
        value: Any = from_json(raw)
    except ValueError:
        is_torn = not raw.endswith(b"\n")
        return is_torn and raw[: len(_HEAD)] == _HEAD[: len(raw)]
    return is_object(value) and isinstance(value.get("key"), str) and is_object(value.get("error"))


def _told(error: BaseException) -> dict[str, Any]:
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
