"""Replies of paths that no model of ours describes, as the type that the caller names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from ...errors import ResponseValidationError
from ...models.common import Reply
from ...models.documents import JsonObject
from ...utils.jsonpaths import MISSING
from ...utils.secrets import masked
from ...utils.shapes import is_list, is_object
from ..adapters import adapter
from .decode import json_fault, parse_json, shown_text, stated_error, without_secrets
from .error_bodies import is_error
from .reading import count, place_of

if TYPE_CHECKING:
    from ...providers.spec import Provider
    from ..plan import Plan
    from ..state import CallState, Received

_UNREADABLE = (ValidationError, ValueError, RecursionError)
_TOLD = ("object", "status")  # what a job says of itself, whose `error` is one of its fields


class Cast:
    """Reads JSON, or a body as it is, as one type.

    Args:
        adapter: pydantic's of the type; None for bytes, str and dict.
    """

    def __init__(self, kind: Any, adapter: TypeAdapter[Any] | None) -> None:
        self.kind = kind
        self.is_raw = kind in (bytes, str)
        self.of: Callable[[bytes], Any]
        if kind is bytes:
            self.of = bytes
        elif kind is str:
            self.of = _text
        else:  # a dict has the facts about its call beside it
            self.of = _object if adapter is None else adapter.validate_json

    @property
    def names(self) -> frozenset[str]:
        """The fields that the type has; those of a dict are not known."""
        fields = self.kind.model_fields if hasattr(self.kind, "model_fields") else None
        return frozenset(fields if fields is not None else getattr(self.kind, "__annotations__", ()))

    def is_failure(self, provider: Provider, document: Any) -> bool:
        """Distinguish an error object from a reply that has an error among its fields, as a job that failed does."""
        if not is_error(provider, document):
            return False
        if not self.names.isdisjoint(provider.error.marks):
            return False
        return is_list(document) or document.get("object") == "error" or not any(map(document.get, _TOLD))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _object(body: bytes) -> JsonObject:
    return JsonObject(adapter(dict[str, Any]).validate_json(body))


def read_cast(plan: Plan, state: CallState, received: Sequence[Received], cast: Cast, items: str) -> Any:
    """Read a reply; the pages of a list become one document, which has all `items`.

    Raises:
        APIStatusError: The body is an error object.
        ResponseValidationError: The body is not of the type.
    """
    first, body, secrets = received[0], received[0].body or b"", state.secrets
    provider = plan.target.provider
    document = MISSING if cast.kind is bytes else parse_json(body)
    if cast.is_failure(provider, document):
        raise stated_error(provider, document, meta=first.meta, secrets=secrets)
    if len(received) > 1:
        body = to_json(_joined(document, [parse_json(page.body or b"") for page in received[1:]], items))
    try:
        reply = _read(cast, body, document)
    except _UNREADABLE as exc:
        raise ResponseValidationError(
            masked(f"not what cast_to names: {_problem(exc, body)}", secrets),
            status_code=first.status,
            body=shown_text(body, secrets),
            meta=without_secrets(first.meta, secrets),
        ) from None
    if isinstance(reply, Reply | JsonObject):
        reply._meta = first.meta  # pyright: ignore[reportPrivateUsage] # as every reply has it
    if is_object(document) and is_object(document.get("usage")):
        count(plan, first.meta, state.held, document["usage"])
    elif state.held is not None:
        state.held.lose()
    return reply


def _read(cast: Cast, body: bytes, document: Any) -> Any:
    try:
        return cast.of(body or _empty(cast))
    except _UNREADABLE:
        if cast.is_raw or document is MISSING:
            raise
        return cast.of(json.dumps(document).encode())  # UTF-16, or a byte order mark


def _empty(cast: Cast) -> bytes:
    """What a body without a byte stands for: 204 says that all went well, and has none."""
    return b"{}" if cast.of is _object else b"" if cast.is_raw else b"null"


def _joined(document: Any, pages: list[Any], items: str) -> Any:
    if not is_object(document) or not is_list(document.get(items)):
        return document
    last: Mapping[str, Any] = pages[-1] if is_object(pages[-1]) else {}
    further = [item for page in pages if is_object(page) for item in page.get(items) or ()]
    return {**document, **last, items: [*document[items], *further]}  # cursors are those of the last page


def _problem(exc: Exception, body: bytes) -> str:
    if not body.strip():
        return "the body is empty"
    if parse_json(body) is MISSING:
        looks = "HTML" if body.lstrip()[:1] == b"<" else json_fault(body)
        return f"the body is {looks}; an event stream is read with stream=True, anything else with cast_to=bytes"
    return place_of(exc) if isinstance(exc, ValidationError) else f"its validator raised {type(exc).__name__}"
