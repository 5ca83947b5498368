"""Tally: the numbers of a run as it goes, in bounded memory, and the report that they end in."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ..._call.usage import Meter, Pending, Prices

End = Literal["complete", "interrupted", "deadline", "stopped"]
_STEP = 1.15  # between the bounds of latency: a percentile is right within 7 %
_LEAST_MS = 1.0
_MOST_SLOTS = 120
_SETTLED_EVERY = 500


class Latencies:
    """Counts of times in milliseconds, in buckets that grow by a factor."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.count, self.total, self.longest = 0, 0.0, 0.0

    def add(self, ms: float) -> None:
        """Count one."""
        self.counts[max(0, math.ceil(math.log(max(ms, _LEAST_MS) / _LEAST_MS, _STEP)))] += 1
        self.count += 1
        self.total += ms
        self.longest = max(self.longest, ms)

    def percentile(self, percent: float) -> float:
        """Give the time that so many percent were not longer than."""
        left = self.count * percent / 100
        for bucket in sorted(self.counts):
            left -= self.counts[bucket]
            if left <= 0:
                return min(self.longest, _bound(bucket))
        return self.longest

    def histogram(self) -> list[tuple[float, int]]:
        """Give upper bounds and counts, without gaps."""
        if not self.counts:
            return []
        return [(_bound(bucket), self.counts[bucket]) for bucket in range(min(self.counts), max(self.counts) + 1)]


def _bound(bucket: int) -> float:
    return float(round(_LEAST_MS * _STEP**bucket, 1))


class Timeline:
    """Counts of rows over time, in slots that double their width when there are too many."""

    def __init__(self) -> None:
        self.slot_s = 0.25
        self.done: list[int] = []
        self.failed: list[int] = []

    def add(self, at_s: float, *, is_failure: bool) -> None:
        """Count one."""
        while at_s / self.slot_s >= _MOST_SLOTS:
            self.slot_s *= 2
            self.done, self.failed = _paired(self.done), _paired(self.failed)
        slot = int(at_s / self.slot_s)
        missing = slot + 1 - len(self.done)
        self.done += [0] * missing
        self.failed += [0] * missing
        (self.failed if is_failure else self.done)[slot] += 1


def _paired(counts: list[int]) -> list[int]:
    return [sum(counts[start : start + 2]) for start in range(0, len(counts), 2)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What came of a run.

    Attributes:
        end: `complete`; `interrupted` by Ctrl-C or cancellation; past its `deadline`; or `stopped` by a file that
            could not be written.
        output, errors: The files; `errors` is None where no row failed.
        rows: Rows of the input, broken ones and repetitions counted.
        done_before: Rows that earlier runs had done.
        succeeded, failed: Rows of this run; `failed` counts the `broken` lines, for which nothing was sent.
        left: Rows that were not done; run again for them.
        requests: Attempts of this run, repetitions counted.
        rows_per_s: Rows that this run did, over its time.
        cost: By the SDK's price table; None where it has none, or lacks a model.
        errors_by_class: Failures by the name of their class.
        latency_ms: `mean`, `p50`, `p90`, `p99` and `max` of the rows that succeeded, waits and repetitions counted.
        histogram: Upper bound in milliseconds, and rows up to it.
        timeline: `slot_s`, and how many rows of each slot are `done` and `failed`.
    """

    end: End
    operation: str
    server: str
    input: str
    output: str
    errors: str | None
    started_at: str
    elapsed_s: float
    rows: int
    done_before: int
    succeeded: int
    failed: int
    broken: int
    left: int
    requests: int
    rows_per_s: float
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float | None
    errors_by_class: Mapping[str, int] = field(default_factory=dict[str, int])
    latency_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    histogram: tuple[tuple[float, int], ...] = ()
    timeline: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_complete(self) -> bool:
        """Whether every row of the input is in the output."""
        return self.end == "complete" and not self.failed and not self.left

    def as_json(self) -> str:
        """Write the report as JSON."""
        return json.dumps({**asdict(self), "is_complete": self.is_complete}, indent=1)

    def as_html(self) -> str:
        """Write the report as one page with plots, which loads nothing."""
        from .page import page

        return page(self)

    def __str__(self) -> str:
        parts = [
            f"{self.done_before + self.succeeded:,} of {self.rows:,} rows done"
            + (f" ({self.done_before:,} before)" if self.done_before else ""),
            f"{self.failed:,} failed",
            *([f"{self.left:,} left"] if self.left else []),
            f"{self.rows_per_s:,.1f} rows/s",
            f"{self.total_tokens:,} tokens",
            *([] if self.cost is None else [f"cost {self.cost:,.4f}"]),
            f"{self.elapsed_s:,.1f} s",
        ]
        return ", ".join(parts)


class Tally:
    """Counts what comes of rows; read by other threads while it does."""

    def __init__(self, prices: Prices | None) -> None:
        self._usages: Pending = deque()
        self._meter = Meter(self._usages, prices)
        self._is_priced = bool(prices)
        self._began = time.monotonic()
        self.started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self.rows = self.done_before = self.succeeded = self.failed = self.broken = self.requests = 0
        self.errors: Counter[str] = Counter()
        self.latencies = Latencies()
        self.timeline = Timeline()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def left(self) -> int:
        """Rows that nothing has come of yet."""
        return max(0, self.rows - self.done_before - self.succeeded - self.failed)

    @property
    def rows_per_s(self) -> float:
        """Rows of this run, over its time."""
        return (self.succeeded + self.failed - self.broken) / max(self.elapsed_s, 1e-9)

    @property
    def total_tokens(self) -> int:
        """Tokens of the rows that succeeded."""
        return self._meter.totals.total_tokens

    @property
    def cost(self) -> float | None:
        """Their cost; None where it is not known."""
        return self._meter.totals.cost if self._is_priced else None

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at the pace of the last slots; None where nothing tells."""
        recent = [sum(pair) for pair in zip(self.timeline.done, self.timeline.failed, strict=False)][-40:]
        span = min(self.elapsed_s, len(recent) * self.timeline.slot_s)
        pace = sum(recent) / span if span > 0 else 0.0
        return self.left / pace if pace > 0 else None

    def success(self, reply: Any, model: str, elapsed_ms: float, attempts: int) -> None:
        """Count a row that is done."""
        self.succeeded += 1
        self.requests += attempts
        self.latencies.add(elapsed_ms)
        self.timeline.add(self.elapsed_s, is_failure=False)
        self._usages.append((reply.meta.server, model, getattr(reply, "usage", None), ()))
        if len(self._usages) >= _SETTLED_EVERY:
            self._meter.settle(wait=True)

    def failure(self, error: BaseException, attempts: int) -> None:
        """Count a row that failed."""
        self.failed += 1
        self.requests += attempts
        self.errors[type(error).__name__] += 1
        self.timeline.add(self.elapsed_s, is_failure=True)

    def unfit(self) -> None:
        """Count a line that is no request."""
        self.failed += 1
        self.broken += 1
        self.errors["RequestValidationError"] += 1

    def report(self, *, end: End, operation: str, server: str, input: str, output: str, errors: str) -> BatchReport:
        """Sum up."""
        totals, latencies = self._meter.totals, self.latencies
        spread = {f"p{percent}": round(latencies.percentile(percent), 1) for percent in (50, 90, 99)}
        return BatchReport(
            end=end,
            operation=operation,
            server=server,
            input=input,
            output=output,
            errors=errors if self.failed else None,
            started_at=self.started_at,
            elapsed_s=round(self.elapsed_s, 3),
            rows=self.rows,
            done_before=self.done_before,
            succeeded=self.succeeded,
            failed=self.failed,
            broken=self.broken,
            left=self.left,
            requests=self.requests,
            rows_per_s=round(self.rows_per_s, 2),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            total_tokens=totals.total_tokens,
            cost=self.cost,
            errors_by_class=dict(self.errors.most_common()),
            latency_ms={
                "mean": round(latencies.total / latencies.count, 1),
                **spread,
                "max": round(latencies.longest, 1),
            }
            if latencies.count
            else {},
            histogram=tuple(latencies.histogram()),
            timeline={
                "slot_s": self.timeline.slot_s,
                "done": list(self.timeline.done),
                "failed": list(self.timeline.failed),
            },
        )
