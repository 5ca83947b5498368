"""Requests, replies and chunks of every operation; a module is imported when one of its names is first used.

May import `errors` and `utils`. Start reading at `chat.py`, `completions.py` or `images.py`: a request's parameters,
and what comes back; `folding.py` begins how chunks become a reply, `common.py` has what the families share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .names import NAMES as _NAMES

_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too
    __all__ = sorted(_HOME)  # noqa: PLE0605 - from the table; checkers read the stub

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
