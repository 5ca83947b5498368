"""What a server says is left of a limit, as arithmetic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...errors.meta import Limit

_GAIN = 2.0  # a window's requests are spent faster at its beginning than at its end: none is left over
_LESS = 0.97  # of the rate at which a bucket fills
_TELLING = 4  # used of a limit, below which rounding says more than the number
_ALIKE = 0.15
_ENOUGH = 5
_WIDE = 1.5  # a window's rate is alike from one reply to the next, too, but not while so much more is used


class Account:
    """What the server said is left until its limit is reset.

    The rate goes by what is left over the time to the reset. Of a bucket that fills steadily, which shows in what was
    used over that time being always the same, it is the rate of filling.

    Args:
        longest_wait_s: A reset that is further away is not waited for, so nothing is saved up for it either: a day's
            quota is spent as if it ended after that time.
    """

    __slots__ = (
        *("_alike", "_began", "_fill", "_is_bucket", "_least", "_left", "_limit", "_longest_wait_s", "_period"),
        "_resets_at",
    )

    def __init__(self, longest_wait_s: float) -> None:
        self._longest_wait_s = longest_wait_s
        self._limit: float | None = None
        self._left = math.inf
        self._resets_at = -math.inf
        self._period = 0.0
        self._began = -math.inf
        self._fill = 0.0
        self._alike = 0
        self._least = 0.0  # used, of the replies that were alike
        self._is_bucket = False

    def read(self, limit: Limit, later: float, began: float, now: float) -> None:
        """Take what a reply said; `later` is what was spent after the server had said it."""
        # Of a limit without a reset its window is the longest that it can last.
        reset_s = limit.window_s if limit.reset_s is None else limit.reset_s
        if limit.remaining is None or reset_s is None or began < self._began:
            return
        self._began = began
        self._limit = limit.limit
        self._period = max(self._period, reset_s)
        self._left = limit.remaining - later
        self._resets_at = now + reset_s
        used = 0.0 if limit.limit is None else limit.limit - limit.remaining - 0.5  # it is rounded, as a rule down
        if used > _TELLING and reset_s > 0:
            fill = used / reset_s
            is_alike = self._fill > 0 and abs(fill / self._fill - 1) < _ALIKE
            self._alike = self._alike + 1 if is_alike else 0
            self._least = min(self._least, used) if is_alike else used
            self._is_bucket = is_alike and (self._is_bucket or (self._alike >= _ENOUGH and used > _WIDE * self._least))
            self._fill = self._fill + (fill - self._fill) / (self._alike + 1) if is_alike else fill

    def wait(self, now: float, cost: float) -> float:
        """Say how long nothing may start."""
        if now >= self._resets_at or self._is_bucket:
            return 0.0
        wait = self._resets_at - now if self._left < cost else 0.0
        return 0.0 if wait > self._longest_wait_s else wait

    def spend(self, now: float, cost: float) -> float:
        """Spend on one attempt; the answer is the time until the next."""
        if self._is_bucket:
            self._left -= cost
            return cost / (self._fill * _LESS)
        if now >= self._resets_at:
            if not self._limit or not self._period:
                return 0.0
            self._left, self._resets_at = self._limit, now + self._period  # until a reply says better
        window_s = min(self._resets_at - now, self._longest_wait_s)
        step = window_s * cost / (_GAIN * self._left) if self._left > 0 else 0.0
        self._left -= cost
        return step
