"""The pacer on a simulated clock: at most so many in flight, near the rate that a server allows, few refusals."""

import math
from dataclasses import replace
from typing import Any

import pytest

from llmsdk.errors.meta import Limit, RateLimit
from llmsdk.many.map import Adaptive, Feedback, Pacer
from support import clockwork


@pytest.fixture(name="log")
def log_of_the_package(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("WARNING", "llmsdk")
    return caplog


def server(kind: str, rate: float) -> Any:
    kinds = {
        "small bucket": lambda: clockwork.Bucket(rate, 10),
        "bucket": lambda: clockwork.Bucket(rate, rate),
        "window": lambda: clockwork.Window(rate),
        "sliding": lambda: clockwork.Sliding(rate),
    }
    return kinds[kind]()


@pytest.mark.parametrize("latency_s", [0.005, 0.05, 0.2])
@pytest.mark.parametrize("kind", ["small bucket", "bucket", "window"])
def test_headers_are_kept_to(kind: str, latency_s: float) -> None:
    found = clockwork.simulate(Pacer(Adaptive()), server(kind, 100), seconds=60, latency_s=latency_s, with_headers=True)
    assert found.rate >= 90
    assert found.share < 0.02


class Rounded(clockwork.Window):
    """A window whose reset is told in whole seconds."""

    def limit(self, now: float) -> Limit:
        told = super().limit(now)
        return Limit(told.limit, told.remaining, math.ceil(told.reset_s or 0))


@pytest.mark.parametrize("latency_s", [0.05, 1.0])
@pytest.mark.parametrize("span_s", [10.0, 60.0])
def test_a_window_is_not_taken_for_a_bucket(span_s: float, latency_s: float) -> None:
    window = Rounded(10, span_s)
    found = clockwork.simulate(Pacer(Adaptive()), window, seconds=180, latency_s=latency_s, with_headers=True)
    assert found.rate >= 9
    assert found.share < 0.02


@pytest.mark.parametrize("latency_s", [0.05, 1.0])
@pytest.mark.parametrize(
    "windows, rate",
    [
        ({60: 60}, 1.0),
        ({10: 100}, 10.0),
        ({10: 10, 60: 60}, 1.0),
        ({10: 10, 60: 40}, 40 / 60),
        ({60: 30, 3_600: 90_000}, 0.5),
    ],
)
def test_each_of_several_windows_is_kept_to(windows: dict[int, int], rate: float, latency_s: float) -> None:
    """Mistral and Cerebras tell what is left of windows of several lengths, and not when these end."""
    spans = [clockwork.Window(most / span, span, span / 3) for span, most in windows.items()]
    pacer, server = Pacer(Adaptive()), clockwork.Windows(*spans)
    found = clockwork.simulate(pacer, server, seconds=900, latency_s=latency_s, with_headers=True)
    assert found.rate >= 0.9 * rate
    assert found.share < 0.02


@pytest.mark.parametrize("retry_after", ["", "exact", "whole"])
@pytest.mark.parametrize("rate", [100, 300])
@pytest.mark.parametrize("latency_s", [0.005, 0.05])
@pytest.mark.parametrize("kind", ["small bucket", "bucket", "window", "sliding"])
def test_a_rate_is_learned(kind: str, latency_s: float, rate: int, retry_after: str) -> None:
    # Of a window of one second whole seconds of Retry-After tell less than they waste.
    least = 0.75 if retry_after == "whole" and kind in ("window", "sliding") else 0.9
    pacer = Pacer(Adaptive())
    found = clockwork.simulate(pacer, server(kind, rate), seconds=60, latency_s=latency_s, retry_after=retry_after)
    assert found.rate >= least * rate
    assert found.share < 0.02


@pytest.mark.parametrize("latency_s", [0.05, 2.0])
def test_refusals_that_do_not_come_from_the_rate_leave_it_alone(latency_s: float) -> None:
    pacer = Pacer(Adaptive())
    found = clockwork.simulate(pacer, clockwork.Bucket(1e9, 1e9), seconds=60, latency_s=latency_s, noise=0.0125)
    assert found.rate > 0.8 * 64 / latency_s


def test_a_share_of_refusals_that_stays_is_found_out() -> None:
    pacer = Pacer(Adaptive())
    found = clockwork.simulate(pacer, clockwork.Bucket(1e9, 1e9), seconds=60, latency_s=0.05, noise=0.05)
    assert found.rate > 0.5 * 64 / 0.05


@pytest.mark.parametrize("most", [20, 40])
def test_a_busy_server_is_given_what_it_can_do(most: int) -> None:
    pacer = Pacer(Adaptive())
    found = clockwork.simulate(pacer, clockwork.Bucket(1e9, 1e9), seconds=60, latency_s=0.1, busy_above=most)
    assert found.rate > 0.85 * most / 0.1
    assert found.share < 0.05


def test_a_known_rate_is_never_refused() -> None:
    pacer = Pacer(Adaptive(requests_per_second=95))
    found = clockwork.simulate(pacer, server("small bucket", 100), latency_s=0.05)
    assert found.rate >= 90
    assert found.refused == 0


def test_a_round_is_cut_once_and_grows_back() -> None:
    pacer = Pacer(Adaptive(start=8, max=8))
    for _ in range(8):
        assert pacer.admit(0.0) == 0
    assert pacer.admit(0.0) > 0
    for _ in range(8):
        pacer.report(Feedback(503, elapsed_s=1.0), 1.0)
    held = 0
    while pacer.admit(1.0) == 0:
        held += 1
    assert held == 4
    for turn in range(100):
        pacer.report(Feedback(200, elapsed_s=0.1), 2.0 + turn)
        while pacer.admit(2.0 + turn) == 0:
            pass
    assert pacer.in_flight == 8


def test_retry_after_pauses_everything() -> None:
    pacer = Pacer(Adaptive())
    assert pacer.admit(0.0) == 0
    pacer.report(Feedback(429, retry_after_s=5.0, elapsed_s=0.1), 0.1)
    assert pacer.admit(0.2) == pytest.approx(4.9)
    assert pacer.admit(5.2) == 0


def limits(remaining: float, reset_s: float, limit: float | None = None) -> RateLimit:
    return RateLimit(requests=Limit(limit, remaining, reset_s))


def drained(pacer: Pacer, seen: Feedback, rows: int) -> float:
    """Do rows one after the other, each with the same reply; the answer is how long that takes."""
    now = 0.0
    for _ in range(rows):
        while (wait := pacer.admit(now)) > 0:
            assert wait < math.inf
            now += wait
        now += 0.1
        pacer.report(replace(seen, elapsed_s=0.1), now)
    return now


@pytest.mark.parametrize("limit", [None, 14_400.0])
@pytest.mark.parametrize("reset_s", [61.0, 36_000.0, 1e9])
def test_a_wait_that_nobody_allowed_is_not_made(
    reset_s: float, limit: float | None, log: pytest.LogCaptureFixture
) -> None:
    seen = Feedback(200, rate_limit=limits(0, reset_s, limit))
    assert drained(Pacer(Adaptive()), seen, 100) < 20
    assert len(log.records) == 1
    assert f"a wait of {reset_s:.0f} s, and a map waits for 60 s at most" in log.text


def test_a_wait_that_the_caller_allows_is_made(log: pytest.LogCaptureFixture) -> None:
    seen = Feedback(200, rate_limit=limits(0, 600, 1))
    assert 600 < drained(Pacer(Adaptive(), 600), seen, 2) < 601
    assert not log.records


def test_a_map_says_what_it_waits_for() -> None:
    pacer = Pacer(Adaptive(2, 2))
    assert pacer.load(0.0) == (0, 0.0, "")
    assert pacer.admit(0.0) == pacer.admit(0.0) == 0
    assert pacer.load(0.0).in_flight == 2
    left = RateLimit(tokens=Limit(limit=100, remaining=0, reset_s=7.0))
    pacer.report(Feedback(200, rate_limit=left, tokens=10, elapsed_s=0.5), 0.5)
    assert pacer.load(0.5) == (1, 7.0, "limit of tokens")
    refused = Pacer(Adaptive())
    assert refused.admit(0.0) == 0
    refused.report(Feedback(429, retry_after_s=5.0, elapsed_s=0.1), 0.1)
    assert refused.load(0.1) == (0, 5.0, "429")
    steady = Pacer(Adaptive(requests_per_second=0.5))
    assert steady.admit(0.0) == 0
    assert steady.load(0.5) == (1, pytest.approx(1.48), "rate")


def test_a_reset_in_the_past_is_no_wait() -> None:
    assert drained(Pacer(Adaptive()), Feedback(200, rate_limit=limits(0, 0.0)), 100) < 11


def test_a_day_of_refusals_is_not_waited_for(log: pytest.LogCaptureFixture) -> None:
    seen = Feedback(429, retry_after_s=36_000, rate_limit=limits(0, 36_000))
    assert drained(Pacer(Adaptive()), seen, 100) < 25  # one at a time, with a short pause
    assert len(log.records) == 1


def test_much_that_is_left_of_a_day_is_not_spread_over_the_day() -> None:
    pacer = Pacer(Adaptive())
    seen = Feedback(200, rate_limit=limits(14_390, 86_340, 14_400))
    assert drained(pacer, seen, 100) < 11
