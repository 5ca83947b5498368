"""A worker's end of the shared limiter: few round trips, leave given back, a limiter that is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from trio.testing import MockClock

from llmsdk.frames.gate import LeasedGate, LimiterError
from llmsdk.frames.leases import Grant, LeaseRequest, Leases
from llmsdk.many.map import Adaptive, Feedback, Pacer

pytestmark = pytest.mark.anyio

GOOD = Feedback(200, elapsed_s=0.01)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Wait on a clock that jumps to what is due next, so that no wait depends on how busy the machine is."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Remote:
    """A limiter, and what it was asked."""

    def __init__(self, limit: Adaptive) -> None:
        self.leases = Leases(Pacer(limit))
        self.asked: list[LeaseRequest] = []
        self.is_gone = False

    async def __call__(self, asked: LeaseRequest) -> Grant:
        await anyio.sleep(0.001)
        if self.is_gone:
            raise LimiterError("the limiter is gone")
        self.asked.append(asked)
        return self.leases.ask(asked, anyio.current_time())


@asynccontextmanager
async def gated(remote: Remote, most: int = 64) -> AsyncIterator[LeasedGate]:
    gate = LeasedGate(remote, "w", most, anyio.current_time)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.run)
        yield gate
        tasks.cancel_scope.cancel()


async def work(gate: LeasedGate, count: int, seconds: float = 0.005) -> None:
    for _ in range(count):
        await gate.acquire()
        await anyio.sleep(seconds)
        await gate.report(GOOD)


async def until(gate: LeasedGate, remote: Remote) -> None:
    with anyio.fail_after(5):
        while remote.leases.pacer.in_flight:
            await anyio.sleep(0.01)


async def test_many_attempts_take_few_round_trips() -> None:
    remote = Remote(Adaptive(64, 64))
    with anyio.fail_after(30):
        async with gated(remote) as gate:
            async with anyio.create_task_group() as tasks:
                for _ in range(16):
                    tasks.start_soon(work, gate, 25)
            await until(gate, remote)
    assert remote.leases.counts.granted >= 400
    assert len(remote.asked) < 150


async def test_no_more_are_in_flight_than_the_worker_may_have() -> None:
    remote = Remote(Adaptive(64, 64))
    current = most = 0

    async def one(gate: LeasedGate) -> None:
        nonlocal current, most
        await gate.acquire()
        current += 1
        most = max(most, current)
        await anyio.sleep(0.01)
        current -= 1
        await gate.report(GOOD)

    with anyio.fail_after(30):
        async with gated(remote, most=3) as gate, anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one, gate)
    assert most == 3


async def test_leave_that_nobody_takes_is_given_back() -> None:
    remote = Remote(Adaptive(64, 64))
    with anyio.fail_after(30):
        async with gated(remote) as gate:
            with anyio.move_on_after(0.0):
                await gate.acquire()  # given up before it was let in
            await work(gate, 6)
            await until(gate, remote)
    assert remote.leases.counts.in_flight == 0


async def test_a_refusal_is_told_at_once_and_leave_given_back() -> None:
    remote = Remote(Adaptive(8, 8))
    with anyio.fail_after(30):
        async with gated(remote) as gate:
            await work(gate, 3)
            await gate.acquire()
            await gate.report(Feedback(429, elapsed_s=0.01, retry_after_s=0.2))
            await until(gate, remote)
    told = next(asked for asked in remote.asked if any(seen.status == 429 for seen, _ in asked.seen))
    assert told.held == told.unused + len(told.seen)
    assert remote.leases.counts.refused == 1


async def test_a_lost_limiter_lets_what_is_under_way_end() -> None:
    remote = Remote(Adaptive(2, 2))
    with anyio.fail_after(30):
        async with gated(remote) as gate:
            await gate.acquire()
            remote.is_gone = True
            ended = False

            async def end() -> None:
                nonlocal ended
                await anyio.sleep(0.3)
                ended = True
                await gate.report(GOOD)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(end)
                with pytest.raises(LimiterError, match="the limiter is gone"):
                    while True:
                        await gate.acquire()
                        await gate.report(GOOD)
            assert ended


async def test_whatever_the_limiter_does_nobody_waits_for_ever() -> None:
    async def fails(asked: LeaseRequest) -> Grant:
        raise KeyError("odd")

    gate = LeasedGate(fails, "w", 4, anyio.current_time)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(gate.run)
            with pytest.raises(LimiterError, match=r"the limiter failed: KeyError\('odd'\)"):
                await gate.acquire()


async def test_a_worker_that_waits_for_long_replies_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmsdk.frames.gate.LEASE_S", 0.25)
    remote = Remote(Adaptive(2, 2))
    with anyio.fail_after(30):
        async with gated(remote) as gate:
            await gate.acquire()
            before = len(remote.asked)
            await anyio.sleep(0.5)
            assert len(remote.asked) >= before + 3
            assert {ask.held for ask in remote.asked[-2:]} == {1}
            await gate.report(GOOD)


async def test_a_limiter_that_begins_anew_lets_all_workers_go_on() -> None:
    remote = Remote(Adaptive(4, 4))
    with anyio.fail_after(30):
        async with gated(remote) as first, gated(remote) as second:
            second._worker = "v"
            async with anyio.create_task_group() as tasks:
                for gate in (first, second):
                    for _ in range(4):
                        tasks.start_soon(work, gate, 40, 0.01)
                for _ in range(3):
                    await anyio.sleep(0.15)
                    remote.leases = Leases(Pacer(Adaptive(4, 4)))
    assert remote.leases.counts.granted > 8  # the last one to begin anew let both go on to their ends


async def test_those_who_wait_do_not_wake_one_another() -> None:
    remote = Remote(Adaptive(1, 1))
    looks = 0

    def clock() -> float:
        nonlocal looks
        looks += 1
        return anyio.current_time()

    gate = LeasedGate(remote, "w", 4, clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate.run)
        await gate.acquire()
        for _ in range(4):
            tasks.start_soon(gate.acquire)
        await anyio.sleep(0.5)
        assert looks < 500
        tasks.cancel_scope.cancel()
