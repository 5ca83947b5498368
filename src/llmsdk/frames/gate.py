"""A gate whose leave comes from elsewhere, some attempts at a time."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

import anyio

from ..errors import SDKError
from ..many.map.pace import REFUSALS, Feedback
from .leases import LEASE_S, Grant, LeaseRequest

_GAP_S = 0.02  # between two asks, unless a refusal is to be told
_BLIND_S = 0.5  # longest time until it is asked again whether anything may start
_IDLE_S = 0.05  # leave that nobody takes is given back after this
_MOST = 32


class LimiterError(SDKError):
    """The limiter that workers share is gone, or does not answer. What was under way was finished; nothing else was
    sent."""


class LeasedGate:
    """Lets attempts of one worker start; `run` it in the event loop that it serves.

    Args:
        ask: Asks the limiter. It raises `LimiterError` where that is gone.
        worker: What the limiter knows this one by.
        most: Attempts that may be in flight here.
    """

    def __init__(
        self,
        ask: Callable[[LeaseRequest], Awaitable[Grant]],
        worker: str,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._worker = worker
        self._most = most
        self._clock = clock
        self._starts: deque[float] = deque()  # when attempts may begin
        self._unused = 0  # to be given back
        self._seen: list[tuple[Feedback, float]] = []
        self._in_flight = 0
        self._waiting = 0
        self._taken = 0  # since the last ask
        self._asked_at = -math.inf
        self._again_at = -math.inf
        self._blind_s = _GAP_S
        self._urgent = False
        self._lost: LimiterError | None = None
        self._given: anyio.Event | None = None  # for those that wait
        self._news: anyio.Event | None = None  # for what asks

    async def acquire(self) -> None:
        """Wait until an attempt may start.

        Raises:
            LimiterError: None may start any more, and none is in flight.
        """
        self._waiting += 1
        self._tell()
        try:
            while not self._take():
                if self._lost is not None and not self._in_flight:
                    raise LimiterError(self._lost.message)
                if self._given is None:
                    self._given = anyio.Event()
                is_next = bool(self._starts) and self._in_flight < self._most
                with anyio.move_on_after(self._starts[0] - self._clock() if is_next else math.inf):
                    await self._given.wait()
        finally:
            self._waiting -= 1

    async def report(self, seen: Feedback) -> None:
        """Take what an attempt showed; it is over."""
        self._in_flight -= 1
        self._seen.append((seen, self._clock()))
        if seen.status in REFUSALS:
            self._urgent = True
            self._give_back()
        self._tell()
        self._wake()

    async def run(self) -> None:
        """Ask the limiter whenever there is something to ask or to tell; until it is cancelled, or the limiter lost."""
        while self._lost is None:
            wait = self._due() - self._clock()
            if wait > 0:
                self._news = anyio.Event()
                with anyio.move_on_after(wait):
                    await self._news.wait()
                continue
            try:
                await self._exchange()
            except Exception as exc:  # whatever it is, nobody may wait for a limiter that is not asked
                message = exc.message if isinstance(exc, LimiterError) else f"the limiter failed: {exc!r}"
                self._lost = LimiterError(message)
                self._give_back()
            self._wake()

    def _take(self) -> bool:
        if not self._starts or self._in_flight >= self._most or self._starts[0] > self._clock():
            return False
        self._starts.popleft()
        self._in_flight += 1
        self._taken += 1
        return True

    def _due(self) -> float:
        """Return when the limiter is to be asked."""
        soon = self._asked_at + _GAP_S
        due = [self._asked_at + LEASE_S / 5] if self._in_flight or self._starts or self._unused else []
        if self._seen:
            due.append(self._asked_at if self._urgent else soon)
        if self._want():
            due.append(max(soon, self._again_at))
        if self._starts and not self._waiting:
            due.append(max(soon, self._starts[-1] + _IDLE_S))
        return min(due, default=math.inf)

    def _want(self) -> int:
        """Say for how many more attempts there is use: for those that wait, and for as many as were begun of late."""
        if not self._waiting:
            return 0
        room = self._most - self._in_flight - len(self._starts)
        return max(0, min(room, max(self._waiting, min(_MOST, 2 * self._taken)) - len(self._starts)))

    async def _exchange(self) -> None:
        now = self._clock()
        if not self._waiting and self._starts and now >= self._starts[-1] + _IDLE_S:
            self._give_back()
        held = self._in_flight + len(self._seen) + len(self._starts) + self._unused
        want = self._want()
        told, self._seen = self._seen, []
        unused, self._unused = self._unused, 0
        self._urgent, self._taken, self._asked_at = False, 0, now
        grant = await self._ask(
            LeaseRequest(self._worker, held, unused, tuple((one, now - at) for one, at in told), want)
        )
        got_at = self._clock()
        self._starts.extend(got_at + start for start in grant.starts)
        if grant.starts or not want:
            self._blind_s = _GAP_S
        else:
            self._blind_s = min(_BLIND_S, 2 * self._blind_s)
        self._again_at = got_at + min(grant.again_s, self._blind_s if grant.again_s == math.inf else _BLIND_S)

    def _give_back(self) -> None:
        self._unused += len(self._starts)
        self._starts.clear()

    def _wake(self) -> None:
        given, self._given = self._given, None
        if given is not None:
            given.set()

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
