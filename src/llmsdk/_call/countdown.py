"""A time limit that a transport can ask again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self


class Countdown(float):
    """Seconds allowed when it was made; a transport that knows this class asks `left()` at each step instead.

    As a plain float it is a valid timeout for every HTTP client, which then bounds each single read. Our own network
    streams ask for what is left, so that a reply that drips byte by byte is bounded as a whole.

    Attributes:
        received: Whether a byte of the reply has arrived.
        reused: Whether the connection had carried an earlier reply.
        polling: Whether only bytes that have already arrived are wanted.
        carrier: The network stream of our own that carries the attempt, once it does.
    """

    received: bool
    reused: bool
    polling: bool
    carrier: Any
    _expires_at: float
    _clock: Callable[[], float]

    def __new__(cls, seconds: float, clock: Callable[[], float]) -> Self:
        self = super().__new__(cls, max(seconds, 0.001))
        self._clock = clock
        self._expires_at = clock() + seconds
        self.received = False
        self.reused = False
        self.polling = False
        self.carrier = None
        return self

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)

    def left(self) -> float:
        """Seconds until the limit; zero or less once it has passed."""
        return self._expires_at - self._clock()

    def restart(self, seconds: float) -> None:
        """Allow `seconds` from now."""
        self._expires_at = self._clock() + seconds

    def shorten(self, seconds: float) -> None:
        """Allow at most `seconds` from now."""
        self._expires_at = min(self._expires_at, self._clock() + seconds)

    def check(self) -> None:
        """Raise TimeoutError where the limit has passed."""
        if self.left() <= 0:
            raise TimeoutError("the time for this attempt is over")
