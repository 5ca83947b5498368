"""Calls over Ray datasets: workers for `map_batches`, and a limiter that they share.

What a worker does with a row is in `llmsdk.frames`; this is what belongs to Ray: actors and Arrow tables. It may import
`frames` and what lies below; nothing imports it. Start reading at `map_rows`, then `Worker` and `Limiter`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict
from importlib import import_module
from typing import Any

from ..errors import ConfigurationError
from ..frames.columns import kept_rows
from ..frames.gate import LimiterError
from ..frames.leases import Grant, LeaseRequest, Leases
from ..frames.plan import Plan, checked_plan
from ..frames.requests import check_columns
from ..frames.session import Session
from ..frames.travel import EnvKey
from ..many.map.pace import Adaptive, Pacer
from ..resources.rows.cells import plain
from ..utils.shapes import is_mapping

__all__ = ["Adaptive", "EnvKey", "Limiter", "LimiterError", "Plan", "Worker", "map_rows"]

_NAMESPACE = "llmsdk"
_ANSWER_S = 10.0  # a limiter that is silent for so long is lost
_PATIENCE_S = 60.0  # while Ray restarts it


def map_rows(
    dataset: Any, plan: Plan, *, workers: int = 4, batch_size: int = 64, num_cpus: float = 0.1, **options: Any
) -> Any:
    """Send a request for each row of a dataset, by several workers.

    It does what `dataset.map_batches(Worker, fn_constructor_args=(plan,), batch_format="pyarrow", ...)` does.

    Args:
        workers: Actors, each with its own SDK.
        batch_size: Rows of a batch; a worker has four batches in hand.
        num_cpus: What Ray sets aside for each worker, which waits most of the time.
        options: More options of `map_batches`.

    Returns:
        A dataset, lazy as all of Ray's: its columns, and those of `plan.columns`.
    """
    data = _module("ray.data")
    return dataset.map_batches(
        Worker,
        fn_constructor_args=(plan,),
        batch_size=batch_size,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=num_cpus,
        **options,
    )


class Worker:
    """What `map_batches` calls: one SDK per actor, its rows sent concurrently, errors in columns.

    Batches are Arrow tables; `batch_format="numpy"` and `"pandas"` work too.

    Raises:
        ConfigurationError: No key in the actor's environment, or no limiter of that name.
    """

    def __init__(self, plan: Plan) -> None:
        limiter = checked_plan(plan).limiter
        ask = None if limiter is None else _LimiterClient(limiter)
        self._session = Session(plan, ask, uuid.uuid4().hex)

    async def __call__(self, batch: Any) -> AsyncIterator[Any]:
        """Process a batch."""
        plan = self._session.plan
        table = _table(batch)
        check_columns(plan, table.column_names)
        found = await asyncio.wrap_future(self._session.begin([plain(row) for row in table.to_pylist()]))
        yield _joined(table, plan, found)


class Limiter:
    """One pace for all workers of an account: an actor of Ray, known by its name in the whole cluster.

    Make it before the workers and name it in their `Plan`. It goes with the driver that made it unless it is detached;
    Ray restarts it where its process or machine dies, and workers wait for that.

    Args:
        limit: Requests in flight and their rate, of all workers together.
        detached: Whether it stays until `stop`, for several jobs to share.

    Raises:
        ConfigurationError: There is one of that name; or Ray is not installed.
    """

    def __init__(self, limit: Adaptive | None = None, *, name: str = "llmsdk", detached: bool = False) -> None:
        ray = _module("ray")
        self.name = name
        kind = ray.remote(num_cpus=0, max_restarts=-1, name=name, namespace=_NAMESPACE)(_LimiterActor)
        try:
            made = kind.options(lifetime="detached") if detached else kind
            self._actor = made.remote(limit or Adaptive(max=256))
        except ValueError:
            raise ConfigurationError(
                f"name: there is a limiter {name!r} already; name it in the plan, or end it with Limiter.find({name!r})"
                ".stop()"
            ) from None
        ray.get(self._actor.counts.remote(), timeout=_PATIENCE_S)  # before any worker looks for it

    @classmethod
    def find(cls, name: str = "llmsdk") -> Limiter:
        """Find a limiter by its name.

        Raises:
            ConfigurationError: There is none.
        """
        found = cls.__new__(cls)
        found.name = name
        found._actor = _actor(name)
        return found

    def counts(self) -> dict[str, int]:
        """Tell how it stands: workers, attempts in flight, round trips, attempts granted, taken back and refused."""
        counts: dict[str, int] = _module("ray").get(self._actor.counts.remote(), timeout=_ANSWER_S)
        return counts

    def stop(self) -> None:
        """End it; workers that still need it put a `LimiterError` into their rows."""
        _module("ray").kill(self._actor)

    def __enter__(self) -> Limiter:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _LimiterActor:
    """What runs in the actor."""

    def __init__(self, limit: Adaptive) -> None:
        self._leases = Leases(Pacer(limit))

    def ask(self, asked: LeaseRequest) -> Grant:
        return self._leases.ask(asked, time.monotonic())

    def counts(self) -> dict[str, int]:
        return asdict(self._leases.counts)


class _LimiterClient:
    """A worker's way to the limiter."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._actor = _actor(name)
        self._errors = _module("ray.exceptions")

    async def __call__(self, asked: LeaseRequest) -> Grant:
        # Ray restarts an actor whose node died, which takes seconds; rows wait for that.
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    grant: Grant = await self._actor.ask.remote(asked)
                return grant
            except (self._errors.ActorUnavailableError, TimeoutError) as exc:  # it may be on its way back
                problem = f"does not answer ({type(exc).__name__})"
            except self._errors.RayError as exc:
                raise LimiterError(
                    f"the limiter {self._name!r} is gone ({type(exc).__name__}); start it again"
                ) from exc
            if time.monotonic() > until:
                raise LimiterError(f"the limiter {self._name!r} {problem}; start it again")
            await asyncio.sleep(0.2)


def _actor(name: str) -> Any:
    ray = _module("ray")
    try:
        return ray.get_actor(name, namespace=_NAMESPACE)
    except ValueError:
        raise ConfigurationError(
            f"limiter: no limiter is named {name!r}; make it first: llmsdk.ray.Limiter(name={name!r})"
        ) from None


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigurationError("llmsdk.ray: needs Ray; install it with: pip install 'llmsdk[ray]'") from None


def _table(batch: Any) -> Any:
    arrow: Any = import_module("pyarrow")
    if isinstance(batch, arrow.Table):
        return batch
    if is_mapping(batch):
        return arrow.table({name: _array(arrow, values) for name, values in batch.items()})
    return arrow.Table.from_pandas(batch, preserve_index=False)


def _array(arrow: Any, values: Any) -> Any:
    return arrow.array(values if getattr(values, "ndim", 1) == 1 else list(values))


def _joined(table: Any, plan: Plan, found: list[dict[str, Any] | None]) -> Any:
    """Put the columns beside the rows that they are about; rows without any are left out."""
    arrow: Any = import_module("pyarrow")
    types = {str: arrow.string(), int: arrow.int64(), float: arrow.float64()}
    kept, columns = kept_rows(found)
    rows = table.drop_columns([name for name in plan.columns.values() if name in table.column_names])
    rows = rows if len(kept) == len(found) else rows.take(arrow.array(kept, arrow.int64()))
    for name, (kind, cells) in columns.items():
        # Types are given, not guessed: where every row failed, columns would be of nulls, which Ray cannot join to
        # those of other batches.
        rows = rows.append_column(plan.columns[name], arrow.array(cells, types[kind]))
    return rows
