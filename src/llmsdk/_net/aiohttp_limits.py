"""Time limits of sends under asyncio, all of them watched by one timer."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Limits:
    """The sends of one event loop whose time is limited.

    `asyncio.timeout` sets a timer for each, and takes it back: a twentieth of what a call costs. Here the timer stays
    for the calls to come; it rings when the earliest limit passes that was there when it was set, which few calls see.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.running: set[Limit] = set()

    def within(self, seconds: float) -> Limit:
        """Make a context whose body is cancelled after so many seconds, and then raises TimeoutError."""
        return Limit(self, self._loop.time() + seconds)

    def watch(self, at: float) -> None:
        """Have the timer ring no later than that."""
        if self._timer is None or at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at, self._ring)

    def end(self) -> None:
        """End every send as though its time were over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for limit in self.running:
            limit.expire()

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time()
        for limit in self.running:
            if limit.at <= now:
                limit.expire()
        if left := [limit.at for limit in self.running if not limit.is_over]:
            self.watch(min(left))


class Limit:
    """The time limit of one send; to be used once, as `asyncio.timeout` is."""

    __slots__ = ("_cancelling", "_limits", "_task", "at", "is_over")

    def __init__(self, limits: Limits, at: float) -> None:
        self._limits = limits
        self.at = at
        self.is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        self._task = task
        self._cancelling = task.cancelling()
        self._limits.running.add(self)
        self._limits.watch(self.at)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limits.running.discard(self)
        # Where somebody else has cancelled the task as well, that is what counts.
        is_ours = self.is_over and self._task.uncancel() <= self._cancelling
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from exc

    def expire(self) -> None:
        """Cancel the send."""
        if not self.is_over:
            self.is_over = True
            self._task.cancel()
