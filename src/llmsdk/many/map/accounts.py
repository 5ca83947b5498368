"""What a server says is left of a limit, as arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...errors.meta import Limit

GAIN = 2.0  # times what is left per second is spent: faster at the beginning of a window, and nothing is left over
LESS = 0.97  # of the rate at which a bucket fills: it never runs dry
TELLING = 4  # used of a limit, below which rounding to whole requests says more than the number
WIDE = 1.3  # times as much used: then the measure of a window, used per time to its reset, is 1.3 times as high
ALIKE = 0.2  # what two measures of a bucket differ by at most; they do because of rounding
CREEP = 1.001  # times, for each reply that shows a bucket nearly full


class Account:
    """What the server said is left until its limit is reset.

    The rate goes by what is left over the time to the reset. Where that time grows with what was used, the limit is a
    bucket that fills steadily, and the rate is that of filling: a small bucket may be empty, and full again, before a
    reply tells of it.

    Args:
        longest_wait_s: A reset that is further away is not waited for, so nothing is saved up for it either: a day's
            quota is spent as if it ended after that time.
    """

    __slots__ = (
        *("_began", "_fill", "_left", "_limit", "_longest_wait_s", "_measured", "_period", "_resets_at"),
        *("_told", "_starts"),
    )

    def __init__(self, longest_wait_s: float) -> None:
        self._longest_wait_s = longest_wait_s
        self._limit: float | None = None
        self._left = math.inf
        self._resets_at = -math.inf
        self._period = 0.0
        self._began = -math.inf
        self._fill = 0.0  # per second, of a bucket; 0 where it is none
        self._measured = (0.0, 0.0)  # what was used when the rate of filling was last measured, and that rate
        self._told = math.inf  # what was left by the last reply
        self._starts = -math.inf  # of a window whose reset nobody tells, when it began

    def read(self, limit: Limit, later: float, began: float, now: float) -> None:
        """Take what a reply said; `later` is what was spent after the server had said it."""
        if limit.remaining is None or (limit.reset_s is None and limit.window_s is None) or began < self._began:
            return
        self._began = began
        reset_s = self._end(limit.remaining, limit.window_s or 0.0, later, now)
        reset_s = reset_s if limit.reset_s is None else limit.reset_s
        self._limit = limit.limit
        self._period = max(self._period, reset_s)
        self._left = limit.remaining - later
        self._resets_at = now + reset_s
        used = 0.0 if limit.limit is None else limit.limit - limit.remaining - 0.5  # it is rounded, as a rule down
        if used > TELLING and reset_s > 0:
            self._measure(used, used / reset_s)
        else:
            self._fill *= CREEP  # a bucket that is full could have been used more

    def _end(self, remaining: float, window_s: float, later: float, now: float) -> float:
        """Return when a window ends: more is left where one has begun, and none is longer than it is said to be."""
        if remaining > self._told + later or now >= self._starts + window_s:
            self._starts = now
        self._told = remaining
        return self._starts + window_s - now

    def _measure(self, used: float, fill: float) -> None:
        """Compare two replies between which much was used, or came back: only a bucket's rate is the same in both."""
        before, rate = self._measured
        if not used / WIDE < before < used * WIDE:
            self._fill = fill if before and abs(fill / rate - 1) < ALIKE else 0.0
            self._measured = (used, fill)
        elif self._fill:
            self._fill += (fill - self._fill) / 10

    def wait(self, now: float, cost: float) -> float:
        """Return how long nothing may start."""
        wait = self._resets_at - now
        return wait if 0 < wait <= self._longest_wait_s and self._left < cost and not self._fill else 0.0

    def spend(self, now: float, cost: float) -> float:
        """Spend on one attempt; the answer is the time until the next."""
        if self._fill:
            self._left -= cost
            return cost / (self._fill * LESS)
        if now >= self._resets_at:
            if not self._limit or not self._period:
                return 0.0
            self._left, self._resets_at = self._limit, now + self._period  # until a reply says better
        window_s = min(self._resets_at - now, self._longest_wait_s)
        step = window_s * cost / (GAIN * self._left) if self._left > 0 else 0.0
        self._left -= cost
        return step


class Accounts:
    """The limits of one kind: an account for each window of time that the server tells of, which all have to allow."""

    __slots__ = ("_by_window", "_longest_wait_s")

    def __init__(self, longest_wait_s: float) -> None:
        self._longest_wait_s = longest_wait_s
        self._by_window: dict[float | None, Account] = {}

    def read(self, limits: Iterable[Limit], later: float, began: float, now: float) -> None:
        """Take what a reply said of each window."""
        for limit in limits:
            account = self._by_window.get(limit.window_s)
            if account is None:
                account = self._by_window[limit.window_s] = Account(self._longest_wait_s)
            account.read(limit, later, began, now)

    def wait(self, now: float, cost: float) -> float:
        """Return how long nothing may start."""
        return max((account.wait(now, cost) for account in self._by_window.values()), default=0.0)

    def spend(self, now: float, cost: float) -> float:
        """Spend on one attempt; the answer is the time until the next."""
        return max([account.spend(now, cost) for account in self._by_window.values()], default=0.0)
