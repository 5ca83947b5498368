"""The endpoints, each described once; a family's module is imported when its resource is first used."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core.spec import Operation


@cache
def all_operations() -> dict[str, Operation]:
    """Collect every operation by its id, importing all families."""
    from .._core.spec import Operation
    from . import catalog, chat, completions, embeddings, images

    constants = (
        value for module in (completions, chat, images, embeddings, catalog) for value in vars(module).values()
    )
    return {constant.id: constant for constant in constants if isinstance(constant, Operation)}
