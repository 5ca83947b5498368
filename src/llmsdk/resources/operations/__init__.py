"""The endpoints, each described once; a family's module is imported when its resource is first used."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..._call.operation import Operation


@cache
def all_operations() -> dict[str, Operation]:
    """Collect every operation by its id, importing all families."""
    from ..._call.operation import Operation
    from . import batches, chat, completions, embeddings, files, images
    from . import models as catalog

    families = (completions, chat, images, embeddings, catalog, files, batches)
    constants = (value for family in families for value in vars(family).values())
    return {constant.id: constant for constant in constants if isinstance(constant, Operation)}
