"""One timer over all sends of the aiohttp backend, which ends them as `asyncio.timeout` would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llmsdk._net.aiohttp_limits import Limits

FAR = 1000.0


def limited(body: Callable[[Limits], Awaitable[None]]) -> None:
    async def main() -> None:
        limits = Limits(asyncio.get_running_loop())
        await body(limits)
        limits.end()
        assert limits._timer is None

    asyncio.run(main())


def cancellations() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


async def wait(limits: Limits, seconds: float) -> None:
    with limits.within(seconds):
        await asyncio.sleep(FAR)


def test_what_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    async def body(limits: Limits) -> None:
        with pytest.raises(TimeoutError):
            await wait(limits, 0.01)
        assert cancellations() == 0
        await asyncio.sleep(0)

    limited(body)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_limit_that_has_passed_ends_the_first_wait(seconds: float) -> None:
    async def body(limits: Limits) -> None:
        with pytest.raises(TimeoutError):
            await wait(limits, seconds)

    limited(body)


def test_each_ends_at_its_own_time_and_the_timer_is_set_for_the_earliest() -> None:
    async def body(limits: Limits) -> None:
        ended: list[str] = []

        async def one(name: str, seconds: float) -> None:
            with pytest.raises(TimeoutError):
                await wait(limits, seconds)
            ended.append(name)

        late = asyncio.create_task(one("late", 0.2))
        await asyncio.sleep(0)
        last = asyncio.create_task(one("last", FAR))
        soon = asyncio.create_task(one("soon", 0.01))
        await asyncio.gather(late, soon)
        assert ended == ["soon", "late"]
        assert limits._timer is not None
        assert limits._timer.when() > asyncio.get_running_loop().time() + FAR / 2
        limits.end()
        await last
        assert ended == ["soon", "late", "last"]

    limited(body)


def test_the_timer_outlives_a_call_and_is_used_by_the_next() -> None:
    async def body(limits: Limits) -> None:
        with limits.within(FAR):
            timer = limits._timer
        with limits.within(FAR):
            assert limits._timer is timer is not None
        assert not limits.running
        limits._ring()
        assert limits._timer is None  # nobody is there whom it could watch

    limited(body)


def test_a_body_that_ends_by_itself_keeps_its_error() -> None:
    async def body(limits: Limits) -> None:
        with pytest.raises(ValueError, match="own"), limits.within(FAR):
            raise ValueError("own")

    limited(body)


def test_an_error_raised_after_the_end_of_the_time_stays_and_no_cancellation_is_left() -> None:
    async def body(limits: Limits) -> None:
        with pytest.raises(ValueError, match="own"), limits.within(0.01):
            try:
                await asyncio.sleep(FAR)
            except asyncio.CancelledError:
                raise ValueError("own") from None
        assert cancellations() == 0

    limited(body)


def test_a_cancellation_from_outside_stays_one_even_where_the_time_is_over() -> None:
    async def body(limits: Limits) -> None:
        for is_over in (False, True):
            task = asyncio.create_task(wait(limits, FAR))
            await asyncio.sleep(0)
            task.cancel()
            if is_over:
                limits.end()
                limits.end()  # once is enough
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not limits.running

    limited(body)


def test_there_has_to_be_a_task() -> None:
    async def main() -> Limits:
        return Limits(asyncio.get_running_loop())

    loop = asyncio.new_event_loop()
    raised: list[BaseException] = []

    def enter(limits: Limits) -> None:
        try:
            with limits.within(1):
                pass
        except RuntimeError as exc:
            raised.append(exc)
        loop.stop()

    try:
        loop.call_soon(enter, loop.run_until_complete(main()))
        loop.run_forever()
    finally:
        loop.close()
    assert [str(exc) for exc in raised] == ["a time limit needs a task"]
