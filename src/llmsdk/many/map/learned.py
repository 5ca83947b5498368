"""A rate found out from what a server accepts and refuses, as arithmetic."""

from __future__ import annotations

import math
from collections import deque

_IN_A_ROW = 3  # refused: the server refuses everything
_TOGETHER = 4.0  # refused, each one fading with what is accepted after it
_FADES = 0.02  # per accepted attempt: a smaller share of refusals than this is no sign of a limit
_LESS = 0.97  # of what the server is thought to accept
_GROWTH = 0.003  # per second, of a rate that was found right
_UNSURE = 0.01  # per second, of one that was found wrong
_GUESSED = 0.05  # per second, of a first guess
_DOUBLES_S = 20  # without a refusal, until the growth is twice what it was
_CORRECTED_S = 20  # in which the growth would make up for how far the last two levels lie apart
_SAMPLE = 20  # attempts whose time tells what the server accepts
_SEARCHING = 1.5  # per second, of one that was made after an instant
_MARK_S = 0.02  # between two moments whose count is kept
_TOO_FEW = 10  # accepted, to learn from
_MOST_LESS = 0.6  # of a rate, kept whatever the share of refusals: a few that come together say little
_SHORT_S = 0.3  # until the server refused: a burst, not a rate; or until it accepted again: no window of time
_IN_VAIN = 6  # times that the rate was lowered
_LOWER = 0.75  # of the first of these rates
_STILL = 0.3  # of the share of refusals, left after the rate was lowered: it had not come from the rate


class LearnedRate:
    """The requests per second that a server is thought to accept; infinite until it refuses.

    Refusals in a small share, or in a share that lowering the rate does not change, leave it where it is.
    """

    def __init__(self) -> None:
        self.rate = math.inf
        self._count = 0  # accepted in all
        self._in_a_row = 0
        self._together = 0.0
        self._fades = _FADES
        self._marks: deque[tuple[float, int]] = deque(maxlen=1024)
        self._since: tuple[float, int] = (-math.inf, 0)  # moment and count of the last change of the rate
        self._burst_at = 0  # count when refusals began to come together
        self._burst_lost = 0  # refused since then
        self._probed = 0  # refused since the server was last asked whether it accepts again
        self._is_whole = False  # whether it had asked for whole seconds, or none
        self._level = math.inf  # what the server was thought to accept
        self._growth = _SEARCHING
        self._learned_at = -math.inf
        self._grown_at = -math.inf
        self._lowered: deque[tuple[float, float]] = deque(maxlen=_IN_VAIN)  # rates, and what share of each was refused
        self.is_binding = False  # whether an attempt had to wait for it

    @property
    def interval(self) -> float:
        """Time between two attempts."""
        return 0.0 if self.rate == math.inf else 1 / self.rate

    @property
    def refuses_all(self) -> bool:
        """Whether the server refuses everything at the moment."""
        enough = _IN_A_ROW if self._fades == _FADES else 2 * _IN_A_ROW  # of a server that refuses some in any case
        return self._in_a_row >= enough or not self._count

    @property
    def is_limited(self) -> bool:
        """Whether refusals come so close together that the rate must be too high."""
        return self.refuses_all or self._together >= _TOGETHER

    def accepted(self, now: float) -> None:
        """Count an attempt that was accepted, and let the rate grow."""
        if not self._marks:
            self._since = (now, 0)
        if not self._marks or now - self._marks[-1][0] >= _MARK_S:
            self._marks.append((now, self._count))
        self._count += 1
        self._in_a_row = 0
        self._together = max(0.0, self._together - self._fades)
        if self.is_binding:
            self.is_binding = False
            since = max(0.0, now - self._since[0])
            self.rate *= 1 + self._growth * (1 + since / _DOUBLES_S) * max(0.0, min(now - self._grown_at, 1.0))
            self._grown_at = now

    def refused(self) -> None:
        """Count an attempt that was refused."""
        if self._together == 0:
            self._burst_at, self._burst_lost = self._count, 0
        self._burst_lost += 1
        self._probed += 1
        self._in_a_row += 1
        self._together += 1

    def learn(self, now: float, asked_s: float) -> None:
        """Set the rate to a little less than what was accepted.

        Args:
            asked_s: Seconds that the server wants to be left alone; 0 where it does not say.
        """
        took_s = now - self._since[0]
        level = self._level_of_all(now, asked_s) if self.refuses_all else self._level_of_part(now)
        if self._level == math.inf:
            is_blind = self.rate < math.inf or took_s < _SHORT_S
            self._growth = _SEARCHING if is_blind else _GUESSED
        else:
            self._growth = min(_UNSURE, max(_GROWTH, abs(level / self._level - 1) / _CORRECTED_S))
        self._level = level
        self.rate = level * _LESS
        self._is_whole = asked_s % 1 == 0
        self._learned_at = now
        self._restart(now)

    def _level_of_all(self, now: float, asked_s: float) -> float:
        """Say what the server accepts that refuses everything at the moment."""
        if self._level < math.inf and self._count - self._since[1] < _TOO_FEW:
            return self._level
        return self._accepted_rate(now, asked_s)

    def _level_of_part(self, now: float) -> float:
        """Say what the server accepts that refuses a part of what comes."""
        share = (self._burst_lost - 1) / max(1.0, self._count - self._burst_at + self._burst_lost - 1)
        self._lowered.append((self.rate, share))
        if self._was_in_vain():
            level = self._lowered[0][0]
            self._fades = max(self._fades, 2 * share)
            self._lowered.clear()
            self._level = math.inf
            return level
        if self.rate == math.inf:
            return self._accepted_rate(now, 0.0)
        level = self.rate * max(_MOST_LESS, 1 - share)
        is_steady = now - self._since[0] >= 1 and self._growth < _SEARCHING
        return max(level, self._accepted_rate(now, 0.0)) if is_steady else level

    def _was_in_vain(self) -> bool:
        """Whether the rate was lowered again and again, and as many were refused as before."""
        if len(self._lowered) < _IN_VAIN:
            return False
        shares = [share for _, share in self._lowered]
        return self._lowered[-1][0] < _LOWER * self._lowered[0][0] and min(shares) > _STILL * max(shares)

    def resume(self, now: float) -> None:
        """Note that the server accepts again after it had refused everything."""
        waited = now - self._learned_at > _SHORT_S
        if self._growth == _SEARCHING and waited and (self._probed or not self._is_whole):
            self._growth = _UNSURE  # what it had accepted was all that a window of time had room for
        self._restart(now)

    def _restart(self, now: float) -> None:
        self._since, self._grown_at = (now, self._count), now
        self._in_a_row = self._probed = 0
        self._together = 0.0

    def _accepted_rate(self, now: float, asked_s: float) -> float:
        since, count = self._since
        span = now - since
        if asked_s >= 1 and span < 2 * asked_s:  # this is what a window of time had room for
            rounded_up = 0.5 if asked_s % 1 == 0 else 0.0
            return max(1, self._count - count) / max(1.0, span + asked_s - rounded_up)
        span = max(1.0, min(span, _SAMPLE / self.rate)) if self.rate < math.inf else 1.0
        at, count = next((mark for mark in self._marks if mark[0] >= now - span), (now, self._count))
        return max(1, self._count - count) / max(span, now - at)
