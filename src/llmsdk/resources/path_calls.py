"""What `sdk.get`, `sdk.post` and their like hand to the runner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._call.any_path import path_operation
from .._call.operation import Operation
from .._call.reply.cast import Cast
from .._call.request.any_path import path_request
from .._call.secrecy import hide
from ..errors import RequestValidationError
from ..models.documents import JsonObject
from ..options import CALL_OPTIONS
from ..providers.spec import Page
from ..structured.schemas import adapter_of
from ..utils.shapes import described, is_mapping, named
from .operations import all_operations

_OWN = frozenset({"query", "body", "files", "content_type", "pages", "items"})
_TOLD = ("model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of")


def path_call(
    method: str, path: Any, cast_to: Any, args: Mapping[str, Any], *, stream: Any = False
) -> tuple[Operation, dict[str, Any]]:
    """Make the operation of a call to a path, and the arguments that the runner takes.

    Raises:
        RequestValidationError: An argument is unknown, mistyped, or cannot be part of such a call.
    """
    hide(args)
    accepted = CALL_OPTIONS | _accepted(method)
    for name in args:
        if name not in accepted:
            raise RequestValidationError(
                f"{named(name)}: unknown argument of {method.lower()}; what goes to the server goes in "
                f"{'body' if 'body' in _accepted(method) else 'query'}=",
                param=named(name),
            )
    if args.get("failover") is not None:
        raise RequestValidationError(
            "failover: another server does not have the paths of this one; leave it out", param="failover"
        )
    if not isinstance(stream, bool):
        raise RequestValidationError(f"stream: must be a bool, got {described(stream)}", param="stream")
    page = args.get("pages")
    if page is not None and not isinstance(page, Page):
        raise RequestValidationError(f"pages: must be a llmsdk.providers.Page, got {described(page)}", param="pages")
    is_plain = cast_to in (bytes, str, dict, JsonObject)
    cast, body = Cast(cast_to, None if is_plain else adapter_of(cast_to, "cast_to")), args.get("body")
    request = path_request(
        method,
        path,
        args.get("query"),
        body,
        args.get("files"),
        content_type=args.get("content_type"),
        streams=stream,
        takes_any=cast.is_raw,
    )
    known = next((one for one in all_operations().values() if one.chunk is cast_to), None) if stream else None
    operation = path_operation(request, cast, page=page, items=args.get("items") or "data", known=known)
    given = {name: value for name, value in args.items() if name not in _OWN}
    # What observers and budgets see of the body; not all of it, as one of its names may be that of an option.
    sent: Any = request.body
    told = {name: sent[name] for name in _TOLD if is_mapping(sent) and name in sent}
    return operation, {"path": request.path, **told, **({"stream": True} if stream else {}), **given}


def _accepted(method: str) -> frozenset[str]:
    return _OWN if method in ("POST", "PUT", "PATCH") else _OWN - {"body", "files", "content_type"}
