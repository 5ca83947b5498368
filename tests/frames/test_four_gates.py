"""Four workers that share one limiter keep one account's pace, on a clock that jumps."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from llmsdk.errors.meta import RateLimit
from llmsdk.frames.gate import LeasedGate
from llmsdk.frames.leases import Grant, LeaseRequest, Leases
from llmsdk.many.map import Adaptive, Feedback, Pacer
from support.clockwork import Bucket, Report, Window

RATE = 50  # per second
SECONDS = 60
WORKERS = 4
LATENCY_S = 0.2
CALL_S = 0.002  # to the limiter and back


async def crowd(server: Any, *, with_headers: bool) -> Report:
    """Let the endless rows of four workers through their gates to a server."""
    report = Report(seconds=SECONDS)
    leases = Leases(Pacer(Adaptive(max=256)))

    async def ask(request: LeaseRequest) -> Grant:
        await trio.sleep(CALL_S / 2)
        grant = leases.ask(request, trio.current_time())
        await trio.sleep(CALL_S / 2)
        return grant

    async def attempt(gate: LeasedGate) -> None:
        began = trio.current_time()
        await trio.sleep(LATENCY_S / 2)
        is_taken = server.take(trio.current_time())
        limits = RateLimit(requests=server.limit(trio.current_time())) if with_headers else None
        report.accepted += is_taken
        report.refused += not is_taken
        await trio.sleep(LATENCY_S / 2)
        status = 200 if is_taken else 429
        await gate.report(Feedback(status, rate_limit=limits, elapsed_s=trio.current_time() - began))

    async def work(gate: LeasedGate, nursery: trio.Nursery) -> None:
        while True:
            await gate.acquire()
            nursery.start_soon(attempt, gate)

    with trio.move_on_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(WORKERS):
                gate = LeasedGate(ask, f"worker {number}", 64, trio.current_time)
                nursery.start_soon(gate.run)
                nursery.start_soon(work, gate, nursery)
    assert leases.counts.granted >= report.accepted + report.refused
    return report


@pytest.mark.parametrize("with_headers", [True, False])
@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_four_workers_use_the_rate_and_are_seldom_refused(kind: str, with_headers: bool) -> None:
    server: Any = Bucket(RATE, RATE / 5) if kind == "bucket" else Window(RATE)
    main = partial(crowd, server, with_headers=with_headers)
    found = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert found.rate >= 0.9 * RATE
    # A count that is reset each second, and that nobody tells of, refuses whatever comes a little too late in a second.
    assert found.share < (0.03 if kind == "window" and not with_headers else 0.02)
