"""Providers in TOML files: the same data as a `Provider` constant, with the same checks, and a line for every slip.

    name = "acme"
    servers = ["https://api.acme.example/v1"]
    env_var = "ACME_API_KEY"

    [error]
    message = ["$.error.text"]

    [routes.createChatCompletion]
    rename = { max_completion_tokens = "max_tokens" }
    unsupported = ["logit_bias"]
    reshape = { stop = "as_list", tool_choice = { one_of = ["auto", "none"] } }
    turns = { reasoning = "reasoning_content", required = true }

Keys are the fields of `Provider`, `Route` and their parts; where a field may be None, `false` says so. A form of a
parameter is the name of a class of `reshape.py` in small letters, with what it needs. A chat by a protocol of its own
says which: `codec = "responses"`, `"messages"` or `"generate_content"`, with the `path` that the server has for it.
"""

from __future__ import annotations

import inspect
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..utils.shapes import described, guessed, is_list, is_mapping, named, quoted
from . import reshape, spec
from .checks import check_provider, fields_of, kind_of
from .codecs import CHATS, chat_codec
from .spec import Provider, Reshape, Route

FORMS: dict[str, type[reshape.Form]] = {
    "as_list": reshape.AsList,
    "as_upload": reshape.AsUpload,
    "flattened": reshape.Flattened,
    "joined": reshape.Joined,
    "one_of": reshape.OneOf,
    "one_text": reshape.OneText,
    "plain_parts": reshape.PlainParts,
    "plain_text": reshape.PlainText,
    "refused": reshape.Refused,
    "renamed": reshape.Renamed,
    "width_height": reshape.WidthHeight,
    "without_prefix": reshape.WithoutPrefix,
    "unwrapped": reshape.Unwrapped,
    "wrapped": reshape.Wrapped,
}
# What a form needs, by the annotation of its field.
_GIVEN: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "str": ("a string", lambda given: isinstance(given, str)),
    "tuple[Any, ...]": ("a list", is_list),
    "tuple[str, ...]": ("a list of strings", lambda given: is_list(given) and _are_texts(given)),
    "tuple[tuple[Any, Any], ...]": ("a table", is_mapping),
    "tuple[tuple[str, str], ...]": (
        "a table of strings",
        lambda given: is_mapping(given) and _are_texts([*given.values()]),
    ),
}
_LARGEST = 1 << 20
_CHAT = "createChatCompletion"


class _Slip(Exception):
    """What is wrong, and where in the document."""

    def __init__(self, text: str, *way: str) -> None:
        super().__init__(f"{named(*way)}: {text}" if way else text)
        self.way = way


def read_provider(path: str | os.PathLike[str]) -> Provider:
    """Read a provider from a file.

    Raises:
        ConfigurationError: It cannot be read, or something in it is wrong; file, line and key are named.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
    except OSError as exc:
        raise ConfigurationError(f"{where}: cannot be read: {exc.strerror}") from None
    try:
        if len(raw) > _LARGEST:
            raise ValueError(f"is larger than {_LARGEST} bytes")
        text = raw.decode("utf-8-sig")  # editors may put a byte order mark in front
        document = tomllib.loads(text)
    except ValueError as exc:  # of a character that is no UTF-8, or of TOML, which says line and column
        raise ConfigurationError(f"{where}: {exc}") from None
    try:
        provider: Provider = _record(Provider, document, ())
        check_provider(provider)
    except _Slip as slip:
        raise ConfigurationError(f"{where}:{_line_of(text, slip.way)}: {slip}") from None
    except ConfigurationError as exc:  # it names the place as code would write it
        way = tuple(re.findall(r"[\w-]+", str(exc).partition(": ")[2].partition(": ")[0]))
        raise ConfigurationError(f"{where}:{_line_of(text, way)}: {exc}") from None
    return provider


# ------------------------------------------------------------------ tables to records


def _record(kind: type[Any], table: Any, way: tuple[str, ...]) -> Any:
    """Make a record of a table, whose keys are its fields."""
    if not is_mapping(table):
        raise _Slip("must be a table", *way)
    fields = fields_of(kind)
    for key in table:
        if key not in fields:
            known = guessed(key, fields) or f"known are {', '.join(fields)}"
            raise _Slip(f"unknown key of {kind.__name__}; {known}", *way, key)
    made = {key: _value(fields[key], value, (*way, key)) for key, value in table.items()}
    try:
        return kind(**made)
    except TypeError:
        parameters = inspect.signature(kind).parameters.values()
        lacking = [one.name for one in parameters if one.name not in made and one.default is one.empty]
        raise _Slip(f"{kind.__name__} needs {', '.join(lacking)}", *way) from None


def _value(annotation: str, value: Any, way: tuple[str, ...]) -> Any:
    """Make the value of a field, by its annotation; whether it is right is checked as in a constant."""
    if value is False and annotation.endswith(" | None"):
        return None
    match annotation.removesuffix(" | None"):
        case "bytes":
            return value.encode() if isinstance(value, str) else value
        case "Mapping[str, Route]":
            return {name: _record(Route, one, (*way, name)) for name, one in _table(value, way).items()}
        case "Mapping[str, Reshape]":
            return {name: _form(name, one, (*way, name)) for name, one in _table(value, way).items()}
        case "tuple[LimitWindow, ...]" if is_list(value):
            return tuple(_record(spec.LimitWindow, one, way) for one in value)
        case "Codec":
            if not isinstance(value, str) or value not in CHATS:
                raise _Slip(f"must be one of {', '.join(CHATS)}, got {described(value)}", *way)
            if way[-2:-1] != (_CHAT,):
                raise _Slip(f"is known of {_CHAT} alone", *way)
            return chat_codec(value)
        case name if is_list(value):
            return frozenset(value) if name.startswith("frozenset") and _are_texts(value) else tuple(value)
        case name if is_mapping(value) and hasattr(spec, name):
            return _record(getattr(spec, name), value, way)
        case _:
            kind_of(annotation)  # every field has a check, so that nothing gets past this
            return value


def _are_texts(value: list[Any]) -> bool:
    return all(isinstance(one, str) for one in value)


def _table(value: Any, way: tuple[str, ...]) -> Mapping[str, Any]:
    if not is_mapping(value):
        raise _Slip("must be a table", *way)
    return value


def _form(parameter: str, value: Any, way: tuple[str, ...]) -> Reshape:
    """Make a form: `"as_list"`, or `{ renamed = { b64_json = "base64" } }`."""
    form, given = (value, None) if isinstance(value, str) else next(iter(_table(value, way).items()), ("", None))
    kind = FORMS.get(form)
    if kind is None or (is_mapping(value) and len(value) != 1):
        raise _Slip(f"must be one of {', '.join(FORMS)}, got {quoted(form)}", *way)
    names = [name for name in kind.takes if name != "name"]
    own = {"name": parameter} if "name" in kind.takes else {}
    if len(names) != (given is not None):
        raise _Slip(f"{form} {'needs a value' if names else 'takes no value'}", *way)
    for takes in names:
        accepted, is_right = _GIVEN[kind.__annotations__[takes]]
        if not is_right(given):
            raise _Slip(f"{form} needs {accepted}, got {described(given)}", *way)
    made = tuple(given.items()) if is_mapping(given) else tuple(given) if is_list(given) else given
    try:
        hash(made)
    except TypeError:
        raise _Slip(f"{form} must have plain values", *way) from None
    shape: Reshape = kind(**own, **dict.fromkeys(names, made))
    return shape


# ------------------------------------------------------------------ lines


def _line_of(text: str, way: tuple[str, ...]) -> int:
    """Find the line where a key stands, or the nearest table around it; a file of such data is read well enough so."""
    header: tuple[str, ...] = ()
    best, line_of_best = -1, 1
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*\[\[?([^\[\]]+)\]", line):
            header = _keys(found[1])
            here = header
        elif found := re.match(r"\s*([\w\"'. -]+?)\s*=", line):
            here = (*header, *_keys(found[1]))
        else:
            continue
        if here == way[: len(here)] and len(here) > best:
            best, line_of_best = len(here), number
    return line_of_best


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[\w-]+", dotted))
