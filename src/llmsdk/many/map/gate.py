"""What lets attempts start: the pacer of this process, or a limiter that several processes share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

import anyio

from .pace import Feedback, Pacer


class Gate(Protocol):
    """Lets attempts of a map start, and is told what each of them showed.

    Every `acquire` that returns is followed by one `report`. One that is cancelled has let nothing start.
    """

    async def acquire(self) -> None:
        """Wait until an attempt may start."""
        ...

    async def report(self, seen: Feedback) -> None:
        """Take what an attempt showed; it is over."""
        ...


class LocalGate:
    """A pacer for the tasks of one event loop."""

    def __init__(self, pacer: Pacer, clock: Callable[[], float] = time.monotonic) -> None:
        self._pacer = pacer
        self._clock = clock
        self._reported: anyio.Event | None = None

    async def acquire(self) -> None:
        """Wait until an attempt may start."""
        while (wait := self._pacer.admit(self._clock())) > 0:
            if self._reported is None:
                self._reported = anyio.Event()
            with anyio.move_on_after(wait):
                await self._reported.wait()

    async def report(self, seen: Feedback) -> None:
        """Take what an attempt showed; it is over."""
        self._pacer.report(seen, self._clock())
        reported, self._reported = self._reported, None
        if reported is not None:
            reported.set()
