"""Token counts summed over calls, per server and model, and what they cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from ..utils.forks import forkable_lock
from .budget import Budget, checked_budget
from .counts import Counts, counts_of, stated_cost
from .prices import Prices, price_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUsage:
    """What one model of one server has used.

    Attributes:
        server: Id of the server.
        model: As the request named it to that server.
        calls: Replies and streams, finished or not.
        uncounted_calls: Those for which the server sent no token counts.
        prompt_tokens: Tokens sent.
        completion_tokens: Tokens generated.
        total_tokens: Both together, as the server adds them up.
        cached_tokens: Part of `prompt_tokens`.
        cache_write_tokens: Part of `prompt_tokens`.
        reasoning_tokens: Part of `completion_tokens`.
        cost: As the server states it, else by the price table; None where a call has neither.
    """

    server: str
    model: str
    calls: int = 0
    uncounted_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None


_SUMMED = (
    *("calls", "uncounted_calls", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cached_tokens", "cache_write_tokens", "reasoning_tokens"),
)
_IN_TABLE = (
    *("server", "model", "calls", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cost", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "uncounted_calls"),
)

Pending = deque[tuple[str, str, Any, tuple["UsageTotals", ...]]]
"""Server, model, the usage object that came, and the parts of the program that it belongs to."""


class UsageTotals:
    """Sums over the calls so far, always up to date.

    Iterate over it for one `ModelUsage` per server and model. Calls count when their reply has come, streams when they
    finish or are closed; a call that failed counts nothing.
    """

    def __init__(self, meter: Meter, budget: Budget | None = None) -> None:
        self._meter = meter
        self._budget = budget
        self._rows: dict[tuple[str, str], _Sums] = {}
        self.is_open = True

    @property
    def budget(self) -> Budget | None:
        """Bound of these calls, where `track` was given one."""
        return self._budget

    @property
    def by_model(self) -> dict[tuple[str, str], ModelUsage]:
        """The sums by server id and model."""
        return {(row.server, row.model): row for row in self._meter.read(self._rows)}

    @property
    def calls(self) -> int:
        """Replies and streams."""
        return self._sum("calls")

    @property
    def uncounted_calls(self) -> int:
        """Those for which the server sent no token counts."""
        return self._sum("uncounted_calls")

    @property
    def prompt_tokens(self) -> int:
        """Tokens sent."""
        return self._sum("prompt_tokens")

    @property
    def completion_tokens(self) -> int:
        """Tokens generated."""
        return self._sum("completion_tokens")

    @property
    def total_tokens(self) -> int:
        """Both together, as the servers add them up."""
        return self._sum("total_tokens")

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens read from a server's cache."""
        return self._sum("cached_tokens")

    @property
    def cache_write_tokens(self) -> int:
        """Tokens of prompts that were written to a server's cache."""
        return self._sum("cache_write_tokens")

    @property
    def reasoning_tokens(self) -> int:
        """Tokens generated to reason."""
        return self._sum("reasoning_tokens")

    @property
    def cost(self) -> float | None:
        """Cost of the calls; None if a model that was used has no price (see `unpriced`)."""
        costs = [row.cost for row in self]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    @property
    def unpriced(self) -> tuple[tuple[str, str], ...]:
        """Server id and model of everything that was used and has no price."""
        return tuple((row.server, row.model) for row in self if row.cost is None)

    def __iter__(self) -> Iterator[ModelUsage]:
        return iter(self._meter.read(self._rows))

    def __repr__(self) -> str:
        return f"<{self.calls} calls, {self.prompt_tokens} tokens in, {self.completion_tokens} out>"

    def _repr_html_(self) -> str:
        rows = [asdict(row) for row in self]
        # Counts that most servers have none of are shown where there are any.
        columns = [name for name in _IN_TABLE if name in _IN_TABLE[:6] or any(row[name] for row in rows)]
        html: str = import_module("..models._shown", __package__).table(rows, columns)  # for notebooks alone
        return html

    def add(self, server: str, model: str, counts: Counts | None, cost: float | None) -> None:
        """Take the counts of one call; the meter holds its lock."""
        row = self._rows.get((server, model))
        if row is None:
            row = self._rows[server, model] = _Sums()
        row.add(counts, cost)

    def _sum(self, name: str) -> int:
        return sum(getattr(row, name) for row in self)


class _Sums:
    """What the calls of one model at one server add up to."""

    # A list and a loop, not dataclasses: a map of a million rows adds here a million times.
    __slots__ = ("_cost", "_counts", "_has_unpriced")

    def __init__(self) -> None:
        self._counts = [0] * len(_SUMMED)
        self._cost = 0.0
        self._has_unpriced = False

    def add(self, counts: Counts | None, cost: float | None) -> None:
        """Add a call; counts of None are those of a server that sent none."""
        sums = self._counts
        sums[0] += 1
        if counts is None:
            sums[1] += 1
        else:
            sums[2] += counts.prompt
            sums[3] += counts.completion
            sums[4] += counts.total
            sums[5] += counts.cached
            sums[6] += counts.written
            sums[7] += counts.reasoning
        if cost is None:
            self._has_unpriced = True
        else:
            self._cost += cost

    def row(self, server: str, model: str) -> ModelUsage:
        """Return the sums as they are now."""
        cost = None if self._has_unpriced else self._cost
        sums: dict[str, int] = dict(zip(_SUMMED, self._counts, strict=True))
        return ModelUsage(server=server, model=model, cost=cost, **sums)


_tracking: ContextVar[tuple[UsageTotals, ...]] = ContextVar("llmsdk_tracking", default=())


class Meter:
    """Sums what the calls of one SDK leave in a queue.

    The queue is all that a call touches: it needs no lock, so that a stream may be closed by a finalizer, anywhere.
    """

    def __init__(self, pending: Pending, prices: Prices | None) -> None:
        self._pending = pending
        self._prices = prices
        self._lock = forkable_lock()
        self.totals = UsageTotals(self)

    def active(self) -> tuple[UsageTotals, ...]:
        """Find the `track()` blocks that the running code is in."""
        return tuple(totals for totals in _tracking.get() if totals.is_open and totals._meter is self)  # pyright: ignore[reportPrivateUsage] # of this module

    @contextmanager
    def track(self, budget: Budget | None = None) -> Generator[UsageTotals, None, None]:
        """Sum the calls that begin inside the block, in this task and in those it starts."""
        totals = UsageTotals(self, checked_budget(budget))
        _tracking.set((*_tracking.get(), totals))
        try:
            yield totals
        finally:
            totals.is_open = False
            # Not a reset to the token: an async generator may leave the block in another context than it entered in.
            _tracking.set(tuple(other for other in _tracking.get() if other is not totals))

    def settle(self, *, wait: bool) -> None:
        """Sum what is in the queue; without `wait`, leave it to whoever is at it already."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            for _ in range(len(self._pending)):
                server, model, usage, tracked = self._pending.popleft()
                counts = counts_of(usage)
                cost = self._cost(server, model, usage, counts)
                for totals in (self.totals, *tracked):
                    totals.add(server, model, counts, cost)
        finally:
            self._lock.release()

    def read(self, rows: Mapping[tuple[str, str], _Sums]) -> list[ModelUsage]:
        """Return sums as they are now."""
        self.settle(wait=True)
        with self._lock:
            return [sums.row(server, model) for (server, model), sums in rows.items()]

    def cost_of(self, server: str, model: str, usage: Any) -> float | None:
        """Return the cost of one call; None where its server sent no counts, or nobody knows a price."""
        counts = counts_of(usage)
        return None if counts is None and usage is None else self._cost(server, model, usage, counts)

    def _cost(self, server: str, model: str, usage: Any, counts: Counts | None) -> float | None:
        stated = None if usage is None else stated_cost(usage)  # by whoever writes the bill
        if stated is not None:
            return stated
        price = price_of(self._prices, server, model)
        if price is None:
            return None
        known = counts or Counts()
        return price.of(
            known.prompt,
            known.cached,
            known.completion,
            cache_write_tokens=known.written,
            reasoning_tokens=known.reasoning,
        )
