"""A caller's values as JSON has them; what JSON cannot hold is found and named."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

from ..errors import RequestValidationError
from .shapes import described, is_listed, is_mapping, is_unicode, named

_ACCEPTED = (
    "expected strings of valid Unicode, finite numbers, booleans, None, and lists and dicts (with strings as keys) "
    "of these"
)
_MOST_BITS = 1024  # no reader of JSON takes a number beyond the range of a float


class AsSent:
    """Marks models of what a server sends: given back, they hold what it had sent, and nothing of their defaults."""


class AsParam(ABC):
    """Marks what stands in a request for the object in its `param`."""

    @property
    @abstractmethod
    def param(self) -> Any: ...


class NotJson(ValueError):
    """A value has a part that JSON cannot hold; `misfit` finds it."""


def plain(value: Any) -> Any:
    """Turn a value into what JSON has.

    A pydantic object of the caller's is dumped whole and by its aliases, as pydantic sends it: its defaults are part of
    what it says. Models of a reply, wherever they stand in it, give what the server had sent.

    Raises:
        NotJson: It has a part that is neither.
        RecursionError: It is nested too deeply, or holds itself.
    """
    kind = value.__class__
    if kind is str or kind is bool or value is None:
        return value
    if kind is int:
        if value.bit_length() <= _MOST_BITS:
            return value
        raise NotJson
    if kind is dict:
        return _plain_dict(value)
    if kind is list or kind is tuple:
        return [plain(item) for item in value]
    if kind is float:
        if math.isfinite(value):
            return value
        raise NotJson
    return _plain_other(value)


def _plain_dict(value: Mapping[Any, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, item in value.items():
        if type(name) is not str:
            if not isinstance(name, str):
                raise NotJson
            name = str.__str__(name)
        made[name] = plain(item)
    return made


def _plain_other(value: Any) -> Any:
    """Make an instance of a subclass one of the class itself: what it overrides has no say in what is sent."""
    if isinstance(value, BaseModel):
        return plain(_dumped(value))
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return plain(int.__int__(value))
    if isinstance(value, float):
        return plain(float.__float__(value))
    if is_mapping(value):
        return _plain_dict(value)
    if is_listed(value):
        return [plain(item) for item in value]
    if isinstance(value, AsParam):
        return plain(value.param)
    # A dataclass of pydantic's has one too, and says as much by it as a model does.
    other: object = value
    serializer = getattr(type(other), "__pydantic_serializer__", None)
    if serializer is None:
        raise NotJson
    try:
        return plain(serializer.to_python(value, mode="json", by_alias=True, warnings=False))
    except (PydanticSerializationError, ValueError):
        raise NotJson from None


def _dumped(value: BaseModel) -> Any:
    try:
        if isinstance(value, AsSent):
            return value.model_dump(mode="json", exclude_unset=True, warnings=False)
        return value.model_dump(mode="json", by_alias=True, exclude=_not_sent(value) or None, warnings=False)
    except (PydanticSerializationError, ValueError):
        raise NotJson from None


def _not_sent(value: Any) -> Any:
    """Name what models of a reply inside a value have by default, in the form of pydantic's `exclude`."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, BaseModel):
        if isinstance(value, AsSent):
            return {
                **dict.fromkeys(type(value).model_fields.keys() - value.model_fields_set, True),
                **_not_sent(vars(value)),
            }
        items = vars(value).items()
    elif is_mapping(value):
        items = value.items()
    elif is_listed(value):
        items = enumerate(value)
    return {name: inside for name, item in items if (inside := _not_sent(item))}


def misfit(value: Any, *way: Any) -> RequestValidationError:
    """Return which part of a value JSON cannot hold.

    Args:
        way: Where the value is, such as "extra_body".
    """
    steps, what = _first_misfit(value, way) or (way, described(value))
    place = named(*steps)
    return RequestValidationError(f"{place}: cannot be written as JSON; {_ACCEPTED}, got {what}", param=place)


def check_name(name: Any, *way: Any) -> None:
    """Refuse what cannot name a part of a URL or a form.

    Raises:
        RequestValidationError: Naming the mapping that `way` leads to.
    """
    if not (isinstance(name, str) and is_unicode(name)):
        place = named(*way, name)
        raise RequestValidationError(
            f"{place}: names must be strings of valid Unicode, got {described(name)}", param=place
        )


def check_scalar(value: Any, *way: Any, accepted: str) -> None:
    """Refuse what has no spelling in a URL or a form.

    Raises:
        RequestValidationError: Naming the place that `way` leads to.
    """
    is_scalar = value is None or isinstance(value, str | int | float)
    found = _first_misfit(value, way) if is_scalar else (way, described(value))
    if found is not None:
        place = named(*way)
        raise RequestValidationError(f"{place}: expected {accepted}, got {found[1]}", param=place)


def _first_misfit(value: Any, way: tuple[Any, ...]) -> tuple[tuple[Any, ...], str] | None:
    try:
        return next(_misfits(value, way), None)
    except RecursionError:
        return way, f"{described(value)} that is nested too deeply, or holds itself"


def _misfits(value: Any, way: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, str):
        if not is_unicode(value):
            yield way, f"{described(value)} with a lone surrogate"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield way, described(value)
    elif is_mapping(value):
        for name, item in cast("Mapping[Any, Any]", value).items():
            if not isinstance(name, str):
                yield way, f"a key that is {described(name)}"
            elif not is_unicode(name):
                yield way, "a key with a lone surrogate"
            yield from _misfits(item, (*way, name))
    elif is_listed(value):
        for index, item in enumerate(value):
            yield from _misfits(item, (*way, index))
    elif isinstance(value, BaseModel):
        try:
            yield from _misfits(_dumped(value), way)
        except NotJson:
            yield way, described(value)
    elif not (value is None or (isinstance(value, int) and value.bit_length() <= _MOST_BITS)):
        yield way, described(value)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one JSON object over another, objects into objects at any depth; anything else, lists too, replaces."""
    result = dict(under)
    for name, value in over.items():
        below: Any = result.get(name)
        result[name] = merged(below, value) if is_mapping(below) and is_mapping(value) else value
    return result
