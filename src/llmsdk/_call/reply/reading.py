"""What came back whole becomes the reply that was asked for, or the error that it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from ...errors import APIStatusError, ReplyMeta, ResponseValidationError
from ...providers.spec import Provider, Route
from ...utils.jsonpaths import MISSING
from ...utils.secrets import masked
from ...utils.shapes import is_list, is_object
from ..counts import with_rest
from ..operation import Operation
from ..plan import Plan
from ..state import CallState, Held, Received
from .bare import begins_as_events, read_bare
from .decode import json_fault, map_document, parse_json, recoded, shown_text, stated_error, without_secrets
from .ends import check_end, tls_that_ends
from .error_bodies import is_error, is_error_instead, states_error
from .reasons import UNFINISHED, failure_of, is_wordless, reason_in

_EXPECTED = {
    "missing": "it is missing",
    "list_type": "it isn't a list",
    "dict_type": "it isn't an object",
    "model_type": "it isn't an object",
    "model_attributes_type": "it isn't an object",
    "string_type": "it isn't a string",
    "int_type": "it isn't an integer",
}
"""What is wrong with a part of a reply, by pydantic's name of it; in its own words where it is rarer."""


_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"\xef\xbb\xbfdata:")  # as no JSON begins


def is_streamed(plan: Plan, received: Received) -> bool:
    """Recognize a stream that nobody asked for: some servers send one all the same, and some call it JSON."""
    if plan.operation.chunk is None:
        return False
    content_type, start = received.headers.get("content-type", ""), (received.body or b"")[:64].lstrip()
    # A text or a file may begin with what is a field of an event.
    begins = begins_as_events(start) if plan.operation.is_bare else start.startswith(_EVENT_STARTS)
    return "text/event-stream" in content_type or begins


def end_of(response: Any, headers: Mapping[str, str]) -> Callable[[bytes], None]:
    """Make what refuses a body, once it is read, that ended with its connection and not in order."""
    return partial(check_end, tls_that_ends(response, headers))


def read_reply(plan: Plan, state: CallState, received: list[Received]) -> Any:
    """Read a reply, which of a list may have come in pages.

    Raises:
        APIStatusError: The body is an error object.
        ResponseValidationError: The body is not what the operation returns.
    """
    reply: Any = None
    for page in received:
        read = decode_reply(
            plan.operation,
            plan.target.provider,
            page.body or b"",
            content_type=page.headers.get("content-type", ""),
            meta=page.meta,
            secrets=state.secrets,
            results=plan.results,
        )
        if reply is None:
            reply = read
        else:
            reply.data += read.data
    if plan.operation.is_paid:  # anything else is no call of `sdk.usage`
        count(plan, received[0].meta, state.held, getattr(reply, "usage", None))
    return finish(plan, reply, received[0].meta)


def finish(plan: Plan, reply: Any, meta: ReplyMeta) -> Any:
    """Attach to a reply what it needs beside its data."""
    if reply.__class__ is not list:  # events of a type of the caller's, which nothing folds
        reply._meta = meta  # not a field: a dump of the reply is what the server sent
    if plan.finish is not None:
        plan.finish(reply, plan)
    return reply


def count(plan: Plan, meta: ReplyMeta, held: Held | None, usage: Any, is_whole: bool = True) -> None:
    """Take the token counts of a reply, or of a stream at its end."""
    server, model = plan.target.provider.name, plan.model or ""
    route = plan.target.provider.routes.get(plan.operation.id)  # none for a path that is no operation of ours
    if route is not None and route.completion_is_rest:
        usage = with_rest(usage)
    plan.pending.append((server, model, usage, plan.tracked))
    if held is not None:
        held.pay(usage if is_whole else None)  # what a server had counted so far is no bound of what it made
    if usage is not None and plan.cost_of is not None:
        meta.read_cost = partial(plan.cost_of, server, model, usage)


class _Came(NamedTuple):
    """A 2xx reply as it came, for the errors about it."""

    operation: Operation
    provider: Provider
    body: bytes
    meta: ReplyMeta
    secrets: Iterable[str]

    def states(self, document: Any) -> APIStatusError:
        """Make the error that its document states."""
        return stated_error(self.provider, document, meta=self.meta, secrets=self.secrets)

    def unfit(self, problem: str) -> ResponseValidationError:
        """Make the error of a reply that is not what the operation returns."""
        kind = self.operation.resource
        return ResponseValidationError(
            masked(f"not {'an' if kind[0] in 'aeiou' else 'a'} {kind} reply: {problem}", self.secrets),
            status_code=self.meta.status_code,
            body=shown_text(self.body, self.secrets),
            meta=without_secrets(self.meta, self.secrets),
        )


def decode_reply(
    operation: Operation,
    provider: Provider,
    body: bytes,
    *,
    content_type: str,
    meta: ReplyMeta,
    secrets: Iterable[str],
    results: int = 0,
) -> Any:
    """Make the model of a 2xx reply. One with fewer than `results` results is an error.

    Raises:
        APIStatusError: The body is an error object; the class is that of its code or type.
        ResponseValidationError: The body is not what the operation returns.
    """
    if operation.is_bare:
        bare = read_bare(operation, provider, body, meta.headers)
        if bare is not None:
            return bare
    route, came = provider.routes[operation.id], _Came(operation, provider, body, meta, secrets)
    # Translated first: everything below knows one protocol.
    if route.codec is not None and route.codec.reply is not None:
        body = recoded(route.codec.reply, body)
    try:
        if route.reply:
            reply = map_document(route.reply, operation.reply, from_json(body))
        else:
            reply = operation.read_reply(body)
    except (ValidationError, ValueError, RecursionError):
        reply = _second_look(came, route, body, content_type, results)
    result = getattr(reply, operation.content, None)
    if not result or (results and _count(operation, result) < results):
        _check_result(came, route, reply, body, results)
    elif operation.content == "choices" and (result[0].finish_reason in UNFINISHED or reply.__pydantic_extra__):
        _check_choices(came, reply, body)
    return reply


def _second_look(came: _Came, route: Route, body: bytes, content_type: str, results: int) -> Any:
    """Read a reply that pydantic could not: it may be an error, or JSON that only Python's own parser takes."""
    operation, document = came.operation, parse_json(body)
    has_none = is_object(document) and not document.get(operation.content)
    is_stated = is_error(came.provider, document) or is_error_instead(operation, document)
    if is_stated or (results and has_none and reason_in(came.provider, document)):
        raise came.states(document) from None
    if is_list(document) and operation.method == "GET" and operation.content == "data":
        document = {"data": document}  # a list without its envelope, as some servers behind any URL send it
        body = json.dumps(document).encode()
    # UTF-16, a byte order mark, integers of more than 4,300 digits.
    text = body if document is MISSING else json.dumps(document).encode()
    try:
        return map_document(route.reply, operation.reply, from_json(text))
    except (ValidationError, ValueError, RecursionError) as failure:
        if has_none and reason_in(came.provider, document):
            raise came.states(document) from None
        raise came.unfit(_problem(failure, document, body, content_type)) from None


def _check_result(came: _Came, route: Route, reply: Any, body: bytes, results: int) -> None:
    """Refuse a reply that lacks what was asked for, unless its route may do without."""
    operation, provider = came.operation, came.provider
    content = operation.content
    result = getattr(reply, content, None)
    is_missing = result == [] and content not in reply.model_fields_set and f"$.{content}" not in route.reply
    if not result or not _count(operation, result):
        is_stated = states_error(provider, reply) or is_error_instead(
            operation, reply.model_extra, reply.model_fields_set
        )
        is_wanted = (results or is_missing) and not route.optional_result
        if is_stated or (is_wanted and reason_in(provider, parse_json(body))):
            raise came.states(parse_json(body))
    if route.optional_result:
        return
    if is_missing:
        raise came.unfit(f"{content}: it is missing")
    count = _count(operation, result or [])
    if count < results:
        raise came.unfit(f"{content}: {f'{count} of {results} results' if count else 'it is empty'}")


def _count(operation: Operation, result: list[Any]) -> int:
    """Count the results that hold something."""
    return len(result) if operation.is_blank is None else sum(not operation.is_blank(item) for item in result)


def _check_choices(came: _Came, reply: Any, body: bytes) -> None:
    """Refuse a reply in whose choices there is nothing, where something says why."""
    choices = reply.choices
    is_stated, is_begun = states_error(came.provider, reply), choices[0].finish_reason in UNFINISHED
    if not (is_stated or is_begun) or not is_wordless(choices):
        return
    error = failure_of(choices)
    if error is not None:
        failed = came.states({"error": error})
        failed.body = shown_text(body, came.secrets)  # of which the error is a part
        raise failed
    if is_stated or reason_in(came.provider, parse_json(body)):
        raise came.states(parse_json(body))
    # An empty text is an answer, if the model had none to give; no text is none.
    if all(choice.model_fields_set.isdisjoint({"message", "text", "finish_reason"}) for choice in choices):
        raise came.unfit("choices: none of them has a message, a text or a finish reason")


def _problem(failure: Exception, document: Any, body: bytes, content_type: str) -> str:
    if not body.strip():
        return "the body is empty"
    if document is MISSING or not isinstance(failure, ValidationError):
        looks = "HTML" if body.lstrip()[:1] == b"<" else json_fault(body)
        return f"the body is {looks} (content type {content_type or 'not given'})"
    return place_of(failure)


def place_of(failure: ValidationError) -> str:
    """Return where a document is not what it should be."""
    # Places and kinds only: the text of a pydantic error quotes the reply.
    error = failure.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in error["loc"] if step != "value")  # the name of a choice, see `OrEmpty`
    return f"{place or 'the body'}: {_EXPECTED.get(error['type'], error['msg'])}"
