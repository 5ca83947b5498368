"""A provider as a TOML file, which `Provider.from_toml` reads: only what differs from the defaults is written."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from ..errors import ConfigurationError
from ..utils.shapes import is_list, is_listed, is_mapping, named
from .checks import fields_of
from .codecs import CHATS, chat_codec
from .files import FORMS
from .reshape import Form
from .spec import Codec, Provider, Route

_BARE = r"[A-Za-z0-9_-]+"
_NAMES = {kind: name for name, kind in FORMS.items()}
_MISSING = object()


def written(provider: Provider, needed: Collection[str] = ()) -> str:
    """Write a provider as TOML. A route that a file cannot hold becomes a comment that says why.

    Args:
        needed: Operations without which the file would be of no use.

    Raises:
        ConfigurationError: A part of it is code, which a file cannot hold; it is named.
    """
    usual = Provider(name=provider.name, routes={})
    lines = [f"name = {_text(provider.name)}"]
    tables: list[str] = []
    for name in fields_of(Provider):
        value = getattr(provider, name)
        if name in ("name", "routes") or value == getattr(usual, name):
            continue
        if _is_record(value):
            tables += ["", f"[{name}]", *_pairs(value, (name,))]
        else:
            lines.append(f"{_key(name)} = {_value(value, (name,))}")
    for name, route in provider.routes.items():
        try:
            pairs = [*_pairs(route, ("routes", name))]
        except ConfigurationError as exc:
            if name in needed:
                raise
            tables += ["", f"# {exc}"]
        else:
            tables += ["", f"[routes.{_key(name)}]", *pairs]
    return "\n".join([*lines, *tables, ""])


def _pairs(record: Any, way: tuple[str, ...]) -> Iterator[str]:
    for name, value in _differing(record):
        if name == "reshape":
            for parameter, form in value.items():
                if getattr(form, "name", parameter) != parameter:
                    raise ConfigurationError(f"{named(*way, name, parameter)}: goes by another name, which is code")
        yield f"{_key(name)} = {_value(value, (*way, name))}"


def _differing(record: Any) -> Iterator[tuple[str, Any]]:
    """Give the fields of a record that are not as they would be by themselves."""
    kind: type[Any] = record.__class__
    usual: Any = Route() if isinstance(record, Route) else kind  # of a record, the class has the defaults
    for name in fields_of(kind):
        value = getattr(record, name)
        if value != getattr(usual, name, _MISSING):
            yield name, value


def _is_record(value: Any) -> bool:
    return type(value).__module__.endswith(".spec")


def _value(value: Any, way: tuple[str, ...]) -> str:
    if value is None:
        return "false"  # TOML has no null, and no field has both
    if isinstance(value, bytes):
        return _text(value.decode())
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, frozenset):
        return _value(sorted(cast("frozenset[str]", value)), way)
    if is_listed(value):
        return f"[{', '.join(_value(one, way) for one in value)}]"
    if is_mapping(value):
        return _table(value, way)
    if isinstance(value, Form):
        return _form(value, way)
    if isinstance(value, Codec):
        protocol = next((name for name in CHATS if chat_codec(name) is value), None)
        if protocol is not None:
            return _text(protocol)
    if _is_record(value) and not isinstance(value, Codec):
        return _table(dict(_differing(value)), way)
    raise ConfigurationError(f"{named(*way)}: is code, which a file cannot hold")


def _table(value: Mapping[str, Any], way: tuple[str, ...]) -> str:
    pairs = [f"{_key(name)} = {_value(one, (*way, name))}" for name, one in value.items()]
    return f"{{ {', '.join(pairs)} }}" if pairs else "{}"


def _form(form: Form, way: tuple[str, ...]) -> str:
    """Write a form by its name, with what it needs."""
    names = [name for name in type(form).takes if name != "name"]
    if type(form) not in _NAMES or len(names) > 1:
        raise ConfigurationError(f"{named(*way)}: is code, which a file cannot hold")
    if not names:
        return _text(_NAMES[type(form)])
    given = getattr(form, names[0])
    if is_listed(given) and all(is_listed(one) and len(one) == 2 for one in given):
        given = {str(ours): theirs for ours, theirs in given}
    return f"{{ {_NAMES[type(form)]} = {_value(list(given) if is_list(given) else given, way)} }}"


def _key(name: str) -> str:
    return name if re.fullmatch(_BARE, name) else _text(name)


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for a character that TOML wants escaped as well.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
