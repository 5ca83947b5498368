"""The scheduler by hand: every index exactly once, whatever happens and whenever."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk._call.state import Failed
from llmsdk.errors import DeadlineExceededError, SDKError
from llmsdk.many.map.rows import PULL, MapRow, RowQueue
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
    rows = RowQueue(
        retries=RETRIES, budget=RetryBudget(), deadline=None, window=window, ordered=ordered, jitter=lambda: 0.5
    )
    now, read, running, out = 0.0, 0, list[MapRow](), list[int]()
    script = iter(choices)
    for _ in range(10_000):
        step = rows.step(now)
        if step is PULL:
            if read == count:
                rows.end()
            else:
                running.append(rows.add(read))
                rows.begin(running[-1], now)
                read += 1
            assert read - len(out) <= window
        elif isinstance(step, MapRow):
            running.append(step)
            rows.begin(step, now)
        elif step is None and not running:
            break
        which, what = next(script, (0, "fine"))
        if what != "take" and running:
            row = running.pop(which % len(running))
            if what == "fine":
                rows.settle(row, "reply", now)
            else:
                rows.failed(row, Failed(SDKError("no"), what == "again"), now)
        elif isinstance(step, float) and step < math.inf and not running:
            now += step
        if what in ("take", "fine") and (outcome := rows.take()) is not None:
            out.append(outcome.index)
        now += 0.001
    while (outcome := rows.take()) is not None:
        out.append(outcome.index)
    assert sorted(out) == list(range(count))
    assert not ordered or out == sorted(out)


def rows_of(**given: Any) -> RowQueue:
    usual: dict[str, Any] = {"retries": RETRIES, "budget": RetryBudget(), "deadline": None, "window": 8}
    return RowQueue(**usual | {"ordered": False, "jitter": lambda: 0.5} | given)


def begun(rows: RowQueue, count: int, now: float = 0.0) -> list[MapRow]:
    found = list[MapRow]()
    for number in range(count):
        assert rows.step(now) is PULL
        found.append(rows.add(number))
        rows.begin(found[-1], now)
    return found


def test_a_foreign_error_ends_the_map_and_not_what_is_under_way() -> None:
    rows = rows_of(ordered=True)
    first, second, third = begun(rows, 3)
    rows.settle(third, "third", 1.0)
    assert rows.take() is None  # its turn is not yet
    rows.drop(OSError("of a hook"))
    assert (rows.is_at_end, str(rows.error)) == (True, "of a hook")
    assert rows.step(1.0) == math.inf  # one more is under way
    rows.drop(OSError("of another hook"))
    assert str(rows.error) == "of a hook"
    assert rows.step(1.0) is None
    outcome = rows.take()
    assert outcome is not None
    assert (outcome.index, outcome.result) == (2, "third")
    assert rows.take() is None
    assert (first.attempts, second.attempts) == (1, 1)


def test_a_deadline_ends_what_waits_with_the_error_that_it_had() -> None:
    rows = rows_of(deadline=10.0)
    (row,) = begun(rows, 1)
    error = SDKError("busy")
    rows.failed(row, Failed(error, True, 5.0), 1.0)
    assert rows.step(2.0) is PULL
    assert rows.take() is None
    assert rows.step(10.0) is None
    outcome = rows.take()
    assert outcome is not None
    assert (outcome.result, outcome.attempts, outcome.elapsed_ms) == (error, 1, 10_000.0)
    assert isinstance(rows.error, DeadlineExceededError)
    assert str(rows.error) == "deadline_ms passed before all rows were read; those that were are done"


def test_rows_that_are_counted_are_read_on_after_the_deadline() -> None:
    rows = rows_of(deadline=10.0, reads_on=True)
    assert rows.step(11.0) is PULL
    rows.end()
    assert rows.step(11.0) is None
    assert rows.error is None


def test_no_attempt_is_put_off_beyond_the_deadline() -> None:
    rows = rows_of(deadline=10.0)
    (row,) = begun(rows, 1)
    rows.failed(row, Failed(SDKError("busy"), True, 9.5), 1.0)
    outcome = rows.take()
    assert outcome is not None
    assert (str(outcome.result), outcome.attempts) == ("busy", 1)


def test_a_full_window_lets_no_row_be_read() -> None:
    rows = rows_of(window=2)
    first, _ = begun(rows, 2)
    assert rows.is_full
    assert rows.step(0.0) == math.inf
    rows.settle(first, "reply", 0.0)
    assert rows.is_full  # until it is handed out
    assert rows.take() is not None
    assert not rows.is_full
    assert rows.step(0.0) is PULL


def test_no_policy_is_one_attempt() -> None:
    rows = rows_of(retries=None)
    (row,) = begun(rows, 1)
    rows.failed(row, Failed(SDKError("busy"), True, None), 0.0)
    assert rows.take() is not None
