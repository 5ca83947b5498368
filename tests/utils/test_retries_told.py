"""Retry settings as they print, and the whole line that a bad one gets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmsdk.errors import ConfigurationError
from llmsdk.utils.retries import (
    BackoffStrategy,
    RetryBudget,
    RetryConfig,
    next_delay,
    parse_retry_after,
    should_retry_header,
)

BACKOFF = BackoffStrategy(500, 8_000, 2, 60_000)
SHOWN = (
    "RetryConfig(strategy='backoff', backoff=BackoffStrategy(initial_interval=500, max_interval=8000, exponent=2, "
    "max_elapsed_time=60000, jitter='full'), retry_connection_errors=True, max_attempts={}, max_retry_after_ms=60000, "
    "budget=None, bound_attempts=True, status_codes={})"
)
CODES = "expected an iterable of 400 to 599, '4XX' or '5XX'"


@pytest.mark.parametrize(
    "codes, shown",
    [
        (None, "None"),
        ([], "[]"),
        ([429, "503"], "[429, 503]"),
        (["5XX"], "['5XX']"),
        (["5XX", 429, 408], "[408, 429, '5XX']"),
        (["4xx", "5XX"], "['4XX', '5XX']"),
        (["4XX", 599, 500], "[500, 599, '4XX']"),
        (range(400, 500), "['4XX']"),
        (range(401, 500), repr(list(range(401, 500)))),
        (range(500, 599), repr(list(range(500, 599)))),
    ],
)
def test_a_policy_prints_as_it_was_written(codes: Any, shown: str) -> None:
    config = RetryConfig("backoff", BACKOFF, True, max_attempts=3, status_codes=codes)
    assert repr(config) == SHOWN.format(3, shown)


@pytest.mark.parametrize(
    "fields, line",
    [
        ({"strategy": "always"}, "strategy: got str; expected one of 'backoff', 'none'"),
        ({"strategy": 5}, "strategy: got int 5; expected one of 'backoff', 'none'"),
        ({"backoff": 1.5}, "backoff: got float 1.5; expected BackoffStrategy"),
        ({"strategy": "none", "backoff": 5}, "backoff: got int 5; expected BackoffStrategy or None"),
        ({"retry_connection_errors": None}, "retry_connection_errors: got NoneType; expected True or False"),
        ({"max_attempts": 0}, "max_attempts: got int 0; expected a finite number >= 1"),
        ({"max_attempts": 2.5}, "max_attempts: got float 2.5; expected an int >= 1"),
        ({"max_attempts": True}, "max_attempts: got bool True; expected a finite number >= 1"),
        ({"max_retry_after_ms": -1}, "max_retry_after_ms: got int -1; expected a finite number >= 0"),
        ({"budget": 5}, "budget: got int 5; expected RetryBudget or None"),
        ({"bound_attempts": 0}, "bound_attempts: got int 0; expected True or False"),
        ({"status_codes": "5XX"}, f"status_codes: got str; {CODES}"),
        ({"status_codes": 500}, f"status_codes: got int 500; {CODES}"),
        ({"status_codes": [600]}, f"status_codes: got an item of int 600; {CODES}"),
        ({"status_codes": [399]}, f"status_codes: got an item of int 399; {CODES}"),
        ({"status_codes": [True]}, f"status_codes: got an item of bool True; {CODES}"),
        ({"status_codes": [500.0]}, f"status_codes: got an item of float 500.0; {CODES}"),
        ({"status_codes": ["6XX"]}, f"status_codes: got an item of str; {CODES}"),
    ],
)
def test_the_line_of_a_bad_policy(fields: dict[str, Any], line: str) -> None:
    given: dict[str, Any] = {"strategy": "backoff", "backoff": BACKOFF, "retry_connection_errors": True, **fields}
    with pytest.raises(ConfigurationError) as caught:
        RetryConfig(**given)
    assert str(caught.value) == line
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "fields, line",
    [
        ({"initial_interval": -1}, "initial_interval: got int -1; expected a finite number >= 0"),
        ({"max_interval": "5"}, "max_interval: got str; expected a finite number >= 0"),
        ({"exponent": 0.5}, "exponent: got float 0.5; expected a finite number >= 1"),
        ({"max_elapsed_time": float("nan")}, "max_elapsed_time: got float nan; expected a finite number >= 0"),
        ({"initial_interval": 10**400}, "initial_interval: got int of 1329 bits; expected a finite number >= 0"),
        ({"jitter": "some"}, "jitter: got str; expected one of 'full', 'equal', 'none'"),
        ({"jitter": ["full"]}, "jitter: got list; expected one of 'full', 'equal', 'none'"),
    ],
)
def test_the_line_of_a_bad_backoff(fields: dict[str, Any], line: str) -> None:
    given: dict[str, Any] = {"initial_interval": 0, "max_interval": 0, "exponent": 1, "max_elapsed_time": 0, **fields}
    with pytest.raises(ConfigurationError) as caught:
        BackoffStrategy(**given)
    assert str(caught.value) == line


@pytest.mark.parametrize("field", ["initial", "per_second", "per_success", "capacity"])
def test_the_line_of_a_bad_budget(field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryBudget(**{field: -1})
    assert str(caught.value) == f"{field}: got int -1; expected a finite number >= 0"
    assert RetryBudget(**{"initial": 0, "capacity": 0, field: 0}).tokens == 0


def test_a_policy_is_complete_without_a_word_on_its_edges() -> None:
    config = RetryConfig("backoff", BACKOFF, True)
    assert (config.max_attempts, config.status_codes, config.max_retry_after_ms) == (None, None, 60_000)
    assert (config.budget, config.bound_attempts, BACKOFF.jitter) == (None, True, "full")
    budget = RetryBudget()
    assert (budget.initial, budget.per_second, budget.per_success, budget.capacity) == (10, 1.0, 0.1, 100)
    assert repr(budget) == "RetryBudget(initial=10, per_second=1, per_success=0.1, capacity=100)"


def test_a_budget_keeps_its_slack_in_both_directions() -> None:
    budget = RetryBudget(initial=1 - 1e-10, capacity=1)
    assert budget.take(0.0)
    assert budget.tokens == 0
    budget = RetryBudget(initial=1 - 1e-8, per_second=0, capacity=1)
    assert not budget.take(0.0)
    assert budget.tokens == 1 - 1e-8
    budget = RetryBudget(initial=5, per_second=2, capacity=5)
    assert budget.take(10.0)
    assert budget.take(10.25)
    assert budget.tokens == 3.5


def test_words_of_the_header_may_stand_between_blanks() -> None:
    answers = [should_retry_header({"x-should-retry": word}) for word in ("true", " FALSE ", "\tTrue", "yes")]
    assert answers == [True, False, True, None]


def test_the_longest_value_that_is_read() -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert parse_retry_after("0" * 64, now=now) == 0
    assert parse_retry_after("0" * 65, now=now) is None
    date = "Wed, 04 Mar 2026 05:06:17 GMT"
    assert parse_retry_after(date.replace(", ", "," + " " * (65 - len(date))), now=now) == 10
    assert parse_retry_after(date.replace(", ", "," + " " * (66 - len(date))), now=now) is None
    assert parse_retry_after(f" \t{date}\t ", now=now) == 10
    assert parse_retry_after("7" + " " * 99, now=now) == 7
    assert parse_retry_after("X7X", now=now) is None
    assert parse_retry_after(f"X{date}X", now=now) is None


def test_two_digits_of_a_year_are_at_most_fifty_years_ahead() -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    in_50, in_51 = (parse_retry_after(f"Wednesday, 04-Mar-{year} 05:06:07 GMT", now=now) for year in ("76", "77"))
    assert in_50 == (datetime(2076, 3, 4, 5, 6, 7, tzinfo=UTC) - now).total_seconds()
    assert in_51 == 0
    later = datetime(2110, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert parse_retry_after("Tuesday, 04-Mar-10 05:06:17 GMT", now=later) == 10


@pytest.mark.parametrize("blank", ["\xa0", "\x0b", "\n", "\u3000"])
def test_no_other_blanks_stand_around_a_wait(blank: str) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    for value in ("Wed, 04 Mar 2026 05:06:17 GMT", "7"):
        assert parse_retry_after(value, now=now) is not None
        assert parse_retry_after(f"{blank}{value}", now=now) is None
        assert parse_retry_after(f"{value}{blank}", now=now) is None


def test_a_token_that_lacks_a_billionth_is_a_token() -> None:
    assert RetryBudget(initial=1 - 1e-9).take(0)
    assert not RetryBudget(initial=1 - 2e-9).take(0)


def test_a_wait_grows_from_the_first_attempt_on() -> None:
    config = RetryConfig("backoff", BackoffStrategy(100, 10**9, 3, 10**9, jitter="none"), True)
    assert [next_delay(config, attempt, 0, None, 0.5) for attempt in (1, 2, 3)] == [0.1, 0.3, 0.9]


def test_a_status_of_more_digits_than_python_writes() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryConfig("backoff", BACKOFF, True, status_codes=[10**5000])
    assert str(caught.value) == f"status_codes: got an item of int of 16610 bits; {CODES}"
