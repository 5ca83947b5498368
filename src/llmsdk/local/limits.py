"""What the embedded provider does with some requests by rate or by chance: refuses them, lets them go wrong."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .checks import FLAG, WHOLE, Kind, check, number
from .faults import Fault

if TYPE_CHECKING:
    from ..providers.spec import LimitHeaders

USUAL_FAULTS: Sequence[Mapping[str, Any]] = (
    {"status": 429, "retry_after": 0.02},
    {"status": 503},
    {"cut_after": 10},
    {"delay_s": 60},
)
"""A refusal with Retry-After, a failure, a reply that is cut, silence."""
_LEAST, _MOST = 1e-9, 1e12


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """Say how many requests are let in.

    Attributes:
        per_second: Requests per second.
        kind: "bucket" fills steadily and holds `burst`; "window" is a count that is reset every `window_s`.
        burst: Requests that a full bucket lets in at once; those of one second by default.
        headers: Whether replies tell the limit, what is left of it and when it is reset, where the dialect has headers.
        retry_after: Whether a refusal says how long to wait.
    """

    per_second: float
    kind: Literal["bucket", "window"] = "bucket"
    burst: float | None = None
    window_s: float = 1.0
    headers: bool = True
    retry_after: bool = False


class RateLimiter:
    """Lets requests in at a rate; of many threads."""

    def __init__(self, rule: RateLimit) -> None:
        self._rule = rule
        is_bucket = rule.kind == "bucket"
        self._most = rule.burst or max(1.0, rule.per_second) if is_bucket else round(rule.per_second * rule.window_s)
        self._left = float(self._most)
        self._at: float | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, given: RateLimit | float) -> RateLimiter:
        """Make one of a rule, or of requests per second alone."""
        rule = given if isinstance(given, RateLimit) else RateLimit(per_second=given)
        _check(rule)
        return cls(rule)

    def take(self, names: LimitHeaders, now: float) -> tuple[bool, dict[str, str]]:
        """Count a request; the answer is whether it is refused, and the headers that tell of the limit."""
        with self._lock:
            reset_s = self._pass_time(now)
            is_refused = self._left < 1
            if not is_refused:
                self._left -= 1
            if self._rule.kind == "bucket":
                reset_s = (self._most - self._left) / self._rule.per_second
            wait_s = (1 - self._left) / self._rule.per_second if self._rule.kind == "bucket" else reset_s
            left = int(self._left)
        headers: dict[str, str] = {}
        if self._rule.headers:
            stated = ((names.requests_limit, f"{self._most:g}"), (names.requests_remaining, f"{left}"))
            for known, value in (*stated, (names.requests_reset, f"{reset_s:.3f}")):
                if known:
                    headers[known[0]] = value
        if is_refused and self._rule.retry_after:
            headers["retry-after"] = f"{max(0.0, wait_s):.3f}"
        return is_refused, headers

    def _pass_time(self, now: float) -> float:
        """Restore what time gives back; the answer is the time until a window is reset."""
        rule = self._rule
        at = self._at if self._at is not None else now
        if rule.kind == "bucket":
            self._left = min(float(self._most), self._left + (now - at) * rule.per_second)
            self._at = now
            return 0.0
        if now - at >= rule.window_s:
            at += (now - at) // rule.window_s * rule.window_s
            self._left = float(self._most)
        self._at = at
        return at + rule.window_s - now


def _check(rule: RateLimit) -> None:
    check(rule.per_second, "rate_limit", number("a number > 0 of requests per second", _LEAST, _MOST))
    check(rule.kind, "rate_limit.kind", Kind('"bucket" or "window"', lambda kind: kind in ("bucket", "window")))
    if rule.burst is not None:
        check(rule.burst, "rate_limit.burst", number("a number of requests", 0, _MOST))
    check(rule.window_s, "rate_limit.window_s", number("a number of seconds, above 0", _LEAST, _MOST))
    check(rule.headers, "rate_limit.headers", FLAG)
    check(rule.retry_after, "rate_limit.retry_after", FLAG)


class RandomFaults:
    """Faults that come by chance, the same ones in the same order for a seed."""

    def __init__(self, share: float, faults: Sequence[Fault], seed: int) -> None:
        check(share, "fault_share", number("a number from 0 to 1", 0, 1))
        check(seed, "seed", WHOLE)
        self._share = share
        self._faults = faults
        self._chance = random.Random(seed)  # noqa: S311 - no secret hangs on it

    def next(self) -> Fault | None:
        """Say what the next request gets; None where it goes well."""
        if not self._share or not self._faults or self._chance.random() >= self._share:
            return None
        return self._chance.choice(self._faults)
