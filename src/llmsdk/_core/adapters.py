"""pydantic adapters, built once per type: building one costs more than a thousand uses."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

_adapters: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """Answer with the adapter of a model or TypedDict."""
    found = _adapters.get(kind)
    if found is None:
        found = _adapters[kind] = TypeAdapter(kind)
    return found
