"""How much a server takes, found out from what it accepts and refuses, as arithmetic."""

from __future__ import annotations

import math
from collections import deque

# Found by the simulations of tests/many/map/test_pace.py: servers of four kinds that accept 100 and 300 per second,
# 5 to 200 ms away, are used to 90 % and refuse less than 2 %, the beginning included.
TOO_MANY = 4.0  # refusals that are no chance
TOLERATED = 0.02  # of each, per accepted attempt: a smaller share of refusals than this is no sign of a limit
SEARCH = (
    1.5  # per second: what was found in an instant may be far too little, and is tried 4.5 times as much each second
)
BACK_S = 4.0  # seconds, and
BACK_N = 200  # accepted attempts, until as much is tried again as a level says: 5 refusals then are about 1 %
TRUSTED = 2  # times as long, where the same level was found twice
FIRST_PAUSE_S = 0.1  # for a server that refuses everything and does not say for how long; as long again each time
LONGEST_PAUSE_S = 8.0
SPAN_S = 1.0  # of accepted attempts, and
SAMPLE = 20  # their number, that say what a server accepts per second
MARK_S = 0.02  # between two moments whose count is kept: 1,024 of them reach back 20 s at least
IN_VAIN = 4  # times that the rate was lowered, and
LOWER = 0.75  # of the highest of these rates, after which a share of refusals that stayed does not come from the rate
CHANCE = 0.2  # a larger share of refusals does


class Level:
    """What a server was found to take of something, and a little less or more of it, which is tried.

    After the server has refused, `cut` less than the level is tried, then ever more: slowly near the level, faster the
    further away, as TCP's CUBIC does it (RFC 9438): level * (1 + cut * (age - 1) ** 3), where `age` reaches 1 after
    BACK_S seconds of use. A level that is only a guess is searched: it grows by the same share each second.
    """

    __slots__ = ("_at", "_cut", "_search", "_slowness", "age", "level")

    def __init__(self, cut: float, level: float, *, search: float = 0.0) -> None:
        self.level = level
        self.age = 0.0
        self._search = search
        self._cut = cut
        self._slowness = 1
        self._at: float | None = None

    @property
    def tried(self) -> float:
        """What is tried now."""
        curve = 1.0 if self._search or self.level == math.inf else 1 + self._cut * (self.age - 1) ** 3
        return self.level * curve

    def found(self, level: float, now: float, *, search: float = 0.0) -> None:
        """Start anew from what the server was found to take."""
        self._slowness = TRUSTED if abs(level / self.level - 1) < self._cut else 1
        self.level, self.age, self._search, self._at = level, 0.0, search, now

    def grow(self, now: float, most: float = 1.0) -> None:
        """Try more, after an attempt was accepted while all that is tried was used; `most` bounds the step of age."""
        since_s = 0.0 if self._at is None else min(1.0, now - self._at)  # time of use, not idle time
        self._at = now
        if self._search:
            self.level *= 1 + self._search * since_s
        else:
            self.age += min(most, since_s / BACK_S) / self._slowness


class Refusals:
    """Tells refusals that come close together from those by chance: each counts one, less with all that is accepted."""

    __slots__ = ("_accepted", "_count", "_refused", "began_at", "tolerated")

    def __init__(self) -> None:
        self.tolerated = TOLERATED
        self.began_at = -math.inf  # when they began to come together
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._count, self._refused, self._accepted = 0.0, 0, 0

    def accepted(self) -> None:
        """Count an attempt that was accepted."""
        self._accepted += 1
        self._count = max(0.0, self._count - self.tolerated)

    def refused(self, now: float) -> bool:
        """Count one that was refused; the answer is whether there are too many."""
        if not self._count:
            self.clear()
            self.began_at = now
        self._refused += 1
        self._count += 1
        return self._count >= TOO_MANY

    @property
    def share(self) -> float:
        """What part of the attempts was refused since then."""
        return self._refused / max(1, self._refused + self._accepted)


class LearnedRate:
    """The requests per second that a server is thought to accept; infinite until it refuses.

    Refusals of a part show that the rate is too high: what was accepted of late is the level. Where everything is
    refused the server is closed, and says nothing of its rate until it opens again: what it accepted from one opening
    to the next is the level then. Refusals whose share stays though the rate is lowered again and again do not come
    from the rate: it goes back to what it was, and that share is tolerated.
    """

    def __init__(self) -> None:
        self.level = Level(0.03, math.inf)
        self.changed_at = -math.inf  # attempts that began before say nothing of the rate since
        self._refusals = Refusals()
        self._count = 0  # accepted in all
        self._marks: deque[tuple[float, int]] = deque(maxlen=1024)  # moments and their counts
        self._changed_count = 0
        self._lost = 0  # refused since the change
        self._opened: float | None = None  # when the server was last found open
        self._closed_at = -math.inf
        self._opens_at = -math.inf  # the earliest moment when a closed server may have opened again
        self._vain: tuple[int, float, float, float] | None = None  # times, rate before, highest rate, and its share

    @property
    def interval(self) -> float:
        """Time between two attempts."""
        return 1 / self.level.tried

    def accepted(self, now: float) -> None:
        """Count an attempt that was accepted."""
        if not self._marks or now - self._marks[-1][0] >= MARK_S:
            self._marks.append((now, self._count))
        self._opened = self._opened or now
        self._count += 1
        self._refusals.accepted()

    def grow(self, now: float) -> None:
        """Note that an accepted attempt had to wait for the rate."""
        self.level.grow(now, 1 / BACK_N)

    def refused(self, now: float, asked_s: float, *, is_probe: bool) -> float:
        """Take a refusal; the answer is how long to pause before a single attempt is made, 0 where there is no need.

        Args:
            asked_s: What the server asked for; 0 where it says nothing.
            is_probe: Whether this was such an attempt.
        """
        too_many = self._refusals.refused(now)
        self._lost += 1
        if not (is_probe or not self._count or (too_many and self._refusals.share >= 0.5)):
            if too_many:
                self._lower(now)
            return 0.0
        if not is_probe:
            self._closed_at = now
        # A number of whole seconds was rounded up.
        self._opens_at = now + (max(0.0, asked_s - 1) if asked_s % 1 == 0 else asked_s)
        self._change(now)
        return asked_s or min(max(FIRST_PAUSE_S, now - self._closed_at), LONGEST_PAUSE_S)

    def opened(self, now: float) -> None:
        """Note that a closed server has accepted an attempt."""
        opened_at = self._opened or now
        closed_s, unsure_s = now - self._closed_at, now - self._opens_at
        # When it opened was seen where earlier attempts failed, or where the server had named the moment.
        is_seen = closed_s > 2 * FIRST_PAUSE_S and unsure_s < 0.75 * closed_s
        is_guess = self.level.level == math.inf and self._closed_at - opened_at < SPAN_S and not is_seen
        middle = now - unsure_s / 2
        # The rate may have grown meanwhile, so that only the end of that time shows what it accepts.
        late = middle - max(SPAN_S, (middle - opened_at) / 4)
        level = min(self.level.tried, max(self._accepted_rate(middle, since) for since in (opened_at, late)))
        self._opened = now
        self.level.found(level, now, search=SEARCH if is_guess else 0.0)
        self._change(now)

    def _lower(self, now: float) -> None:
        level, is_guess = self._level_of_part(now), False
        if self.level.level == math.inf and self._opened is not None:
            is_guess = now - self._opened < SPAN_S
        self.level.found(level, now, search=SEARCH if is_guess else 0.0)
        self._change(now)

    def _change(self, now: float) -> None:
        self.changed_at, self._changed_count, self._lost = now, self._count, 0
        self._refusals.clear()

    def _level_of_part(self, now: float) -> float:
        """Say what a server accepts that refuses a part of what comes."""
        rate = self.level.tried
        accepted = self._accepted_rate(now, min(now - SPAN_S, self._refusals.began_at))
        if (before := self._was_in_vain(min(rate, accepted))) is not None:
            return before
        if rate == math.inf:
            return accepted
        if now - self.changed_at < SPAN_S:
            return rate * (1 - self._refusals.share)
        return min(rate, accepted)

    def _was_in_vain(self, rate: float) -> float | None:
        """Say what the rate was before it was lowered again and again for nothing; None where it was not."""
        share = self._lost / (self._lost + self._count - self._changed_count)
        if self.level.age >= 2 or share >= CHANCE:  # more had been tried than the level says, or it is far too much
            self._vain = None
            return None
        times, before, highest, its_share = self._vain or (0, self.level.tried, 0.0, 0.0)
        if rate > highest:
            highest, its_share = rate, share
        self._vain = (times + 1, before, highest, its_share)
        if times < IN_VAIN or rate >= LOWER * highest or share <= its_share / 2:
            return None
        self._vain = None
        self._refusals.tolerated = max(self._refusals.tolerated, 3 * share)
        return before

    def _accepted_rate(self, now: float, since: float) -> float:
        """Return how many were accepted per second since a moment, or since an earlier one where they are too few."""
        enough = self._count - SAMPLE
        marks = (mark for mark in reversed(self._marks) if mark[0] <= since and mark[1] <= enough)
        at, count = next(marks, self._marks[0])
        least_s = SPAN_S if self.level.level == math.inf else 1e-3
        return max(1, self._count - count) / max(now - at, least_s)
