"""One operation over many inputs: `chat.map` and its like, and the engine below that batches are built on.

The engine takes rows and gives one `Outcome` for each, in the order of completion unless `Settings(ordered=True)`:

    settings = Settings(limit=Adaptive(8, 64), options={"retries": ...}, deadline_ms=None, gate=None)
    for outcome in outcomes(sdk.chat, CREATE_CHAT_COMPLETION, items, settings): ...
    async for outcome in outcomes_async(sdk.chat, CREATE_CHAT_COMPLETION, items, settings): ...

`items` is an iterable (or async iterable) of mappings of parameters, or of `Item(params, idempotency_key, tag)`; it is
read only as fast as rows are sent. `outcome.result` is the reply or an `SDKError`, `outcome.item` what was read. What
the iterable or a hook raises is raised after all that is in flight has been handed out. Both functions give iterators
that are context managers too; leaving them ends what is in flight.

A `Gate` (async only) lets attempts start in place of the map's own `Pacer`, such as one in another process: `acquire()`
before each attempt, `report(Observation)` after it. `Pacer` itself has no clock: `admit(now)` and `report(seen, now)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .async_map import MappedAsync
from .gate import Gate, LocalGate
from .job import Item, Job, Settings
from .pace import Adaptive, Observation, Pacer
from .sync_map import Mapped
from .work import Outcome

if TYPE_CHECKING:
    from ..._call.operation import Operation
    from ...resources.base import Resource

__all__ = [
    "Adaptive",
    "Gate",
    "Item",
    "LocalGate",
    "Mapped",
    "MappedAsync",
    "Observation",
    "Outcome",
    "Pacer",
    "Rows",
    "RowsAsync",
    "Settings",
    "map_rows",
    "map_rows_async",
    "outcomes",
    "outcomes_async",
]

RequestT = TypeVar("RequestT")

Rows: TypeAlias = Iterable[RequestT]
"""What `map` takes."""

RowsAsync: TypeAlias = Iterable[RequestT] | AsyncIterable[RequestT]
"""What `map_async` takes."""


def outcomes(resource: Resource, operation: Operation, items: Any, settings: Settings | None = None) -> Mapped[Any]:
    """Do an operation with every item, in threads.

    Args:
        resource: What has the operation, such as `sdk.chat`.
        items: Mappings of parameters, or `Item`.
    """
    return Mapped(Job(resource, operation, items, settings or Settings()), items, _whole)


def outcomes_async(
    resource: Resource, operation: Operation, items: Any, settings: Settings | None = None
) -> MappedAsync[Any]:
    """Do an operation with every item, in tasks; the arguments are those of `outcomes`."""
    return MappedAsync(Job(resource, operation, items, settings or Settings()), items, _whole)


def map_rows(resource: Resource, operation: Operation, requests: Any, **given: Any) -> Mapped[Any]:
    """Do what `map` of a resource does."""
    return Mapped(Job(resource, operation, requests, _settings(**given)), requests, _pair)


def map_rows_async(resource: Resource, operation: Operation, requests: Any, **given: Any) -> MappedAsync[Any]:
    """Do what `map_async` of a resource does."""
    return MappedAsync(Job(resource, operation, requests, _settings(**given)), requests, _pair)


def _settings(limit: Any, ordered: bool, window: int, options: Any) -> Settings:
    deadline_ms = options.pop("deadline_ms", None)
    limit = Adaptive() if limit is None else limit
    return Settings(limit=limit, ordered=ordered, window=window, deadline_ms=deadline_ms, options=options)


def _pair(outcome: Outcome[Any]) -> Any:
    return outcome.index, outcome.result


def _whole(outcome: Outcome[Any]) -> Any:
    return outcome
