"""Columns: what became of a row, in values that every table can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import SDKError

NAMES: Final[dict[str, type]] = {
    "key": str,
    "text": str,
    "finish_reason": str,
    "prompt_tokens": int,
    "completion_tokens": int,
    "total_tokens": int,
    "reply": str,
    "error_class": str,
    "error_status": int,
    "error_message": str,
    "attempts": int,
    "elapsed_ms": float,
}
"""What the output says of each row, and of which type it is where it is there."""

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_MAX_TEXT = 4_000  # characters of a message: a server's page of HTML is not to fill the table


def of_reply(key: str, reply: Any, attempts: int, elapsed_ms: float) -> dict[str, Any]:
    """Describe a row by its reply."""
    usage = getattr(reply, "usage", None)
    choices = getattr(reply, "choices", None)
    reason = getattr(choices[0], "finish_reason", None) if choices else None
    text = getattr(reply, "text", None)
    return {
        **dict.fromkeys(NAMES),
        "key": key,
        "text": text if isinstance(text, str) else None,
        "finish_reason": None if reason is None else str(reason),
        **{name: getattr(usage, name, None) for name in _TOKENS},
        # As text: the shape of replies differs from server to server, and a column has one type.
        "reply": reply.model_dump_json(exclude_unset=True),
        "attempts": attempts,
        "elapsed_ms": elapsed_ms,
    }


def of_error(key: str | None, error: BaseException, attempts: int = 0, elapsed_ms: float = 0.0) -> dict[str, Any]:
    """Describe a row by its error."""
    message = error.message if isinstance(error, SDKError) else str(error)
    return {
        **dict.fromkeys(NAMES),
        "key": key,
        "error_class": type(error).__name__,
        "error_status": getattr(error, "status_code", None),
        "error_message": message[:_MAX_TEXT],
        "attempts": attempts,
        "elapsed_ms": elapsed_ms,
    }


def is_good(columns: Mapping[str, Any]) -> bool:
    """Whether a row ended well."""
    return columns.get("key") is not None and columns.get("error_class") is None


def kept_rows(found: Sequence[Mapping[str, Any] | None]) -> tuple[list[int], dict[str, tuple[type, list[Any]]]]:
    """Return the places of rows that come out, and for each column of the output its type and cells."""
    # None is a row of an earlier run that is not carried along.
    kept = [(at, columns) for at, columns in enumerate(found) if columns is not None]
    cells = {name: (kind, [columns[name] for _, columns in kept]) for name, kind in NAMES.items()}
    return [at for at, _ in kept], cells
