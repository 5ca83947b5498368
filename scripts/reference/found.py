"""What there is to describe, and on which page each class is described."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from llmsdk import SDK, Preview, errors, models
from llmsdk._call.budget import Budget, BudgetState
from llmsdk._call.operation import Operation
from llmsdk._call.prices import Price
from llmsdk._call.usage import ModelUsage, UsageTotals
from llmsdk._net.streams import EventStream, EventStreamAsync
from llmsdk.hooks import AfterErrorHook, AfterSuccessHook, BeforeRequestHook, HookContext, SDKInitHook
from llmsdk.options import AsyncHttpClient, DebugLogger, HttpClient
from llmsdk.providers import (
    PROVIDERS,
    ErrorPaths,
    LimitHeaders,
    LimitWindow,
    Page,
    Provider,
    Route,
    Structured,
    Turns,
)
from llmsdk.resources.operations import all_operations
from llmsdk.utils.forks import once
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

from .markdown import codes, link

# Exported for annotations and for those who fold chunks themselves; they describe nothing that goes over the wire.
MACHINERY = {
    "Accumulator",
    "Fetcher",
    "Listed",
    "Loose",
    "Model",
    "OrEmpty",
    "Reply",
    "Listing",
}


@functools.cache
def resources() -> dict[str, type[Any]]:
    """Find the classes of `sdk.completions` and its like, by the alphabet."""
    with SDK(server="local") as sdk:
        members = [item for kind in reversed(SDK.__mro__) for item in vars(kind).items()]
        names = [name for name, value in members if isinstance(value, once) and not name.startswith("_")]
        return {name: type(getattr(sdk, name)) for name in sorted(names)}


@functools.cache
def documented_models() -> dict[str, Any]:
    """Every exported request type, reply type and alias of them, by name."""
    offered = {name: getattr(models, name) for name in vars(models)["__all__"]}
    return {
        name: value for name, value in offered.items() if name not in MACHINERY and not name.endswith("Accumulator")
    }


@functools.cache
def documented_errors() -> dict[str, type[Any]]:
    """Every exported error class, and the values that they and replies carry."""
    return {name: getattr(errors, name) for name in errors.__all__ if getattr(errors, name).__name__ == name}


HOOKS = (SDKInitHook, BeforeRequestHook, AfterSuccessHook, AfterErrorHook)
DIALECT = (Provider, Route, Turns, Structured, ErrorPaths, LimitHeaders, LimitWindow, Page)
_ON_SHARED_PAGES: dict[Any, str] = {
    **dict.fromkeys(DIALECT, "servers.md"),
    **dict.fromkeys(
        (
            *(EventStream, EventStreamAsync, RetryConfig, BackoffStrategy, RetryBudget, UsageTotals, ModelUsage, Price),
            *(Budget, BudgetState),
            *(Preview, *HOOKS, HookContext, HttpClient, AsyncHttpClient, DebugLogger),
        ),
        "sdks/sdk/README.md",
    ),
}


def home_of(kind: type[Any]) -> str | None:
    """Find the page of a class, below docs/."""
    if kind in _ON_SHARED_PAGES:
        return f"{_ON_SHARED_PAGES[kind]}#{kind.__name__.lower()}"
    if documented_models().get(kind.__name__) is kind:
        return f"models/{kind.__name__.lower()}.md"
    if documented_errors().get(kind.__name__) is kind:
        return f"errors/{kind.__name__.lower()}.md"
    return None


def linked(kind: type[Any], here: str) -> str:
    """Name a class, with a link where it has a page."""
    home = home_of(kind)
    return link(kind.__name__, home, here) if home and home != here else f"`{kind.__name__}`"


def operations_of(resource: str) -> list[Operation]:
    """List the operations of a resource, in the order of the code."""
    return [operation for operation in all_operations().values() if operation.resource == resource]


def routes_of(operation: Operation) -> dict[str, Route]:
    """Find the servers that have an operation, with their routes."""
    return {
        name: provider.routes[operation.id] for name, provider in PROVIDERS.items() if operation.id in provider.routes
    }


def servers_text(operation: Operation) -> str:
    """Name the servers that have an operation, the shorter way round."""
    return shorter(routes_of(operation), PROVIDERS)


def shorter(having: Iterable[str], servers: Iterable[str]) -> str:
    """Name some servers, or the others if these are fewer."""
    having = list(having)
    lacking = [name for name in servers if name not in having]
    if len(lacking) < len(having):
        return f"all but {codes(lacking)}" if lacking else "all"
    return codes(having)
