"""Dialects: what a service is called, where it is, and how it deviates; a file for each, imported when it is used.

May import `errors` and `utils`, and itself does nothing: `_call` reads the data. Start reading at `spec.py`, which has
the words, then at the file of a server; `registry.py` finds them by id.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# The public names by their module. What type checkers read, `__init__.pyi`, is written from it and from the files of
# the servers by `python scripts/stubs.py`.
_NAMES = {
    "ids": "ServerId",
    "registry": "PROVIDERS",
    "spec": "BatchRows ErrorPaths Handover LimitHeaders LimitWindow Page Provider Route Structured Turns",
}

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too
    from .ids import IDS as _IDS

    _HOME = {name: (module, name) for module, names in _NAMES.items() for name in names.split()}
    _HOME |= {name.upper(): (name, "PROVIDER") for name in _IDS}
    __all__ = sorted(_HOME)  # noqa: PLE0605 - from the table; checkers read the stub

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, constant = _HOME[name]
        value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), constant)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
