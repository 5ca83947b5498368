"""What an error body says: its text, code and type, and the status that it stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...providers.spec import Provider
from ...utils.jsonpaths import MISSING, find, first, firsts
from ...utils.secrets import masked_each
from ...utils.shapes import is_list, is_object
from ..operation import Operation

# Shapes that many servers share, tried after the dialect's own. A plain text under `error` is often but its kind.
_MESSAGE = tuple(
    f"$.{place}"
    for place in (
        *("error.message", "error_description", "message", "error", "detail", "errors", "fault", "error_message"),
        *("Message", "reason", "msg", "title", "description", "tpe"),
    )
)
_TEXTS = (
    *("message", "msg", "error_description", "description", "detail", "faultstring", "error", "errors"),
    *("error_message", "Message", "reason", "title", "text"),
)
"""Where an object inside an error body keeps what is meant to be read."""
_ERROR_TEXTS = ("errors", "fault", "detail", "message")
_CODE = ("$.error.code", "$.code", "$.errors[0].code", "$.errors[0].key", "$.error_code", "$.fault.detail.errorcode")
_TYPE = ("$.error.type", "$.type", "$.tpe", "$.error.error_type", "$.error_type", "$.detail[0].type")
_LOCATION = "$.detail[0].loc"
_PARAM = ("$.error.param", "$.param", "$.errors[0].param")
_STATUS = (
    *(
        f"{place}.{name}"
        for place in ("$.error", "$", "$.errors[0]", "$.detail")
        for name in ("http_status", "http_status_code", "status_code", "statusCode", "status")
    ),
    *("$.error", "$.error.code", "$.code"),  # a dialect's own code may stand beside a number
)
ANYWHERE = "$..[message,msg,status_msg,error_message,error_msg,err_msg,errorMessage]"
ELSEWHERE = "$..[errmsg,Message,faultstring,detail,reason,error]"
"""Where the text may be in a body that no path above knows; the second where the first finds none."""
_NO_TEXTS = frozenset({"id", "model", "object", "system_fingerprint"})  # of a reply, and never its reason
_MAX_TOLD = 20  # of several errors in one body, those that the message tells
_MAX_NESTED = 6  # levels below the place where the text should be

# What codes and types of error objects stand for, letters and digits only; used inside 2xx replies and streams.
_STATUS_OF_KIND = {
    kind: status
    for status, kinds in {
        400: (
            "invalidrequesterror invalidargument failedprecondition badrequest badrequesterror invalidvalue "
            "contextlengthexceeded"
        ),
        401: "authenticationerror unauthenticated invalidapikey unauthorized",
        402: "paymentrequired",
        403: "permissionerror permissiondenied permissiondeniederror forbidden",
        404: "notfound notfounderror modelnotfound modelnotavailable",
        408: "requesttimeout",
        409: "conflict conflicterror",
        413: "requesttoolarge",
        422: "validation templateerror toolerror unprocessableentity unprocessableentityerror",
        424: "generation",
        500: "incompletegeneration servererror apierror internalerror internalservererror",
        429: (
            "ratelimit resourceexhausted ratelimited ratelimiterror ratelimitexceeded modelratelimit "
            "dynamicrequestlimited dynamictokenlimited toomanyrequests toomanyrequestserror "
            "insufficientquota"
        ),
        502: "badgateway badgatewayerror",
        503: "serviceunavailable unavailable serviceunavailableerror overloaded engineoverloaded",
        529: "overloadederror",
        504: "gatewaytimeout gatewaytimeouterror timeout timeouterror",
    }.items()
    for kind in kinds.split()
}


def is_error(provider: Provider, document: Any) -> bool:
    """Distinguish an error object from a reply or an event, also where it stands in a list of its own."""
    document = unwrapped(document)
    return is_object(document) and (
        document.get("object") == "error" or any(document.get(mark) for mark in provider.error.marks)
    )


def states_error(provider: Provider, model: Any) -> bool:
    """Recognize an error object that was read as a reply or an event, whose fields are all optional."""
    extra = model.model_extra
    return bool(extra) and (getattr(model, "object", None) == "error" or is_error(provider, extra))


def is_error_instead(operation: Operation, document: Any, beside: Iterable[str] = ()) -> bool:
    """Recognize what has the text of an error where the result should be, though nothing marks it as one."""
    if not is_object(document) or operation.content in document or operation.content in beside:
        return False
    return any(_readable(document.get(name)) for name in _ERROR_TEXTS)


def unwrapped(document: Any) -> Any:
    """Take the object out of the list around it."""
    is_wrapped = document.__class__ is list and document and document[0].__class__ is dict
    return document[0] if is_wrapped else document


def status_of(provider: Provider, document: Any, fields: Fields) -> int | None:
    """Find the status that an error object inside a 2xx reply or a stream stands for; None where it names none."""
    document = unwrapped(document)
    for value in (fields.code, *(first(path, document) for path in _STATUS)):
        if not isinstance(value, bool) and (found := re.fullmatch(r"([45][0-9][0-9])(\.0)?", _as_text(value))):
            return int(found[1])
    for kind in (fields.code, fields.type, _as_text(first("$.error.status", document))):
        name = re.sub(r"[^a-z0-9]", "", (kind or "").lower())
        status = provider.error_statuses.get(name) or _STATUS_OF_KIND.get(name)
        if status:
            return status
    return None


class Fields(NamedTuple):
    """What an error body says of itself."""

    message: str | None
    code: str | None
    type: str | None
    param: str | None


def fields_of(provider: Provider, document: Any, secrets: Iterable[str]) -> Fields:
    """Find the parts of an error body, with every secret masked."""
    paths, document = provider.error, unwrapped(document)
    groups = (*paths.code, *_CODE), (*paths.type, *_TYPE), (*paths.param, *_PARAM, _LOCATION)
    codes, types, params = firsts(groups, document)
    message = _message((*paths.message, *_MESSAGE), document)
    return Fields(*masked_each((message, _text(codes), _text(types), _param(params)), secrets))


def _message(paths: Sequence[str], document: Any) -> str | None:
    """Find what is meant to be read, wherever it is nested; else the first value that stands where it should be."""
    if document.__class__ is not dict:
        return None if document is MISSING else _readable(document)
    # A text wherever it is nested comes before a number or an object that stands in a better place.
    for path in paths:
        if text := _readable(first(path, document)):
            return text
    anywhere = (text for path in (ANYWHERE, ELSEWHERE) for text in find(path, document))
    if text := next((text for text in anywhere if isinstance(text, str) and text), None):
        return text
    others = (_sentence(value) for name, value in document.items() if name not in _NO_TEXTS)
    if text := next(filter(None, others), None):
        return text
    for path in paths:
        value = first(path, document)
        # An `error` without any text holds a code at the most, which is read by itself.
        if text := _as_text(value) or (_as_json(value) if path != "$.error" else ""):
            return text
    return None


def _readable(value: Any, depth: int = _MAX_NESTED) -> str | None:
    """Find the text in a part of an error body: itself, that of an object, or those of a list."""
    if isinstance(value, str):
        return value or None
    if not depth:
        return None
    if is_list(value):
        told = [(item, text) for item in value[:_MAX_TOLD] if (text := _readable(item, depth - 1))]
        return "; ".join(_placed(item, text) if len(told) > 1 else text for item, text in told) or None
    if is_object(value):
        if text := next(filter(None, (_readable(value.get(name), depth - 1) for name in _TEXTS)), None):
            return text
        if value and all(is_list(said) and said and isinstance(said[0], str) for said in value.values()):
            return "; ".join(f"{name}: {_readable(said, depth)}" for name, said in list(value.items())[:_MAX_TOLD])
    return None


def _sentence(value: Any) -> str | None:
    """Take a text of several words for what is meant to be read, where nothing has a name that says so."""
    return value if isinstance(value, str) and len(value.split()) > 1 else None


def _placed(item: Any, text: str) -> str:
    """Say of one of several errors where it is."""
    place = _place(item.get("loc")) if is_object(item) else None
    return f"{place}: {text}" if place else text


def _text(values: Iterable[Any]) -> str | None:
    """Take the first value that is not empty, as text; an object is written as JSON."""
    return next((text for value in values if (text := _as_text(value) or _as_json(value))), None)


def _param(values: Sequence[Any]) -> str | None:
    """Take the parameter that an error is about; in a validation error of FastAPI's form it is a place."""
    return _text(values[:-1]) or (None if values[-1] is MISSING else _place(values[-1]))


def _as_text(value: Any) -> str:
    """Write a text or a number; nothing for what is neither."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if isinstance(value, str) else str(value) if is_number else ""


def _as_json(value: Any) -> str:
    """Write what is no plain value; nothing where it is empty."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) and value else ""


def _place(location: Any) -> str | None:
    return ".".join(str(part) for part in location if part != "body") or None if is_list(location) else None
