"""pydantic's validators, built once per type: building one costs more than a thousand uses."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import SchemaValidator

from ..utils.forks import FIRST_USE

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
