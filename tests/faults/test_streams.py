"""Streams that end early, twice, never, unseen: every one of them is closed and accounted for."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import anyio
import pytest

from llmsdk import errors
from support.colours import Colour, collect, each, settled
from support.fault_client import ASK, CREATE, client_of, pause, saw_close
from support.fault_server import (
    DONE,
    EVENTS,
    GOOD_STREAM,
    STREAM_HEAD,
    WHOLE,
    Drip,
    FaultServer,
    Fin,
    Stall,
    Wait,
    chunk,
    event,
    head,
    reply,
    stream,
)

_ONE_THEN_SILENCE = (STREAM_HEAD + chunk(EVENTS[0]), Stall())
_PROMPT_S = 5.0  # far from what would end the wait otherwise, so that a busy machine is no failure


@pytest.fixture(params=["own", "supplied"])
def supplied(request: pytest.FixtureRequest) -> bool:
    return request.param == "supplied"


async def _usable(client: Any) -> None:
    res = await client.call(CREATE, **ASK, timeout_ms=5000)
    assert res.text == "Hello there"


# ------------------------------------------------------------------ how they end


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_an_end_without_finish_reason_is_truncated(colour: Colour, faults: FaultServer, count: int) -> None:
    faults.play(stream(*EVENTS[:count]))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(got)
        assert caught.value.reason == "truncated"
        assert (caught.value.partial.text or "") == ["", "Hel", "Hello "][count]
        assert (got.partial.text or "") == (caught.value.partial.text or "")
        with pytest.raises(errors.StreamInterruptedError):
            _ = got.final
        with pytest.raises(errors.StreamInterruptedError):
            await collect(got)
        await _usable(client)


async def test_done_alone_is_a_whole_stream(colour: Colour, faults: FaultServer) -> None:
    faults.play(stream(*EVENTS[:2], DONE), stream(DONE))
    async with client_of(colour, faults) as client:
        for expected in (2, 0):
            got = await client.call(CREATE, **ASK, stream=True)
            assert len(await collect(got)) == expected
            assert (got.final.text or "") == ("Hello " if expected else "")


@pytest.mark.parametrize("tail", [b"data: [DONE]\n", b"data: [DONE]", b"data:[DONE]\r", b"data: [DONE]\r\n\r\n"])
async def test_done_without_its_blank_line(colour: Colour, faults: FaultServer, tail: bytes) -> None:
    faults.play(stream(*EVENTS[:2], tail))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        assert len(await collect(got)) == 2
        assert got.final.text == "Hello "


async def test_nothing_after_done_is_handed_out(colour: Colour, faults: FaultServer) -> None:
    faults.play(stream(*EVENTS, DONE, event("never"), b"data: {broken\n\n"))
    async with client_of(colour, faults) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await _usable(client)


@pytest.mark.parametrize("bad", [b"{broken", b"42", b'"text"', b"[1]", b'{"choices": 7}', b"<html>"])
async def test_an_event_that_is_none(colour: Colour, faults: FaultServer, bad: bytes) -> None:
    faults.play((*stream(EVENTS[0], b"data: " + bad + b"\n\n", end=False), Stall()))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.ResponseValidationError) as caught:
            await client.events(CREATE, **ASK)
        assert caught.value.partial.text == "Hel"
        assert faults.saw_close(1)
        await _usable(client)


@pytest.mark.also_trio
async def test_events_come_as_they_arrive(colour: Colour, faults: FaultServer) -> None:
    has_first = threading.Event()
    in_time: list[bool] = []
    rest = chunk(EVENTS[1] + EVENTS[2] + DONE) + chunk(b"")
    faults.play((STREAM_HEAD + chunk(EVENTS[0]), lambda: in_time.append(has_first.wait(10)), rest))
    async with client_of(colour, faults) as client:
        texts = []
        async for one in each(await client.call(CREATE, **ASK, stream=True)):
            texts.append(one.text)
            has_first.set()
    assert texts == ["Hel", "lo ", "there"]
    assert in_time == [True], "the first event was kept back until more came"


async def test_the_end_is_not_waited_for_after_done(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play((*stream(*EVENTS, DONE, end=False), Stall()))
    async with client_of(colour, faults, supplied=supplied) as client:
        began = time.monotonic()
        assert len(await client.events(CREATE, **ASK)) == 3
        assert time.monotonic() - began < _PROMPT_S
        await _usable(client)
        assert time.monotonic() - began < _PROMPT_S
        assert faults.saw_close(1), "what has not come when the connection is wanted again closes it"


# ------------------------------------------------------------------------ time


@pytest.mark.also_trio
@pytest.mark.parametrize("noise", [b": ping\n\n", b"event: ping\ndata: {}\n\n", b"data:\n\n", b"\n"])
async def test_pings_are_no_events(colour: Colour, faults: FaultServer, noise: bytes) -> None:
    faults.play((STREAM_HEAD + chunk(EVENTS[0]), *((chunk(noise), Wait(0.05)) * 200)))
    async with client_of(colour, faults) as client:
        began = time.monotonic()
        with pytest.raises(errors.StreamTimeoutError) as caught:
            await client.events(CREATE, **ASK, idle_timeout_ms=300, timeout_ms=30_000)
        assert 0.25 < time.monotonic() - began < _PROMPT_S
        error = caught.value
        assert isinstance(error, errors.APITimeoutError)
        assert isinstance(error, errors.StreamInterruptedError)
        assert error.reason == "idle"
        assert error.partial.text == "Hel"
        assert faults.saw_close(1)


async def test_pings_keep_a_stream_alive_for_timeout_ms(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    pings = (chunk(b": ping\n\n"), Wait(0.1)) * 12
    faults.play((STREAM_HEAD + chunk(EVENTS[0]), *pings, chunk(EVENTS[1] + EVENTS[2] + DONE) + chunk(b"")))
    async with client_of(colour, faults, supplied=supplied) as client:
        assert len(await client.events(CREATE, **ASK, timeout_ms=1000)) == 3


async def test_silence_is_bounded_by_idle_timeout_too(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults, supplied=supplied) as client:
        began = time.monotonic()
        with pytest.raises(errors.StreamTimeoutError):
            await client.events(CREATE, **ASK, idle_timeout_ms=300, timeout_ms=30_000)
        assert time.monotonic() - began < _PROMPT_S


async def test_the_callers_own_time_does_not_count(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play((STREAM_HEAD + chunk(EVENTS[0]), Wait(0.1), chunk(b"".join(EVENTS[1:]) + DONE) + chunk(b"")))
    async with client_of(colour, faults, supplied=supplied) as client:
        got = await client.call(CREATE, **ASK, stream=True, timeout_ms=500, idle_timeout_ms=500)
        count = 0
        async for _ in each(got):
            count += 1
            await pause(colour, 0.6)
        assert count == 3


@pytest.mark.also_trio
@pytest.mark.parametrize("how", ["silence", "pings", "drip", "events"])
async def test_a_deadline_bounds_the_stream(colour: Colour, faults: FaultServer, how: str) -> None:
    steps: dict[str, tuple[Any, ...]] = {
        "silence": (Stall(),),
        "pings": (chunk(b": ping\n\n"), Wait(0.05)) * 200,
        "drip": (Drip(b"".join(chunk(one) for one in EVENTS * 3), 0.03),),
        "events": (chunk(EVENTS[0]), Wait(0.05)) * 200,
    }
    faults.play((STREAM_HEAD + chunk(EVENTS[0]), *steps[how]))
    async with client_of(colour, faults) as client:
        began = time.monotonic()
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await client.events(CREATE, **ASK, deadline_ms=400)
        assert 0.3 < time.monotonic() - began < _PROMPT_S
        assert caught.value.partial.text.startswith("Hel")
        assert faults.saw_close(1)
        await _usable(client)


async def test_a_deadline_that_passes_between_events(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults, supplied=supplied) as client:
        with pytest.raises(errors.DeadlineExceededError):
            async for _ in each(await client.call(CREATE, **ASK, stream=True, deadline_ms=300)):
                await pause(colour, 0.35)
        assert faults.saw_close(1)


# --------------------------------------------------------------------- letting go


class _Own(Exception):
    pass


@pytest.mark.also_trio
@pytest.mark.parametrize("how", ["break", "with", "exception", "close", "drop", "never-iterated"])
async def test_leaving_early_closes(colour: Colour, faults: FaultServer, how: str, supplied: bool) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults, supplied=supplied) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        match how:
            case "break" if colour.is_async:
                async for _ in got:
                    break
            case "break":
                for _ in got:
                    break
            case "with" if colour.is_async:
                async with got:
                    await anext(got)
            case "with":
                with got:
                    next(got)
            case "exception" if colour.is_async:
                with pytest.raises(_Own):
                    async for _ in got:
                        raise _Own
            case "exception":
                with pytest.raises(_Own):
                    for _ in got:
                        raise _Own
            case "close":
                await settled(got.close())
                await settled(got.close())
            case "drop":
                await (anext(got) if colour.is_async else settled(next(got)))
        if how in ("drop", "never-iterated"):
            del got
            gc.collect()
        await pause(colour, 0.02)
        assert await saw_close(colour, faults, 1), "the socket is still open"
        await _usable(client)


@pytest.mark.also_trio
async def test_use_after_close(colour: Colour, faults: FaultServer) -> None:
    faults.always(_ONE_THEN_SILENCE)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        first = await anext(got) if colour.is_async else next(got)
        assert first.text == "Hel"
        await settled(got.close())
        assert got.partial.text == "Hel"
        with pytest.raises(errors.ConfigurationError):
            await collect(got)
        with pytest.raises(errors.ConfigurationError):
            _ = got.final
        assert "closed" in repr(got)


async def test_final_before_the_end_is_refused(colour: Colour, faults: FaultServer) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        with pytest.raises(errors.ConfigurationError):
            _ = got.final
        assert got.partial.choices == []
        assert got.meta.status_code == 200
        await settled(got.close())


async def test_iterating_again_goes_on_or_is_empty(colour: Colour, faults: FaultServer) -> None:
    faults.play(GOOD_STREAM)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        assert len(await collect(got)) == 3
        assert await collect(got) == []
        await settled(got.close())
        assert await collect(got) == []
        assert got.final.text == "Hello there"
        assert "finished" in repr(got)


async def test_closing_a_finished_stream_changes_nothing(colour: Colour, faults: FaultServer) -> None:
    faults.play(GOOD_STREAM)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        if colour.is_async:
            async with got:
                await collect(got)
        else:
            with got:
                await collect(got)
        await settled(got.close())
        assert got.final.text == "Hello there"
        await _usable(client)
    # A supplied client cannot be asked for what has arrived behind the end mark, so its connection is closed instead.
    assert faults.connections == (2 if colour.over == "httpx2" else 1)


async def test_two_streams_at_once(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play(
        stream(event("a1"), event("a2"), event("a3", "stop"), DONE),
        stream(event("b1"), event("b2"), event("b3", "stop"), DONE),
    )
    async with client_of(colour, faults, supplied=supplied) as client:
        first = each(await client.call(CREATE, **ASK, stream=True))
        second = each(await client.call(CREATE, **ASK, stream=True))
        texts = []
        for _ in range(3):
            texts += [(await anext(first)).text, (await anext(second)).text]
        assert texts == ["a1", "b1", "a2", "b2", "a3", "b3"]
        for rest in (first, second):
            assert [one async for one in rest] == []


@pytest.mark.also_trio
async def test_a_thousand_abandoned_streams(colour: Colour, faults: FaultServer) -> None:
    faults.always((*stream(EVENTS[0], end=False), Stall()))
    async with client_of(colour, faults) as client:
        for number in range(1000):
            got = await client.call(CREATE, **ASK, stream=True)
            if number % 2:
                await (anext(got) if colour.is_async else settled(next(got)))
            del got
        await pause(colour, 0.1)
        faults.always(reply())
        await _usable(client)
        assert faults.wait_for(lambda: len(faults._live) <= 1)
    assert faults.drained()


async def test_a_cycle_holds_no_socket_for_long(colour: Colour, faults: FaultServer) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults) as client:
        holder: dict[str, Any] = {"stream": await client.call(CREATE, **ASK, stream=True)}
        holder["self"] = holder
        del holder
        gc.collect()
        await pause(colour, 0.02)
        assert faults.saw_close(1)
        await _usable(client)


async def test_closing_the_sdk_ends_its_streams(colour: Colour, faults: FaultServer) -> None:
    faults.play(_ONE_THEN_SILENCE)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
    assert faults.saw_close(1)
    with pytest.raises(errors.SDKError):
        await collect(got)


def test_another_thread_closes_a_waiting_stream(faults: FaultServer) -> None:
    from llmsdk import SDK

    faults.play(_ONE_THEN_SILENCE)
    caught: list[BaseException] = []
    begun = threading.Event()
    with SDK(server_url=faults.url, api_key="sk-placeholder", retry_config=None) as sdk:
        got = sdk.completions.create(**ASK, stream=True, timeout_ms=30_000)

        def read() -> None:
            try:
                for _ in got:
                    begun.set()
            except BaseException as exc:
                caught.append(exc)

        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(10)
        time.sleep(0.1)  # it most likely waits for the next event by now; the end is the same if it does not
        got.close()
        thread.join(_PROMPT_S)
        assert not thread.is_alive()
        assert faults.saw_close(1)
        assert all(isinstance(exc, errors.SDKError) for exc in caught)


async def test_text_deltas_close_too(colour: Colour, faults: FaultServer) -> None:
    faults.play(GOOD_STREAM, _ONE_THEN_SILENCE)
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        assert await collect(got.text_deltas()) == ["Hel", "lo ", "there"]
        assert got.final.text == "Hello there"
        got = await client.call(CREATE, **ASK, stream=True)
        deltas = got.text_deltas()
        assert await (anext(deltas) if colour.is_async else settled(next(deltas))) == "Hel"
        await settled(deltas.aclose() if colour.is_async else deltas.close())
        del deltas, got
        await pause(colour, 0.02)
        assert faults.saw_close(faults.connections)


async def test_a_deadline_shorter_than_anything(colour: Colour, faults: FaultServer) -> None:
    faults.play((Wait(0.2), *GOOD_STREAM))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.DeadlineExceededError):
            await client.call(CREATE, **ASK, stream=True, deadline_ms=0.001)
        await _usable(client)


@pytest.mark.parametrize("steps", [(), (Fin(),), (Stall(),)], ids=["truncated", "connection", "idle"])
async def test_what_came_of_an_unfinished_event_is_kept(
    colour: Colour, faults: FaultServer, steps: tuple[Any, ...]
) -> None:
    half = b'data: {"id": "cmpl-1", "choi'
    faults.play((*stream(EVENTS[0], half, end=not steps), *steps))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True, idle_timeout_ms=400)
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(got)
    assert caught.value.partial.text == "Hel"
    assert caught.value.body == half.decode()


async def test_json_that_was_cut_where_a_stream_was_asked_for(colour: Colour, faults: FaultServer) -> None:
    faults.play((head(200, "Content-Type: application/json", "Content-Length: 1000") + WHOLE[:50], Fin()))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await collect(got)
    assert caught.value.body == WHOLE[:50].decode()


@pytest.mark.parametrize("cut", range(1, 12))
async def test_chunks_cut_anywhere(colour: Colour, faults: FaultServer, cut: int) -> None:
    whole = b"".join(EVENTS) + DONE
    pieces = [whole[place : place + cut] for place in range(0, len(whole), cut)]
    faults.play(stream(*pieces))
    async with client_of(colour, faults) as client:
        assert [one.text for one in await client.events(CREATE, **ASK)] == ["Hel", "lo ", "there"]


def test_concurrent_readers_of_two_streams(faults: FaultServer) -> None:
    """Tasks of one loop read streams of one SDK side by side."""
    from llmsdk import SDK

    faults.always(lambda seen: stream(*(event(seen.json["prompt"]) for _ in range(20)), event("", "stop"), DONE))

    async def one(sdk: SDK, name: str) -> str:
        got = await sdk.completions.create_async(model="m", prompt=name, stream=True)
        return "".join([piece async for piece in got.text_deltas()])

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key="sk-placeholder") as sdk:
            found: dict[str, str] = {}

            async def keep(name: str) -> None:
                found[name] = await one(sdk, name)

            async with anyio.create_task_group() as group:
                for number in range(30):
                    group.start_soon(keep, f"<{number}>")
            assert found == {f"<{number}>": f"<{number}>" * 20 for number in range(30)}

    anyio.run(main)


async def test_fin_right_after_done(colour: Colour, faults: FaultServer) -> None:
    faults.always((*stream(*EVENTS, DONE, end=False), Fin()))
    async with client_of(colour, faults) as client:
        for _ in range(10):
            assert len(await client.events(CREATE, **ASK)) == 3
