"""The endpoints, each described once; a family's module is imported when its resource is first used.

Start reading at `completions.py`. Imports `_call/operation.py` and `models`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..._call.operation import Operation


@cache
def all_operations() -> dict[str, Operation]:
    """Collect every operation by its id, importing the modules beside this one."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    constants = (value for module in modules for value in vars(module).values())
    return {constant.id: constant for constant in constants if isinstance(constant, Operation)}
