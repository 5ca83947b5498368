"""Streams over a real socket: what comes when, the one way in which they end, and what happens to the connection."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from llmsdk import SDK, errors
from llmsdk._net import async_driver
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Client, Colour, collect, each, settled

pytestmark = pytest.mark.every_backend

ARGS: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "p"}], "stream": True}
PROMPT_S = 3.0  # what counts as prompt on a busy machine


def event(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "choices": [choice], **more}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
WHOLE = event("Hel") + event("lo.") + event("", "stop") + DONE


def serve(canned: CannedServer, body: Callable[[Connection], Any]) -> None:
    """Begin an event stream and leave the rest to `body`; a true answer keeps the connection."""

    def script(connection: Connection, _: Request) -> Any:
        connection.head(content_type="text/event-stream", x_request_id="r-1")
        return body(connection)

    canned.script = script


def endless(closed: threading.Event, *first: bytes) -> Callable[[Connection], None]:
    """Send some events, then nothing; tell when the client closes."""

    def body(connection: Connection) -> None:
        for data in first:
            connection.chunk(data)
        assert connection.saw_close(), "the client never closed"
        closed.set()

    return body


def open_client(colour: Colour, canned: CannedServer, **options: Any) -> Client:
    return colour.open(server_url=canned.url, api_key=KEY, retry_config=None, **options)


async def waited(closed: threading.Event, colour: Colour) -> bool:
    """Wait for the server to see the close, without holding up the event loop that may have to do it."""
    until = time.monotonic() + PROMPT_S
    while not closed.is_set() and time.monotonic() < until:
        if colour.is_async:
            await anyio.sleep(0.01)
        else:
            closed.wait(0.01)
    return closed.is_set()


# --------------------------------------------------------------- what comes when


@pytest.mark.also_trio
async def test_meta_is_there_before_the_first_event(colour: Colour, canned: CannedServer) -> None:
    go = threading.Event()

    def body(connection: Connection) -> bool:
        go.wait(PROMPT_S)
        connection.chunk(WHOLE)
        connection.chunk(b"")
        return True

    serve(canned, body)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        assert (stream.meta.status_code, stream.meta.request_id, stream.meta.server) == (200, "r-1", "openai")
        assert [attempt.status for attempt in stream.meta.attempts] == [200]
        assert stream.partial.choices == []
        go.set()
        assert [item.text for item in await collect(stream)] == ["Hel", "lo.", ""]
        assert stream.final.meta is stream.meta


async def test_an_event_is_handed_out_as_soon_as_it_is_whole(colour: Colour, canned: CannedServer) -> None:
    seen = threading.Event()

    def body(connection: Connection) -> None:
        connection.chunk(event("first")[:-1])
        connection.chunk(b"\n")
        assert seen.wait(PROMPT_S), "the client waits for more than the blank line"
        connection.chunk(event("", "stop") + DONE)
        connection.chunk(b"")

    serve(canned, body)
    async with open_client(colour, canned) as client:
        texts = []
        async for item in each(await client.call("chat.create", **ARGS)):
            texts.append(item.text)
            seen.set()
    assert texts == ["first", ""]


async def test_text_deltas(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        assert await collect(stream.text_deltas()) == ["Hel", "lo."]
        assert stream.final.text == "Hello."


async def test_partial_grows_and_final_waits_for_the_end(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        grown = []
        async for _ in each(stream):
            grown.append(stream.partial.text)
            assert (stream.text, stream.reasoning) == (grown[-1], "")
            with pytest.raises(errors.ConfigurationError, match="not ended"):
                _ = stream.final
    assert grown == ["Hel", "Hello.", "Hello."]
    assert stream.final.text == "Hello."
    assert stream.final.choices[0].finish_reason == "stop"


async def test_a_finished_stream_has_nothing_more(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        assert len(await collect(stream)) == 3
        assert await collect(stream) == []
        await settled(stream.close())
        assert await collect(stream) == []
        assert stream.final.text == "Hello."
        assert "finished" in repr(stream)


async def test_next_by_hand(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        step = stream.__anext__ if colour.is_async else stream.__next__
        assert [(await settled(step())).text for _ in range(3)] == ["Hel", "lo.", ""]
        with pytest.raises(StopAsyncIteration if colour.is_async else StopIteration):
            await settled(step())
        assert stream.final.text == "Hello."


async def test_iterating_goes_on_where_another_iteration_stood(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        step = stream.__anext__ if colour.is_async else stream.__next__
        assert (await settled(step())).text == "Hel"
        assert [item.text for item in await collect(stream)] == ["lo.", ""]


# ------------------------------------------------------------- leaving it early


async def leave(how: str, stream: Any) -> None:
    """Leave a stream after its first event, in one of the ways that users do."""
    is_async = hasattr(stream, "__aiter__")
    if how == "break":
        if is_async:
            async for _ in stream:
                break
        else:
            for _ in stream:
                break
    elif how == "close":
        await settled(stream.__anext__() if is_async else stream.__next__())
        await settled(stream.close())
        await settled(stream.close())
    elif is_async:
        async with stream:
            async for _ in stream:
                if how == "exception":
                    raise KeyError
                return
    else:
        with stream:
            for _ in stream:
                if how == "exception":
                    raise KeyError
                return


@pytest.mark.also_trio
@pytest.mark.parametrize("how", ["break", "close", "with", "exception"])
async def test_leaving_closes_the_connection_at_once(how: str, colour: Colour, canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        try:
            await leave(how, stream)
        except KeyError:
            assert how == "exception"
        assert await waited(closed, colour)
        assert stream.partial.text == "Hel"
        with pytest.raises(errors.ConfigurationError, match="closed"):
            await collect(stream)
        with pytest.raises(errors.ConfigurationError, match="closed"):
            _ = stream.final


async def test_leaving_before_the_first_event(colour: Colour, canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed))
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        if colour.is_async:
            async with stream:
                pass
        else:
            with stream:
                pass
        assert await waited(closed, colour)
        assert stream.partial.choices == []


@pytest.mark.also_trio
async def test_an_abandoned_stream_frees_its_connection(colour: Colour, canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        await settled(stream.__anext__() if colour.is_async else stream.__next__())
        del stream
        gc.collect()
        assert await waited(closed, colour)
        canned.stream(WHOLE)
        assert len(await client.events("chat.create", **{k: v for k, v in ARGS.items() if k != "stream"})) == 3


async def test_a_stream_left_early_frees_its_slot_in_the_pool(colour: Colour, canned: CannedServer) -> None:
    """More streams than any pool has room for, one after the other, each left after its first event."""
    serve(canned, endless(threading.Event(), event("Hel")))
    async with open_client(colour, canned) as client:
        for _ in range(20):
            await leave("break", await client.call("chat.create", **ARGS))
        canned.stream(WHOLE)
        started = time.monotonic()
        assert len(await collect(await client.call("chat.create", **ARGS))) == 3
        assert time.monotonic() - started < PROMPT_S
        until = time.monotonic() + PROMPT_S
        while canned.open_connections > 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert canned.open_connections <= 1


@pytest.mark.also_trio
async def test_cancelling_closes_the_connection(colour: Colour, canned: CannedServer) -> None:
    if not colour.is_async:
        return
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        with anyio.move_on_after(0.2):
            await collect(stream)
        assert await waited(closed, colour)
        assert stream.partial.text == "Hel"


# --------------------------------------------------- what becomes of the connection


async def test_the_connection_serves_the_next_call(colour: Colour, canned: CannedServer) -> None:
    """The end of the chunked body has arrived together with [DONE], so the connection is kept."""

    def body(connection: Connection) -> bool:
        last = event("", "stop") + DONE
        connection.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(last), last))
        return True

    serve(canned, body)
    async with open_client(colour, canned) as client:
        for _ in range(3):
            assert len(await collect(await client.call("chat.create", **ARGS))) == 1
    # A supplied client cannot be asked what has arrived already: its connection is closed rather than waited for.
    assert canned.connections == (3 if colour.over == "httpx2" else 1)


async def test_a_tail_that_never_comes_is_not_waited_for(colour: Colour, canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, WHOLE))
    async with open_client(colour, canned) as client:
        started = time.monotonic()
        stream = await client.call("chat.create", **ARGS)
        assert len(await collect(stream)) == 3
        assert stream.final.text == "Hello."
        canned.stream(WHOLE)
        assert len(await collect(await client.call("chat.create", **ARGS))) == 3
        assert time.monotonic() - started < PROMPT_S
        assert await waited(closed, colour)


# ------------------------------------------------------------------ how it ends


async def fails(client: Client, kind: type[Exception], **args: Any) -> tuple[list[Any], Any, Any]:
    """Iterate a stream that must fail; answer with the events that came, the error and the stream."""
    stream = await client.call("chat.create", **{**ARGS, **args})
    got: list[Any] = []
    with pytest.raises(kind) as caught:
        async for item in each(stream):
            got.append(item)  # noqa: PERF401 - what came before an error counts
    assert type(caught.value) is kind
    return got, caught.value, stream


async def check_failed(stream: Any, error: Any, text: str) -> None:
    """A stream that failed carries what came, and says so again whenever it is asked."""
    assert error.partial.text == text
    assert error.meta is stream.meta
    assert stream.partial.text == text
    with pytest.raises(type(error)):
        _ = stream.final
    with pytest.raises(type(error)):
        await collect(stream)
    assert "failed" in repr(stream)


@pytest.mark.also_trio
async def test_truncated(colour: Colour, canned: CannedServer) -> None:
    canned.stream(event("Hel"))
    async with open_client(colour, canned) as client:
        got, error, stream = await fails(client, errors.StreamInterruptedError)
        assert error.reason == "truncated"
        assert len(got) == 1
        await check_failed(stream, error, "Hel")


@pytest.mark.also_trio
async def test_nothing_is_read_of_a_connection_that_was_given_back(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing would wait for bytes there, which are the next caller's."""
    monkeypatch.setattr(async_driver, "CLOSE_S", 20.0)
    canned.stream(event("Hel"))
    began = time.monotonic()
    async with open_client(colour, canned) as client:
        await fails(client, errors.StreamInterruptedError)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(event("Hel") + event("", "stop"), id="finish reason without [DONE]"),
        pytest.param(event("Hel") + b"data: [DONE]", id="[DONE] without its blank line"),
        pytest.param(event("Hel") + b"data:[DONE]\r\n\r\n", id="[DONE] without a blank"),
        pytest.param(b"\xef\xbb\xbf: hi\n\nevent: ping\ndata: {}\n\ndata:\n\n" + event("Hel") + DONE, id="noise"),
        pytest.param((event("Hel") + DONE).replace(b"\n", b"\r"), id="CR"),
        pytest.param((event("Hel") + DONE).replace(b"\n", b"\r\n"), id="CRLF"),
    ],
)
async def test_complete_all_the_same(body: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.stream(body)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        await collect(stream)
        assert stream.final.text == "Hel"


@pytest.mark.parametrize("reset", [False, True])
async def test_the_connection_is_cut(reset: bool, colour: Colour, canned: CannedServer) -> None:
    def body(connection: Connection) -> None:
        connection.chunk(event("Hel"))
        time.sleep(0.05)  # a reset throws away what the client has not read yet
        connection.close(reset=reset)

    serve(canned, body)
    async with open_client(colour, canned) as client:
        got, error, stream = await fails(client, errors.StreamInterruptedError)
        assert error.reason == "connection"
        assert error.__cause__ is not None
        assert len(got) == 1
        await check_failed(stream, error, "Hel")


async def test_broken_chunked_encoding(colour: Colour, canned: CannedServer) -> None:
    def body(connection: Connection) -> None:
        connection.chunk(event("Hel"))
        connection.send(b"no length\r\n")

    serve(canned, body)
    async with open_client(colour, canned) as client:
        _, error, stream = await fails(client, errors.StreamInterruptedError)
        assert error.reason == "connection"
        await check_failed(stream, error, "Hel")


@pytest.mark.also_trio
async def test_silence(colour: Colour, canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    async with open_client(colour, canned) as client:
        started = time.monotonic()
        _, error, stream = await fails(client, errors.StreamTimeoutError, timeout_ms=150)
        assert time.monotonic() - started < PROMPT_S
        assert isinstance(error, errors.StreamInterruptedError)
        assert isinstance(error, errors.APITimeoutError)
        assert error.reason == "idle"
        await check_failed(stream, error, "Hel")
        assert await waited(closed, colour)


async def test_pings_are_no_events(colour: Colour, canned: CannedServer) -> None:
    def body(connection: Connection) -> None:
        connection.chunk(event("Hel"))
        while True:
            connection.chunk(b": still here\n\nevent: ping\ndata: {}\n\n")
            time.sleep(0.02)

    serve(canned, body)
    async with open_client(colour, canned) as client:
        started = time.monotonic()
        _, error, stream = await fails(client, errors.StreamTimeoutError, idle_timeout_ms=200)
        assert 0.15 < time.monotonic() - started < PROMPT_S
        await check_failed(stream, error, "Hel")


async def test_a_slow_caller_is_no_idle_server(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with open_client(colour, canned) as client:
        texts = []
        async for item in each(await client.call("chat.create", **ARGS, idle_timeout_ms=100)):
            time.sleep(0.15)
            texts.append(item.text)
    assert texts == ["Hel", "lo.", ""]


async def test_the_deadline_bounds_the_stream(colour: Colour, canned: CannedServer) -> None:
    def body(connection: Connection) -> None:
        while True:
            connection.chunk(event("."))
            time.sleep(0.02)

    serve(canned, body)
    async with open_client(colour, canned) as client:
        started = time.monotonic()
        got, error, stream = await fails(client, errors.DeadlineExceededError, deadline_ms=250)
        assert time.monotonic() - started < PROMPT_S
        await check_failed(stream, error, "." * len(got))


async def test_an_error_in_band(colour: Colour, canned: CannedServer) -> None:
    stated = {"error": {"message": "Slow down.", "type": "rate_limit_error", "code": None}}
    canned.stream(event("Hel") + b"data: " + json.dumps(stated).encode() + b"\n\n" + event("lost") + DONE)
    async with open_client(colour, canned) as client:
        got, error, stream = await fails(client, errors.RateLimitError)
        assert error.message == "Slow down."
        assert error.data == stated
        assert len(got) == 1
        await check_failed(stream, error, "Hel")


@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: 3\n\n", b'data: {"choices": 3}\n\n', b"data: <p>\n\n"])
async def test_an_event_that_is_none(data: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.stream(event("Hel") + data + event("lost") + DONE)
    async with open_client(colour, canned) as client:
        got, error, stream = await fails(client, errors.ResponseValidationError)
        assert len(got) == 1
        assert error.body
        await check_failed(stream, error, "Hel")


@pytest.mark.parametrize("content_type", ["text/html", "text/event-stream", "application/json"])
async def test_a_page_instead_of_a_stream(content_type: str, colour: Colour, canned: CannedServer) -> None:
    canned.stream(b"<html>Sign in</html>", content_type=content_type)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        with pytest.raises((errors.ResponseValidationError, errors.StreamInterruptedError)) as caught:
            await collect(stream)
    assert caught.value.partial is not None


async def test_json_instead_of_a_stream(colour: Colour, canned: CannedServer) -> None:
    reply = {"id": "c", "choices": [{"index": 0, "message": {"content": "Hello."}, "finish_reason": "stop"}]}
    canned.reply(200, reply)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        assert [item.text for item in await collect(stream)] == ["Hello."]
        assert stream.final.model_dump(mode="json", exclude_unset=True) == reply


async def test_an_error_as_json_instead_of_a_stream(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"error": {"message": "No.", "code": "invalid_api_key"}})
    async with open_client(colour, canned) as client:
        _, error, _ = await fails(client, errors.AuthenticationError)
        assert error.message == "No."


async def test_nothing_is_retried_after_the_first_event(colour: Colour, canned: CannedServer) -> None:
    canned.stream(event("Hel"))
    retries = RetryConfig("backoff", BackoffStrategy(1, 5, 1.0, 5_000), True)
    async with open_client(colour, canned) as client:
        await fails(client, errors.StreamInterruptedError, retries=retries)
    assert len(canned.requests) == 1


async def test_an_event_larger_than_its_bound(colour: Colour, canned: CannedServer) -> None:
    canned.stream(event("Hel") + event("x" * 5_000) + DONE)
    async with open_client(colour, canned, max_event_bytes=1_000) as client:
        _, error, stream = await fails(client, errors.ResponseValidationError)
        assert "1000" in error.message
        await check_failed(stream, error, "Hel")


async def test_a_stream_larger_than_its_bound(colour: Colour, canned: CannedServer) -> None:
    canned.stream(event("Hel") * 100 + DONE)
    async with open_client(colour, canned, max_response_bytes=1_000) as client:
        _, error, _ = await fails(client, errors.ResponseValidationError)
        assert "1000" in error.message


def test_another_thread_can_close_a_stream_that_waits(canned: CannedServer) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    with SDK(server_url=canned.url, api_key=KEY, retry_config=None) as sdk:
        stream = sdk.chat.create(model="m", messages=[{"role": "user", "content": "p"}], stream=True)
        assert next(stream).text == "Hel"
        timer = threading.Timer(0.1, stream.close)
        timer.start()
        started = time.monotonic()
        try:
            collected = list(stream)
        except errors.SDKError:
            collected = []
        timer.join()
        assert time.monotonic() - started < PROMPT_S
        assert collected == []
        assert closed.wait(PROMPT_S)
        assert stream.partial.text == "Hel"


async def test_another_task_can_close_a_stream_that_waits(colour: Colour, canned: CannedServer) -> None:
    if not colour.is_async:
        return
    closed = threading.Event()
    serve(canned, endless(closed, event("Hel")))
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)

        async def close_soon() -> None:
            await anyio.sleep(0.1)
            await stream.close()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(close_soon)
            with pytest.raises(errors.ConfigurationError, match="the stream is closed"):
                await collect(stream)
        assert await waited(closed, colour)
        assert stream.partial.text == "Hel"


@pytest.mark.parametrize(
    "asked, text",
    [
        ({}, "Hello"),
        ({"n": None}, "Hello"),
        ({"n": 1}, "Hello"),
        ({"n": 2}, ""),
        ({"extra_body": {"n": 2}}, ""),
        ({"n": 2, "extra_body": {"n": 1}}, "Hello"),
        ({"extra_body": None}, "Hello"),
    ],
    ids=str,
)
async def test_a_choice_with_the_number_1(colour: Colour, canned: CannedServer, asked: Any, text: str) -> None:
    """Where one choice was asked for it is the first; where several were, number 1 is the second."""
    pieces = [event("Hel"), event("lo"), event("", "stop")]

    def body(connection: Connection) -> bool:
        for piece in (*(piece.replace(b'"index": 0', b'"index": 1') for piece in pieces), DONE):
            connection.chunk(piece)
        return True

    serve(canned, body)
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS, **asked)
        assert "".join([piece async for piece in each(stream.text_deltas())]) == text
        assert stream.final.text == "Hello"


@pytest.mark.parametrize("is_observed", [False, True])
async def test_a_dropped_stream_is_told_to_its_observer(
    colour: Colour, canned: CannedServer, is_observed: bool
) -> None:
    closed = threading.Event()
    serve(canned, endless(closed, event("a")))
    told: list[Any] = []
    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        if is_observed:
            stream._progress.observed = SimpleNamespace(abandoned=told.append)
        progress = stream._progress
        del stream
        gc.collect()
        assert await anyio.to_thread.run_sync(closed.wait, PROMPT_S) if colour.is_async else closed.wait(PROMPT_S)
        assert told == [progress] * is_observed
        progress.observed = None


async def test_what_is_no_failure_of_the_stream_passes_as_it_is(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(canned, endless(threading.Event(), event("a")))

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    async with open_client(colour, canned) as client:
        stream = await client.call("chat.create", **ARGS)
        monkeypatch.setattr(type(stream._progress), "feed", broken)
        with pytest.raises(ZeroDivisionError):
            await collect(stream)
