"""How many attempts may be in flight, and when the next may start: arithmetic, told of the time in every call."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ConfigurationError
from ...utils.log import logger
from ...utils.shapes import described
from .accounts import Accounts
from .learned import FIRST_PAUSE_S, LearnedRate, Level, Refusals

if TYPE_CHECKING:
    from ...errors.meta import RateLimit

MAX_CONCURRENCY = 10_000


@dataclass(frozen=True)
class Adaptive:
    """Say how many requests may be in flight; between the bounds it is found out.

    The number grows from `start`, falls when the server answers 503 several times, and grows back. Requests per second
    are paced by what the server's rate-limit headers say, else by what it accepts when it answers 429.

    Args:
        start: Requests in flight at the beginning, >= 1; never more than `max`.
        max: Most requests in flight, >= 1.
        requests_per_second: Bound of the rate that is known beforehand; None to find it out.

    Raises:
        ConfigurationError: A value out of its range.
    """

    start: int = 8
    max: int = 64
    _: KW_ONLY
    requests_per_second: float | None = None

    def __post_init__(self) -> None:
        for name in ("start", "max"):
            check_count(getattr(self, name), name)
        if self.requests_per_second is not None:
            _check_rate(self.requests_per_second)


def _check_rate(rate: object) -> None:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise ConfigurationError(f"requests_per_second: must be a finite number > 0 or None, got {described(rate)}")


def check_count(value: object, name: str) -> None:
    """Refuse what is no number of requests in flight.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CONCURRENCY:
        raise ConfigurationError(f"{name}: must be an int from 1 to {MAX_CONCURRENCY}, got {described(value)}")


def as_adaptive(limit: Any) -> Adaptive:
    """Read a limit of requests in flight: an `Adaptive`, a number, or None for the default.

    Raises:
        ConfigurationError: It is none of these.
    """
    if limit is None or isinstance(limit, Adaptive):
        return limit or Adaptive()
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise ConfigurationError(f"limit: must be an Adaptive or an int >= 1, got {type(limit).__name__}")
    check_count(limit, "limit")
    return Adaptive(limit, limit)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one attempt showed; small, and pickled where the gate is in another process.

    Attributes:
        status: Status of the reply; None where none came.
        sent: Whether anything was sent at all.
        retry_after_s: Seconds that the server asked to wait.
        rate_limit: What the reply's headers say of the limits.
        tokens: Tokens used.
        elapsed_s: From the start of the attempt to its end.
    """

    status: int | None = None
    sent: bool = True
    retry_after_s: float | None = None
    rate_limit: RateLimit | None = None
    tokens: float = 0
    elapsed_s: float = 0.0


NOT_SENT = Feedback(sent=False)


class Load(NamedTuple):
    """How a map stands: requests in flight, seconds until the next may start at the earliest, and what it waits for."""

    in_flight: int
    pause_s: float
    why: str


REFUSALS = frozenset({429, 503})
"""Statuses by which a server says that it is asked too much."""

DOUBLING = 0.7  # per second, as ln 2: the number in flight doubles each second, until the server is busy
SLACK_S = 0.02  # a timer that fires late is made up for, up to this
LONGEST_WAIT_S = 60.0  # the default of `RetryConfig.max_retry_after_ms`, and the window of most servers' limits


class Pacer:
    """Decides when attempts start; told of the time, of each attempt that starts and of what it showed.

    The law: a number of attempts in flight that is found as TCP finds its window, and a token bucket. The number grows
    quickly from the start, falls by two fifths where answers of 503 come together, and grows back slowly near what was
    too many, faster beyond it (`Level`). The bucket holds what a late timer may make up for, and fills at the lowest of
    three rates: that which the caller knows, that by which what the server's headers say is left would last until it is
    reset (`Accounts`), and that which was learned from answers of 429 (`LearnedRate`). A server that refuses everything
    is left alone for as long as it asks, then tried by one attempt at a time until it accepts one. A single refusal
    changes nothing: busy servers refuse some requests whatever the rate.

    Args:
        longest_wait_s: A server's wish for a longer rest is not followed: it is logged once, and attempts go on, one at
            a time where all are refused, so that each row ends with what the server says.
    """

    def __init__(self, limit: Adaptive, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self.in_flight = 0
        self._longest_wait_s = longest_wait_s
        self._is_noted = False  # that such a wish was not followed
        self._max = limit.max
        self._ceiling = Level(0.4, min(limit.start, limit.max), search=DOUBLING)
        self._busy = Refusals()
        self._cut_at = -math.inf  # attempts that began before say nothing of the number in flight since
        self._requests, self._tokens = Accounts(longest_wait_s), Accounts(longest_wait_s)
        self._per_call = 0.0  # moving average of used tokens
        self._fixed = 0.0 if limit.requests_per_second is None else 1 / limit.requests_per_second
        self._learned = LearnedRate()
        self._next_at = -math.inf
        self._is_learned = False  # whether the learned rate says when that is
        self._is_closed = False  # the server refused everything: one attempt at a time, until one is accepted
        self._is_probed = False  # whether that one is under way

    def admit(self, now: float) -> float:
        """Let an attempt start.

        Returns:
            0.0 if it may start now, and is counted as in flight; else seconds after which to ask again, infinite where
            a report has to come first.
        """
        if self.in_flight >= self._most or (self._is_closed and self._is_probed):
            return math.inf
        wait = self._next_at - now
        if wait <= 0:
            wait = max(self._requests.wait(now, 1.0), self._tokens.wait(now, self._per_call))
        if wait > 0:
            return wait
        told = max(self._fixed, self._requests.spend(now, 1.0), self._tokens.spend(now, self._per_call))
        step = max(told, self._learned.interval)
        self._is_learned = step > told
        self._next_at = max(self._next_at, now - SLACK_S) + step if step else now
        self.in_flight += 1
        self._is_probed = self._is_closed
        return 0.0

    @property
    def _most(self) -> int:
        return int(min(self._max, self._ceiling.tried))

    def load(self, now: float) -> Load:
        """Say what keeps the next attempt from starting, without starting one."""
        waits = [
            (self._requests.wait(now, 1.0), "limit of requests"),
            (self._tokens.wait(now, self._per_call), "limit of tokens"),
            (self._next_at - now, "429" if self._is_closed else "rate"),
        ]
        pause_s, why = max(waits)
        return Load(self.in_flight, pause_s, why) if pause_s > 0 else Load(self.in_flight, 0.0, "")

    def report(self, seen: Feedback, now: float) -> None:
        """Take what an attempt showed; it is no longer in flight."""
        is_full = self.in_flight >= self._most - 1
        self.in_flight = max(0, self.in_flight - 1)
        began = now - seen.elapsed_s
        is_probe = self._is_probed and began >= self._learned.changed_at
        if is_probe:
            self._is_probed = False
        if not seen.sent:
            return
        if seen.rate_limit is not None:
            self._read_limits(seen.rate_limit, began, now)
        if seen.tokens:
            self._per_call += (seen.tokens - self._per_call) * (0.1 if self._per_call else 1.0)
        if seen.status == 429 and began >= self._learned.changed_at:
            self._refused(seen.retry_after_s or 0.0, now, is_probe=is_probe)
        elif seen.status == 503 and began >= self._cut_at:
            if self._busy.refused(now):
                self._ceiling.found(min(self._max, self._ceiling.tried), now)
                self._busy.clear()
                self._cut_at = now
        elif seen.status is not None and seen.status < 500 and seen.status != 429:
            self._accepted(now, is_full=is_full, is_probe=is_probe)

    def _accepted(self, now: float, *, is_full: bool, is_probe: bool) -> None:
        self._busy.accepted()
        self._learned.accepted(now)
        if is_probe:
            self._is_closed = False
            self._learned.opened(now)
        elif self._is_learned and self._next_at > now - SLACK_S:  # attempts wait for the learned rate
            self._learned.grow(now)
        if is_full and self._ceiling.tried < self._max:
            self._ceiling.grow(now)

    def _refused(self, asked_s: float, now: float, *, is_probe: bool) -> None:
        is_too_long = self._is_too_long(asked_s)
        pause_s = self._learned.refused(now, 0.0 if is_too_long else asked_s, is_probe=is_probe)
        if pause_s:
            self._is_closed, self._is_probed = True, False
            self._next_at = max(self._next_at, now + (FIRST_PAUSE_S if is_too_long else pause_s))

    def _is_too_long(self, wait_s: float | None) -> bool:
        """Recognize a wait that the caller did not allow, and log the first."""
        if wait_s is None or wait_s <= self._longest_wait_s:
            return False
        if not self._is_noted:
            self._is_noted = True
            logger.warning(
                "the server asks for a wait of %.0f s, and a map waits for %.0f s at most (max_retry_after_ms of its "
                "retries): requests are sent all the same, and those that the server refuses fail",
                wait_s,
                self._longest_wait_s,
            )
        return True

    def _read_limits(self, limits: RateLimit, began: float, now: float) -> None:
        for limit in (limits.requests, limits.tokens):
            if limit.remaining is not None and limit.remaining < 1:
                self._is_too_long(limit.reset_s)
        # What is in flight began after this one, as a rule, and the server had not counted it yet.
        self._requests.read(limits.requests_windows or (limits.requests,), self.in_flight, began, now)
        self._tokens.read(limits.tokens_windows or (limits.tokens,), self.in_flight * self._per_call, began, now)
