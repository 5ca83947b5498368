"""How many attempts may be in flight, and when the next may start: arithmetic, told of the time in every call."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ConfigurationError
from ...utils.log import logger
from ...utils.shapes import described
from .accounts import Account
from .learned import LearnedRate

if TYPE_CHECKING:
    from ...errors.meta import RateLimit

MAX_CONCURRENCY = 10_000


@dataclass(frozen=True)
class Adaptive:
    """Say how many requests may be in flight; between the bounds it is found out.

    The number halves when the server answers 429 or 503 and grows back. Requests per second are paced by what the
    server's rate-limit headers say, else by what it had accepted when it refused.

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

_SLACK_S = 0.02  # a timer that fires late is made up for, up to this
_TOGETHER = 3.0  # answers of 503 that are no chance
_FADES = 0.03  # of one of them, per accepted attempt
_LONG = 4000  # accepted, after which one more is tried in each round
_NEAR = 0.9  # of the number in flight at which the server was busy: above it, more are tried slowly
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 8.0
LONGEST_WAIT_S = 60.0  # the default of `RetryConfig.max_retry_after_ms`, and the window of most servers' limits


class Pacer:
    """Decides when attempts start; told of the time, of each attempt that starts and of what it showed.

    Concurrency is halved by a refusal, once per round of attempts in flight, and grows back. The rate is bound by
    accounts of what the server's headers say is left, and by a rate learned from refusals. A refusal by itself tells
    little, since busy servers refuse some requests whatever the rate: only several close together make everything
    pause and the rate be learned anew.

    Args:
        longest_wait_s: A server's wish for a longer rest is not followed: it is logged once, and attempts go on, one at
            a time where all are refused, so that each row ends with what the server says.
    """

    def __init__(self, limit: Adaptive, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self._longest_wait_s = longest_wait_s
        self._is_noted = False  # that such a wish was not followed
        self.in_flight = 0
        self._max = float(limit.max)
        self._ceiling = float(min(limit.start, limit.max))
        self._grown_at: float | None = None
        self._back_to = 0.0  # what was in flight before a refusal
        self._busy = 0.0  # answers of 503, each one fading with what is accepted after it
        self._busy_at = math.inf  # what was in flight when several came close together
        self._fine = 0  # accepted since
        self._round_at = -math.inf  # attempts that began before belong to a round that was cut
        self._told_at = -math.inf  # attempts that began before say nothing of the rate learned then
        self._requests, self._tokens = Account(longest_wait_s), Account(longest_wait_s)
        self._per_call = 0.0  # moving average of used tokens
        self._fixed = 0.0 if limit.requests_per_second is None else 1 / limit.requests_per_second
        self._learned = LearnedRate()
        self._next_at = -math.inf
        self._is_learned = False  # whether the learned rate says when that is
        self._open_at = -math.inf
        self._pause_s = _FIRST_PAUSE_S
        self._probing = False  # after a pause one attempt at a time, until one is accepted
        self._probes = 0
        self._starts: deque[float] = deque(maxlen=4 * limit.max)

    def admit(self, now: float) -> float:
        """Let an attempt start.

        Returns:
            0.0 if it may start now, and is counted as in flight; else seconds after which to ask again, infinite where
            a report has to come first.
        """
        if self.in_flight >= int(self._ceiling) or (self._probing and self._probes):
            return math.inf
        wait = max(self._open_at, self._next_at) - now
        if wait <= 0:
            wait = max(self._requests.wait(now, 1.0), self._tokens.wait(now, self._per_call))
        if wait > 0:
            self._learned.is_binding |= self._is_learned
            return wait
        told = max(self._fixed, self._requests.spend(now, 1.0), self._tokens.spend(now, self._per_call))
        step = max(told, self._learned.interval)
        self._is_learned = step > told
        self._next_at = max(self._next_at, now - _SLACK_S) + step if step else now
        self.in_flight += 1
        self._probes += self._probing
        self._starts.append(now)
        return 0.0

    def load(self, now: float) -> Load:
        """Say what keeps the next attempt from starting, without starting one."""
        waits = [
            (self._open_at - now, "429"),
            (self._requests.wait(now, 1.0), "limit of requests"),
            (self._tokens.wait(now, self._per_call), "limit of tokens"),
            (self._next_at - now, "rate"),
        ]
        pause_s, why = max(waits)
        return Load(self.in_flight, pause_s, why) if pause_s > 0 else Load(self.in_flight, 0.0, "")

    def report(self, seen: Feedback, now: float) -> None:
        """Take what an attempt showed; it is no longer in flight."""
        was_full = self.in_flight >= int(self._ceiling) - 1
        self.in_flight = max(0, self.in_flight - 1)
        began = now - seen.elapsed_s
        is_probe = self._probing and self._probes > 0 and began >= self._told_at
        if is_probe:
            self._probes = 0
        if not seen.sent:
            return
        if seen.rate_limit is not None:
            self._read_limits(seen.rate_limit, began, now)
        if seen.tokens:
            self._per_call += (seen.tokens - self._per_call) * (0.1 if self._per_call else 1.0)
        if seen.status in REFUSALS:
            self._cut(began, now, is_busy=seen.status == 503)
            if seen.status == 429 and began >= self._told_at:
                self._learn(seen.retry_after_s or 0.0, now, is_probe=is_probe)
        elif seen.status is not None and seen.status < 500:
            self._learned.accepted(now)
            self._busy = max(0.0, self._busy - _FADES)
            self._fine += 1
            if is_probe:
                self._probing, self._pause_s = False, _FIRST_PAUSE_S
                self._learned.resume(now)
            if was_full:
                self._grow(now)
            self._grown_at = now

    def _grow(self, now: float) -> None:
        """Let more be in flight: at once what was there before a lone refusal, else twice as much per second at most.

        Near the number at which the server was busy it is a little per round, and the more the longer it accepts.
        """
        if self._ceiling >= self._busy_at * _NEAR:
            step = min(1.0, (0.05 + self._fine / _LONG) / self._ceiling)
        elif self._ceiling < self._back_to:
            step = 1.0
        else:
            since = 0.0 if self._grown_at is None else max(0.0, now - self._grown_at)
            step = min(1.0, self._ceiling * since)
        self._ceiling = min(self._max, self._ceiling + step)

    def _cut(self, began: float, now: float, *, is_busy: bool) -> None:
        self._busy += is_busy
        if began >= self._told_at and not is_busy:
            self._learned.refused()
        if began < self._round_at or self._probing:
            return
        if self._busy >= _TOGETHER:
            self._busy_at, self._fine = self._ceiling, 0
        self._back_to = self._ceiling
        self._ceiling = max(1.0, self._ceiling / 2)
        self._round_at = now

    def _learn(self, asked_s: float, now: float, *, is_probe: bool) -> None:
        """Pause where the server refuses everything; where it refuses a part, only learn the rate anew."""
        learned = self._learned
        if not (is_probe or learned.is_limited):
            return
        refuses_all = is_probe or learned.refuses_all
        is_too_long = self._is_too_long(asked_s)
        asked_s = 0.0 if is_too_long else asked_s
        if not (is_probe or is_too_long):  # a quota that is spent says nothing of the rate
            learned.learn(now, asked_s if refuses_all else 0.0)
        self._told_at = now
        if refuses_all:
            self._probing, self._probes = True, 0
            pause_s = _FIRST_PAUSE_S if is_too_long else self._pause_s
            self._open_at = max(self._open_at, now + min(asked_s or pause_s, self._longest_wait_s))
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def _is_too_long(self, wait_s: float | None) -> bool:
        """Tell a wait that the caller did not allow, and log the first."""
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
        later = 0  # started since: the server had not counted them yet
        for start in reversed(self._starts):
            if start <= began:
                break
            later += 1
        self._requests.read(limits.requests, later, began, now)
        self._tokens.read(limits.tokens, later * self._per_call, began, now)
