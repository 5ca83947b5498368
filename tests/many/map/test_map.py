"""`map` and `map_async` over loopback: every row once, errors as results, early ends that leave nothing behind."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, nullcontext
from typing import Any

import anyio
import pytest

from llmsdk import SDK, Adaptive
from llmsdk.errors import (
    ConfigurationError,
    DeadlineExceededError,
    InternalServerError,
    RequestValidationError,
    SDKError,
)
from llmsdk.local import LocalServer
from llmsdk.many.map import LocalGate, Pacer, Settings, outcomes
from llmsdk.resources.rows.rows import row_operation
from support.colours import Colour, collect, each, settled

NO_RETRIES: dict[str, Any] = {"retries": None}


def row(number: int) -> Any:
    return {"model": "m", "messages": [{"role": "user", "content": f"row {number}"}]}


def rows(count: int) -> Iterator[Any]:
    for number in range(count):
        yield row(number)


def mapped(client: Any, requests: Any, **options: Any) -> Any:
    return (client.sdk.chat.map_async if client.is_async else client.sdk.chat.map)(requests, **options)


async def until(colour: Colour, is_so: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not is_so() and time.monotonic() < limit:
        await anyio.sleep(0.02) if colour.is_async else time.sleep(0.02)
    assert is_so()


def map_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "llmsdk-map"]


@pytest.mark.also_trio
async def test_every_row_comes_back_once(colour: Colour) -> None:
    with LocalServer(faults=[{"status": 503, "retry_after": 0}, {"cut_before_headers": True}]) as server:
        async with colour.open(server_url=server.url) as client:
            got = await collect(mapped(client, rows(60)))
            assert sorted(index for index, _ in got) == list(range(60))
            assert all(reply.meta.status_code == 200 for _, reply in got)
            by_key: dict[str, set[Any]] = {}
            for request in server.requests:
                by_key.setdefault(request.headers["idempotency-key"], set()).add(request.body)
            assert len(by_key) == 60
            assert all(len(bodies) == 1 for bodies in by_key.values())
        assert map_threads() == []


@pytest.mark.also_trio
async def test_order_is_kept_where_asked(colour: Colour) -> None:
    with LocalServer(faults=[{"delay_s": 0.2}]) as server:
        async with colour.open(server_url=server.url) as client:
            got = await collect(mapped(client, rows(30), ordered=True, window=10, limit=4))
    assert [index for index, _ in got] == list(range(30))


async def test_bad_rows_are_results(colour: Colour) -> None:
    bad: list[Any] = [row(0), {"messages": []}, 7, {**row(3), "stream": True}, {**row(4), "timeout_ms": 5}, row(5)]
    with LocalServer() as server:
        async with colour.open(server_url=server.url) as client:
            got = dict(await collect(mapped(client, bad)))
            assert len(server.requests) == 2
    assert {index for index, result in got.items() if isinstance(result, RequestValidationError)} == {1, 2, 3, 4}
    assert "got int" in str(got[2])
    assert "stream" in str(got[3])
    assert "timeout_ms" in str(got[4])


async def test_a_row_that_fails_for_good_is_its_error(colour: Colour) -> None:
    with LocalServer(faults=[None, {"status": 500}, None]) as server:
        async with colour.open(server_url=server.url) as client:
            got = dict(await collect(mapped(client, rows(3), limit=1, **NO_RETRIES)))
    assert isinstance(got[1], InternalServerError)
    assert not isinstance(got[0], SDKError)
    assert not isinstance(got[2], SDKError)


async def test_what_the_iterable_raises_comes_last(colour: Colour) -> None:
    def broken() -> Iterator[Any]:
        yield from rows(5)
        raise OSError("no more paper")

    got = []
    with LocalServer() as server:
        async with colour.open(server_url=server.url) as client:
            with pytest.raises(OSError, match="no more paper"):
                async for index, _ in each(mapped(client, broken())):
                    got.append(index)
    assert sorted(got) == [0, 1, 2, 3, 4]


@pytest.mark.also_trio
async def test_break_ends_what_is_in_flight(colour: Colour) -> None:
    def endless() -> Iterator[Any]:
        number = 0
        while True:
            yield row(number)
            number += 1

    with LocalServer(faults=[None] * 5) as server:
        server.always({"delay_s": 30})
        async with colour.open(server_url=server.url) as client:
            began = time.monotonic()
            count = 0
            async with aclosing(each(mapped(client, endless(), limit=4))) as results:
                async for _ in results:
                    count += 1
                    if count == 5:
                        await until(colour, lambda: len(server.requests) == 9)
                        break
            assert time.monotonic() - began < 15
            assert map_threads() == []
            await until(colour, lambda: server.connection_count == 0)


@pytest.mark.also_trio
@pytest.mark.parametrize("fails", [False, True])
async def test_leaving_the_with_waits_for_the_end(colour: Colour, fails: bool) -> None:
    if not colour.is_async:
        pytest.skip("a sync map ends with its loop")
    ended: list[bool] = []

    async def endless() -> AsyncIterator[Any]:
        try:
            while True:
                yield row(0)
        finally:
            ended.append(True)

    async def leave(results: Any) -> None:
        async with results:
            async for _ in results:
                if fails:
                    raise OSError("no more paper")
                break

    with LocalServer(faults=[None] * 5) as server:
        server.always({"delay_s": 30})
        async with colour.open(server_url=server.url) as client:
            with pytest.raises(OSError, match="no more paper") if fails else nullcontext():
                await leave(client.sdk.chat.map_async(endless(), limit=4))
            assert ended == [True]


@pytest.mark.also_trio
async def test_what_is_done_when_a_map_is_left_can_be_had(colour: Colour) -> None:
    with LocalServer(faults=[None] * 6) as server:
        server.always({"delay_s": 30})
        async with colour.open(server_url=server.url) as client:
            results = mapped(client, rows(20), limit=4)
            first, _ = await anext(results) if colour.is_async else next(results)
            await until(colour, lambda: len(server.requests) == 10)
            if colour.is_async:
                await results.aclose()
            else:
                results.close()
            left = results.drain()
            assert results.drain() == []
    assert len(left) == 5
    assert first not in dict(left)
    assert not [result for _, result in left if isinstance(result, SDKError)]


async def test_the_deadline_bounds_the_whole(colour: Colour) -> None:
    with LocalServer() as server:
        server.always({"delay_s": 30})
        async with colour.open(server_url=server.url) as client:
            began = time.monotonic()
            got = await collect(mapped(client, list(rows(10)), limit=3, deadline_ms=300))
            assert time.monotonic() - began < 15
    assert sorted(index for index, _ in got) == list(range(10))
    assert all(isinstance(error, DeadlineExceededError) for _, error in got)


@pytest.mark.parametrize("reset", ["1741305600", "1741305600000", "2025-03-07T00:00:00Z", "86340", "23h59m0s"])
async def test_no_word_of_a_server_makes_a_map_stand_still(colour: Colour, reset: str) -> None:
    with LocalServer() as server:
        server.always({"headers": {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}})
        async with colour.open(server_url=server.url) as client:
            began = time.monotonic()
            got = await collect(mapped(client, rows(30)))
            assert time.monotonic() - began < 15
    assert sorted(index for index, result in got if not isinstance(result, SDKError)) == list(range(30))


async def test_much_that_is_left_of_a_day_is_used_at_once(colour: Colour) -> None:
    told = {"limit": "14400", "remaining": "14390", "reset": "23h59m0s"}
    with LocalServer() as server:
        server.always({"headers": {f"x-ratelimit-{name}-requests": value for name, value in told.items()}})
        async with colour.open(server_url=server.url) as client:
            began = time.monotonic()
            assert len(await collect(mapped(client, rows(30)))) == 30
            assert time.monotonic() - began < 15


@pytest.mark.parametrize("limit", [0, True, "8", 1.5, -1])
def test_a_limit_that_is_none(limit: Any) -> None:
    with SDK(server_url="http://127.0.0.1:9") as sdk, pytest.raises(ConfigurationError, match=r"^limit: must be"):
        sdk.chat.map([], limit=limit)


@pytest.mark.parametrize("requests", [row(0), "text", b"bytes", 7, None])
def test_requests_that_are_none(requests: Any) -> None:
    with (
        SDK(server_url="http://127.0.0.1:9") as sdk,
        pytest.raises(RequestValidationError, match=r"^requests: must be"),
    ):
        sdk.chat.map(requests)


@pytest.mark.parametrize(
    "given", [{"start": 0}, {"max": True}, {"requests_per_second": 0}, {"requests_per_second": "9"}]
)
def test_an_adaptive_that_cannot_be(given: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{next(iter(given))}: must be"):
        Adaptive(**given)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_async_rows_and_cancellation(backend: str) -> None:
    closed = []

    async def endless() -> AsyncIterator[Any]:
        try:
            number = 0
            while True:
                yield row(number)
                number += 1
        finally:
            closed.append(True)

    async def main(url: str) -> int:
        count = 0
        async with SDK(server_url=url) as sdk:
            with anyio.CancelScope() as scope:
                async for _ in sdk.chat.map_async(endless(), limit=2):
                    count += 1
                    if count == 5:
                        scope.cancel()
            assert scope.cancelled_caught
        return count

    with LocalServer() as server:
        assert anyio.run(main, server.url, backend=backend) >= 5
    assert closed == [True]


class Fails:
    """A hook that raises what is none of our errors, for one row."""

    def before_request(self, ctx: Any, request: Any) -> Any:
        if b"row 2" in request.content:
            raise OSError("of a hook")
        return request


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_a_hook_raises_comes_last(colour: Colour, ordered: bool) -> None:
    got = []
    with LocalServer() as server:
        async with colour.open(server_url=server.url, hooks=[Fails()]) as client:
            with pytest.raises(OSError, match="of a hook"):
                async for index, reply in each(mapped(client, rows(50), ordered=ordered, limit=1)):
                    assert reply.meta.status_code == 200
                    got.append(index)
    assert got == [0, 1]


async def some(results: Any, count: int) -> list[int]:
    """Take a few results by hand."""
    take = results.__anext__ if hasattr(results, "__anext__") else lambda: settled(next(results))
    return [(await take())[0] for _ in range(count)]


@pytest.mark.also_trio
async def test_a_map_can_be_iterated_in_parts(colour: Colour) -> None:
    with LocalServer() as server:
        async with colour.open(server_url=server.url) as client:
            results = mapped(client, rows(30))
            found = await some(results, 5)
            async with aclosing(each(results)) as part:
                async for index, _ in part:
                    found.append(index)
                    if len(found) == 12:
                        break
            found += [index for index, _ in await collect(results)]
            assert sorted(found) == list(range(30))
            assert await collect(results) == []
        assert len(server.requests) == 30


async def close(results: Any) -> None:
    await (results.aclose() if hasattr(results, "aclose") else settled(results.close()))


@pytest.mark.also_trio
async def test_a_map_that_was_given_up_says_so(colour: Colour) -> None:
    told = "^the map was closed before its end, after {} results; drain.. returns the finished ones$"
    with LocalServer() as server:
        async with colour.open(server_url=server.url) as client:
            unbegun = mapped(client, rows(3))
            await close(unbegun)
            with pytest.raises(ConfigurationError, match=told.format(0)):
                await collect(unbegun)
            assert len(server.requests) == 0
            results = mapped(client, rows(30))
            found = await some(results, 5)
            await close(results)
            for _ in range(2):
                with pytest.raises(ConfigurationError, match=told.format(5)):
                    await some(results, 1)
            left = [index for index, _ in results.drain()]
            assert not {*found} & {*left}


async def test_a_map_whose_rows_were_all_handed_out_is_at_its_end(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        results = mapped(client, [row(0), row(1)], window=1)
        await some(results, 2)
        await until(colour, lambda: results._rows.is_done)
        await close(results)
        assert await collect(results) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_readers_share_the_results(backend: str) -> None:
    found = list[int]()

    async def main() -> None:
        async with SDK(server="local") as sdk:
            results = sdk.chat.map_async(rows(40))

            async def read() -> None:
                async for index, _ in results:
                    found.append(index)

            with anyio.fail_after(30):
                async with anyio.create_task_group() as readers:
                    readers.start_soon(read)
                    readers.start_soon(read)

    anyio.run(main, backend=backend)
    assert sorted(found) == list(range(40))


async def test_an_iterable_that_cannot_be_begun_ends_the_map(colour: Colour) -> None:
    class Broken:
        def __iter__(self) -> Iterator[Any]:
            raise OSError("no paper at all")

    async with colour.open(server_url="http://127.0.0.1:9") as client:
        results = mapped(client, Broken())
        with pytest.raises(OSError, match="no paper at all"):
            await collect(results)
        assert await collect(results) == []
    assert map_threads() == []


def test_the_loop_of_a_map_is_its_own_iterator() -> None:
    with LocalServer() as server, SDK(server_url=server.url) as sdk:
        found = iter(sdk.chat.map(rows(5)))
        assert iter(found) is found
        assert sorted(index for index, _ in found) == [0, 1, 2, 3, 4]


def test_an_interruption_inside_the_iterable_reaches_the_caller() -> None:
    def interrupted() -> Iterator[Any]:
        yield from rows(2)
        raise KeyboardInterrupt

    with LocalServer() as server, SDK(server_url=server.url) as sdk:
        with pytest.raises(KeyboardInterrupt):
            list(sdk.chat.map(interrupted(), limit=1))
        assert len(server.requests) <= 2
    assert map_threads() == []


def test_an_iterable_may_end_its_own_map() -> None:
    def leaving() -> Iterator[Any]:
        yield from rows(2)
        results.close()
        yield row(2)

    with LocalServer() as server, SDK(server_url=server.url) as sdk:
        results = sdk.chat.map(leaving(), limit=1)
        with pytest.raises(ConfigurationError, match="closed before its end"):
            list(results)
        assert len(server.requests) == 2
    for thread in threading.enumerate():
        if thread.name == "llmsdk-map":
            thread.join(10)
    assert map_threads() == []


class AsyncHook:
    async def before_request(self, ctx: Any, request: Any) -> Any:
        return request


def test_a_sync_map_refuses_what_only_the_async_one_has() -> None:
    with (
        SDK(server_url="http://127.0.0.1:9", hooks=[AsyncHook()]) as sdk,
        pytest.raises(ConfigurationError, match=r"hooks: one of them is async.*call the _async method"),
    ):
        sdk.chat.map([])
    settings = Settings(gate=LocalGate(Pacer(Adaptive())))
    with (
        SDK(server_url="http://127.0.0.1:9") as sdk,
        pytest.raises(ConfigurationError, match="gate: a sync map has none; call the async one instead"),
    ):
        outcomes(sdk._runner, row_operation("chat"), [], settings)


@pytest.mark.parametrize(
    "given, told",
    [
        ({"window": 0}, "window: must be an int >= 1, got 0"),
        ({"window": True}, "window: must be an int >= 1, got bool"),
        ({"ordered": 1}, "ordered: must be a bool, got int"),
        ({"model": "m"}, "model: unknown option of map; parameters go into the requests"),
    ],
)
def test_options_that_cannot_be(given: Any, told: str) -> None:
    with SDK(server_url="http://127.0.0.1:9") as sdk, pytest.raises(ConfigurationError, match=f"^{told}$"):
        sdk.chat.map([], **given)
