"""Calls that another thread ends, connections that are given up, and what has waited for too long."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections.abc import AsyncIterator, Generator
from types import SimpleNamespace
from typing import Any

import httpcore
import pytest

from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._call.effects import Send, TransportFailure
from llmsdk._net import lines
from llmsdk._net import pool as pool_module
from llmsdk._net.async_driver import AsyncDriver
from llmsdk._net.drivers import Drivers
from llmsdk._net.lines import is_readable
from llmsdk._net.lookup import async_tools, sync_tools
from llmsdk._net.loops import exhaust
from llmsdk._net.steps import Iteration, take, take_async
from llmsdk._net.streams import EventStreamAsync
from llmsdk._net.sync_driver import SyncDriver
from llmsdk._net.transport import AsyncTransport
from support.canned import CannedServer
from support.colours import KEY, Colour


def countdown() -> Countdown:
    return Countdown(20.0, lambda: 0.0)


def test_a_call_of_another_thread_is_interrupted(canned: CannedServer) -> None:
    asked = threading.Event()

    def script(connection: Any, _: Any) -> None:
        asked.set()
        connection.saw_close()

    canned.script = script
    drivers = Drivers(None, None, lambda: pytest.fail("nobody asked for it"), is_hooked=False)
    mine, other = countdown(), countdown()
    drivers.interrupt([mine])  # nothing has been sent
    driver = drivers.sync()
    ended: list[BaseException] = []

    def call() -> None:
        try:
            driver.perform(Send(driver.build("POST", canned.url, [], None, b"{}", mine), mine))
        except TransportFailure as exc:
            ended.append(exc)

    thread = threading.Thread(target=call)
    thread.start()
    assert asked.wait(10)
    drivers.interrupt([other])
    assert not ended
    drivers.interrupt([mine])
    thread.join(10)
    assert len(ended) == 1
    drivers.close()


async def test_a_connection_that_was_free_for_too_long_is_closed(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(pool_module, "time", SimpleNamespace(monotonic=lambda: now))
    canned.reply(body={"id": "c", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for now, connections in ((1.0, 1), (2.0, 1), (100.0, 2)):  # noqa: B007 - what the clock says
            await client.call("completions.create", model="m", prompt="p")
            assert canned.connections == connections


def test_a_connection_whose_tail_could_not_be_read_is_dropped() -> None:
    """A task may be cancelled in the middle of that."""
    closed: list[str] = []

    class Cancelled:
        unread = object()
        line = SimpleNamespace(is_last=False)

        async def is_ready(self, _: float) -> bool:
            raise asyncio.CancelledError

        async def aclose(self) -> None:
            closed.append("closed")

    async def body() -> None:
        transport, connection = AsyncTransport(), Cancelled()
        pool: Any = transport._pools.to(httpcore.URL("http://127.0.0.1:1"))
        pool._all.add(connection)
        pool.push_unread(connection)
        with pytest.raises(asyncio.CancelledError):
            await transport._free(pool, countdown())
        assert (closed, pool.connections()) == (["closed"], [])

    asyncio.run(body())


def test_a_body_that_never_ends_is_not_waited_for() -> None:
    taken = 0

    async def endless() -> AsyncIterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    async def body() -> None:
        pieces: Any = endless()
        await exhaust(pieces)
        await pieces.aclose()

    asyncio.run(body())
    assert taken == 64


def test_what_has_arrived_is_seen_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "select", SimpleNamespace(select=select.select))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not is_readable(ours)
        theirs.sendall(b"x")
        assert is_readable(ours)


@pytest.mark.parametrize("is_player", [False, True])
def test_a_player_may_have_a_recording_of_a_host_that_is_not_known(
    is_player: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMSDK_OFFLINE", "1")
    sync, asynchronous = SyncDriver(None, is_hooked=False), AsyncDriver(None, is_hooked=False)
    sync.is_player = asynchronous.is_player = is_player

    async def ask() -> Any:
        return await async_tools(asynchronous).resolve("files.example", 443, 1.0)

    for resolve in (lambda: sync_tools(sync).resolve("files.example", 443, 1.0), lambda: asyncio.run(ask())):
        if is_player:
            assert resolve() == []
        else:
            with pytest.raises(errors.ConfigurationError, match="LLMSDK_OFFLINE"):
                resolve()
    sync.close()


def test_what_a_step_raises_is_raised_inside() -> None:
    def steps() -> Generator[int, int, int]:
        try:
            found = yield 1
        except ZeroDivisionError:
            found = yield 2
        return found

    def do(step: int) -> int:
        return step // (step - 1)

    async def do_async(step: int) -> int:
        return do(step)

    made: Any = steps
    assert take(made(), do) == 2
    assert asyncio.run(take_async(made(), do_async)) == 2


def test_a_stream_that_was_never_made_has_nothing_to_close() -> None:
    """Its constructor failed: there is no event loop that could close it."""
    EventStreamAsync.__new__(EventStreamAsync).__del__()


def test_an_iteration_is_its_own_iterator() -> None:
    iteration = Iteration[Any](SimpleNamespace(abandon=lambda: None))  # type: ignore[arg-type]  # nothing is read
    assert aiter(iteration) is iteration
