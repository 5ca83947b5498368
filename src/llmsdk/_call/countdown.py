"""The time limit of one attempt."""

from __future__ import annotations

from collections.abc import Callable

CONNECT_S = 5.0
"""Bound of connecting, and of the TLS handshake, within the attempt's own."""


class Countdown:
    """Seconds that an attempt may still take.

    Transports ask it before every single read and write, so that a reply that drips byte by byte is bounded as a whole:
    the timeouts of HTTP clients bound each read, and start anew with the next.
    """

    __slots__ = ("_clock", "_expires_at")

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expires_at = clock() + seconds

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
