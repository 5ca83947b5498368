"""The scheduler by hand: every index exactly once, whatever happens and whenever."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.bulk.work import PULL, Row, Work
from llmsdk.errors import SDKError
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
