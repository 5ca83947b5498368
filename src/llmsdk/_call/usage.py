"""Token counts summed over calls, per server and model, and what they cost by the user's own price table."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any, cast

from ..errors import ConfigurationError
from ..utils.forks import forkable_lock
from ..utils.shapes import described, is_mapping, is_object, quoted

_DEAREST = 1e15  # sums of it are still far from the end of a float


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a model costs per million tokens, in a currency of your choice.

    Attributes:
        input_per_million: Price of prompt tokens.
        output_per_million: Price of generated tokens, reasoning included.
        cached_input_per_million: Price of prompt tokens read from the server's cache; defaults to `input_per_million`.
    """

    input_per_million: float
    output_per_million: float = 0.0
    cached_input_per_million: float | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is None and item.name == "cached_input_per_million":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _DEAREST:
                raise ConfigurationError(f"{item.name}: must be a finite number of at least 0, got {described(value)}")

    def of(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """Give the cost of so many tokens; the cached ones are part of the prompt's."""
        cached = min(cached_tokens, prompt_tokens)
        cached_price = (
            self.input_per_million if self.cached_input_per_million is None else self.cached_input_per_million
        )
        dear = (prompt_tokens - cached) * self.input_per_million + completion_tokens * self.output_per_million
        return (dear + cached * cached_price) / 1_000_000


# Three forms, since the keys of a Mapping are invariant: a `dict[str, Price]` of the caller's is one, too.
Prices = Mapping[str | tuple[str, str], Price] | Mapping[str, Price] | Mapping[tuple[str, str], Price]
"""Prices by model as the call names it, or by server id and model where one name costs differently."""


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
        reasoning_tokens: Part of `completion_tokens`.
        cost: By the price table; None where the model is not in it.
    """

    server: str
    model: str
    calls: int = 0
    uncounted_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None


_SUMMED = (
    "calls",
    "uncounted_calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
)
Counts = tuple[int, ...]
"""In the order of `_SUMMED`."""

Pending = deque[tuple[str, str, Any, tuple["UsageTotals", ...]]]
"""Server, model, the usage object that came, and the parts of the program that it belongs to."""


class UsageTotals:
    """Sums over the calls so far, always up to date.

    Iterate over it for one `ModelUsage` per server and model. Calls count when their reply has come, streams when they
    finish or are closed; a call that failed counts nothing.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._rows: dict[tuple[str, str], list[int]] = {}
        self.is_open = True

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
    def reasoning_tokens(self) -> int:
        """Tokens generated to reason."""
        return self._sum("reasoning_tokens")

    @property
    def cost(self) -> float | None:
        """Cost of the tokens; None if a model that was used has no price (see `unpriced`)."""
        costs = [row.cost for row in self]
        return None if None in costs else math.fsum(cost for cost in costs if cost is not None)

    @property
    def unpriced(self) -> tuple[tuple[str, str], ...]:
        """Server id and model of everything that was used and has no price."""
        return tuple((row.server, row.model) for row in self if row.cost is None)

    def __iter__(self) -> Iterator[ModelUsage]:
        return iter(self._meter.read(self._rows))

    def __repr__(self) -> str:
        return f"<{self.calls} calls, {self.prompt_tokens} tokens in, {self.completion_tokens} out>"

    # Lists and not dataclasses: a map of a million rows adds here a million times.
    def add(self, server: str, model: str, counts: Counts) -> None:
        """Take the counts of one call; the meter holds its lock."""
        row = self._rows.get((server, model))
        if row is None:
            row = self._rows[server, model] = [0] * len(_SUMMED)
        for index, count in enumerate(counts):
            if count:
                row[index] += count

    def _sum(self, name: str) -> int:
        return sum(getattr(row, name) for row in self)


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
    def track(self) -> Generator[UsageTotals, None, None]:
        """Sum the calls that begin inside the block, in this task and in those it starts."""
        totals = UsageTotals(self)
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
                counts = _counts(usage)
                for totals in (self.totals, *tracked):
                    totals.add(server, model, counts)
        finally:
            self._lock.release()

    def read(self, rows: Mapping[tuple[str, str], list[int]]) -> list[ModelUsage]:
        """Give sums as they are now."""
        self.settle(wait=True)
        with self._lock:
            found = [(key, tuple(sums)) for key, sums in rows.items()]
        return [self._row(server, model, dict(zip(_SUMMED, counts, strict=True))) for (server, model), counts in found]

    def _row(self, server: str, model: str, sums: dict[str, int]) -> ModelUsage:
        prices = cast("Mapping[Any, Price]", self._prices or {})
        price = prices.get((server, model)) or prices.get(model)
        tokens = (sums["prompt_tokens"], sums["cached_tokens"], sums["completion_tokens"])
        return ModelUsage(server=server, model=model, cost=None if price is None else price.of(*tokens), **sums)


# The names that servers have for a count, in the usage itself and in the details beside it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "completion_tokens": ("completion_tokens", "output_tokens"),
    "total_tokens": ("total_tokens",),
    "cached_tokens": ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_prompt_tokens"),
    "reasoning_tokens": ("reasoning_tokens",),
}
_DETAILS: Mapping[str, tuple[str, ...]] = {
    "cached_tokens": ("prompt_tokens_details", "prompt_token_details", "input_tokens_details"),
    "reasoning_tokens": ("completion_tokens_details", "completion_token_details", "output_tokens_details"),
}


def token_counts(usage: Any) -> dict[str, int]:
    """Read the counts that a server states, under whichever names; of a count with several, the first above 0."""
    fields = _fields(usage)
    found: dict[str, int] = {}
    for name, names in _NAMES.items():
        holders = [fields, *(_fields(fields[holder]) for holder in _DETAILS.get(name, ()) if fields.get(holder))]
        stated = [count for holder in holders for count in _numbers(holder, names)]
        if stated:
            found[name] = next(filter(None, stated), 0)
    return found


def _counts(usage: Any) -> Counts:
    """Make the row of one reply for the sums."""
    stated = token_counts(usage)
    prompt, completion, total, cached, reasoning = (stated.get(name, 0) for name in _NAMES)
    if not stated.keys() & {"prompt_tokens", "completion_tokens", "total_tokens"}:
        return (1, 1, 0, 0, 0, 0, 0)
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning  # xAI counts reasoning beside the completion; everybody else as a part of it
    return (1, 0, prompt, completion, total if "total_tokens" in stated else prompt + completion, cached, reasoning)


def _fields(holder: Any) -> Mapping[str, Any]:
    """Give what an object holds; asking a model for names that it lacks would cost more than all the rest."""
    if is_object(holder):
        return holder
    extra: Any = getattr(holder, "__pydantic_extra__", None)
    own: dict[str, Any] = getattr(holder, "__dict__", {})
    return {**own, **extra} if extra else own


def _numbers(fields: Mapping[str, Any], names: Iterable[str]) -> list[int]:
    """Find the fields that hold a count: a field of a reply may hold anything."""
    values = (fields.get(name) for name in names)
    return [value for value in values if type(value) is int and value >= 0]


def checked_prices(value: Any) -> Prices | None:
    """Check a price table.

    Raises:
        ConfigurationError: It is not a mapping of models to prices.
    """
    if value is None:
        return None
    if not is_mapping(value):
        raise ConfigurationError(f"prices: must be a mapping of models to Price, got {type(value).__name__}")
    for name, price in value.items():
        if not isinstance(price, Price):
            raise ConfigurationError(f"prices: the price of {quoted(name)} must be a Price, got {type(price).__name__}")
    return cast("Prices", value)
