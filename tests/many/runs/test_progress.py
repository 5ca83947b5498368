"""Progress: plain lines, the live display, and the numbers below both."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmsdk import Adaptive
from llmsdk.errors import APITimeoutError, ConfigurationError, RateLimitError
from llmsdk.local import LocalServer
from llmsdk.many.map import Load
from llmsdk.many.runs.counts import Latencies, RunCounts, Timeline
from llmsdk.many.runs.figures import short
from llmsdk.many.runs.page import _round_between, _seconds, page
from llmsdk.many.runs.progress import line, showing
from llmsdk.resources.rows.rows import BatchRow

from .conftest import Folder, chat_row

ROW = BatchRow("a", "a", {}, 1)
ABOUT = {"operation": "o", "server": "<s>", "url": "u", "input": "<script>alert(1)</script>", "output": "out"}
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
    assert "2 failed: RateLimitError 1, APITimeoutError 1" in told
    assert re.search(r"ETA \d+:\d\d$", told)


@pytest.mark.parametrize("rows", [5_000, 1_234_567])
@pytest.mark.parametrize("width", [50, 80])
@pytest.mark.parametrize(
    "load, wanted",
    [
        ((8, 1.0, "429"), {80: "8 in flight, paused 1 s: 429", 50: "8 in flight, 429: 1 s"}),
        ((64, 12.3, "limit of tokens"), {80: "tokens: 12 s", 50: "tokens: 12 s"}),
        ((64, 0.01, "rate"), {80: "64 in flight", 50: "64 in flight"}),
    ],
)
def test_what_slows_a_run_down_fits_on_the_line(
    rows: int, width: int, load: tuple[int, float, str], wanted: dict[int, str]
) -> None:
    counts = counts_of(rows)
    counts.done_before = 4_626
    counts._began -= 100
    for _ in range(181):
        counts.failure(RateLimitError("m", status_code=429), ROW, "m", 3)
    counts.load = lambda: Load(*load)
    told = line(counts, width)
    assert len(told) <= width
    assert "181 failed" in told
    assert wanted[width] in told or wanted[width].replace("tokens: 12 s", "paused 12 s: limit of tokens") in told
    assert re.match(r"4,807/(5,000|1,234,567|1\.23M)", told)
    assert re.search(r"[\d.k]+( rows)?/s\b", told)


def test_progress_in_a_log(caplog: pytest.LogCaptureFixture, tmp_path: Path, server: LocalServer) -> None:
    with caplog.at_level("INFO", logger="llmsdk"), showing(counts_of(3), "log", every_s=0.005):
        limit = time.monotonic() + 10
        while not caplog.messages and time.monotonic() < limit:
            time.sleep(0.005)
    assert caplog.messages[0] == "0/3 rows (0 %), 0.0 rows/s, 0 tokens"
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(chat_row("a"))
    with pytest.raises(ConfigurationError, match="progress: must be"):
        folder.run(progress="loud")


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
@pytest.mark.parametrize("columns", [100, 50])
def test_live_on_a_terminal(tmp_path: Path, server: LocalServer, columns: int) -> None:
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(*(chat_row(f"r{number}") for number in range(30)))
    server.always({"delay_s": 0.05})
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "llmsdk.cli", "batch", "run", str(folder.input), str(folder.output)]
    with subprocess.Popen(
        [*command, "--server-url", server.url, "--limit", "2"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"PYTHONPATH": str(SRC), "TERM": "xterm", "COLUMNS": str(columns)},
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
    told = re.findall(rb"\d+/30 rows[^\r\n\x1b]*", shown)
    assert any(b"in flight" in line for line in told), told
    assert all(len(line) <= columns for line in told)
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


def test_retries_are_counted_by_the_status_that_was_tried_again() -> None:
    counts = counts_of(3)
    for status in (429, 429, None, 503, 200):
        counts.attempt(status, 0.1)
    counts.failure(RateLimitError("m", status_code=429), ROW, "m", 2)
    report = counts.report(end="complete", limit=Adaptive(), errors="e", **ABOUT)
    assert report.retries_by_status == {"429": 1, "no reply": 1, "503": 1}
    assert sum(report.timeline["replies_429"]) == 2


def test_requests_in_flight_are_a_mean_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    counts = counts_of(2)
    now[0] = 1.0
    counts.attempt(200, 1.0)
    counts.attempt(200, 0.5)
    found = counts.report(end="complete", limit=Adaptive(), errors="e", **ABOUT).timeline["requests_in_flight"]
    assert found == [1.0, 1.0, 2.0, 2.0, 0.0]


def test_failures_are_told_with_an_example(tmp_path: Path, server: LocalServer) -> None:
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(*(chat_row(f"r{number}") for number in range(3)), b"{", b"{")
    server.script({"status": 422}, {"status": 422})
    report = folder.run(limit=1, model="m", report=tmp_path / "report")
    assert [(group.error_class, group.status, group.rows, group.key, group.line) for group in report.failures] == [
        ("UnprocessableEntityError", 422, 2, "r0", 1),
        ("RequestValidationError", None, 2, "line:4", 4),
    ]
    assert report.failures[0].message == "Scripted fault: status 422."
    assert (report.models, report.url) == (("m",), server.url)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["failures"][1]["message"].startswith("not JSON at column")
    assert told["limit"] == {"start": 1, "max": 1, "requests_per_second": None}
    shown = (tmp_path / "report.html").read_text()
    assert "Scripted fault: status 422." in shown
    assert "such as r0, line 1" in shown


def test_failures_of_different_parameters_are_told_apart(
    tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path, server, is_async=False)
    rows = [chat_row("a", model=""), chat_row("b", temperature="hot"), chat_row("c", temperature="cold")]
    folder.write(*rows, chat_row("d"))
    report = folder.run(limit=1, model="m")
    assert [(group.rows, group.key) for group in report.failures] == [(2, "b"), (1, "a")]
    assert report.errors_by_class == {"RequestValidationError": 3}
    monkeypatch.setattr("llmsdk.many.runs.counts._MOST_GROUPS", 0)
    again = folder.run(limit=1, model="m")
    assert [(group.rows, group.key) for group in again.failures] == [(3, "a")]


def test_labels_leave_room_on_a_phone() -> None:
    counts = counts_of(0)
    for ms in (60, 90, 60_000):
        counts.success(SimpleNamespace(meta=SimpleNamespace(server="s")), "m", ms, 1)
    shown = page(counts.report(end="complete", limit=Adaptive(), errors="e", **ABOUT))
    assert re.findall(r"<span( class=fine)? style=[^>]*>([^<]+)</span></?", shown.partition("Latency of rows")[2])
    assert shown.count("<span class=fine") == 3


@pytest.mark.parametrize(
    "low, high, wanted",
    [(150.0, 9_000.0, [200, 500, 1000, 2000, 5000]), (1.0, 90_000.0, [1, 10, 100, 1000, 10_000]), (354, 407, [407])],
)
def test_an_axis_has_round_labels(low: float, high: float, wanted: list[float]) -> None:
    assert _round_between(low, high) == wanted


def test_a_page_shows_names_as_text() -> None:
    report = counts_of(1).report(end="stopped", limit=Adaptive(), errors="e", **ABOUT)
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
    assert short(value) == told
