"""Arguments of a call: options told from parameters, in either calling form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..errors import RequestValidationError
from ..options import CALL_OPTIONS, STREAM_OPTIONS
from ..utils.secrets import Secret
from ..utils.urls import path_text
from .operation import Operation

if TYPE_CHECKING:
    pass


def split_arguments(operation: Operation, args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the options from the parameters, in either calling form.

    Raises:
        RequestValidationError: Both forms are mixed, or the model is named twice.
    """
    options: dict[str, Any] = {}
    params = dict(args)
    for name in CALL_OPTIONS.intersection(args):
        value = params.pop(name)
        options[name] = value.reveal() if isinstance(value, Secret) else value
    for name in options.keys() & STREAM_OPTIONS:
        if operation.chunk is None:
            raise RequestValidationError(f"{name}: {operation.resource}.{operation.name} does not stream", param=name)
    model_id = None if "model_id" in operation.parameters else params.pop("model_id", None)
    if operation.request_name is not None and operation.request_name in params:
        params = _from_object(operation, params)
    if model_id is not None:
        if "model" in params and _differ(params["model"], model_id):
            raise RequestValidationError(
                "model_id: differs from model; give one of them, or the same value", param="model_id"
            )
        params["model"] = model_id
    return options, params


def checked_organization(value: Any) -> str:
    """Check it for every server: that most have no place for it is no reason to take anything."""
    try:
        return path_text(value)
    except ValueError as exc:
        raise RequestValidationError(f"organization_id: {exc}", param="organization_id") from None


def _differ(one: Any, other: Any) -> bool:
    """Compare two values of which only strings will do; what is none is refused later."""
    return type(one) is not type(other) or (isinstance(one, str) and one != other)


_BESIDE_OBJECT = frozenset({"model", "customization_id", "stream"})


def _from_object(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    name = operation.request_name or ""
    request: Any = params.pop(name)
    if not isinstance(request, Mapping):
        raise RequestValidationError(
            f"{name}: must be a {operation.request.__name__} or another mapping, got {type(request).__name__}",
            param=name,
        )
    fields = cast("Mapping[str, Any]", request)
    for other, value in params.items():
        if other not in _BESIDE_OBJECT:
            raise RequestValidationError(f"{other}: cannot be mixed with {name}; put it into {name}", param=other)
        if other != "stream" and other in fields and _differ(fields[other], value):
            raise RequestValidationError(f"{other}: differs from {name}[{other!r}]; give one of them", param=other)
    return {**fields, **params}


def mapping_option(options: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value: Any = options.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RequestValidationError(f"{name}: must be a mapping, got {type(value).__name__}", param=name)
    return cast("Mapping[str, Any]", value)
