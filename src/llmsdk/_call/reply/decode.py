"""What came back as a document: JSON in any encoding, translated, mapped; and as an error, with every secret masked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from ...errors import APIStatusError, ReplyMeta
from ...errors.status import SDKDefaultError, class_for
from ...providers.spec import Provider
from ...utils.dates import parse_reset
from ...utils.headers import Headers
from ...utils.jsonpaths import MISSING, copy, find, first
from ...utils.retries import retry_after_from
from ...utils.secrets import masked, masks_of
from ...utils.shapes import is_list, is_object, is_unicode
from ..secrecy import forget_locals
from .error_bodies import fields_of, status_of

MAX_ERROR_BODY = 1 << 20
"""Bytes kept of a body that an error carries."""
_MIN_HALF = 6  # characters at the end of a cut text that are taken for the beginning of a secret; fewer occur by chance
_MAX_DEPTH = 200  # as in pydantic's parser


def recoded(read: Callable[[dict[str, Any]], Any], body: bytes) -> bytes:
    """Translate a document of a protocol of its own into ours; what is no such document stays as it came.

    Written as JSON again, so that everything behind it is the same for all dialects.
    """
    document = parse_json(body)
    return to_json(read(document), inf_nan_mode="constants") if is_object(document) else body


def map_document(mapping: Mapping[str, str], model: type[Any], document: Any) -> Any:
    """Validate a document in a dialect's spelling.

    Each of the dialect's values is copied to our place where that is empty. What was copied does not count as set, so
    that a dump of what was set is the document again.
    """
    if mapping.get("$.data") == "$":  # a bare list, unless what stands between has put it into an envelope
        has_envelope = is_object(document) and "data" in document
        return model.model_validate(document if has_envelope else {"data": document})
    added: list[tuple[Any, ...]] = []
    for target, source in mapping.items():
        added += copy(document, source, target)
    reply = model.model_validate(document)
    for path in added:
        _unset(reply, path)
    return reply


def _unset(reply: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        if isinstance(step, str):
            reply = getattr(reply, step, None)
        elif is_list(reply):
            reply = reply[step]
    if isinstance(reply, BaseModel):
        reply.model_fields_set.discard(path[-1])


def parse_json(body: bytes) -> Any:
    """Parse JSON in any Unicode encoding, with or without a byte order mark; MISSING if it is not JSON.

    An integer with more digits than Python reads, 4,300 unless set otherwise, is kept as its text.
    """
    try:
        return from_json(body)
    except ValueError:
        pass
    if not body.strip():
        return MISSING
    try:
        encoding = json.detect_encoding(body)
        document = json.loads(body.decode(encoding, "replace").lstrip("\ufeff"), parse_int=_integer)
    except (ValueError, RecursionError):
        return MISSING
    return MISSING if _is_deep(document) else _whole_characters(document)


def _whole_characters(document: Any) -> Any:
    """Put U+FFFD in place of every half of a character, which Python could neither print nor write."""
    text = json.dumps(document, ensure_ascii=False)
    if is_unicode(text):
        return document
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _integer(digits: str) -> int | str:
    try:
        return int(digits)
    except ValueError:
        return digits


def _is_deep(document: Any) -> bool:
    """Tell a document that could be read and then not be written: how deep that is depends on the caller's stack."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        lists = [value for value in level if is_list(value)]
        objects = [value for value in level if is_object(value)]
        level = [item for value in lists for item in value] + [item for value in objects for item in value.values()]
        if not level:
            return False
    return True


def json_fault(body: bytes) -> str:
    """Say why a text could not be read as JSON."""
    try:
        json.loads(body, parse_int=_integer)
    except RecursionError:
        pass
    except ValueError:
        return "not valid JSON"
    return "nested too deeply"


# ----------------------------------------------------------------- errors


def decode_error(
    provider: Provider,
    status: int,
    body: bytes,
    *,
    reason: Callable[[], str],
    meta: ReplyMeta,
    secrets: Iterable[str],
    now: Any,
) -> APIStatusError:
    """Make the error of a status, whatever the body; one that says nothing leaves the text to `reason`."""
    text = decoded_text(body[:MAX_ERROR_BODY], meta.headers)
    document = parse_json(body)
    fields = fields_of(provider, document, secrets)
    if meta.request_id is None:
        meta.request_id = _stated_id(provider, document)
    kind = APIStatusError.statuses.get(status, SDKDefaultError)
    return kind(
        fields.message or _masked_to_end(text.strip() or reason(), secrets) or f"HTTP status {status}",
        status_code=status,
        code=fields.code,
        type=fields.type,
        param=fields.param,
        body=_masked_to_end(text, secrets),
        data=None if document is MISSING else _masked_document(document, secrets),
        retry_after_s=retry_after_in(meta.headers, document, now),
        meta=without_secrets(meta, secrets),
    )


# Where bodies say how long to wait: a duration in google.rpc.RetryInfo (google/rpc/error_details.proto), or seconds.
# Those of the second line are in milliseconds.
_WAITS = ("$..retryDelay", "$..retry_after", "$..retryAfter", "$..retry_after_seconds")
_WAITS_MS = ("$..retry_after_ms", "$..retryAfterMs")


def retry_after_in(headers: Mapping[str, str], document: Any, now: datetime) -> float | None:
    """Find how long the server wants to be left alone, in seconds: a header says it, or else the body."""
    stated = retry_after_from(headers, now=now)
    if stated is not None or not (is_object(document) or is_list(document)):
        return stated
    found = (
        (value, unit)
        for unit, paths in (("", _WAITS), ("ms", _WAITS_MS))
        for path in paths
        for value in find(path, document)
    )
    waits = (parse_reset(f"{value}{unit}", now) for value, unit in found if isinstance(value, str | int | float))
    return next((wait for wait in waits if wait is not None), None)


def stated_error(
    provider: Provider, document: Any, *, meta: ReplyMeta, secrets: Iterable[str], is_text: bool = False
) -> APIStatusError:
    """Make the error that a document inside a 2xx reply or a stream states; `is_text` where it is no JSON."""
    fields = fields_of(provider, document, secrets)
    status = status_of(provider, document, fields)
    kind = class_for(status) if status else SDKDefaultError
    if meta.request_id is None:
        meta.request_id = _stated_id(provider, document)
    text = masked(document if is_text else json.dumps(document, ensure_ascii=False), secrets)
    return kind(
        fields.message or text[:MAX_ERROR_BODY],
        status_code=status or meta.status_code or 200,
        code=fields.code,
        type=fields.type,
        param=fields.param,
        body=text[:MAX_ERROR_BODY],
        data=None if is_text else _masked_document(document, secrets),
        retry_after_s=retry_after_in(meta.headers, document, datetime.now(UTC)),
        meta=without_secrets(meta, secrets),
    )


def _stated_id(provider: Provider, document: Any) -> str | None:
    """Read the id of the request from a body, for servers that have no header for it."""
    found = (first(path, document) for path in provider.error.request_id)
    return next((value for value in found if isinstance(value, str)), None)


def _masked_document(document: Any, secrets: Iterable[str]) -> Any:
    """Copy a parsed body with every secret masked."""
    if not masks_of(secrets):
        return document
    text = json.dumps(document)
    hidden = masked(text, secrets)
    return document if hidden == text else json.loads(hidden)


def decoded_text(body: bytes, headers: Mapping[str, str]) -> str:
    """Decode a body by its first bytes, else by its declared charset; what cannot be decoded becomes U+FFFD."""
    encoding = json.detect_encoding(body)
    # A byte order mark, or the zero bytes of UTF-16 and UTF-32 beside others.
    if encoding != "utf-8" and any(body[:4]):
        return body.decode(encoding, "replace")
    match = re.search(r"charset=\"?([\w.:-]+)", headers.get("content-type", ""), re.IGNORECASE)
    try:
        return body.decode(match[1] if match else "utf-8", "replace")
    except (LookupError, ValueError):  # no such charset, or one that is no text encoding
        return body.decode("utf-8", "replace")


def shown_text(body: bytes, secrets: Iterable[str]) -> str:
    """Keep the beginning of a body as text, with every secret masked, and the half of one at the end too."""
    return _masked_to_end(decoded_text(body[:MAX_ERROR_BODY], {}), secrets)


def _masked_to_end(text: str, secrets: Iterable[str]) -> str:
    text = masked(text, secrets)
    for form in masks_of(secrets):
        for length in range(len(form) - 1, _MIN_HALF - 1, -1):
            if text.endswith(form[:length]):
                return f"{text[:-length]}***"
    return text


# ---------------------------------------------------------------- headers


def safe_cause(cause: BaseException | None, secrets: Iterable[str]) -> BaseException | None:
    """Drop the cause of an error where its text, or that of its own causes, quotes a secret the server sent back.

    The transport's frames in it lose their locals, which may hold the same, and the request with its key.
    """
    forget_locals(cause)
    link = cause
    while link is not None:
        text = str(link)
        if masked(text, secrets) != text:
            return None
        link = link.__cause__ or link.__context__
    return cause


def without_secrets(meta: ReplyMeta, secrets: Iterable[str]) -> ReplyMeta:
    """Mask what an error is about to carry: a server may echo a key in its headers too."""
    pairs = meta.headers.multi_items() if isinstance(meta.headers, Headers) else list(meta.headers.items())
    # All at once: most servers repeat nothing, and a reply has some twenty headers.
    text = "\n".join([value for _, value in pairs])
    if masked(text, secrets) != text:
        meta.headers = Headers([(name, masked(value, secrets)) for name, value in pairs])
        meta.request_id = masked(meta.request_id or "", secrets) or None
    return meta
