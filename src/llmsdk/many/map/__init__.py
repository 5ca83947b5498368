"""One operation over many inputs: `chat.map` and its like, and the engine that batches and frames are built on.

It may import everything below `sdk`; nothing imports it but `resources.base`, for its `map`, and the other
packages of `many`. Start reading at `crew`, which is what a worker does; `sync_map` has threads for it and `async_map`
tasks. `job` is one map, checked, `rows` what becomes of its rows, `pace` the law by which attempts start.

The engine takes rows and gives one `Outcome` for each, in the order of completion unless `Settings(ordered=True)`:

    settings = Settings(limit=Adaptive(8, 64), options={"retries": ...}, deadline_ms=None, gate=None)
    for outcome in outcomes(runner, CREATE_CHAT_COMPLETION, items, settings): ...
    async for outcome in outcomes_async(runner, CREATE_CHAT_COMPLETION, items, settings): ...

`items` is an iterable (or async iterable) of mappings of parameters, or of `Item(params, idempotency_key, tag)`; it is
read only as fast as rows are sent. `outcome.result` is the reply or an `SDKError`, `outcome.item` what was read. What
the iterable or a hook raises is raised after all that is in flight has been handed out. Both functions give iterators
that are context managers too; leaving them ends what is in flight.

A `Gate` (async only) lets attempts start in place of the map's own `Pacer`, such as one in another process: `acquire()`
before each attempt, `report(Feedback)` after it. `Pacer` itself has no clock: `admit(now)` and `report(feedback, now)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .async_map import MappedAsync
from .gate import Gate, LocalGate
from .job import Item, MapJob, Settings
from .pace import Adaptive, Feedback, Load, Pacer, as_adaptive
from .rows import Outcome
from .sync_map import Mapped

if TYPE_CHECKING:
    from ..._call.operation import Operation
    from ..._call.plan import Finish
    from ..._net.runner import Runner

__all__ = [
    "Adaptive",
    "Feedback",
    "Gate",
    "Item",
    "Load",
    "LocalGate",
    "Mapped",
    "MappedAsync",
    "Outcome",
    "Pacer",
    "Rows",
    "RowsAsync",
    "Settings",
    "as_adaptive",
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


def outcomes(runner: Runner, operation: Operation, items: Any, settings: Settings | None = None) -> Mapped[Any]:
    """Do an operation with every item, in threads; `items` are mappings of parameters, or `Item`."""
    return Mapped(MapJob(runner, operation, items, settings or Settings()), items, _whole)


def outcomes_async(
    runner: Runner, operation: Operation, items: Any, settings: Settings | None = None
) -> MappedAsync[Any]:
    """Do an operation with every item, in tasks; the arguments are those of `outcomes`."""
    return MappedAsync(MapJob(runner, operation, items, settings or Settings()), items, _whole)


def map_rows(runner: Runner, operation: Operation, requests: Any, finish: Finish, **given: Any) -> Mapped[Any]:
    """Do what `map` of a resource does; `finish` is given each reply."""
    return Mapped(MapJob(runner, operation, requests, _settings(**given), finish), requests, _pair)


def map_rows_async(
    runner: Runner, operation: Operation, requests: Any, finish: Finish, **given: Any
) -> MappedAsync[Any]:
    """Do what `map_async` of a resource does; `finish` is given each reply."""
    return MappedAsync(MapJob(runner, operation, requests, _settings(**given), finish), requests, _pair)


def _settings(limit: Any, ordered: bool, window: int, options: Any) -> Settings:
    deadline_ms = options.pop("deadline_ms", None)  # of the whole map, not of each call
    return Settings(limit=limit, ordered=ordered, window=window, deadline_ms=deadline_ms, options=options)


def _pair(outcome: Outcome[Any]) -> Any:
    return outcome.index, outcome.result


def _whole(outcome: Outcome[Any]) -> Any:
    return outcome
