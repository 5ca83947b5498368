"""pydantic's validators, built once per type: building one costs more than a thousand uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaValidator

from ..utils.forks import FIRST_USE

T = TypeVar("T")

_adapters: dict[Any, TypeAdapter[Any]] = {}


def adapter(request: Any) -> TypeAdapter[Any]:
    """Return the adapter of a request TypedDict."""
    found = _adapters.get(request)
    if found is None:
        with FIRST_USE:  # pydantic imports what it needs for building
            found = _adapters[request] = TypeAdapter(request)
    return found


# Models of replies put their validators off until they are used: the first import would build some fifty of them.


def reader(model: type[BaseModel]) -> SchemaValidator:
    """Return the validator of a model, which is built here if the model has put that off."""
    if not model.__pydantic_complete__:
        with FIRST_USE:
            model.model_rebuild()
    validator: Any = model.__pydantic_validator__
    found: SchemaValidator = validator
    return found


def at_first(validate: Callable[..., T], keep: Callable[[Callable[..., T]], None]) -> Callable[..., T]:
    """Have a fork wait for the first use of a validator; `keep` is handed the validator itself after it.

    pydantic-core makes its constants when it comes to them, each under a lock of Rust's, and lets go of Python's
    meanwhile. A child that was forked in between hung in its own first validation, in 2 of 110 runs that tried to.
    """
    is_used = False

    def first(*args: Any, **options: Any) -> T:
        nonlocal is_used
        if is_used:
            return validate(*args, **options)
        with FIRST_USE:
            found = validate(*args, **options)
        is_used = True
        keep(validate)
        return found

    return first
