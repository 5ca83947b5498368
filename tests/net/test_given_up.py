"""Connections that are given up before they are open, and pools that close while one is made."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import httpcore
import httpx
import pytest

from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._call.effects import Send
from llmsdk._net.async_driver import AsyncDriver
from llmsdk._net.lines import AsyncLine, SyncLine
from llmsdk._net.pool import Pools
from llmsdk._net.sync_driver import SyncDriver

URL = httpcore.URL("http://127.0.0.1:1/")


class Stream:
    """A network stream that knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Made:
    """A connection to a host."""

    def __init__(self, *_: Any) -> None:
        pass


def test_a_line_given_up_first_closes_what_it_opens() -> None:
    line, stream = SyncLine(), Stream()
    line.hang_up()
    with pytest.raises(httpcore.ConnectError, match="given up"):
        line.wait_for(lambda: stream, 5)
    assert stream.is_closed


def test_a_line_given_up_while_it_opens_wakes_who_waits_and_closes_what_comes_late() -> None:
    line = SyncLine()
    begun, may_end, closed = threading.Event(), threading.Event(), threading.Event()

    class Late(Stream):
        def close(self) -> None:
            super().close()
            closed.set()

    late = Late()

    def step() -> Stream:
        begun.set()
        may_end.wait(20)
        return late

    def give_up() -> None:
        begun.wait(20)
        line.hang_up()

    other = threading.Thread(target=give_up)
    other.start()
    with pytest.raises(httpcore.ConnectError, match="given up"):
        line.wait_for(step, 20)
    other.join()
    assert not late.is_closed
    may_end.set()
    assert closed.wait(20)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("is_first", [True, False])
def test_an_async_line_given_up_ends_what_opens_it(backend: str, is_first: bool) -> None:
    async def opens(line: AsyncLine) -> None:
        with pytest.raises(httpcore.ConnectError, match="given up"), line.opening():
            await anyio.sleep(20)

    async def body() -> None:
        line = AsyncLine()
        if is_first:
            line.hang_up()
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(opens, line)
                await anyio.wait_all_tasks_blocked()
                line.hang_up()

    anyio.run(body, backend=backend)


def test_a_pool_of_a_closed_transport_makes_no_connection() -> None:
    pools = Pools[Made](Made)
    before = pools.to(URL)
    before.new()
    pools.close()
    for pool in (before, pools.to(URL)):
        with pytest.raises(errors.ConfigurationError, match="the SDK was closed"):
            pool.new()


def test_closed_drivers_send_nothing() -> None:
    request = httpx.Request("POST", "http://127.0.0.1:1/")
    countdown = Countdown(5, lambda: 0.0)

    async def body() -> None:
        driver = AsyncDriver(None, is_hooked=False)
        await driver.aclose()
        await driver.perform(Send(request, countdown))

    driver = SyncDriver(None, is_hooked=False)
    driver.close()
    with pytest.raises(errors.ConfigurationError, match="the SDK was closed"):
        driver.perform(Send(request, countdown))
    with pytest.raises(errors.ConfigurationError, match="the SDK was closed"):
        anyio.run(body)
