"""Replies that are no JSON: a text alone, or a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...providers.spec import Provider
from ...utils.shapes import is_object
from ..operation import Operation
from .decode import decoded_text, parse_json
from .error_bodies import is_error

_SUBTITLES = re.compile(rb"(\xef\xbb\xbf)?\s*(WEBVTT\b|[0-9]+\s*\n[0-9]+:[0-9]{2})")
_EVENTS = (b"data: {", b"data:{", b"event:")  # as neither a text that somebody says nor a file begins


def media_type(headers: Mapping[str, str]) -> str:
    """Read the type of a body without its parameters, in lower case; "" where it is not given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_text(headers: Mapping[str, str]) -> bool:
    """Whether a body calls itself a text, or nothing; a page of HTML is never what was asked for."""
    kind = media_type(headers)
    return kind in ("", "application/x-subrip") or (kind.startswith("text/") and kind not in _NO_TEXTS)


_NO_TEXTS = frozenset({"text/html", "text/event-stream"})


def is_file(headers: Mapping[str, str]) -> bool:
    """Whether a body calls itself a file, or nothing."""
    kind = media_type(headers)
    return not (kind.startswith("text/") or "json" in kind)


def begins_as_events(body: bytes) -> bool:
    """Whether a body is an event stream, whatever it calls itself."""
    return body.startswith(_EVENTS)


def begins_as_json(body: bytes) -> bool:
    """Whether a body looks like a JSON object; one byte of sound may well be a brace."""
    return re.match(rb'\{\s*"', body) is not None


def may_begin_otherwise(head: bytes) -> bool:
    """Whether it takes more bytes to tell events and JSON from a file."""
    return any(mark.startswith(head) for mark in _EVENTS) or head.rstrip() == b"{"


def read_bare(operation: Operation, provider: Provider, body: bytes, headers: Mapping[str, str]) -> Any | None:
    """Read a reply that is no JSON; None for all others, of which some are errors."""
    if operation.of_file is not None and body and is_file(headers):
        is_stated = begins_as_json(body) and is_error(provider, parse_json(body))
        return None if is_stated else operation.of_file(body)
    if operation.of_text is None or not body.strip():
        return None
    # A server that calls subtitles JSON is read by what they are.
    document = parse_json(body)
    if is_text(headers) or _SUBTITLES.match(body):
        return None if is_object(document) else operation.of_text(decoded_text(body, headers))
    return operation.of_text(document) if isinstance(document, str) else None
