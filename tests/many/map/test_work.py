"""The scheduler by hand: every index exactly once, whatever happens and whenever."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.errors import DeadlineExceededError, SDKError
from llmsdk.many.map.work import PULL, Row, Work
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

RETRIES = RetryConfig("backoff", BackoffStrategy(100, 1000, 2, 60_000), True, max_attempts=3)


@settings(max_examples=200, deadline=None)
@given(
    count=st.integers(0, 30),
    window=st.integers(1, 8),
    ordered=st.booleans(),
    choices=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["fine", "again", "never", "take"])), max_size=200),
)
def test_every_row_once(count: int, window: int, ordered: bool, choices: list[tuple[int, str]]) -> None:
    work = Work(
        retries=RETRIES, budget=RetryBudget(), deadline=None, window=window, ordered=ordered, jitter=lambda: 0.5
    )
    now, read, running, out = 0.0, 0, list[Row](), list[int]()
    script = iter(choices)
    for _ in range(10_000):
        step = work.step(now)
        if step is PULL:
            if read == count:
                work.end()
            else:
                running.append(work.add(read))
                work.begin(running[-1], now)
                read += 1
            assert read - len(out) <= window
        elif isinstance(step, Row):
            running.append(step)
            work.begin(step, now)
        elif step is None and not running:
            break
        which, what = next(script, (0, "fine"))
        if what != "take" and running:
            row = running.pop(which % len(running))
            if what == "fine":
                work.settle(row, "reply", now)
            else:
                work.failed(row, SDKError("no"), retryable=what == "again", retry_after_s=None, now=now)
        elif isinstance(step, float) and step < math.inf and not running:
            now += step
        if what in ("take", "fine") and (outcome := work.take()) is not None:
            out.append(outcome.index)
        now += 0.001
    while (outcome := work.take()) is not None:
        out.append(outcome.index)
    assert sorted(out) == list(range(count))
    assert not ordered or out == sorted(out)


def work_of(**given: Any) -> Work:
    usual: dict[str, Any] = {"retries": RETRIES, "budget": RetryBudget(), "deadline": None, "window": 8}
    return Work(**usual | {"ordered": False, "jitter": lambda: 0.5} | given)


def begun(work: Work, count: int, now: float = 0.0) -> list[Row]:
    rows = []
    for number in range(count):
        assert work.step(now) is PULL
        rows.append(work.add(number))
        work.begin(rows[-1], now)
    return rows


def test_a_foreign_error_ends_the_map_and_not_what_is_under_way() -> None:
    work = work_of(ordered=True)
    first, second, third = begun(work, 3)
    work.settle(third, "third", 1.0)
    assert work.take() is None  # its turn is not yet
    work.drop(OSError("of a hook"))
    assert (work.is_at_end, str(work.error)) == (True, "of a hook")
    assert work.step(1.0) == math.inf  # one more is under way
    work.drop(OSError("of another hook"))
    assert str(work.error) == "of a hook"
    assert work.step(1.0) is None
    outcome = work.take()
    assert outcome is not None
    assert (outcome.index, outcome.result) == (2, "third")
    assert work.take() is None
    assert (first.attempts, second.attempts) == (1, 1)


def test_a_deadline_ends_what_waits_with_the_error_that_it_had() -> None:
    work = work_of(deadline=10.0)
    (row,) = begun(work, 1)
    error = SDKError("busy")
    work.failed(row, error, retryable=True, retry_after_s=5.0, now=1.0)
    assert work.step(2.0) is PULL
    assert work.take() is None
    assert work.step(10.0) is None
    outcome = work.take()
    assert outcome is not None
    assert (outcome.result, outcome.attempts, outcome.elapsed_ms) == (error, 1, 10_000.0)
    assert isinstance(work.error, DeadlineExceededError)
    assert str(work.error) == "deadline_ms passed before all rows were read; those that were are done"


def test_rows_that_are_counted_are_read_on_after_the_deadline() -> None:
    work = work_of(deadline=10.0, reads_on=True)
    assert work.step(11.0) is PULL
    work.end()
    assert work.step(11.0) is None
    assert work.error is None


def test_no_attempt_is_put_off_beyond_the_deadline() -> None:
    work = work_of(deadline=10.0)
    (row,) = begun(work, 1)
    work.failed(row, SDKError("busy"), retryable=True, retry_after_s=9.5, now=1.0)
    outcome = work.take()
    assert outcome is not None
    assert (str(outcome.result), outcome.attempts) == ("busy", 1)


def test_a_full_window_lets_no_row_be_read() -> None:
    work = work_of(window=2)
    first, _ = begun(work, 2)
    assert work.is_full
    assert work.step(0.0) == math.inf
    work.settle(first, "reply", 0.0)
    assert work.is_full  # until it is handed out
    assert work.take() is not None
    assert not work.is_full
    assert work.step(0.0) is PULL


def test_no_policy_is_one_attempt() -> None:
    work = work_of(retries=None)
    assert work.retries is None
    (row,) = begun(work, 1)
    work.failed(row, SDKError("busy"), retryable=True, retry_after_s=None, now=0.0)
    assert work.take() is not None
    assert work_of().retries is RETRIES
