"""Counts: what a run has done so far, in bounded memory; other threads read them while it goes on."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from ..._call.prices import Prices
from ..._call.usage import Meter, Pending
from ...resources.rows.rows import BatchRow, InvalidRow
from ..map import Load
from .figures import LATENCY_STEP, FailedRows, slot_widths
from .report import BatchReport

_LEAST_MS = 1.0
_MOST_SLOTS = 120  # of a timeline; a slot of the plot is then at least 5 pixels wide on a laptop
_RECENT_SLOTS = 40  # that the time to the end is estimated by
_SETTLED_EVERY = 500  # rows whose token counts wait to be summed
_MOST_MODELS = 100  # that are counted by name
_LONGEST_MESSAGE = 300
_MOST_GROUPS = 100  # of failures told apart by their parameter; the rest is told apart by class and status
_AS_COUNTED = (
    *("rows", "done_before", "succeeded", "failed", "broken", "left", "requests"),
    *("total_tokens", "cost", "failures"),
)
"""Fields of the report that stand here under the same name."""


class Latencies:
    """Counts of times in milliseconds, in buckets that grow by a factor."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._count, self._total, self._longest = 0, 0.0, 0.0

    def add(self, ms: float) -> None:
        """Count one."""
        self._counts[max(0, math.ceil(math.log(max(ms, _LEAST_MS) / _LEAST_MS, LATENCY_STEP)))] += 1
        self._count += 1
        self._total += ms
        self._longest = max(self._longest, ms)

    def percentile(self, percent: float) -> float:
        """Return the time that so many percent were not longer than."""
        left = self._count * percent / 100
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(self._longest, _bound(bucket))
        return self._longest

    def summary(self) -> dict[str, float]:
        """Return mean, percentiles and the longest; nothing where nothing was counted."""
        if not self._count:
            return {}
        spread = {f"p{percent}": round(self.percentile(percent), 1) for percent in (50, 90, 99)}
        return {"mean": round(self._total / self._count, 1), **spread, "max": round(self._longest, 1)}

    def histogram(self) -> tuple[tuple[float, int], ...]:
        """Return upper bounds and counts, without gaps."""
        if not self._counts:
            return ()
        buckets = range(min(self._counts), max(self._counts) + 1)
        return tuple((_bound(bucket), self._counts[bucket]) for bucket in buckets)


def _bound(bucket: int) -> float:
    return float(round(_LEAST_MS * LATENCY_STEP**bucket, 1))


class Timeline:
    """Sums over time, in slots that double their width when there are too many."""

    def __init__(self, *names: str) -> None:
        self.slot_s = 0.25
        self.sums: dict[str, list[float]] = {name: [] for name in names}

    def add(self, name: str, at_s: float, amount: float = 1) -> None:
        """Count something at a moment."""
        while at_s / self.slot_s >= _MOST_SLOTS:
            self.slot_s *= 2
            self.sums = {
                one: [sum(sums[at : at + 2]) for at in range(0, len(sums), 2)] for one, sums in self.sums.items()
            }
        slot = int(at_s / self.slot_s)
        for sums in self.sums.values():
            sums.extend([0] * (slot + 1 - len(sums)))
        self.sums[name][slot] += amount

    def spread(self, name: str, from_s: float, to_s: float) -> None:
        """Add seconds to every slot that a span of time reaches into."""
        self.add(name, to_s, 0)  # makes the slots
        for slot in range(int(from_s / self.slot_s), int(to_s / self.slot_s) + 1):
            begin, end = slot * self.slot_s, (slot + 1) * self.slot_s
            self.sums[name][slot] += max(0.0, min(end, to_s) - max(begin, from_s))


class RunCounts:
    """Counts what becomes of rows."""

    def __init__(self, prices: Prices | None) -> None:
        self._usages: Pending = deque()
        self._meter = Meter(self._usages, prices)
        self._is_priced = bool(prices)
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._models: Counter[str] = Counter()
        self._failures: dict[tuple[str, int | None, str | None], FailedRows] = {}
        self._latencies = Latencies()
        self.load: Callable[[], Load] | None = None  # of the map that sends the rows
        self._bad_attempts: Counter[str] = Counter()  # by status
        self._bad_ends: Counter[str] = Counter()  # those of them that were the last of their rows
        self._lock = threading.Lock()  # attempts end in threads of the map, rows where outcomes are taken
        self.rows = self.done_before = self.succeeded = self.failed = self.broken = self.requests = 0
        self.timeline = Timeline("rows_done", "rows_failed", "replies_429", "request_s")

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @property
    def finished(self) -> int:
        """Rows that are done or have failed, earlier runs included."""
        return self.done_before + self.succeeded + self.failed

    @property
    def left(self) -> int:
        """Rows that have no outcome yet."""
        return max(0, self.rows - self.finished)

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
        totals = self._meter.totals
        return totals.cost if self._is_priced or totals.calls else None  # a server may state it, without any prices

    @property
    def failures(self) -> tuple[FailedRows, ...]:
        """Rows that failed, by class, status and parameter, the most frequent first."""
        groups = [replace(group) for group in self._failures.copy().values()]  # a run counts on in another thread
        return tuple(sorted(groups, key=lambda group: -group.rows))

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at the pace of the last slots; None where nothing says how long it takes."""
        sums = self.timeline.sums
        recent = [sum(pair) for pair in zip(sums["rows_done"], sums["rows_failed"], strict=False)][-_RECENT_SLOTS:]
        span = min(self.elapsed_s, len(recent) * self.timeline.slot_s)
        pace = sum(recent) / span if span > 0 else 0.0
        return self.left / pace if pace > 0 else None

    def attempt(self, status: int | None, elapsed_s: float) -> None:
        """Count a request that is over; a status of None where no reply came."""
        now = self.elapsed_s
        with self._lock:
            self.timeline.spread("request_s", max(0.0, now - elapsed_s), now)
            if status == 429:
                self.timeline.add("replies_429", now)
            if status is None or status >= 400:
                self._bad_attempts[_label(status)] += 1

    def success(self, reply: Any, model: str, elapsed_ms: float, attempts: int) -> None:
        """Count a row that is done."""
        with self._lock:
            self.succeeded += 1
            self._latencies.add(elapsed_ms)
            self._count_row("rows_done", model, attempts)
        # Summed many at a time: to sum each row would take longer than all the rest of its counting.
        self._usages.append((reply.meta.server, model, getattr(reply, "usage", None), ()))
        if len(self._usages) >= _SETTLED_EVERY:
            self._meter.settle(wait=True)

    def failure(self, error: BaseException, row: BatchRow, model: str, attempts: int) -> None:
        """Count a row that failed."""
        status = getattr(error, "status_code", None)
        message = str(getattr(error, "message", None) or error)
        with self._lock:
            self.failed += 1
            self._count_row("rows_failed", model, attempts)
            self._bad_ends[_label(status)] += attempts > 0
            self._count_failure(type(error).__name__, status, getattr(error, "param", None), message, row)

    def invalid(self, row: InvalidRow) -> None:
        """Count a line that is no request."""
        with self._lock:
            self.failed += 1
            self.broken += 1
            self._count_failure("RequestValidationError", None, None, row.problem, row)

    def report(self, *, limit: Any, errors: str, **about: Any) -> BatchReport:
        """Sum up.

        Args:
            about: What was run, by the names of the report's fields.
        """
        totals = self._meter.totals
        return BatchReport(
            **about,
            models=tuple(model for model, _ in self._models.most_common()),
            limit=asdict(limit),
            errors=errors if self.failed else None,
            started_at=self._started_at,
            elapsed_s=round(self.elapsed_s, 3),
            **{name: getattr(self, name) for name in _AS_COUNTED},
            retries_by_status=self._retries(),
            rows_per_s=round(self.rows_per_s, 2),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            latency_ms=self._latencies.summary(),
            latency_histogram=self._latencies.histogram(),
            timeline=self._timeline(),
        )

    def _retries(self) -> dict[str, int]:
        """Count the attempts after which a row was tried again: all that failed but the last ones of rows that did."""
        counts = {label: count - self._bad_ends[label] for label, count in self._bad_attempts.most_common()}
        return {label: count for label, count in counts.items() if count > 0}

    def _timeline(self) -> dict[str, Any]:
        sums = {name: sums[:] for name, sums in self.timeline.sums.items()}
        # Seconds of requests per second are the mean of those in flight.
        seconds = sums.pop("request_s")
        widths = slot_widths(self.timeline.slot_s, len(seconds), self.elapsed_s)
        in_flight = [round(sum_s / width, 2) for sum_s, width in zip(seconds, widths, strict=True)]
        return {"slot_s": self.timeline.slot_s, **sums, "requests_in_flight": in_flight}

    def _count_row(self, end: str, model: str, attempts: int) -> None:
        self.requests += attempts
        self.timeline.add(end, self.elapsed_s)
        # A file may name a model of its own in each row, and the counts are to stay small.
        if model and (model in self._models or len(self._models) < _MOST_MODELS):
            self._models[model] += 1

    def _count_failure(
        self, kind: str, status: int | None, param: Any, message: str, row: BatchRow | InvalidRow
    ) -> None:
        # Rows that lack a model and rows with a temperature of text are mended in different places.
        about = param if isinstance(param, str) and len(self._failures) < _MOST_GROUPS else None
        group = self._failures.get((kind, status, about))
        if group is None:
            group = self._failures[kind, status, about] = FailedRows(
                error_class=kind, status=status, message=message[:_LONGEST_MESSAGE], key=row.key, line=row.line
            )
        group.rows += 1


def _label(status: int | None) -> str:
    return "no reply" if status is None else str(status)
