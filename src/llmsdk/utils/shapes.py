"""What a value of unknown shape is, told so that both type checkers agree on its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell a list."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell a JSON object."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell a mapping of any kind."""
    return isinstance(value, Mapping)


def is_listed(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell a list or a tuple."""
    return isinstance(value, list | tuple)
