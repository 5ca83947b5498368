"""One small, typed, fast client for several providers of hosted language models.

from llmsdk import SDK

with SDK(api_key="...", server="together") as sdk:
    print(sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}]).text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import errors, hooks, models, providers, utils
    from ._call.budget import Budget
    from ._call.failover.policy import Failover
    from ._call.preview import Preview
    from ._call.prices import Price
    from ._call.usage import ModelUsage, UsageTotals
    from ._net.streams import EventStream, EventStreamAsync
    from .cassette import Cassette
    from .hooks import HookContext
    from .many.map import Adaptive
    from .providers import Provider, Route
    from .sdk import SDK
    from .tools import tool
    from .utils.retries import BackoffStrategy, RetryBudget, RetryConfig

# Imported when first used: a program that imports the package for one of these does not pay for the others.
_HOMES = {
    "SDK": "sdk",
    "Adaptive": "many.map",
    "Budget": "_call.budget",
    "Cassette": "cassette",
    "HookContext": "hooks",
    "Preview": "_call.preview",
    "Provider": "providers",
    "Route": "providers",
    "Failover": "_call.failover.policy",
    "ModelUsage": "_call.usage",
    "Price": "_call.prices",
    "UsageTotals": "_call.usage",
    "tool": "tools",
    "EventStream": "_net.streams",
    "EventStreamAsync": "_net.streams",
    "BackoffStrategy": "utils.retries",
    "RetryBudget": "utils.retries",
    "RetryConfig": "utils.retries",
}
_MODULES = ("errors", "hooks", "models", "providers", "utils")

__all__ = [
    "SDK",
    "Adaptive",
    "BackoffStrategy",
    "Budget",
    "Cassette",
    "EventStream",
    "EventStreamAsync",
    "Failover",
    "HookContext",
    "ModelUsage",
    "Preview",
    "Price",
    "Provider",
    "RetryBudget",
    "RetryConfig",
    "Route",
    "UsageTotals",
    "__version__",
    "errors",
    "hooks",
    "models",
    "providers",
    "tool",
    "utils",
]


if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used."""
        from importlib import import_module

        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name in _HOMES:
            value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
            return value
        hint = ""
        if not name.startswith("_"):  # what asks for such a name asks every module for it
            hint = import_module("._call.hints", __name__).hint_of_name(name, __all__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return __all__
