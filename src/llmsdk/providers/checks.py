"""The check of a provider that somebody wrote by hand: once, so that a slip shows before the first call."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from inspect import get_annotations
from typing import Any, cast

from ..errors import ConfigurationError
from ..utils.headers import check_header
from ..utils.jsonpaths import copy
from ..utils.plain import plain
from ..utils.records import Record
from ..utils.shapes import described, guessed, is_mapping, is_unicode, named, quoted
from ..utils.urls import check_base_url
from . import spec
from .parameters import PARAMETERS
from .spec import API_KEY, Provider, Route

_LONGEST_NAME = 100
_PLACEHOLDER = r"\{[A-Za-z_][A-Za-z0-9_]*\}"

_Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and is_unicode(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(map(_text, cast("list[Any]", value)))


def _status(value: Any) -> bool:
    return type(value) is int and 400 <= value <= 599


def _statuses(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_status, cast("list[Any]", value)))


def _number(value: Any) -> bool:
    return type(value) is int


def _map(of: _Check) -> _Check:
    return lambda value: is_mapping(value) and all(_text(key) and of(item) for key, item in value.items())


def _maybe(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _a(kind: type) -> _Check:
    return lambda value: isinstance(value, kind)


def _one_of(*words: str) -> tuple[_Check, str]:
    *others, last = (f'"{word}"' for word in words)
    return (lambda value: isinstance(value, str) and value in words), f"{', '.join(others)} or {last}"


def _listed(kind: type) -> _Check:
    return lambda value: isinstance(value, tuple) and all(isinstance(one, kind) for one in cast("tuple[Any]", value))


# By the annotation of a field: the check, and what is accepted. Records of `spec` have a check of their own.
_KINDS: dict[str, tuple[_Check, str]] = {
    "str": (_text, "a string"),
    "str | None": (_maybe(_text), "a string or None"),
    "bool": (_a(bool), "a bool"),
    "int": (_number, "an int"),
    "int | None": (_maybe(_number), "an int or None"),
    "bytes": (_a(bytes), "bytes, or a string in a file"),
    "tuple[str, ...]": (_texts, "a list of strings"),
    "tuple[int, ...]": (_statuses, "a list of statuses from 400 to 599"),
    "tuple[LimitWindow, ...]": (_listed(spec.LimitWindow), "a list of LimitWindow"),
    "Literal['requests', 'tokens']": _one_of("requests", "tokens"),
    "frozenset[str]": (_texts, "a list of strings"),
    "frozenset[str] | None": (_maybe(_texts), "a list of strings or None"),
    "Mapping[str, str]": (_map(_text), "a mapping of strings to strings"),
    "Mapping[str, tuple[str, ...]]": (_map(_texts), "a mapping of strings to tuples of strings"),
    "Mapping[str, int]": (_map(_status), "a mapping of strings to statuses from 400 to 599"),
    "Mapping[str, Any]": (_map(lambda _: True), "a mapping with strings as keys"),
    "Callable[[dict[str, Any]], dict[str, Any]]": (callable, "a function"),
    "Callable[[dict[str, Any]], dict[str, Any]] | None": (_maybe(callable), "a function or None"),
    "Callable[[dict[str, Any]], list[dict[str, Any]]] | None": (_maybe(callable), "a function or None"),
    "Callable[[list[dict[str, Any]]], dict[str, Any]] | None": (_maybe(callable), "a function or None"),
    "Callable[[], Callable[[dict[str, Any]], Iterable[Any]]] | None": (_maybe(callable), "a function or None"),
    "Mapping[str, Reshape]": (_map(callable), "a mapping of strings to functions"),
    "Mapping[str, Route]": (_map(_a(Route)), "a mapping of operation ids to Route"),
    "Literal['json_schema', 'json_object', 'tool']": _one_of("json_schema", "json_object", "tool"),
    "Literal['brackets', 'bare', 'comma']": _one_of("brackets", "bare", "comma"),
    "Literal['brackets', 'json']": _one_of("brackets", "json"),
    "Literal['multipart', 'urlencoded']": _one_of("multipart", "urlencoded"),
}


def check_provider(provider: Provider) -> None:
    """Check a provider.

    Raises:
        ConfigurationError: Naming the first field that is wrong.
    """
    where = f"Provider {quoted(provider.name)}" if _text(provider.name) else "Provider"
    try:
        _check_fields(provider)
        _check_service(provider)
        for name, route in provider.routes.items():
            if name not in PARAMETERS:
                raise _Fault(named("routes", name), f"must be the id of an operation ({', '.join(PARAMETERS)})")
            _check_fields(route, "routes", name)
            _check_names(route, name)
            _check_route(route, name)
    except _Fault as fault:
        raise ConfigurationError(f"{where}: {fault}") from None


def fields_of(kind: type[Any]) -> dict[str, str]:
    """Name the fields of a record of `spec`, with their annotations as they are written there."""
    return {name: str(one) for name, one in get_annotations(kind).items()}


def kind_of(annotation: str) -> tuple[_Check, str]:
    """Find the check of a field by its annotation, and what is accepted."""
    if annotation in _KINDS:
        return _KINDS[annotation]
    name = annotation.removesuffix(" | None")
    check = _a(getattr(spec, name))
    return (check, f"of {name}") if name == annotation else (_maybe(check), f"of {name}, or None")


class _Fault(Exception):
    def __init__(self, place: str, text: str) -> None:
        super().__init__(f"{place}: {text}")


def _check_fields(record: object, *way: str) -> None:
    for name, annotation in fields_of(type(record)).items():
        value: Any = getattr(record, name)
        check, accepted = kind_of(annotation)
        if not check(value):
            raise _Fault(named(*way, name), f"must be {accepted}, got {_came(value)}")
        for inner in value if isinstance(value, tuple) else (value,):  # pyright: ignore[reportUnknownVariableType]
            if isinstance(inner, Record):
                _check_fields(inner, *way, name)


def _came(value: Any) -> str:
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return f"{type(cast('object', value)).__name__} with something else in it"
    return "an empty str" if isinstance(value, str) and not value else described(value)


def _check_service(provider: Provider) -> None:
    if len(provider.name) > _LONGEST_NAME or not provider.name.isprintable():
        raise _Fault("name", f"must be one line of at most {_LONGEST_NAME} characters, for it stands in messages")
    for index, url in enumerate(provider.servers):
        # A name in braces stands for one label of a host, or a part of the path.
        _try(check_base_url, re.sub(_PLACEHOLDER, "x", url), place=named("servers", index))
    keyed = [name for name, value in provider.headers.items() if API_KEY in value]
    if len(keyed) > (provider.auth is None):
        places = ", ".join([*(["auth"] if provider.auth is not None else []), *keyed])
        raise _Fault(named("headers", keyed[0]), f"must be the one place of {{api_key}}, which is in {places}")
    for name, value in provider.headers.items():
        rest = value.replace(API_KEY, "", 1)
        if API_KEY in rest:
            raise _Fault(named("headers", name), "must have {api_key} in it once")
        _try(check_header, name, rest, place=named("headers", name))
    if provider.auth is not None:
        rest = provider.auth.replace("{api_key}", "", 1)
        if rest == provider.auth or "{" in rest or "}" in rest:
            raise _Fault("auth", "must have {api_key} in it once, and no other braces, such as 'Bearer {api_key}'")
        _try(check_header, "authorization", rest, place="auth")
    for name in ("message", "code", "type", "param", "request_id"):
        for path in getattr(provider.error, name):
            _check_path(path, named("error", name))


def _check_names(route: Route, name: str) -> None:
    """Refuse what looks like a parameter of the operation and is none: the rule for it would never apply.

    Other names pass, such as those of another operation. They do no harm, and a later version may have them.
    """
    known = PARAMETERS[name].split()
    anywhere = set(" ".join(PARAMETERS.values()).split())
    for field in ("rename", "unsupported", "optional", "reshape"):
        given: set[str] = set(getattr(route, field))
        for parameter in sorted(given - anywhere):
            if hint := guessed(parameter, known):
                text = f"{quoted(parameter)} isn't a parameter of {name}; {hint}"
                raise _Fault(named("routes", name, field), text)
    for parameter in sorted(route.own.intersection(known)):
        raise _Fault(named("routes", name, "own"), f"{quoted(parameter)} is a parameter that every call knows")


def _check_route(route: Route, name: str) -> None:
    for field in ("path", "stream_path"):
        path = getattr(route, field)
        if path is not None:
            place = named("routes", name, field)
            path = str.__str__(path)
            _try(check_base_url, f"http://host/{path}", place=place)
            if re.search(r"[{}]", re.sub(_PLACEHOLDER, "", path)):
                raise _Fault(place, "must have names in its braces, such as '/models/{model}'")
    for field in ("reply", "event", "rare_event"):
        for ours, theirs in getattr(route, field).items():
            _try(copy, {}, theirs, ours, place=named("routes", name, field))
            if field == "rare_event" and not re.match(r"\$\.\w+(\.|$)", theirs):
                raise _Fault(named("routes", name, field), f"must begin as '$.name' does, got {quoted(theirs)}")
    if route.turns is not None and route.turns.call_id is not None:
        _try(re.compile, route.turns.call_id, place=named("routes", name, "turns", "call_id"))
    if route.page is not None:
        for path in (route.page.cursor, route.page.more):
            if path is not None:
                _check_path(path, named("routes", name, "page"))
    try:
        plain(route.usage_wish)
    except (ValueError, RecursionError):
        raise _Fault(named("routes", name, "usage_wish"), "must be what JSON can hold") from None


def _check_path(path: str, place: str) -> None:
    # The package that reads the richer ones takes anything, and then finds nothing.
    pairs = all(path.count(left) == path.count(right) for left, right in ("[]", "()"))
    if not (pairs and re.match(r"\$|[A-Za-z_]", path)):
        raise _Fault(place, f"must be a JSONPath such as '$.error.message', got {quoted(path)}")


def _try(check: Callable[..., Any], *values: Any, place: str) -> None:
    try:
        check(*values)
    except (ValueError, re.error) as exc:
        raise _Fault(place, str(exc).removeprefix("url: ")) from None
