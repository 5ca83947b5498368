"""Cool-downs: servers that asked to be left alone, and until when."""

from __future__ import annotations

from ...utils.forks import forkable_lock

LONGEST_COOLDOWN_S = 3600.0
"""A server that asks for a longer one is asked again after this, lest one broken header shut it out for ever."""


class Cooldowns:
    """The cool-downs of the servers of one SDK, by id and URL; threads share them."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}
        self._lock = forkable_lock()

    def start(self, server: tuple[str, str], seconds: float, now: float) -> None:
        """Leave a server alone for some time; a shorter time does not replace a longer one."""
        until = now + min(seconds, LONGEST_COOLDOWN_S)
        with self._lock:  # of two threads with two answers, the longer wait has to stand
            self._until[server] = max(until, self._until.get(server, until))

    def left(self, server: tuple[str, str], now: float) -> float:
        """Seconds for which a server is still to be left alone; zero where it is not."""
        return max(0.0, self._until.get(server, now) - now)
