"""`sdk.usage` and `sdk.track()`: token counts over calls, streams, threads and tasks, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from llmsdk import SDK, Failover, Price, errors
from llmsdk._call.usage import Meter, UsageTotals
from llmsdk.local import Fault, LocalServer
from llmsdk.models.common import Usage
from llmsdk.providers import PROVIDERS
from support.colours import KEY, Colour, collect, settled

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "one two three"}]}
IN, OUT = 3, 7  # what the embedded provider counts for CHAT
ASKED = {"stream_options": {"include_usage": True}}


def sums(totals: UsageTotals) -> tuple[int, ...]:
    return (totals.calls, totals.uncounted_calls, totals.prompt_tokens, totals.completion_tokens, totals.total_tokens)


# -------------------------------------------------------------- counting


async def test_replies_are_summed_per_server_and_model(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        assert sums(client.sdk.usage) == (0, 0, 0, 0, 0)
        for model in ("a", "b", "a"):
            await client.call("chat.create", **{**CHAT, "model": model})
        await client.call("completions.create", model="a", prompt="one two")
        await client.call("embeddings.create", model="e", input="one two three four")
        await client.call("models.list")
        usage = client.sdk.usage
        assert {key: (row.calls, row.prompt_tokens) for key, row in usage.by_model.items()} == {
            ("local", "a"): (3, 2 * IN + 2),
            ("local", "b"): (1, IN),
            ("local", "e"): (1, 4),
        }
        assert usage.prompt_tokens == 3 * IN + 2 + 4
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        assert [row.model for row in usage] == ["a", "b", "e"]
        assert usage.by_model["local", "b"].completion_tokens == OUT
    assert sums(usage)[0] == 5  # still there when the SDK is closed


@pytest.mark.also_trio
@pytest.mark.parametrize("end", ["finished", "closed", "left", "failed"])
async def test_a_stream_counts_once_however_it_ends(colour: Colour, end: str) -> None:
    with LocalServer() as local:
        async with colour.open(server_url=local.url, retry_config=None) as client:
            if end == "failed":
                local.script(Fault(cut_after_events=2))
            stream = await client.call("chat.create", **CHAT, **ASKED, stream=True)
            if end == "finished":
                assert (await collect(stream))[-1].usage is not None
                await settled(stream.close())
            elif end == "failed":
                with pytest.raises(errors.StreamInterruptedError):
                    await collect(stream)
            elif end == "left":
                await settled(stream.__anext__() if client.is_async else stream.__next__())
            await settled(stream.close())
            await settled(stream.close())
            expected = (1, 0, IN, OUT, IN + OUT) if end == "finished" else (1, 1, 0, 0, 0)
            assert sums(client.sdk.usage) == expected


async def test_a_failed_call_counts_nothing(colour: Colour) -> None:
    with LocalServer() as local:
        local.always(Fault(status=500))
        async with colour.open(server_url=local.url, retry_config=None) as client:
            with pytest.raises(errors.InternalServerError):
                await client.call("chat.create", **CHAT)
            assert sums(client.sdk.usage) == (0, 0, 0, 0, 0)


async def test_failover_counts_for_the_server_that_answered(colour: Colour) -> None:
    with LocalServer("r9s") as first, LocalServer("openai") as second:
        first.always(Fault(status=503))
        servers = [
            replace(PROVIDERS["r9s"], servers=(first.url,)),
            replace(PROVIDERS["openai"], servers=(second.url,), key_required=False),
        ]
        failover = Failover(servers, models={"openai": "theirs"})
        async with colour.open(failover=failover, api_key=KEY, retry_config=None, track_usage=True) as client:
            await client.call("chat.create", **CHAT)
            await client.events("chat.create", **CHAT)
            assert {key: row.calls for key, row in client.sdk.usage.by_model.items()} == {("openai", "theirs"): 2}
            assert sums(client.sdk.usage) == (2, 0, 2 * IN, 2 * OUT, 2 * (IN + OUT))


# ----------------------------------------------- asking for usage in streams


@pytest.mark.parametrize(
    "server, operation, asks",
    [
        ("openai", "chat", True),
        ("openai", "completions", True),
        ("local", "chat", True),
        ("r9s", "chat", True),
        ("r9s", "completions", False),
        ("writer_v1", "chat", True),
        ("writer_v1", "completions", False),
        ("together", "chat", False),
        ("together", "completions", False),
    ],
)
def test_streams_are_asked_for_usage_where_the_caller_opted_in(server: str, operation: str, asks: bool) -> None:
    text: dict[str, Any] = {"prompt": "x"} if operation == "completions" else {"messages": CHAT["messages"]}
    options: dict[str, Any] = {"server": server, "api_key": KEY}
    if server == "openai":
        options["server_url"] = "http://127.0.0.1:9"
    with SDK(**options, track_usage=True) as asking, SDK(**options) as silent:
        for sdk, stream, expected in ((asking, True, asks), (asking, False, False), (silent, True, False)):
            body = getattr(sdk, operation).preview(model="m", stream=stream, **text).body
            assert ("stream_options" in body) == expected
            if expected:
                assert body["stream_options"] == ASKED["stream_options"]


def test_what_the_caller_says_of_usage_stands() -> None:
    with SDK(server="openai", server_url="http://127.0.0.1:9", track_usage=True) as sdk:
        for own in ({"include_usage": False}, {}, None):
            body = sdk.chat.preview(**CHAT, stream=True, stream_options=own).body
            assert body["stream_options"] == own


async def test_opting_in_counts_streams(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        await client.events("chat.create", **CHAT)
        assert sums(client.sdk.usage) == (1, 1, 0, 0, 0)
    async with colour.open(server="local", track_usage=True) as client:
        events = await client.events("chat.create", **CHAT)
        assert events[-1].usage.total_tokens == IN + OUT
        assert sums(client.sdk.usage) == (1, 0, IN, OUT, IN + OUT)


# -------------------------------------------------------------- track()


async def test_a_part_is_summed_apart(colour: Colour) -> None:
    async with colour.open(server="local", track_usage=True) as client:
        await client.call("chat.create", **CHAT)
        with client.sdk.track() as outer:
            await client.call("chat.create", **CHAT)
            with client.sdk.track() as inner:
                stream = await client.call("chat.create", **CHAT, stream=True)
            assert inner.calls == 0
            await collect(stream)  # begun inside the block
        await client.call("chat.create", **CHAT)
        assert (inner.calls, outer.calls, client.sdk.usage.calls) == (1, 2, 4)
        assert sums(inner) == (1, 0, IN, OUT, IN + OUT)


async def test_a_part_ends_with_its_block_whatever_is_raised(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        with pytest.raises(ZeroDivisionError), client.sdk.track() as usage:
            await client.call("chat.create", **CHAT)
            raise ZeroDivisionError
        await client.call("chat.create", **CHAT)
        assert usage.calls == 1


def test_the_parts_of_two_sdks_do_not_mix() -> None:
    with SDK(server="local") as one, SDK(server="local") as other, one.track() as ours, other.track() as theirs:
        one.chat.create(**CHAT)
    assert (ours.calls, theirs.calls) == (1, 0)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_concurrent_tasks_do_not_mix(backend: str) -> None:
    found: dict[int, int] = {}

    async def part(sdk: SDK, number: int) -> None:
        with sdk.track() as usage:
            async with anyio.create_task_group() as group:
                for _ in range(number):  # tasks begun inside count with it
                    group.start_soon(call, sdk)
        found[number] = usage.calls

    async def call(sdk: SDK) -> None:
        await sdk.chat.create_async(**CHAT)

    async def main() -> None:
        async with SDK(server="local") as sdk:
            async with anyio.create_task_group() as group:
                for number in range(1, 5):
                    group.start_soon(part, sdk, number)
            assert sdk.usage.calls == 10

    anyio.run(main, backend=backend)
    assert found == {1: 1, 2: 2, 3: 3, 4: 4}


def test_a_task_that_outlives_the_block_is_not_of_it() -> None:
    async def late(sdk: SDK, go: anyio.Event) -> None:
        await go.wait()
        await sdk.chat.create_async(**CHAT)

    async def main() -> None:
        go = anyio.Event()
        async with SDK(server="local") as sdk:
            async with anyio.create_task_group() as group:
                with sdk.track() as usage:
                    group.start_soon(late, sdk, go)
                    await anyio.sleep(0.01)
                go.set()
            assert (usage.calls, sdk.usage.calls) == (0, 1)

    anyio.run(main)


def test_a_block_may_be_left_in_another_context() -> None:
    """Async generators are closed wherever their event loop likes."""
    import contextvars

    with SDK(server="local") as sdk:
        block = sdk.track()
        usage = contextvars.copy_context().run(block.__enter__)
        contextvars.copy_context().run(block.__exit__, None, None, None)
        sdk.chat.create(**CHAT)
        assert usage.calls == 0


def test_threads_are_summed_together_and_tracked_apart() -> None:
    apart: list[int] = []

    def work(sdk: SDK) -> None:
        with sdk.track() as usage:
            for _ in range(5):
                sdk.chat.create(**CHAT)
        apart.append(usage.calls)

    with SDK(server="local") as sdk:
        threads = [threading.Thread(target=work, args=(sdk,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert apart == [5] * 6
        assert sums(sdk.usage) == (30, 0, 30 * IN, 30 * OUT, 30 * (IN + OUT))


def test_nothing_is_lost_between_threads_that_add_and_threads_that_look() -> None:
    pending: Any = deque()
    meter = Meter(pending, None)
    usage = Usage(prompt_tokens=2, completion_tokens=1, total_tokens=3)

    def add() -> None:
        for _ in range(2000):
            pending.append(("s", "m", usage, ()))
            if len(pending) > 50:
                meter.settle(wait=False)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert meter.totals.total_tokens == 3 * meter.totals.calls or meter.totals.calls > 0
    assert sums(meter.totals) == (8000, 0, 16000, 8000, 24000)
    assert not pending


def test_a_long_run_keeps_no_replies() -> None:
    with SDK(server="local") as sdk:
        core = sdk.chat._runner.core
        most = 0
        for _ in range(3):
            core.pending.extend([("s", "m", Usage(prompt_tokens=1), ())] * 800)
            most = max(most, len(core.pending))
            sdk.chat.create(**CHAT)
        assert most == 1601
        assert len(core.pending) == 802
        assert sdk.usage.calls == 2403


# --------------------------------------------------------------- counts


@pytest.mark.parametrize(
    "usage, expected",
    [
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (0, 10, 5, 15, 0, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 5}, (0, 10, 5, 15, 0, 0)),
        ({"prompt_tokens": 10, "total_tokens": 10}, (0, 10, 0, 10, 0, 0)),
        ({"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}, (0, 4, 2, 6, 0, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 8}, (0, 9, 1, 10, 8, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 8}}, (0, 9, 0, 9, 8, 0)),
        ({"prompt_tokens": 9, "prompt_token_details": {"cached_tokens": 7}}, (0, 9, 0, 9, 7, 0)),
        ({"prompt_tokens": 9, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 1}, (0, 9, 0, 9, 8, 0)),
        ({"prompt_tokens": 9, "cache_read_input_tokens": 8, "cached_tokens": 0}, (0, 9, 0, 9, 8, 0)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cache_read_input_tokens": 8}}, (0, 9, 0, 9, 8, 0)),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 6}}, (0, 9, 0, 9, 6, 0)),
        (
            {"prompt_tokens": 1, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 8}},
            (0, 1, 9, 10, 0, 8),
        ),
        ({"prompt_tokens": 1, "completion_tokens": 9, "reasoning_tokens": 3}, (0, 1, 9, 10, 0, 3)),
        ({"prompt_tokens": "10", "completion_tokens": -5, "total_tokens": True}, (1, 0, 0, 0, 0, 0)),
        ({"prompt_tokens_details": None}, (1, 0, 0, 0, 0, 0)),
        ({}, (1, 0, 0, 0, 0, 0)),
    ],
)
def test_counts_under_any_name(usage: dict[str, Any], expected: tuple[int, ...]) -> None:
    for given in (Usage.model_validate(usage), usage):
        totals = Meter(deque([("s", "m", given, ())]), None).totals
        row = totals.by_model["s", "m"]
        found = (row.uncounted_calls, row.prompt_tokens, row.completion_tokens, row.total_tokens, row.cached_tokens)
        assert (*found, row.reasoning_tokens) == expected
        assert (totals.cached_tokens, totals.reasoning_tokens) == expected[-2:]


def test_a_usage_that_is_no_object_is_an_uncounted_call() -> None:
    for usage in (None, 3, "many", [1], SimpleNamespace(prompt_tokens=1.5)):
        assert Meter(deque([("s", "m", usage, ())]), None).totals.uncounted_calls == 1


# ---------------------------------------------------------------- prices


async def test_a_price_table_gives_the_cost(colour: Colour) -> None:
    prices = {"m": Price(input_per_million=2.0, output_per_million=10.0)}
    async with colour.open(server="local", prices=prices) as client:
        assert client.sdk.usage.cost == 0
        await client.call("chat.create", **CHAT)
        with client.sdk.track() as usage:
            await client.call("chat.create", **CHAT)
        one = (IN * 2.0 + OUT * 10.0) / 1e6
        assert usage.cost == pytest.approx(one)
        assert client.sdk.usage.cost == pytest.approx(2 * one)
        assert usage.unpriced == ()
        await client.call("chat.create", **{**CHAT, "model": "other"})
        assert client.sdk.usage.cost is None
        assert client.sdk.usage.unpriced == (("local", "other"),)
        assert client.sdk.usage.by_model["local", "m"].cost == pytest.approx(2 * one)


def test_without_prices_there_is_no_cost() -> None:
    with SDK(server="local") as sdk:
        sdk.chat.create(**CHAT)
        assert sdk.usage.cost is None
        assert repr(sdk.usage) == f"<1 calls, {IN} tokens in, {OUT} out>"


def test_cached_tokens_may_have_a_price_of_their_own() -> None:
    usage = Usage.model_validate({"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 4})
    dear, cheap = Price(input_per_million=1e6), Price(input_per_million=1e6, cached_input_per_million=1e5)
    for price, cost in ((dear, 10), (cheap, 6.4)):
        assert Meter(deque([("s", "m", usage, ())]), {"m": price}).totals.cost == pytest.approx(cost)
    both = {"m": dear, ("s", "m"): cheap}
    assert Meter(deque([("s", "m", usage, ())]), both).totals.cost == pytest.approx(6.4)
    assert Meter(deque([("t", "m", usage, ())]), both).totals.cost == pytest.approx(10)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prices": {"m": 3}}, "prices: the price of 'm' must be a Price, got int"),
        ({"prices": [1]}, "prices: must be a mapping of models to Price, got list"),
        ({"track_usage": 1}, "track_usage: must be a bool, got int"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(server="local", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "3", True])
def test_a_price_that_cannot_be(value: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^input_per_million: must be a finite number of at least 0"):
        Price(input_per_million=value)


# ----------------------------------------------------------------- cheap


def test_a_plain_call_loads_nothing_of_it() -> None:
    code = (
        "import sys; from llmsdk import SDK\n"
        "with SDK(server='local') as sdk:\n"
        "    sdk.chat.create(model='m', messages=[{'role': 'user', 'content': 'Hi'}])\n"
        "    with sdk.chat.create(model='m', messages=[{'role': 'user', 'content': 'Hi'}], stream=True) as stream:\n"
        "        list(stream)\n"
        "late = {'llmsdk.' + name for name in ('usage', 'failover', '_relay', '_core.failover', 'embeddings')}\n"
        "print(sorted(late & set(sys.modules)))"
    )
    path = os.pathsep.join([str(Path(__file__).resolve().parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
