"""Fields of a form: lists and objects, which forms do not have, in the way that each server reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import RequestValidationError
from ...providers.spec import Route
from ...utils.plain import check_name, check_scalar
from ...utils.shapes import described, is_list, is_object, named

SCALARS = "strings of valid Unicode, finite numbers, booleans and None"
_ACCEPTED = f"{SCALARS} in a form, and lists and dicts of these"


def form_fields(fields: Mapping[str, Any], route: Route, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Name the fields of a form as the server reads them.

    Args:
        fields: Parameters by their names on the wire, as JSON has them.
        extra: Those that came by `extra_body`, for the messages.

    Returns:
        Scalars, lists of them for names that are repeated, and dicts for what is sent as a part of JSON.

    Raises:
        RequestValidationError: A form cannot hold a name or a value.
    """
    made: dict[str, Any] = {}
    for name, value in fields.items():
        way = ("extra_body", name) if name in extra else (name,)
        check_name(name, *way[:-1])
        for place, item in _placed(name, value, route, way):
            earlier = made.get(place)
            made[place] = [*earlier, *item] if is_list(earlier) and is_list(item) else item
    return made


def _placed(name: str, value: Any, route: Route, way: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    if is_object(value):
        for key, item in value.items():
            check_name(key, *way)
            if route.form_objects == "brackets":
                yield from _placed(f"{name}[{key}]", item, route, (*way, key))
        if route.form_objects == "json" and value:
            yield name, value
    elif is_list(value):
        for index, item in enumerate(value):
            _check(item, *way, index)
        if route.form_lists == "comma":
            yield name, ",".join(map(text_of, value))
        else:
            yield (f"{name}[]" if route.form_lists == "brackets" else name), value
    else:
        _check(value, *way)
        yield name, value


def _check(value: Any, *way: Any) -> None:
    if is_list(value) or is_object(value):
        place = named(*way)
        raise RequestValidationError(f"{place}: expected {_ACCEPTED}, got {described(value)}", param=place)
    check_scalar(value, *way, accepted=_ACCEPTED)


def text_of(value: Any) -> str:
    """Write a scalar as the text of a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
