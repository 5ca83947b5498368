"""Tools that know nothing of LLMs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

__all__ = ["BackoffStrategy", "RetryBudget", "RetryConfig"]


def __getattr__(name: str) -> object:
    # Importing the package must not pay for modules that the first call does not need (PEP 562).
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from llmsdk.utils import retries

    found: object = getattr(retries, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
