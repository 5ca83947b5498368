"""Progress: plain lines, the live display, and the numbers below both."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llmsdk import Adaptive
from llmsdk.errors import APITimeoutError, RateLimitError
from llmsdk.local import LocalServer
from llmsdk.many.runs.counts import Latencies, RunCounts, Timeline
from llmsdk.many.runs.page import _seconds, _short, page
from llmsdk.many.runs.progress import line, showing
from llmsdk.resources.rows.rows import BatchRow

from .conftest import Folder, chat_row

ROW = BatchRow("a", "a", {}, 1)
SRC = Path(__file__).resolve().parents[3] / "src"


def counts_of(rows: int) -> RunCounts:
    counts = RunCounts(None)
    counts.rows = rows
    return counts


def test_a_line_says_rows_pace_errors_and_what_is_left() -> None:
    counts = counts_of(10)
    counts.done_before = 4
    counts.failure(RateLimitError("m", status_code=429), ROW, "m", 3)
    counts.failure(APITimeoutError("m"), ROW, "m", 1)
    told = line(counts)
    assert told.startswith("6/10 rows (60 %), ")
    assert "failed 2: RateLimitError 1, APITimeoutError 1" in told
    assert re.search(r"ETA \d+:\d\d$", told)


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with showing(counts_of(3), True, every_s=0.005):
        limit = time.monotonic() + 10
        while written.getvalue().count("\n") < 2 and time.monotonic() < limit:
            time.sleep(0.005)
    assert written.getvalue().splitlines()[0] == "0/3 rows (0 %), 0.0 rows/s, 0 tokens"
    before = threading.active_count()
    written.truncate(0)
    with showing(counts_of(3), None, every_s=0.0):
        assert threading.active_count() == before
    assert written.getvalue().strip("\0") == ""


@pytest.mark.slow
def test_live_on_a_terminal(tmp_path: Path, server: LocalServer) -> None:
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(*(chat_row(f"r{number}") for number in range(30)))
    server.always({"delay_s": 0.05})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "llmsdk.cli", "batch", "run", str(folder.input), str(folder.output)]
    with subprocess.Popen(
        [*command, "--server-url", server.url, "--limit", "2"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"PYTHONPATH": str(SRC), "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(theirs)
        timer = threading.Timer(60, process.kill)
        timer.start()
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        assert process.wait() == 0
        timer.cancel()
    os.close(ours)
    assert re.search(rb"\d+/30 rows \(\d+ %\)", shown)
    assert b"\xe2\x94\x81" in shown  # the bar


def test_percentiles_are_right_within_their_buckets() -> None:
    latencies = Latencies()
    for ms in range(1, 1001):
        latencies.add(float(ms))
    for percent in (50, 90, 99):
        assert latencies.percentile(percent) == pytest.approx(percent * 10, rel=0.16)
    assert latencies.percentile(100) == 1000
    assert sum(count for _, count in latencies.histogram()) == 1000


def test_a_timeline_keeps_its_sums_and_its_size() -> None:
    timeline = Timeline("even", "odd", "span")
    for second in range(0, 100_000, 7):
        timeline.add(("even", "odd")[second % 2], float(second))
        timeline.spread("span", max(0.0, second - 5.0), float(second))
    sums = timeline.sums
    assert len(sums["even"]) == len(sums["odd"]) == len(sums["span"]) <= 120
    assert sum(sums["even"]) + sum(sums["odd"]) == len(range(0, 100_000, 7))
    assert sum(sums["span"]) == pytest.approx(5 * (len(range(0, 100_000, 7)) - 1))


def test_a_page_shows_names_as_text() -> None:
    about = {"operation": "o", "server": "<s>", "url": "u", "input": "<script>alert(1)</script>", "output": "out"}
    report = counts_of(1).report(end="stopped", limit=Adaptive(), errors="e", **about)
    assert "<script" not in page(report)
    assert "&lt;script&gt;" in page(report)


@pytest.mark.parametrize(
    "seconds, told",
    [
        (0, "0&nbsp;s"),
        (0.25, "250&nbsp;ms"),
        (61.26, "61.3&nbsp;s"),
        (125, "2&nbsp;min&nbsp;05&nbsp;s"),
        (7_325, "2&nbsp;h&nbsp;02&nbsp;min"),
    ],
)
def test_a_page_tells_times_as_people_do(seconds: float, told: str) -> None:
    assert _seconds(seconds) == told


@pytest.mark.parametrize(
    "value, told", [(0, "0"), (2.25, "2.2"), (250, "250"), (9_999, "9,999"), (12_345, "12.3k"), (2_500_000, "2.5M")]
)
def test_a_page_tells_large_numbers_briefly(value: float, told: str) -> None:
    assert _short(value) == told
