"""A request read by the tables of its dialect: the operation that it asks for, its parameters in our own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from ..providers.reshape import AsList, OneText, Renamed, WidthHeight, Wrapped
from ..providers.spec import Provider, Reshape, Route
from ..utils.forks import once
from ..utils.shapes import Json, is_list, is_object, named
from .httpd import Refusal, Request
from .vectors import MAX_DIMENSIONS
from .wire import WireStyle

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from .._call.operation import Operation  # which imports pydantic

_SHAPED = (AsList, OneText, Renamed, WidthHeight, Wrapped)  # forms that can be read backwards
_BOUNDS: tuple[tuple[str, int, float], ...] = (
    ("n", 1, 128),
    ("max_tokens", 1, float("inf")),
    ("max_completion_tokens", 1, float("inf")),
    ("partial_images", 0, 3),
    ("dimensions", 1, MAX_DIMENSIONS),
)
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_FORMS = ("text", "json_object", "json_schema", "regex", "grammar", "structural_tag")  # the last three: Together, vLLM
_FORM = re.compile(r'multipart/form-data;.*boundary="?([^";]+)"?.*', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A path of the dialect, and the operation behind it."""

    operation: Operation
    route: Route
    pattern: re.Pattern[str]
    always_streams: bool = False


@dataclass(kw_only=True)
class Setting:
    """What all answers of one server share; `origin` is known once it listens."""

    provider: Provider
    style: WireStyle
    page_size: int = 100
    origin: str = ""

    @once
    def base(self) -> str:
        """Path that every path of the API begins with."""
        return urlsplit(self.provider.servers[0]).path.rstrip("/") if self.provider.servers else "/v1"


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """A request that has been understood."""

    setting: Setting
    endpoint: Endpoint
    request: Request
    params: Json
    streams: bool


def endpoints_of(provider: Provider) -> list[Endpoint]:
    """Make the endpoints of a dialect: one for each of its routes, and those that belong to a route."""
    from ..resources.operations import all_operations  # it imports pydantic, which a test that sends nothing need not

    known = all_operations()
    found: list[Endpoint] = []
    for operation, route in ((known[name], route) for name, route in provider.routes.items() if name in known):
        found.append(Endpoint(operation=operation, route=route, pattern=_pattern(route.path or operation.path)))
        if route.stream_path:
            pattern = _pattern(route.stream_path.partition("?")[0])
            found.append(Endpoint(operation=operation, route=route, pattern=pattern, always_streams=True))
        if route.handover is not None:  # a call that only says that the file is there, and gets it described
            done = known["retrieveFile"].__replace__(method="POST")
            found.append(Endpoint(operation=done, route=Route(), pattern=_pattern(route.handover.done)))
    return found


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def find_endpoint(endpoints: list[Endpoint], request: Request, path: str) -> tuple[Endpoint, dict[str, str]]:
    """Find what a request asks for, and the parameters that its path holds."""
    tried = ((endpoint, endpoint.pattern.fullmatch(path)) for endpoint in endpoints)
    matching = [(endpoint, match) for endpoint, match in tried if match]
    method = "GET" if request.method == "HEAD" else request.method  # RFC 9110, 9.3.2: answered as GET, without the body
    for endpoint, match in matching:
        if endpoint.operation.method == method:
            return endpoint, {name: unquote(value) for name, value in match.groupdict().items()}
    if matching:
        allowed = ", ".join(sorted({endpoint.operation.method for endpoint, _ in matching}))
        raise Refusal(405, f"{request.method} is not allowed here, use {allowed}.", allowed)  # and goes into Allow
    raise Refusal(404, f"There is no {request.method} {request.path[:200]} here.")


def parse_request(setting: Setting, endpoint: Endpoint, fills: Mapping[str, str], request: Request) -> ParsedRequest:
    """Turn a request into our own parameters, checked."""
    operation, route = endpoint.operation, endpoint.route
    body: Json = {}
    # A POST whose parameters are all in its path, such as a cancellation, needs no body.
    if operation.method == "POST" and (request.body or _vocabulary(operation) - fills.keys()):
        body = _form(request) if operation.files else _object(request)
    streams = _wants_stream(endpoint, body)
    body |= {name: _query_value(value) for name, value in request.query.items() if name in operation.query}
    read = _ours if route.codec is None else _natively
    params = read(endpoint, body, setting.style)
    # What else is in a path, such as an organization, is no parameter of the operation.
    params |= {name: value for name, value in fills.items() if name in _vocabulary(operation)}
    for name in sorted(operation.required - route.optional):
        if params.get(name) is None:
            raise Refusal(400, f"{route.rename.get(name, name)} is required.", route.rename.get(name, name))
    _check_types(endpoint, params)
    _check_bounds(params)
    _check_words(params)
    return ParsedRequest(setting=setting, endpoint=endpoint, request=request, params=params, streams=streams)


def _natively(endpoint: Endpoint, body: Json, style: WireStyle) -> Json:
    """Read the body of a protocol of its own."""
    native = style.natives.get(endpoint.operation.id)
    if native is None:
        raise Refusal(501, "The embedded provider does not speak this protocol.")
    try:
        return native.read(body)
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise Refusal(400, f"The body has another shape than this protocol: {exc!r:.200}.") from None


def _wants_stream(endpoint: Endpoint, body: Json) -> bool:
    """Take out what says whether the reply is to be a stream."""
    operation, route = endpoint.operation, endpoint.route
    streams = endpoint.always_streams
    if route.says_stream and (said := body.pop("stream", None)) is not None:
        if not isinstance(said, bool) and not operation.files:  # all of a form is text
            raise Refusal(400, "stream must be a boolean.", "stream")
        streams = said in {True, "true"}
    streams = streams or body.get("stream_format") == "sse"  # of speech, which OpenAI streams as a file otherwise
    if streams and (not route.streams or operation.chunk is None):
        raise Refusal(400, f"{operation.id} does not stream here.", "stream")
    return streams


def _ours(endpoint: Endpoint, body: Json, style: WireStyle) -> Json:
    """Write the wire's parameters under our names and in our forms."""
    route = endpoint.route
    shaped = {name: shape for name, shape in route.reshape.items() if isinstance(shape, _SHAPED)}
    gone = {name for name, shape in shaped.items() if isinstance(shape, WidthHeight)}
    names = _vocabulary(endpoint.operation) - route.unsupported - endpoint.pattern.groupindex.keys() - gone
    ours = {route.rename.get(name, name): name for name in names}
    # A form that cannot be read backwards may make parameters of any name.
    takes_any = style.takes_any or len(shaped) < len(route.reshape)
    params: Json = {}
    for wire_name, value in body.items():
        name = ours.get(wire_name)
        if isinstance(value, bytes) and wire_name in endpoint.operation.files:
            name = wire_name  # where another server takes an address, too
        if name is not None:
            params[name] = _unshaped(wire_name, value, shaped.get(name))
        elif not takes_any and wire_name not in style.also_takes:
            raise Refusal(400, f"Unknown parameter: {wire_name[:100]}.", wire_name[:100])
    return params


@cache
def _vocabulary(operation: Operation) -> frozenset[str]:
    names: dict[str, Any] = operation.request.__annotations__
    return (frozenset(names) | operation.required) - {"stream"}


def _unshaped(wire_name: str, value: Any, shape: Reshape | None) -> Any:
    """Undo a form; the form that other servers take is refused."""
    if isinstance(shape, AsList) and isinstance(value, str):
        raise Refusal(400, f"{wire_name} must be a list.", wire_name)
    if isinstance(shape, OneText) and not isinstance(value, str) and is_list(value):
        raise Refusal(400, f"{wire_name} must be a string.", wire_name)
    if isinstance(shape, Wrapped) and is_object(value):
        if shape.key not in value:
            raise Refusal(400, f"{wire_name} must have {shape.key}.", wire_name)
        return value[shape.key]
    if isinstance(shape, Renamed) and isinstance(value, str):
        theirs = {wire: ours for ours, wire in shape.values}
        if value in {ours for ours, _ in shape.values} - theirs.keys():  # our word, which this server does not know
            raise Refusal(400, f"{wire_name} must be one of {', '.join(map(str, theirs))}.", wire_name)
        return theirs.get(value, value)
    return value


@cache
def _adapter(operation: Operation) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(operation.request)


def _check_types(endpoint: Endpoint, params: Json) -> None:
    from pydantic import ValidationError

    operation, route = endpoint.operation, endpoint.route
    custom = {name for name, shape in route.reshape.items() if not isinstance(shape, _SHAPED)}
    checked = {k: v for k, v in params.items() if v is not None and k not in operation.files | custom}
    try:
        # As JSON, not as Python: in strict mode only JSON's own kinds pass, and a list for a tuple is one of them.
        _adapter(operation).validate_json(json.dumps(checked), strict=not operation.files)
    except ValidationError as exc:
        for problem in exc.errors(include_url=False, include_input=False, include_context=False):
            way = problem["loc"]
            if problem["type"] == "missing" and len(way) == 1:
                continue  # what is required was looked at before, by the dialect
            name = route.rename.get(str(way[0]), str(way[0]))
            rest = _way_in(params[str(way[0])], way[1:], is_missing=problem["type"] == "missing")
            raise Refusal(400, f"{named(name, *rest)}: {problem['msg']}.", name) from None


def _way_in(value: Any, way: tuple[int | str, ...], *, is_missing: bool) -> list[int | str]:
    """Leave the names of types out of the way to a value, where pydantic puts the member of a union that it tried."""
    steps: list[int | str] = []
    inner = value
    for at, step in enumerate(way):
        if is_missing and at == len(way) - 1:
            steps.append(step)
        elif (isinstance(inner, dict) and step in inner) or (isinstance(inner, list) and isinstance(step, int)):
            steps.append(step)
            inner = inner[step]  # type: ignore[index] # just looked at
    return steps


def _check_bounds(params: Json) -> None:
    """Refuse what would be no request, or too large an answer."""
    for name, least, most in _BOUNDS:
        value = params.get(name)
        value = int(value) if isinstance(value, str) and value.isdigit() else value  # as forms send it
        if isinstance(value, int):
            params[name] = value
            if not least <= value <= most:
                raise Refusal(400, f"{name} is out of range.", name)


def _check_words(params: Json) -> None:
    """Refuse what the vocabulary leaves open, for servers to come, and no server takes: such a slip is found here."""
    for at, message in enumerate(params.get("messages") or ()):
        where = f"messages[{at}]"
        if message.get("role") not in _ROLES:
            raise Refusal(400, f"{where}.role must be one of {', '.join(_ROLES)}.", f"{where}.role")
        content = message.get("content")
        for number, part in enumerate(content if is_list(content) else ()):
            _check_type(part, f"{where}.content[{number}]")
    for at, tool in enumerate(params.get("tools") or ()):
        _check_type(tool, f"tools[{at}]")
        function = tool.get("function")
        if tool["type"] == "function" and not (is_object(function) and isinstance(function.get("name"), str)):
            raise Refusal(400, f"tools[{at}].function.name is required.", f"tools[{at}].function.name")
    form = params.get("response_format")
    if form is not None and is_object(form) and form.get("type") not in _FORMS:
        raise Refusal(400, f"response_format.type must be one of {', '.join(_FORMS)}.", "response_format.type")


def _check_type(item: Any, where: str) -> None:
    if not is_object(item) or not isinstance(item.get("type"), str):
        raise Refusal(400, f"{where}.type is required.", f"{where}.type")


def _object(request: Request) -> Json:
    """Read a JSON body."""
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not content_type.endswith("json"):
        raise Refusal(400, f"The body must be application/json, not {content_type[:100]}.")
    try:
        body = json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not valid JSON.") from None
    if type(body) is not dict:
        raise Refusal(400, "The body must be a JSON object.")
    return cast(Json, body)


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


def _form(request: Request) -> Json:
    """Read a multipart body: files as bytes, repeated and bracketed names as lists."""
    content_type = request.headers.get("content-type", "")
    if content_type.lower() == "application/x-www-form-urlencoded":
        return {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    match = _FORM.fullmatch(content_type)
    if match is None:
        raise Refusal(400, "The body must be multipart/form-data.")
    found: dict[str, list[Any]] = {}
    lists: set[str] = set()
    # RFC 2046, 5.1.1: a delimiter begins with the line break before it, which the first one may lack.
    for part in (b"\r\n" + request.body).split(b"\r\n--" + match[1].encode("latin-1"))[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        name = re.search(r'\bname="([^"]*)"', head.decode("utf-8", "replace"))
        if not blank or name is None:
            raise Refusal(400, "Malformed multipart body.")
        value = content if b"filename" in head else content.decode("utf-8", "replace")
        found.setdefault(name[1].removesuffix("[]"), []).append(value)  # `image[]` is how OpenAI's client sends a list
        lists |= {name[1].removesuffix("[]")} if name[1].endswith("[]") else set()
    return {name: values if len(values) > 1 or name in lists else values[0] for name, values in found.items()}


def _query_value(value: str) -> Any:
    return int(value) if value.isdecimal() and len(value) < 10 else {"true": True, "false": False}.get(value, value)
