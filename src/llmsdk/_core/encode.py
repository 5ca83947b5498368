"""Parameters, operation and provider make a request: path, headers, body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from ..errors import RequestValidationError, UnsupportedOperationError, UnsupportedParameterError
from ..utils.shapes import is_object
from ..utils.urls import fill_path, join, placeholders
from .spec import Operation, Provider, Route
from .validate import check_names, check_required, check_values, known_names

Unsupported = Literal["error", "drop", "pass"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request before the key: the same on every attempt.

    `form` and `files` are set instead of `content` where the request is multipart.
    """

    method: str
    url: str
    stream: bool
    content: bytes | None
    form: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    dropped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What goes to the server beside the vocabulary."""

    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None


def encode(
    operation: Operation,
    provider: Provider,
    params: Mapping[str, Any],
    *,
    base_url: str,
    url_params: Mapping[str, Any],
    unsupported: Unsupported = "error",
    providers: Mapping[str, Provider],
    extras: Extras = Extras(),
) -> Encoded:
    """Make the request of one call.

    Args:
        params: The caller's parameters by their unified names.
        url_params: Values that paths may take, beside the parameters.
        unsupported: What to do with parameters that the server lacks.
        providers: Where to look for servers that have what this one lacks.

    Raises:
        RequestValidationError: A parameter is unknown, missing, mistyped or unsupported, or the operation is.
    """
    route = find_route(operation, provider, providers)
    where = f"{operation.resource}.{operation.name}"
    check_names(params, known_names(operation.request), where=where)
    params = {name: value if name in operation.files else _plain(value) for name, value in params.items()}
    streaming = _wants_stream(operation, provider, route, params)
    params, dropped = _supported(operation, provider, route, params, unsupported, providers)
    check_required(params, operation.required - route.optional, where=f"{where} on server {provider.name!r}")
    check_values(operation.request, params)
    path, used = _path(operation, provider, route, {**url_params, **params}, streaming=streaming)
    wire = _on_the_wire(route, {name: value for name, value in params.items() if name not in used})
    query = {name: wire.pop(name) for name in operation.query if name in wire}
    if extras.query:
        query |= extras.query
    if extras.body:
        if operation.method == "GET":
            raise RequestValidationError(
                f"extra_body: {where} sends no body; extra_query goes into the URL", param="extra_body"
            )
        wire |= extras.body
    content, form, files = _body(operation, wire)
    return Encoded(operation.method, join(base_url, path, query), streaming, content, form, files, dropped)


def find_route(operation: Operation, provider: Provider, providers: Mapping[str, Provider]) -> Route:
    """Find how a provider does an operation.

    Raises:
        UnsupportedOperationError: It does not.
    """
    route = provider.routes.get(operation.id)
    if route is None:
        servers = tuple(name for name, other in providers.items() if operation.id in other.routes)
        raise UnsupportedOperationError(
            f"{operation.resource}.{operation.name}: server {provider.name!r} does not have this operation; "
            f"servers that have it: {', '.join(servers) or 'none'}",
            operation=operation.id,
            server=provider.name,
            servers=servers,
        )
    return route


def _wants_stream(operation: Operation, provider: Provider, route: Route, params: dict[str, Any]) -> bool:
    streaming = params.get("stream")
    if streaming is not None and not isinstance(streaming, bool):
        raise RequestValidationError(f"stream: must be a bool, got {type(streaming).__name__}", param="stream")
    if streaming and (operation.chunk is None or not route.streams):
        raise UnsupportedParameterError(
            f"stream: server {provider.name!r} does not stream {operation.resource}.{operation.name}",
            param="stream",
            server=provider.name,
            servers=(),
        )
    if not route.says_stream or (streaming is False and not route.streams):
        params.pop("stream", None)
    return bool(streaming)


def _supported(
    operation: Operation,
    provider: Provider,
    route: Route,
    params: dict[str, Any],
    unsupported: Unsupported,
    providers: Mapping[str, Provider],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Deal with the parameters that the server lacks; answer with those to send and the names of those dropped."""
    lacking = [name for name in params if name in route.unsupported]
    if not lacking or unsupported == "pass":
        return params, ()
    if unsupported == "drop":
        return {name: value for name, value in params.items() if name not in lacking}, tuple(lacking)
    name = lacking[0]
    servers = tuple(
        other.name
        for other in providers.values()
        if (theirs := other.routes.get(operation.id)) is not None and name not in theirs.unsupported
    )
    raise UnsupportedParameterError(
        f"{name}: server {provider.name!r} does not take it in {operation.resource}.{operation.name}; servers that do: "
        f'{", ".join(servers) or "none"} (unsupported="drop" leaves it out, extra_body sends it all the same)',
        param=name,
        server=provider.name,
        servers=servers,
    )


def _path(
    operation: Operation, provider: Provider, route: Route, values: Mapping[str, Any], *, streaming: bool
) -> tuple[str, tuple[str, ...]]:
    template = (streaming and route.stream_path) or route.path or operation.path
    names = placeholders(template)
    for name in names:
        value = values.get(name)
        if value is None or value == "":
            came = "it is missing" if value is None else "it is empty"
            also = f", or set it once as SDK({name}=...)" if name in provider.url_params else ""
            raise RequestValidationError(
                f"{name}: server {provider.name!r} needs it in the path, but {came}; pass {name}= to the call{also}",
                param=name,
            )
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise RequestValidationError(
                f"{name}: must be a string or an integer, got {type(value).__name__}", param=name
            )
    return fill_path(template, {name: str(values[name]) for name in names}), names


def _on_the_wire(route: Route, params: Mapping[str, Any]) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    for name, value in params.items():
        if name in route.reshape and value is not None:
            try:
                wire |= route.reshape[name](value)
            except ValueError as exc:
                raise RequestValidationError(f"{name}: {exc}, got {type(value).__name__}", param=name) from None
        else:
            wire[route.rename.get(name, name)] = value
    return wire


def _body(
    operation: Operation, wire: dict[str, Any]
) -> tuple[bytes | None, Mapping[str, Any] | None, Mapping[str, Any] | None]:
    if operation.method == "GET":
        return None, None, None
    if operation.files:
        files = {name: wire.pop(name) for name in operation.files if wire.get(name) is not None}
        return None, wire, files
    return _json(wire), None, None


def _json(wire: dict[str, Any]) -> bytes:
    try:
        body = to_json(wire, inf_nan_mode="constants")
    except (PydanticSerializationError, UnicodeError, ValueError, RecursionError):
        body = None
    # JSON has no NaN and no infinity; the words may also stand inside a prompt, hence the second look.
    if body is None or ((b"NaN" in body or b"Infinity" in body) and _culprit(wire)):
        name = _culprit(wire) or "extra_body"
        raise RequestValidationError(
            f"{name}: cannot be written as JSON; accepted are strings of valid Unicode, finite numbers, booleans, "
            f"None, and lists and dicts of these, got {type(wire.get(name)).__name__}",
            param=name,
        ) from None
    return body


def _culprit(wire: Mapping[str, Any]) -> str | None:
    """Name the parameter that strict JSON cannot hold."""
    import json

    for name, value in wire.items():
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False, default=to_jsonable_python).encode()
        except (TypeError, ValueError, RecursionError):
            return name
    return None


def _plain(value: Any) -> Any:
    """Turn models of a reply, given back as part of a request, into what the server had sent."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("list[Any]", value)]
    if is_object(value):
        return {name: _plain(item) for name, item in value.items()}
    return value
