"""Retry arithmetic, the values of Retry-After, and the budget."""

import copy
import pickle
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmsdk.utils
from llmsdk.utils.retries import (
    DEFAULT_RETRY,
    RETRYABLE_STATUSES,
    BackoffStrategy,
    RetryBudget,
    RetryConfig,
    next_delay,
    parse_retry_after,
    parse_retry_after_ms,
    retry_after_from,
    should_retry_header,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def config(initial=1000, most=8000, exponent=2, elapsed=60_000, jitter="none", **more):
    return RetryConfig("backoff", BackoffStrategy(initial, most, exponent, elapsed, jitter=jitter), True, **more)


def test_the_package_exports_lazily():
    assert llmsdk.utils.RetryConfig is RetryConfig
    del llmsdk.utils.__dict__["RetryConfig"]
    assert llmsdk.utils.RetryConfig is RetryConfig
    assert {"RetryConfig", "RetryBudget", "BackoffStrategy"} <= set(dir(llmsdk.utils))
    with pytest.raises(AttributeError, match="nothing"):
        llmsdk.utils.nothing()


def test_defaults():
    assert DEFAULT_RETRY.backoff == BackoffStrategy(500, 8_000, 2, 60_000, jitter="full")
    assert (DEFAULT_RETRY.max_attempts, DEFAULT_RETRY.bound_attempts) == (3, False)
    assert DEFAULT_RETRY.retry_connection_errors is True
    assert DEFAULT_RETRY.max_retry_after_ms == 60_000
    assert DEFAULT_RETRY.statuses is RETRYABLE_STATUSES
    assert sorted(RETRYABLE_STATUSES) == [408, 409, 429, 500, 502, 503, 504, *range(520, 531)]
    assert config().bound_attempts is True
    assert RetryConfig("none", None, False).budget is None


@pytest.mark.parametrize("field", ["initial_interval", "max_interval", "exponent", "max_elapsed_time"])
@pytest.mark.parametrize(
    "value", [-1, -0.001, float("nan"), float("inf"), float("-inf"), True, False, "5", None, 10**400, 1j, [1]]
)
def test_backoff_refuses(field, value):
    values = {"initial_interval": 1, "max_interval": 1, "exponent": 1, "max_elapsed_time": 1, field: value}
    with pytest.raises(ValueError, match=rf"^{field}: got {type(value).__name__}.*; expected a finite number >= [01]$"):
        BackoffStrategy(**values)


def test_backoff_bounds_are_inclusive():
    assert BackoffStrategy(0, 0, 1, 0).max_elapsed_time == 0
    assert BackoffStrategy(0.5, 1.5, 1.5, 2.5).exponent == 1.5
    with pytest.raises(ValueError, match=r"^exponent: .* >= 1$"):
        BackoffStrategy(1, 1, 0.99, 1)


@pytest.mark.parametrize("jitter", ["some", None, 1, "FULL", ["full"]])
def test_jitter_is_a_choice(jitter):
    with pytest.raises(ValueError, match=r"^jitter: got .*; expected one of 'full', 'equal', 'none'$"):
        BackoffStrategy(1, 1, 1, 1, jitter=jitter)


@pytest.mark.parametrize(
    "field, value, accepted",
    [
        ("strategy", "exponential", "one of 'backoff', 'none'"),
        ("strategy", None, "one of 'backoff', 'none'"),
        ("backoff", None, "BackoffStrategy"),
        ("backoff", 5, "BackoffStrategy"),
        ("retry_connection_errors", 1, "True or False"),
        ("max_attempts", 0, "a finite number >= 1"),
        ("max_attempts", 2.0, "an int >= 1"),
        ("max_attempts", True, "a finite number >= 1"),
        ("max_attempts", "3", "a finite number >= 1"),
        ("max_retry_after_ms", -1, "a finite number >= 0"),
        ("max_retry_after_ms", None, "a finite number >= 0"),
        ("budget", 10, "RetryBudget or None"),
        ("bound_attempts", None, "True or False"),
        ("status_codes", "5XX", "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", b"5XX", "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", 500, "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", [399], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", [600], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", [True], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", [500.0], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", ["3XX"], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", ["5XX\n"], "an iterable of 400 to 599, '4XX' or '5XX'"),
        ("status_codes", ["4290"], "an iterable of 400 to 599, '4XX' or '5XX'"),
    ],
)
def test_config_refuses(field, value, accepted):
    values = {
        "strategy": "backoff",
        "backoff": BackoffStrategy(1, 1, 1, 1),
        "retry_connection_errors": True,
        field: value,
    }
    with pytest.raises(ValueError, match=f"^{field}: got ") as caught:
        RetryConfig(**values)
    assert str(caught.value).endswith(f"expected {accepted}")
    assert "\n" not in str(caught.value)


def test_none_may_have_no_backoff_but_nothing_else():
    with pytest.raises(ValueError, match=r"expected BackoffStrategy or None$"):
        RetryConfig("none", "x", False)


def test_status_codes_are_expanded():
    assert config(status_codes=[429, "503", "4xx"]).statuses == {*range(400, 500), 503}
    assert config(status_codes=iter(["5XX", 400])).statuses == {400, *range(500, 600)}
    assert config(status_codes=[]).statuses == frozenset()
    assert config(status_codes=(599, 400)).status_codes == {400, 599}


def test_configs_are_values():
    assert config() == config()
    assert config() != config(max_attempts=2)
    assert hash(config(status_codes=[500])) == hash(config(status_codes=["500"]))
    assert pickle.loads(pickle.dumps(config(status_codes=["5XX"]))) == config(status_codes=["5XX"])
    with pytest.raises(AttributeError):
        config().max_attempts = 2


# -------------------------------------------------------------------- waits


@pytest.mark.parametrize("attempt, delay", [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10**9, 8), (10**400, 8)])
def test_waits_grow_to_the_maximum(attempt, delay):
    assert next_delay(config(), attempt, 0, None, 0.5) == delay


def test_first_wait_is_bounded_too():
    assert next_delay(config(initial=9000), 1, 0, None, 0.5) == 8


def test_growth_of_one_stays():
    assert next_delay(config(exponent=1), 10**6, 0, None, 0) == 1


@pytest.mark.parametrize("attempt", [1, 2, 10**9])
def test_no_initial_interval_means_no_wait(attempt):
    assert next_delay(config(initial=0), attempt, 0, None, 0.9) == 0


@pytest.mark.parametrize(
    "jitter, random, delay",
    [("full", 0.0, 0), ("full", 0.25, 0.5), ("equal", 0.0, 1), ("equal", 0.5, 1.5), ("none", 0.3, 2)],
)
def test_jitter(jitter, random, delay):
    assert next_delay(config(jitter=jitter), 2, 0, None, random) == delay


def test_strategy_none_gives_up():
    backoff = BackoffStrategy(1000, 8000, 2, 60_000)
    assert next_delay(RetryConfig("none", backoff, True), 1, 0, 1.0, 0.5) is None
    assert next_delay(RetryConfig("none", None, True), 1, 0, None, 0.5) is None


def test_max_attempts():
    limited = config(max_attempts=3)
    assert next_delay(limited, 2, 0, None, 0) == 2
    assert next_delay(limited, 3, 0, None, 0) is None
    assert next_delay(limited, 4, 0, None, 0) is None
    assert next_delay(config(max_attempts=1), 1, 0, None, 0) is None


def test_a_wait_never_ends_at_or_past_the_elapsed_bound():
    assert next_delay(config(elapsed=5000), 2, 2.999, None, 0) == 2
    assert next_delay(config(elapsed=5000), 2, 3.0, None, 0) is None
    assert next_delay(config(elapsed=5000), 1, 100, None, 0) is None
    assert next_delay(config(elapsed=0, initial=0), 1, 0, None, 0) is None
    assert next_delay(config(elapsed=5000), 1, 0, 4.999, 0) == 4.999
    assert next_delay(config(elapsed=5000), 1, 0, 5.0, 0) is None


def test_retry_after_is_a_minimum():
    assert next_delay(config(), 2, 0, 1.5, 0) == 2
    assert next_delay(config(), 2, 0, 2.5, 0) == 2.5
    assert next_delay(config(jitter="full"), 2, 0, 1.5, 0) == 1.5
    assert next_delay(config(), 1, 0, 0.0, 0) == 1


def test_retry_after_above_its_bound_gives_up():
    assert next_delay(config(max_retry_after_ms=2000), 1, 0, 2.0, 0) == 2
    assert next_delay(config(max_retry_after_ms=2000), 1, 0, 2.001, 0) is None
    assert next_delay(config(elapsed=10**9), 1, 0, 60.0, 0) == 60
    assert next_delay(config(elapsed=10**9), 1, 0, 60.5, 0) is None
    assert next_delay(config(elapsed=10**9), 1, 0, 1e60, 0) is None
    assert next_delay(config(max_retry_after_ms=0), 1, 0, 0.0, 0) == 1


@given(
    st.integers(1, 10**12),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.floats(1, 1e9),
    st.floats(0, 1e9),
    st.sampled_from(["full", "equal", "none"]),
)
def test_waits_keep_every_bound(attempt, elapsed, after, random, initial, most, exponent, bound, jitter):
    delay = next_delay(config(initial, most, exponent, bound, jitter), attempt, elapsed, after, random)
    if delay is not None:
        assert 0 <= delay <= max(most / 1000, after or 0)
        assert delay >= (after or 0)
        assert (elapsed + delay) * 1000 < bound


# ------------------------------------------------------------------ headers


@pytest.mark.parametrize(
    "value, seconds",
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7\t", 7.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("99999999999999", 99999999999999.0),
        ("Wed, 04 Mar 2026 05:06:17 GMT", 10.0),
        ("wed, 04 mar 2026 05:06:17 gmt", 10.0),
        ("Wed, 4 Mar 2026 05:06:17 UTC", 10.0),
        ("Wed, 04 Mar 2026 05:06:17 +0000", 10.0),
        ("Wednesday, 04-Mar-26 05:06:17 GMT", 10.0),
        ("Wed Mar  4 05:06:17 2026", 10.0),
        ("Tue Mar 24 05:06:07 2026", 20 * 86400.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("Wed, 04 Mar 2026 05:06:07 GMT", 0.0),
        ("Wed, 04 Mar 2026 05:06:60 GMT", 53.0),
        ("Wednesday, 04-Mar-76 05:06:07 GMT", (datetime(2076, 3, 4, 5, 6, 7, tzinfo=UTC) - NOW).total_seconds()),
        ("Thursday, 04-Mar-77 05:06:07 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:60 GMT", (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - NOW).total_seconds()),
    ],
)
def test_retry_after_is_read(value, seconds):
    assert parse_retry_after(value, now=NOW) == seconds


GARBAGE = [
    "",
    " ",
    "-1",
    "-0.5",
    "+5",
    "1e3",
    "nan",
    "inf",
    "Infinity",
    "0x10",
    "1_0",
    "1,5",
    "5, 7",
    ".5",
    "5.",
    "1.2.3",
]
GARBAGE += ["soon", "٣", "7\n", "7 s", "9" * 65, "1." + "0" * 64, "7\x00"]
BAD_DATES = [
    "Wed, 04 Foo 2026 05:06:17 GMT",
    "Wed, 32 Mar 2026 05:06:17 GMT",
    "Wed, 30 Feb 2026 05:06:17 GMT",
    "Wed, 00 Mar 2026 05:06:17 GMT",
    "Wed, 04 Mar 0000 05:06:17 GMT",
    "Wed, 04 Mar 2026 24:06:17 GMT",
    "Wed, 04 Mar 2026 05:60:17 GMT",
    "Wed, 04 Mar 2026 05:06:61 GMT",
    "Wed, 04 Mar 2026 05:06:17 PST",
    "Wed, 04 Mar 2026 05:06:17",
    "Wed, 04 Mar 26 05:06:17 GMT",
    "Wednesday, 04-Mar-2026 05:06:17 GMT",
    "04 Mar 2026 05:06:17 GMT",
    "2026-03-04T05:06:17Z",
    "Wed, 04 Mar 2026 05:06:17 GMT" + " " * 40 + "x",
    "Wed, 04 Mar 2026 05:06:17 GMT\nx",
]


@pytest.mark.parametrize("value", GARBAGE + BAD_DATES)
def test_garbage_is_ignored(value):
    assert parse_retry_after(value, now=NOW) is None
    assert parse_retry_after_ms(value) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_ignored(value):
    for seconds in (parse_retry_after(value, now=NOW), parse_retry_after_ms(value)):
        assert seconds is None or seconds >= 0


@given(st.integers(0, 253_402_300_799).map(lambda found: datetime.fromtimestamp(found, UTC)))
def test_any_date_is_read(moment):
    wanted = max(0.0, (moment - NOW).total_seconds())
    assert parse_retry_after(moment.strftime(f"%a, %d %b {moment.year:04} %H:%M:%S GMT"), now=NOW) == wanted
    assert parse_retry_after(moment.ctime(), now=NOW) == wanted


def test_milliseconds():
    assert parse_retry_after_ms("1500") == 1.5
    assert parse_retry_after_ms(" 0.5 ") == 0.0005


def test_the_precise_header_wins_where_valid():
    assert retry_after_from({}, now=NOW) is None
    assert retry_after_from({"retry-after": "3"}, now=NOW) == 3
    assert retry_after_from({"retry-after": "soon"}, now=NOW) is None
    assert retry_after_from({"retry-after-ms": "250", "retry-after": "3"}, now=NOW) == 0.25
    assert retry_after_from({"retry-after-ms": "0", "retry-after": "3"}, now=NOW) == 0
    assert retry_after_from({"retry-after-ms": "-1", "retry-after": "3"}, now=NOW) == 3
    assert retry_after_from({"retry-after-ms": "x"}, now=NOW) is None
    later = (NOW + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after_from({"retry-after": later}, now=NOW) == 9


@pytest.mark.parametrize(
    "value, answer", [("true", True), ("True ", True), ("FALSE", False), ("1", None), ("", None), ("true, false", None)]
)
def test_should_retry(value, answer):
    assert should_retry_header({"x-should-retry": value}) is answer
    assert should_retry_header({}) is None


# ------------------------------------------------------------------- budget


def taken(budget, now, tries=1000):
    return sum(budget.take(now) for _ in range(tries))


def test_budget_starts_with_ten_and_gets_one_back_per_second():
    budget = RetryBudget()
    assert taken(budget, 50.0) == 10
    assert budget.tokens == 0
    assert not budget.take(50.9)
    assert budget.take(51.0)
    assert taken(budget, 54.5) == 3
    assert taken(budget, 10_000.0) == 100


def test_ten_successes_pay_for_one_retry():
    budget = RetryBudget(initial=0)
    for _ in range(9):
        budget.success()
    assert not budget.take(0.0)
    budget.success()
    assert budget.take(0.0)
    assert not budget.take(0.0)
    assert budget.tokens >= 0


def test_successes_stop_at_the_capacity_without_a_lock():
    budget = RetryBudget(initial=9.95, capacity=10)
    budget.success()
    assert budget.tokens == 10
    with budget._lock:  # would wait for ever
        budget.success()
    assert taken(budget, 0.0) == 10


def test_a_clock_that_goes_back_gives_nothing():
    budget = RetryBudget(initial=1)
    assert budget.take(100.0)
    assert not budget.take(50.0)
    assert not budget.take(100.5)
    assert budget.take(101.0)


def test_budget_without_refill():
    budget = RetryBudget(2, 0, 0, 2)
    assert taken(budget, 0.0) == 2
    budget.success()
    assert taken(budget, 1e9) == 0


def test_budget_is_shared_by_threads():
    budget = RetryBudget(initial=500, per_second=0, capacity=500)
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(taken(budget, 1.0, 200))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(counts) == 500
    workers = [threading.Thread(target=lambda: [budget.success() for _ in range(1000)]) for _ in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join(30)
    assert budget.tokens == pytest.approx(400)


@pytest.mark.parametrize("travel", [copy.deepcopy, copy.copy, lambda budget: pickle.loads(pickle.dumps(budget))])
def test_budget_travels_without_its_clock(travel):
    budget = RetryBudget(3, 2, 0.5, 50)
    assert budget.take(1e6)
    twin = travel(budget)
    assert repr(twin) == repr(budget) == "RetryBudget(initial=3, per_second=2, per_success=0.5, capacity=50)"
    assert taken(twin, 5.0) == 2
    assert twin.take(6.0)
    assert budget.tokens == 2


@pytest.mark.parametrize("field", ["initial", "per_second", "per_success", "capacity"])
@pytest.mark.parametrize("value", [-1, float("nan"), None, True])
def test_budget_refuses(field, value):
    with pytest.raises(ValueError, match=f"^{field}: got "):
        RetryBudget(**{field: value})


def test_budget_starts_within_its_capacity():
    assert RetryBudget(initial=5, capacity=5).tokens == 5
    with pytest.raises(ValueError, match=r"^initial: got 6; expected at most capacity, 5$"):
        RetryBudget(initial=6, capacity=5)
