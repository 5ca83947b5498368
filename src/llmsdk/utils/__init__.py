"""What knows nothing of language models: headers, URLs, files, dates, JSON, retries, server-sent events.

Imports `errors` alone, and every package may import it. Start reading at the module of the subject: each has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .retries import BackoffStrategy, RetryBudget, RetryConfig

__all__ = ["BackoffStrategy", "RetryBudget", "RetryConfig"]

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too

    def __getattr__(name: str) -> object:
        # Importing the package must not pay for modules that the first call does not need (PEP 562).
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import retries

        found = globals()[name] = getattr(retries, name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
