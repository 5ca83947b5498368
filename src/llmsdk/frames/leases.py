"""Leases: one pacer for the workers of many processes, told of the time in every call."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..many.map.pace import NOT_SENT, Feedback

if TYPE_CHECKING:
    from ..many.map.pace import Pacer

LEASE_S = 15.0
"""A worker that is not heard of for so long is dead: what it held goes back."""

_AHEAD_S = 0.08  # so far ahead attempts are given their time; what a refusal finds given out is refused too
_HUNGRY_S = 1.0


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """What a worker tells and asks; one at a time.

    Attributes:
        held: Attempts that it had leave for when it asked, begun or not, with those that follow here.
        unused: How many of these are given back.
        seen: What others of them have shown, and how many seconds ago.
        want: How many more it could begin.
    """

    worker: str
    held: int
    unused: int
    seen: tuple[tuple[Feedback, float], ...]
    want: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Attempts that may begin, each after so many seconds; and after which time to ask for more."""

    starts: tuple[float, ...]
    again_s: float


@dataclass(slots=True)
class _Worker:
    heard_at: float
    held: int = 0
    hungry_at: float = -math.inf  # when it last got nothing
    is_blocked: bool = False  # nor was told when to come again


@dataclass(slots=True)
class Counts:
    """How a limiter stands."""

    workers: int = 0
    in_flight: int = 0
    asked: int = 0
    granted: int = 0
    expired: int = 0
    refused: int = 0


@dataclass(slots=True)
class Leases:
    """Lets attempts of many workers start. What a worker says that it holds is believed: no reply that was lost, and no
    limiter that began anew, leaves the count wrong."""

    pacer: Pacer
    lease_s: float = LEASE_S
    counts: Counts = field(default_factory=Counts)
    _workers: dict[str, _Worker] = field(default_factory=dict[str, _Worker])

    def ask(self, asked: LeaseRequest, now: float) -> Grant:
        """Take what a worker tells, and let it begin what may begin soon."""
        worker = self._workers.setdefault(asked.worker, _Worker(now))
        worker.heard_at = now
        self._believe(worker, asked.held)
        self._expire(now)
        for _ in range(asked.unused):
            self.pacer.report(NOT_SENT, now)
        worker.held -= asked.unused + len(asked.seen)
        may = self._share(worker, asked.want, now)
        starts: list[float] = []
        for seen, age_s in asked.seen:
            self.counts.refused += seen.status == 429
            self.pacer.report(replace(seen, elapsed_s=seen.elapsed_s + age_s), now)  # its time never goes back
            if len(starts) < may and self.pacer.admit(now) <= 0:  # at once, so that the pacer sees its bound used
                starts.append(now)
        wait = self._admit(starts, may, now)
        worker.held += len(starts)
        worker.hungry_at = now if asked.want and not starts else -math.inf
        worker.is_blocked = wait == math.inf
        if not worker.held and not asked.want:
            del self._workers[asked.worker]
        self._count(len(starts))
        return Grant(tuple(start - now for start in starts), max(0.0, wait - _AHEAD_S / 2))

    def _admit(self, starts: list[float], may: int, now: float) -> float:
        """Add moments when attempts may start; the answer is the time until the next one that was not given out."""
        at = starts[-1] if starts else now
        wait = math.inf if may <= len(starts) else 0.0
        while len(starts) < may:
            wait = self.pacer.admit(at)
            if wait <= 0:
                starts.append(at)
            elif at + wait - now > _AHEAD_S:
                return at + wait - now
            else:
                at += wait
        return wait

    def _count(self, granted: int) -> None:
        counts = self.counts
        counts.asked += 1
        counts.granted += granted
        counts.workers, counts.in_flight = len(self._workers), self.pacer.in_flight

    def _share(self, worker: _Worker, want: int, now: float) -> int:
        """Leave something to those who got nothing; all of it to one who holds nothing and waits for others' ends."""
        hungry = [
            other for other in self._workers.values() if other is not worker and now - other.hungry_at < _HUNGRY_S
        ]
        if worker.held and any(other.is_blocked and not other.held for other in hungry):
            return 0
        return math.ceil(want / (1 + len(hungry)))

    def _believe(self, worker: _Worker, held: int) -> None:
        for _ in range(worker.held - held):
            self.pacer.report(NOT_SENT, worker.heard_at)
        self.pacer.in_flight += max(0, held - worker.held)
        worker.held = held

    def _expire(self, now: float) -> None:
        for name, worker in list(self._workers.items()):
            if now - worker.heard_at > self.lease_s:
                self.counts.expired += worker.held
                self._believe(worker, 0)
                del self._workers[name]
