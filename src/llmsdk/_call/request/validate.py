"""Checks of a caller's parameters, with one-line errors that name the parameter and what is accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ...errors import RequestValidationError
from ...options import CALL_OPTIONS
from ...providers.spec import Route
from ...utils.plain import misfit
from ...utils.shapes import is_sized, named
from ..adapters import adapter
from ..hints import hint_of_parameter, hint_of_value
from ..operation import Operation

_WRAPPER_LABELS = ("list[", "tuple[", "dict[", "function-", "nullable[", "lax-or-strict[", "json-or-python[", "union[")
# In Python's words, where pydantic says "a valid dictionary"; a tuple is accepted wherever a list is.
_KINDS = {
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    "dict_type": "a dict",
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
}
# What every provider needs something in; an empty prompt is a prompt.
_NEVER_EMPTY = frozenset({"model", "messages", "image"})


def check_names(given: Iterable[Any], known: frozenset[str], *, where: str, own: frozenset[str] = frozenset()) -> None:
    """Refuse names that nobody knows, suggesting the nearest.

    Args:
        own: Parameters that the server has beside the vocabulary.

    Raises:
        RequestValidationError: Naming the first such parameter.
    """
    for name in given:
        if name not in known:
            if name in own:
                hint = f"; the server has it, pass extra_body={{{str(name)!r}: ...}}"
            else:
                hint = hint_of_parameter(name, known, CALL_OPTIONS) or "; what only the server knows goes in extra_body"
            raise RequestValidationError(f"{named(name)}: unknown parameter of {where}{hint}", param=named(name))


def check_required(given: Mapping[str, Any], required: Iterable[str], *, where: str) -> None:
    """Refuse a request that lacks a required parameter.

    Raises:
        RequestValidationError: Naming the first that is missing.
    """
    for name in sorted(required):
        value = given.get(name)
        is_empty = name in _NEVER_EMPTY and is_sized(value) and not value
        if value is None or is_empty:
            came = "it is missing" if name not in given else "None came" if value is None else "it is empty"
            raise RequestValidationError(f"{name}: required by {where}, but {came}", param=name)


def check_together(operation: Operation, route: Route, given: Mapping[str, Any], *, server: str) -> None:
    """Refuse parameters that need one another, or exclude one another.

    Raises:
        RequestValidationError: Naming one of them.
    """
    came = sorted(name for name in operation.one_of if given.get(name) is not None)
    ways = " or ".join(sorted(operation.one_of - route.unsupported))
    if operation.one_of and len(came) != 1:
        where = f"{operation.resource}.{operation.name} on server {server!r}"
        name, problem = (came[1], f"{' and '.join(came)} came") if came else (min(operation.one_of), "it is missing")
        raise RequestValidationError(f"{name}: {where} needs one of {ways}, but {problem}", param=name)
    for name, other in route.excludes.items():
        if given.get(name) is not None and given.get(other) is not None:
            raise RequestValidationError(
                f"{name}: server {server!r} doesn't support it together with {other}", param=name
            )


def check_values(request: type[Any], params: Mapping[str, Any]) -> None:
    """Check the types of parameters; values are not changed, ranges are the server's matter.

    Raises:
        RequestValidationError: Naming the first parameter whose value has the wrong type.
    """
    try:
        adapter(request).validator.validate_python(params, strict=True)
    except ValidationError as exc:
        # The text of a pydantic error quotes the input, which may be a prompt: take only places and kinds, and leave
        # the exception out of the chain.
        errors = [error for error in exc.errors(include_url=False, include_context=False) if error["loc"]]
        if errors := [error for error in errors if error["type"] != "missing" or len(error["loc"]) > 1]:
            error = _explain(errors, params)
        else:
            return  # a top-level name that the route may do without: `check_required` decides
        raise error from None


def _explain(errors: list[ErrorDetails], params: Mapping[str, Any]) -> RequestValidationError:
    first = errors[0]["loc"][0]
    about = [error for error in errors if error["loc"][0] == first]
    if about[0]["loc"][-1] == "[key]":
        return misfit(params[str(first)], first)
    steps, value = _deepest(about, params)
    wanted = dict.fromkeys(_wanted(error) for error in about if len(_steps(error["loc"], params)) == len(steps))
    path = named(*steps)
    came = "but is missing" if "given" in wanted else f"got {type(value).__name__}"
    hint = ""
    if callable(value):  # of the values that JSON has, none is
        hint = hint_of_value(first, value)
    return RequestValidationError(f"{path}: must be {' or '.join(wanted)}, {came}{hint}", param=path)


def _deepest(errors: list[ErrorDetails], params: Mapping[str, Any]) -> tuple[tuple[str | int, ...], Any]:
    """Find the place that the errors share, deepest in the caller's value."""
    steps = max((_steps(error["loc"], params) for error in errors), key=len)
    value: Any = params
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    return steps, value


def _steps(loc: tuple[str | int, ...], params: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Keep the parts of a pydantic location that lead into the value, not those that name branches of a union."""
    steps: list[str | int] = []
    value: Any = params
    for index, part in enumerate(loc):
        if isinstance(value, Mapping) and isinstance(part, str):
            if part in value:
                value = cast("Mapping[str, Any]", value)[part]
                steps.append(part)
            elif index == len(loc) - 1 and not part.startswith(_WRAPPER_LABELS):
                steps.append(part)  # a missing key
        elif isinstance(value, list | tuple) and isinstance(part, int):
            value = cast("list[Any]", value)[part]
            steps.append(part)
    return tuple(steps)


def _wanted(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "given"
    return _KINDS.get(error["type"]) or error["msg"].removeprefix("Input should be ")
