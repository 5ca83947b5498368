"""The report of a run: its figures in a line, as JSON and as a page."""

from __future__ import annotations

import json
from dataclasses import asdict

from ...resources.rows.problems import os_error
from ...utils.files import write_atomically
from .figures import RunFigures
from .page import page


class BatchReport(RunFigures):
    """The outcome of a run: its figures, in a line (`str`), as JSON and as a page."""

    __slots__ = ()

    def as_json(self) -> str:
        """Write the report as JSON."""
        histogram = [{"up_to_ms": bound, "rows": rows} for bound, rows in self.latency_histogram]
        derived = {"errors_by_class": self.errors_by_class, "is_complete": self.is_complete}
        return json.dumps({**asdict(self), "latency_histogram": histogram, **derived}, indent=1)

    def as_html(self) -> str:
        """Write the report as one page with plots, which loads nothing."""
        return page(self)

    def write(self, base: str, like: str) -> None:
        """Write `base.json` and `base.html`, as private as the file `like`: they quote messages and name files."""
        try:
            write_atomically(f"{base}.json", self.as_json().encode(), like)
            write_atomically(f"{base}.html", self.as_html().encode("utf-8", "replace"), like)
        except OSError as exc:
            raise os_error(base, "written", exc) from exc

    def __str__(self) -> str:
        before = f" ({self.done_before:,} before)" if self.done_before else ""
        parts = [
            f"{self.done_before + self.succeeded:,} of {self.rows:,} rows done{before}",
            f"{self.failed:,} failed",
            *([f"{self.left:,} left"] if self.left else []),
            f"{self.rows_per_s:,.1f} rows/s",
            f"{self.total_tokens:,} tokens",
            *([] if self.cost is None else [f"cost {self.cost:,.4f}"]),
            f"{self.elapsed_s:,.1f} s",
        ]
        return ", ".join(parts)
