"""When to try again, and after how long: arithmetic only, clock and randomness come in as arguments."""

from __future__ import annotations

import math
import re
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..errors.base import ConfigurationError
from .dates import parse_date
from .forks import forkable_lock
from .shapes import described

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

RETRYABLE_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, *range(520, 531)})

_JITTERS = ("full", "equal", "none")
_STRATEGIES = ("backoff", "none")
_SECONDS = r"[0-9]+(?:\.[0-9]+)?"
# A longer value is no wait that anyone meant, and is not worth parsing.
_LONGEST_VALUE = 64


def _check_number(field: str, value: object, *, least: float) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            if math.isfinite(value) and value >= least:
                return
        except OverflowError:  # an int beyond the range of float
            pass
    raise ConfigurationError(f"{field}: got {described(value)}; expected a finite number >= {least:g}")


def _check_choice(field: str, value: object, accepted: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in accepted:
        names = ", ".join(repr(name) for name in accepted)
        raise ConfigurationError(f"{field}: got {described(value)}; expected one of {names}")


def _check_bool(field: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{field}: got {described(value)}; expected True or False")


@dataclass(frozen=True)
class BackoffStrategy:
    """Say how waits grow.

    Args:
        initial_interval: First wait in milliseconds, >= 0.
        max_interval: Longest wait in milliseconds, >= 0.
        exponent: Growth per attempt, >= 1.
        max_elapsed_time: Bound in milliseconds on attempts and waits together, >= 0.
        jitter: "full" waits a random part of each interval, "equal" at least half of it, "none" all of it.
    """

    initial_interval: float
    max_interval: float
    exponent: float
    max_elapsed_time: float
    _: KW_ONLY
    jitter: Literal["full", "equal", "none"] = "full"

    def __post_init__(self) -> None:
        _check_number("initial_interval", self.initial_interval, least=0)
        _check_number("max_interval", self.max_interval, least=0)
        _check_number("exponent", self.exponent, least=1)
        _check_number("max_elapsed_time", self.max_elapsed_time, least=0)
        _check_choice("jitter", self.jitter, _JITTERS)


class RetryBudget:
    """A token bucket that calls share, so that a dead service is not stormed with retries.

    It has no clock: `now` is any monotonic reading in seconds. Threads may share one; a pickled copy starts with the
    tokens of the original and a lock of its own.

    Args:
        initial: Tokens at the start.
        per_second: Tokens that come back per second.
        per_success: Tokens that come back per successful call.
        capacity: Most tokens ever held.
    """

    __slots__ = ("_full", "_last", "_lock", "_tokens", "capacity", "initial", "per_second", "per_success")

    def __init__(
        self, initial: float = 10, per_second: float = 1.0, per_success: float = 0.1, capacity: float = 100
    ) -> None:
        _check_number("capacity", capacity, least=0)
        _check_number("initial", initial, least=0)
        _check_number("per_second", per_second, least=0)
        _check_number("per_success", per_success, least=0)
        if initial > capacity:
            raise ConfigurationError(f"initial: got {initial:g}; expected at most capacity, {capacity:g}")
        self.initial = initial
        self.per_second = per_second
        self.per_success = per_success
        self.capacity = capacity
        self._tokens = float(initial)
        # Ten times 0.1 is a little less than 1 in floats: the slack keeps "one per ten successes" true.
        self._full = capacity - 1e-9
        self._last: float | None = None
        self._lock = forkable_lock()

    def __repr__(self) -> str:
        return (
            f"RetryBudget(initial={self.initial:g}, per_second={self.per_second:g}, "
            f"per_success={self.per_success:g}, capacity={self.capacity:g})"
        )

    @property
    def tokens(self) -> float:
        """Tokens held as of the last call."""
        return self._tokens

    def take(self, now: float) -> bool:
        """Pay for one retry; False if there is no token left."""
        with self._lock:
            if self._last is not None and now > self._last:
                self._tokens = min(self.capacity, self._tokens + (now - self._last) * self.per_second)
            if self._last is None or now > self._last:
                self._last = now
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens = max(0.0, self._tokens - 1)
            return True

    def success(self) -> None:
        """Credit a call that succeeded."""
        if self._tokens >= self._full:  # no lock where nothing can change
            return
        with self._lock:
            self._tokens = min(self.capacity, self._tokens + self.per_success)

    def __getstate__(self) -> dict[str, float]:
        # A lock does not travel, and a monotonic reading means nothing in another process.
        names = ("initial", "per_second", "per_success", "capacity", "_tokens", "_full")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, float]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._last = None
        self._lock = forkable_lock()


_DEFAULT_BACKOFF = BackoffStrategy(500, 8_000, 2, 60_000)


@dataclass(frozen=True)
class RetryConfig:
    """Say what is retried and how often.

    Args:
        strategy: "backoff", or "none" for one attempt only.
        backoff: How waits grow, from 500 ms doubling to 8 s within 60 s; may be None where the strategy is "none".
        retry_connection_errors: Whether failures without a reply are retried.
        max_attempts: Most attempts in all, >= 1; None leaves the bound to `max_elapsed_time`.
        status_codes: Statuses that are retried, as 400 to 599 or "4XX" / "5XX"; None for `RETRYABLE_STATUSES`.
        max_retry_after_ms: Longest `Retry-After` that is waited for; above it, the error is raised at once.
        budget: Shared bucket that pays for retries; None for that of the SDK.
        bound_attempts: Whether `max_elapsed_time` also cuts the attempt under way.
    """

    strategy: Literal["backoff", "none"] = "backoff"
    backoff: BackoffStrategy = _DEFAULT_BACKOFF
    retry_connection_errors: bool = True
    _: KW_ONLY
    max_attempts: int | None = None
    status_codes: Collection[int | str] | None = None
    max_retry_after_ms: float = 60_000
    budget: RetryBudget | None = None
    bound_attempts: bool = True

    def __post_init__(self) -> None:
        _check_choice("strategy", self.strategy, _STRATEGIES)
        _check_kind("backoff", self.backoff, BackoffStrategy, optional=self.strategy == "none")
        _check_bool("retry_connection_errors", self.retry_connection_errors)
        if self.max_attempts is not None:
            if isinstance(self.max_attempts, float):
                raise ConfigurationError(f"max_attempts: got {described(self.max_attempts)}; expected an int >= 1")
            _check_number("max_attempts", self.max_attempts, least=1)
        if self.status_codes is not None:
            object.__setattr__(self, "status_codes", _statuses(self.status_codes))
        _check_number("max_retry_after_ms", self.max_retry_after_ms, least=0)
        _check_kind("budget", self.budget, RetryBudget, optional=True)
        _check_bool("bound_attempts", self.bound_attempts)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "status_codes"}
        codes = "None" if self.status_codes is None else _shortened(self.status_codes)
        return f"RetryConfig({', '.join(f'{name}={value!r}' for name, value in shown.items())}, status_codes={codes})"

    @property
    def statuses(self) -> Collection[int | str]:
        """Statuses that are worth another attempt."""
        return RETRYABLE_STATUSES if self.status_codes is None else self.status_codes


def _check_kind(field: str, value: object, kind: type, *, optional: bool) -> None:
    if not (isinstance(value, kind) or (optional and value is None)):
        accepted = f"{kind.__name__} or None" if optional else kind.__name__
        raise ConfigurationError(f"{field}: got {described(value)}; expected {accepted}")


def _statuses(values: Any) -> frozenset[int]:
    accepted = "expected an iterable of 400 to 599, '4XX' or '5XX'"
    if isinstance(values, (str, bytes)):
        raise ConfigurationError(f"status_codes: got {described(values)}; {accepted}")
    try:
        items = list(values)
    except TypeError:
        raise ConfigurationError(f"status_codes: got {described(values)}; {accepted}") from None
    found: set[int] = set()
    for item in items:
        text = item.upper() if isinstance(item, str) else str(item) if type(item) is int and 399 < item < 600 else ""
        if text in ("4XX", "5XX"):
            found.update(range(int(text[0]) * 100, int(text[0]) * 100 + 100))
        elif re.fullmatch("[45][0-9][0-9]", text):
            found.add(int(text))
        else:
            raise ConfigurationError(f"status_codes: got an item of {described(item)}; {accepted}")
    return frozenset(found)


def _shortened(statuses: Collection[int | str]) -> str:
    """Write statuses as a caller would: a whole class in one word."""
    whole = [hundred for hundred in (4, 5) if {*range(hundred * 100, hundred * 100 + 100)} <= {*statuses}]
    rest = sorted(status for status in statuses if isinstance(status, int) and status // 100 not in whole)
    return repr([*rest, *(f"{hundred}XX" for hundred in whole)])


DEFAULT_RETRY = RetryConfig(max_attempts=3, bound_attempts=False)


def retries_of(count: int) -> RetryConfig:
    """Make the policy of a number of retries: that of the SDK's default, with as many attempts and the first."""
    return replace(DEFAULT_RETRY, max_attempts=count + 1)


def next_delay(
    config: RetryConfig, attempt: int, elapsed_s: float, retry_after_s: float | None, jitter: float
) -> float | None:
    """Return how long to wait before the next attempt.

    Args:
        attempt: Attempts made so far, >= 1.
        elapsed_s: Time since the first attempt began.
        retry_after_s: The wait that the server asked for: a minimum.
        jitter: A random value in [0, 1).

    Returns:
        Seconds to wait, >= 0; None to give up.
    """
    backoff = config.backoff
    if config.strategy == "none" or (config.max_attempts is not None and attempt >= config.max_attempts):
        return None
    delay = _interval_ms(backoff, attempt) / 1000
    if backoff.jitter == "full":
        delay *= jitter
    elif backoff.jitter == "equal":
        delay = delay / 2 + delay / 2 * jitter
    if retry_after_s is not None:
        if retry_after_s * 1000 > config.max_retry_after_ms:
            return None
        delay = max(delay, retry_after_s)
    return delay if (elapsed_s + delay) * 1000 < backoff.max_elapsed_time else None


def _interval_ms(backoff: BackoffStrategy, attempt: int) -> float:
    if not backoff.initial_interval:
        return 0.0
    try:
        # In floats: an int power of a huge attempt number would be computed digit by digit.
        grown = float(backoff.initial_interval) * math.pow(backoff.exponent, max(attempt, 1) - 1)
    except OverflowError:
        return float(backoff.max_interval)
    return min(float(backoff.max_interval), grown)


def _parse_number(value: str) -> float | None:
    value = value.strip(" \t")
    if len(value) > _LONGEST_VALUE or not re.fullmatch(_SECONDS, value):
        return None
    return float(value)


def parse_retry_after(value: str, *, now: datetime) -> float | None:
    """Read a Retry-After header.

    Args:
        value: Seconds, a fraction allowed since servers send one, or an HTTP-date in any of its three forms.
        now: Aware datetime the date form is measured from.

    Returns:
        Seconds to wait, >= 0; None if the value is neither form.

    Source: RFC 9110, 10.2.3.
    """
    seconds = _parse_number(value)
    if seconds is not None:
        return seconds
    moment = parse_date(value, now)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def parse_retry_after_ms(value: str) -> float | None:
    """Read a retry-after-ms header.

    Returns:
        Seconds to wait, >= 0; None if the value is not a count of milliseconds.
    """
    milliseconds = _parse_number(value)
    return None if milliseconds is None else milliseconds / 1000


def retry_after_from(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Find the wait that a reply asks for: retry-after-ms where it is valid, else Retry-After.

    Args:
        headers: Names in lower case, or a mapping that ignores case.
        now: Aware datetime the date form is measured from.

    Returns:
        Seconds to wait, >= 0; None if none is asked for.
    """
    precise = headers.get("retry-after-ms")
    if precise is not None:
        seconds = parse_retry_after_ms(precise)
        if seconds is not None:
            return seconds
    value = headers.get("retry-after")
    return None if value is None else parse_retry_after(value, now=now)


def should_retry_header(headers: Mapping[str, str]) -> bool | None:
    """Read x-should-retry; None if it is absent or neither true nor false.

    Args:
        headers: Names in lower case, or a mapping that ignores case.
    """
    value = headers.get("x-should-retry")
    if value is None:
        return None
    return {"true": True, "false": False}.get(value.strip().lower())
