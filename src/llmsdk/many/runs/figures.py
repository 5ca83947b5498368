"""The figures of a run: what its report holds, as values without any behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

LATENCY_STEP = 1.15
"""Between the bounds of a histogram: with buckets that grow by it, a percentile is right within 7 %."""

End = Literal["complete", "interrupted", "deadline", "stopped"]


@dataclass(slots=True, kw_only=True)
class FailedRows:
    """Rows that failed alike.

    Attributes:
        error_class, status: What they failed with; `status` is None where no reply came.
        message: Message of the first of them.
        key, line: The first of them, to look at: its key in the file of failures, its line in the input.
    """

    error_class: str
    status: int | None
    rows: int = 0
    message: str
    key: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """The outcome of a run.

    Attributes:
        end: `complete`; `interrupted` by Ctrl-C or cancellation; past its `deadline`; or `stopped` by a file that
            could not be written.
        url: Base URL of the server.
        models: Models that rows were sent to, the most frequent first.
        limit: `start`, `max` and `requests_per_second`, as in `Adaptive`.
        output, errors: The files; `errors` is None where no row failed.
        rows: Rows of the input, broken ones and repetitions counted.
        done_before: Rows that earlier runs had done.
        succeeded, failed: Rows of this run; `failed` counts the `broken` lines, for which nothing was sent.
        left: Rows that were not done; run again for them.
        requests: Attempts of this run, repetitions counted.
        retries_by_status: Attempts after which a row was tried again, by status; `no reply` where none came.
        rows_per_s: Rows that this run did, over its time.
        cost: By the SDK's price table; None where it has none, or lacks a model.
        failures: Rows that failed, by class, status and parameter, the most frequent first.
        latency_ms: `mean`, `p50`, `p90`, `p99` and `max` of the rows that succeeded, waits and repetitions counted.
        latency_histogram: Upper bound in milliseconds, and rows up to it that are above the bound before.
        timeline: `slot_s`, and per slot `rows_done`, `rows_failed`, `replies_429` and the mean of `requests_in_flight`.
    """

    end: End
    operation: str
    server: str
    url: str
    models: tuple[str, ...]
    limit: Mapping[str, Any]
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
    retries_by_status: Mapping[str, int]
    rows_per_s: float
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cost: float | None
    failures: tuple[FailedRows, ...] = ()
    latency_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    latency_histogram: tuple[tuple[float, int], ...] = ()
    timeline: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_complete(self) -> bool:
        """Whether every row of the input is in the output."""
        return self.end == "complete" and not self.failed and not self.left

    @property
    def errors_by_class(self) -> dict[str, int]:
        """Failures by the name of their class, the most frequent first."""
        counts: dict[str, int] = {}
        for group in self.failures:
            counts[group.error_class] = counts.get(group.error_class, 0) + group.rows
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


def slot_widths(slot_s: float, slots: int, elapsed_s: float) -> list[float]:
    """Give the seconds of each slot of a timeline: the last one is not over, and its sums are those of a part of it."""
    return [*[slot_s] * (slots - 1), max(slot_s / 4, min(slot_s, elapsed_s - slot_s * (slots - 1)))][:slots]


def short(value: float) -> str:
    """Write a number in at most five characters."""
    for least, size, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / size:,.3g}{letter}" if value < 1000 * size else f"{value / size:,.0f}{letter}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
