"""A simulated server with a rate limit and a simulated crowd of callers, on a clock that jumps."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from llmsdk.errors.meta import Limit, RateLimit
from llmsdk.many.map import Feedback, Pacer


class Server(Protocol):
    """What a simulated server does with a request."""

    def take(self, now: float) -> bool: ...

    def limit(self, now: float) -> Limit: ...


class Bucket:
    """A token bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.held, self.at = rate, burst, burst, 0.0

    def take(self, now: float) -> bool:
        self.held, self.at = min(self.burst, self.held + (now - self.at) * self.rate), now
        if self.held < 1 - 1e-9:
            return False
        self.held -= 1
        return True

    def limit(self, now: float) -> Limit:
        return Limit(self.burst, float(int(self.held)), (self.burst - self.held) / self.rate)

    def patience(self, now: float) -> float:
        return (1 - self.held) / self.rate


class Window:
    """A count that is reset at fixed moments."""

    def __init__(self, rate: float, span_s: float = 1.0, phase: float = 0.37) -> None:
        self.most, self.span, self.phase, self.used, self.number = round(rate * span_s), span_s, phase, 0, -1

    def take(self, now: float) -> bool:
        number = int((now + self.phase) // self.span)
        if number != self.number:
            self.number, self.used = number, 0
        if self.used >= self.most:
            return False
        self.used += 1
        return True

    def limit(self, now: float) -> Limit:
        return Limit(float(self.most), float(self.most - self.used), self.patience(now))

    def patience(self, now: float) -> float:
        return self.span - (now + self.phase) % self.span


class Sliding:
    """At most so many in any second."""

    def __init__(self, rate: float, span_s: float = 1.0) -> None:
        self.most, self.span = round(rate * span_s), span_s
        self.seen: deque[float] = deque()

    def take(self, now: float) -> bool:
        while self.seen and self.seen[0] <= now - self.span:
            self.seen.popleft()
        if len(self.seen) >= self.most:
            return False
        self.seen.append(now)
        return True

    def limit(self, now: float) -> Limit:
        return Limit(float(self.most), float(self.most - len(self.seen)), self.patience(now))

    def patience(self, now: float) -> float:
        return self.seen[0] + self.span - now if self.seen else 0.0


class Windows:
    """Several counts at once, told without the moments at which they are reset."""

    def __init__(self, *windows: Window) -> None:
        self.all = windows

    def take(self, now: float) -> bool:
        taken = [window.take(now) for window in self.all]
        for window, is_counted in zip(self.all, taken, strict=True):
            window.used -= is_counted and not all(taken)  # a refusal counts nowhere
        return all(taken)

    def windows(self, now: float) -> tuple[Limit, ...]:
        return tuple(Limit(told.limit, told.remaining, None, one.span) for one in self.all for told in [one.limit(now)])

    def limit(self, now: float) -> Limit:
        return min(self.windows(now), key=lambda one: (one.remaining or 0.0) / (one.window_s or 1.0))


@dataclass
class Report:
    """What a simulation counted."""

    accepted: int = 0
    refused: int = 0
    faults: int = 0
    seconds: float = 0.0
    peak: int = 0
    each: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.accepted / self.seconds

    @property
    def share(self) -> float:
        return self.refused / max(1, self.accepted + self.refused)


def simulate(
    pacer: Pacer,
    server: Server,
    *,
    seconds: float = 30.0,
    latency_s: float = 0.05,
    with_headers: bool = False,
    retry_after: str = "",
    noise: float = 0.0,
    noise_status: int = 429,
    busy_above: float = math.inf,
    tokens: float = 0.0,
    late_s: float = 0.0005,
    seed: int = 1,
) -> Report:
    """Let endless callers through a pacer to a server, for a while on the simulated clock.

    Args:
        retry_after: "exact" or "whole" seconds with a refusal, or none.
        noise: Share of requests that are refused for no reason.
        busy_above: Requests in flight above which the server answers 503.
        late_s: How late timers fire.
    """
    chance = random.Random(seed)
    report = Report(seconds=seconds, each=[0] * (int(seconds) + 1))
    now, order = 0.0, 0
    events: list[tuple[float, int, str, Feedback | None, float]] = []
    in_flight = 0
    while now < seconds:
        wait = 0.0
        while (wait := pacer.admit(now)) == 0:
            order += 1
            in_flight += 1
            report.peak = max(report.peak, in_flight)
            heapq.heappush(events, (now + latency_s / 2 * chance.uniform(0.8, 1.2), order, "arrive", None, now))
        timer = now + wait + late_s * chance.random() * 2
        if not events and timer == math.inf:
            raise AssertionError("nothing is in flight and nothing may start")
        while True:
            if not events or timer <= events[0][0]:
                now = timer
                break
            now, _, kind, seen, began = heapq.heappop(events)
            if kind == "arrive":
                status = 200
                if chance.random() < noise:
                    status = noise_status
                    report.faults += 1
                elif in_flight > busy_above:
                    status = 503
                    report.refused += 1
                elif server.take(now):
                    report.accepted += 1
                    report.each[int(now)] += 1
                else:
                    status = 429
                    report.refused += 1
                after = None
                if status == 429 and retry_after:
                    patience = server.patience(now)  # type: ignore[attr-defined]  # all three have it
                    after = patience if retry_after == "exact" else float(math.ceil(patience))
                windows = server.windows(now) if isinstance(server, Windows) else ()
                limits = RateLimit(requests=server.limit(now), requests_windows=windows) if with_headers else None
                seen = Feedback(status, True, after, limits, tokens, 0.0)
                order += 1
                heapq.heappush(events, (now + latency_s / 2 * chance.uniform(0.8, 1.2), order, "reply", seen, began))
            elif seen is not None:
                in_flight -= 1
                pacer.report(
                    Feedback(seen.status, True, seen.retry_after_s, seen.rate_limit, seen.tokens, now - began), now
                )
                break
    return report
