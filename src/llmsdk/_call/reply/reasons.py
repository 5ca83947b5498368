"""Failures that dress as success: 2xx documents in which nothing came of what was asked for, and why.

The reason is a text under one of the names that servers give it, at any depth; or a mark of failure, such as a `status`
of failed, a `success` of false, a code that is not zero; or else a text of several words under any name. Beside a part
of an answer the first two count alone, as servers may have other things to say then. What says that all is well, such
as `"msg": "success"`, is no reason.

A choice failed if it has an error object and no finish reason of the model's (`error` is the server's word). Failed
choices beside words of a model are the caller's to judge; of a stream, which has no second look, they are its error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...providers.spec import Provider
from ...utils.jsonpaths import find
from ...utils.shapes import is_object
from .error_bodies import ANYWHERE, ELSEWHERE, fields_of, unwrapped

UNFINISHED = (None, "", "error")
"""What stands for a finish reason where an answer has not come to its end."""

# Letters and digits of names and values.
_WELL = frozenset({"", "0", "ok", "success", "successful", "succeeded", "completed", "complete", "done", "true"})
_FAILED = frozenset(
    {"failed", "failure", "fail", "error", "errored", "cancelled", "canceled", "expired", "rejected", "blocked"}
    | {"aborted", "timeout", "timedout", "incomplete"}
)
_CLAIMS = frozenset({"success", "successful", "succeeded", "issuccess", "ok"})
_STATES = frozenset({"status", "state"})
_CODES = frozenset({"code", "errorcode", "errcode", "errno", "statuscode", "returncode", "retcode", "ret"})


def reason_in(provider: Provider, document: Any, *, beside_answer: bool = False) -> bool:
    """Whether a document without results has anything that reads as the reason."""
    document = unwrapped(document)
    if not is_object(document):
        return False
    named = (text for path in (ANYWHERE, ELSEWHERE) for text in find(path, document) if isinstance(text, str))
    if any(_letters(text) not in _WELL for text in named) or _is_marked(document):
        return True
    message = None if beside_answer else fields_of(provider, document, ()).message
    return message is not None and _letters(message) not in _WELL


def _is_marked(document: Mapping[str, Any]) -> bool:
    """Whether a document, or an object right inside it, says that it is a failure."""
    inner = (value for value in document.values() if is_object(value))
    return any(_is_mark(_letters(name), value) for place in (document, *inner) for name, value in place.items())


def _is_mark(name: str, value: Any) -> bool:
    if name in _CLAIMS:
        return value is False
    if name not in _CODES and name not in _STATES:
        return False
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = _letters(value) if isinstance(value, str) else str(value) if is_number else ""
    if name in _STATES:
        return text in _FAILED or re.fullmatch("[45][0-9][0-9]", text) is not None
    return text not in _WELL and re.fullmatch("2[0-9][0-9]|0\\.0", text) is None


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def failure_of(choices: list[Any]) -> Any | None:
    """Return the error object of the first choice, where every choice has failed."""
    errors = [getattr(choice, "error", None) for choice in choices if choice.finish_reason in UNFINISHED]
    return errors[0] if len(errors) == len(choices) and all(errors) else None


def is_wordless(choices: list[Any]) -> bool:
    """Whether no choice has anything that a model said: text, calls, thoughts, sound."""
    return not any(_said(choice) for choice in choices)


def _said(choice: Any) -> bool:
    message = getattr(choice, "message", None)
    words: dict[str, Any] = {} if message is None else message.model_dump(exclude={"role"}, exclude_none=True)
    return bool(getattr(choice, "text", None)) or any(words.values())
