"""Parameters, operation and provider make a request: path, headers, body."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_json

from ...errors import RequestValidationError, UnsupportedOperationError, UnsupportedParameterError
from ...providers.spec import CannotSay, Codec, Provider, Route, Turns
from ...utils.plain import NotJson, check_name, check_scalar, merged, misfit, plain
from ...utils.shapes import is_list, is_listed
from ...utils.urls import fill_path, join, path_text, placeholders
from ..operation import Operation
from .form_fields import SCALARS
from .large import Body
from .multipart import Form, checked_form
from .turns import turned
from .validate import check_names, check_required, check_together, check_values

Unsupported = Literal["error", "drop", "pass"]
_BODILESS = ("GET", "DELETE")

LONGEST_URL = 65_536  # httpx takes no longer one
_ROLES = ("system", "user", "assistant")
_LARGEST = 2.0**1000  # numbers up to it need no closer look; an exact power, so that ints compare with it exactly
_joined = lru_cache(maxsize=256)(join)  # an application calls few URLs, many times


class Encoded(NamedTuple):
    """A request before headers and key: the same on every attempt.

    Attributes:
        stream: Whether a stream is wanted.
        body: JSON, a form, or None where nothing is sent.
        dropped: Parameters that the server lacks and that were left out.
        headers: Those that the form of body and reply asks for, where it is not JSON.
    """

    method: str
    url: str
    stream: bool = False
    body: Body | Form | None = None
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Extras(NamedTuple):
    """What goes to the server beside the vocabulary."""

    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] | None = None


NO_EXTRAS = Extras()


def encode(
    operation: Operation,
    provider: Provider,
    params: Mapping[str, Any],
    *,
    base_url: str,
    url_params: Mapping[str, Any],
    unsupported: Unsupported = "error",
    providers: Mapping[str, Provider],
    extras: Extras = NO_EXTRAS,
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
    checked, streaming, dropped = _checked(operation, provider, route, params, unsupported, providers)
    # A value of the call comes before that of the SDK; what goes into the path does not go into the body as well.
    path, used = _path(operation, provider, route, {**url_params, **checked}, streaming=streaming)
    # A codec knows itself what of the path goes into the body, too.
    gone = () if route.codec is not None else used
    wire = _on_the_wire(route, _paired(route, {name: value for name, value in checked.items() if name not in gone}))
    if route.codec is not None:
        wire = _coded(route.codec, wire)
    elif "messages" in wire and is_list(wire["messages"]):
        wire["messages"] = turned(wire["messages"], _turns(provider, route, base_url))
    query = {name: wire.pop(name) for name in operation.query if name in wire}
    for name, value in query.items():
        check_scalar(value, name, accepted=SCALARS)
    if extras.query:
        query |= checked_query(extras.query)
    if extras.body:
        if operation.method in _BODILESS:
            raise RequestValidationError(
                f"extra_body: {operation.resource}.{operation.name} sends no body; extra_query goes into the URL",
                param="extra_body",
            )
        extra = _extra(extras.body)
        # The objects of a protocol hold several parameters each, of which the caller adds one.
        wire = {**wire, **extra} if route.codec is None else merged(wire, extra)
    body = _body(operation, route, wire, extras.body or {})
    url = join(base_url, path, query) if query else _joined(base_url, path)
    if len(url) > LONGEST_URL:
        parts = {**url_params, **checked, "extra_query": extras.query or "", "server_url": base_url}
        inside = {"extra_query", "server_url", *used, *operation.query} & parts.keys()
        longest = max(sorted(inside), key=lambda name: len(str(parts[name])))
        raise RequestValidationError(
            f"{longest}: is too long, the URL of {operation.resource}.{operation.name} would have {len(url)} "
            f"characters; expected up to {LONGEST_URL}",
            param=longest,
        )
    return Encoded(operation.method, url, streaming or operation.is_opened, body, dropped)


def _checked(
    operation: Operation,
    provider: Provider,
    route: Route,
    given: Mapping[str, Any],
    unsupported: Unsupported,
    providers: Mapping[str, Provider],
) -> tuple[dict[str, Any], bool, tuple[str, ...]]:
    """Check parameters: those to send, made plain, whether a stream is wanted, and the names of those dropped.

    What is right passes by a look at each value; only what may be wrong is gone through by `validate`, which says how.
    """
    if not given.keys() <= operation.parameters:
        where = f"{operation.resource}.{operation.name}"
        check_names(given, operation.parameters, where=where, own=route.own)
    if operation.files:  # a form has no null: an optional file that is None is as not given
        optional = operation.files - operation.required
        given = {name: value for name, value in given.items() if value is not None or name not in optional}
    params, unfit, is_right = _plain(operation, given)
    if route.codec is not None:  # what is mapped has no null: it is as not given, also where the server lacks it
        params = {name: value for name, value in params.items() if value is not None}
    streaming = _wants_stream(operation, provider, route, params)
    dropped: tuple[str, ...] = ()
    if not route.unsupported.isdisjoint(params):
        params, dropped = _supported(operation, provider, route, params, unsupported, providers)
    for name in operation.required:
        value = params.get(name)
        if not (value.__class__ in (str, list) and value):  # absent, empty, or of another type
            where = f"{operation.resource}.{operation.name} on server {provider.name!r}"
            check_required(params, operation.required.difference(route.optional), where=where)
            break
    if operation.one_of or route.excludes:
        check_together(operation, route, params, server=provider.name)
    if not is_right:
        try:
            operation.check_types(params, strict=True)  # strict: "5" for 5 is a mistake, whatever a server makes of it
        except ValidationError:
            check_values(operation.request, params)
    for name in unfit:
        if name in params:
            raise misfit(params[name], name)
    return params, streaming, dropped


def _turns(provider: Provider, route: Route, base_url: str) -> Turns | None:
    """What a server does with earlier messages; of one that only speaks a dialect, nobody knows."""
    return None if provider.speaks_for_urls and base_url not in provider.servers else route.turns


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
            servers=(),  # to name those that stream would mean to ask every dialect about every operation
        )
    # Writer's first API streams by another path; other servers refuse even `false` where they cannot stream.
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
    """Handle the parameters that the server lacks; return those to send and the names of those dropped."""
    lacking = [name for name in params if name in route.unsupported]
    if unsupported == "pass":
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
        f"{name}: server {provider.name!r} doesn't support it in {operation.resource}.{operation.name}; servers "
        f'that do: {", ".join(servers) or "none"} (unsupported="drop" leaves it out, extra_body sends it all the same)',
        param=name,
        server=provider.name,
        servers=servers,
    )


def _path(
    operation: Operation, provider: Provider, route: Route, values: Mapping[str, Any], *, streaming: bool
) -> tuple[str, tuple[str, ...]]:
    template = (streaming and route.stream_path) or route.path or operation.path
    names = placeholders(template)
    if not names:
        return template, ()
    texts: dict[str, str] = {}
    for name in names:
        value = values.get(name)
        if name in route.reshape and value is not None:
            value = route.reshape[name](value).get(name)
        if value is None or value == "":
            came = "it is missing" if value is None else "it is empty"
            also = f", or set it once as SDK({name}=...)" if name in provider.url_params else ""
            raise RequestValidationError(
                f"{name}: server {provider.name!r} needs it in the path, but {came}; pass {name}= to the call{also}",
                param=name,
            )
        try:
            texts[name] = path_text(value)
        except ValueError as exc:
            raise RequestValidationError(f"{name}: {exc}", param=name) from None
    return fill_path(template, texts), names


def _paired(route: Route, params: dict[str, Any]) -> dict[str, Any]:
    """Put two lists of ours into the one object that the server takes."""
    for name, (keys, values) in route.pairs.items():
        if params.keys() & {keys, values}:
            named, given = params.pop(keys, None) or (), params.pop(values, None) or ()
            if len(named) != len(given):
                raise RequestValidationError(
                    f"{values}: must have an item for each of {keys}, got {len(given)} for {len(named)}", param=values
                )
            params[name] = dict(zip(named, given, strict=True))
    return params


def _on_the_wire(route: Route, params: dict[str, Any]) -> dict[str, Any]:
    # Most calls use OpenAI's names, which most dialects keep.
    if route.rename.keys().isdisjoint(params) and route.reshape.keys().isdisjoint(params):
        return params
    wire: dict[str, Any] = {}
    said: dict[str, str] = {}  # by which of our parameters: two may mean the same
    for name, value in params.items():
        made: Mapping[str, Any] = {route.rename.get(name, name): value}
        shape = route.reshape.get(name)
        if shape is not None and value is not None and value.__class__ is not getattr(shape, "passes", None):
            try:
                made = shape(value)
            except ValueError as exc:
                raise RequestValidationError(f"{name}: {exc}, got {type(value).__name__}", param=name) from None
        for place in made:
            other = said.setdefault(place, name)
            if other != name and wire[place] != made[place]:
                raise RequestValidationError(f"{name}: contradicts {other}; pass one of them", param=name)
        wire |= made
    return wire


def _coded(codec: Codec, params: dict[str, Any]) -> dict[str, Any]:
    """Write the parameters in a protocol of its own."""
    try:
        return codec.request(params)
    except CannotSay as exc:
        raise RequestValidationError(f"{exc.param}: {exc}", param=exc.param) from None


def _body(operation: Operation, route: Route, wire: dict[str, Any], extra: Mapping[str, Any]) -> bytes | Form | None:
    if operation.method in _BODILESS or not wire:
        return None
    if operation.files:
        # A str is no file: some servers take the address of one in its place.
        given = [name for name in operation.files if not isinstance(wire.get(name), str | None)]
        return checked_form(wire, {name: wire.pop(name) for name in given}, extra, route, operation.unnamed)
    return _json(wire, extra)


def _json(wire: dict[str, Any], extra: Mapping[str, Any]) -> bytes:
    try:
        # Numbers that JSON lacks were refused; were one left, the server should see it and not a null in its place.
        return to_json(wire, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError):
        raise _culprit(wire, extra) from None


def _culprit(wire: Mapping[str, Any], extra: Mapping[str, Any]) -> RequestValidationError:
    """Name the parameter that holds half a character: that much only the writer of the JSON notices."""
    for name, value in wire.items():
        try:
            to_json({name: value})
        except (PydanticSerializationError, ValueError, RecursionError):
            return misfit({name: value}, "extra_body") if name in extra else misfit(value, name)
    return misfit(wire)  # pragma: no cover - what is written part by part is written whole


def _plain(operation: Operation, params: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], bool]:
    """Make the parameters plain, name those that JSON cannot hold, and say whether all are of the right type for sure.

    A look at a usual chat takes a sixth of the time that pydantic does, and its validator need not be built: 13 ms of a
    first call. What JSON cannot hold comes last, as a wrong type has a better message than that.
    """
    made: dict[str, Any] = {}
    unfit: list[str] = []
    kinds, is_right = operation.plain_kinds, True
    for name, value in params.items():
        kind = value.__class__  # nearly every parameter is one plain value, which needs no walk
        if kind is str or kind is bool or (kind in (int, float) and -_LARGEST < value < _LARGEST):
            made[name] = value
            is_right = is_right and kind in kinds.get(name, ())
            continue
        try:
            made[name] = value if name in operation.files else plain(value)
        except (NotJson, RecursionError):
            made[name] = value
            unfit.append(name)
        is_right = is_right and name == "messages" and _are_texts(made[name])
    return made, unfit, is_right


def _are_texts(messages: Any) -> bool:
    """Whether messages hold a role that all servers know and a text, and nothing else."""
    if messages.__class__ is not list:
        return False
    for message in messages:
        if message.__class__ is not dict or len(message) != 2 or message.get("role") not in _ROLES:
            return False
        if message.get("content").__class__ is not str:
            return False
    return True


def _extra(body: Mapping[Any, Any]) -> Mapping[str, Any]:
    made: dict[str, Any] = {}
    for name, value in body.items():
        try:
            made |= plain({name: value})
        except (NotJson, RecursionError):
            is_name = isinstance(name, str)
            raise (misfit(value, "extra_body", name) if is_name else misfit({name: value}, "extra_body")) from None
    return made


def checked_query(query: Mapping[Any, Any], param: str = "extra_query") -> dict[str, Any]:
    """Check what goes into the URL: names, and scalars or lists of them, which repeat the name."""
    made: dict[str, Any] = {}
    for name, value in query.items():
        check_name(name, param)
        if is_listed(value):
            for index, item in enumerate(value):
                check_scalar(item, param, name, index, accepted=SCALARS)
        else:
            check_scalar(value, param, name, accepted=f"{SCALARS}, or lists of these")
        made[str.__str__(name)] = plain(value)
    return made
