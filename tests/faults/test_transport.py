"""Connections that break, stall, drip or talk nonsense, at every phase of a reply."""

from __future__ import annotations

import socket
import threading
import time
from typing import NamedTuple

import pytest

from llmsdk import errors
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.colours import Colour, collect
from support.fault_client import ASK, CREATE, client_of, pause, skip_supplied
from support.fault_server import (
    DONE,
    EVENTS,
    GOOD_STREAM,
    STREAM_HEAD,
    WHOLE,
    Drip,
    FaultServer,
    Fin,
    Flood,
    Play,
    Rst,
    Stall,
    Wait,
    chunk,
    event,
    head,
    reply,
    stream,
)

_TIME_MS = 150  # for what never comes
_PATIENT_MS = 10_000  # for what does come, on a busy machine too
_PROMPT_S = 5.0  # far from what would end the call otherwise

_LENGTH_HEAD = head(200, "Content-Type: application/json", f"Content-Length: {len(WHOLE)}")
_CHUNKED_HEAD = head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")


class Phase(NamedTuple):
    """Where a reply breaks: what was sent before, and what would have come."""

    name: str
    sent: bytes
    rest: bytes
    in_body: bool = False
    done: bool = False


def _cut(name: str, whole: bytes, place: int, **kinds: bool) -> Phase:
    return Phase(name, whole[:place], whole[place:], **kinds)


_SIZED = _LENGTH_HEAD + WHOLE
_CHUNKED = _CHUNKED_HEAD + chunk(WHOLE[:50]) + chunk(WHOLE[50:]) + chunk(b"")
_STREAM = GOOD_STREAM[0]
assert isinstance(_STREAM, bytes)
_FIRST_EVENT = len(STREAM_HEAD + chunk(EVENTS[0]))

JSON_PHASES = (
    _cut("before-headers", _SIZED, 0),
    _cut("in-status-line", _SIZED, 6),
    _cut("in-headers", _SIZED, len(_LENGTH_HEAD) - 8),
    _cut("before-body", _SIZED, len(_LENGTH_HEAD), in_body=True),
    _cut("mid-body", _SIZED, len(_LENGTH_HEAD) + 30, in_body=True),
    _cut("mid-chunk", _CHUNKED, len(_CHUNKED_HEAD) + 20, in_body=True),
    _cut("between-chunks", _CHUNKED, len(_CHUNKED_HEAD + chunk(WHOLE[:50])), in_body=True),
)
STREAM_PHASES = (
    _cut("before-headers", _STREAM, 0),
    _cut("in-status-line", _STREAM, 6),
    _cut("in-headers", _STREAM, len(STREAM_HEAD) - 8),
    _cut("before-events", _STREAM, len(STREAM_HEAD), in_body=True),
    _cut("between-events", _STREAM, _FIRST_EVENT, in_body=True),
    _cut("inside-event", _STREAM, _FIRST_EVENT + 25, in_body=True),
    _cut("in-chunk-size", _STREAM, _FIRST_EVENT + 1, in_body=True),
    _cut("after-done", _STREAM, len(_STREAM) - len(chunk(b"")), in_body=True, done=True),
)

_GARBAGE = b"\x00\xff\xfe garbage \r\n\x01\x02" * 20


def _behave(behaviour: str, phase: Phase) -> Play:
    match behaviour:
        case "fin":
            return (phase.sent, Fin())
        case "reset":
            # Time for what was sent: a reset may overtake it.
            return (phase.sent, Wait(0.05), Rst())
        case "silence":
            return (phase.sent, Stall())
        case "drip":
            return (phase.sent, Drip(phase.rest))
        case _:
            return (phase.sent, _GARBAGE, Fin())


BEHAVIOURS = ("fin", "reset", "silence", "drip", "garbage")


def _limits(behaviour: str, phase: Phase, streamed: bool) -> dict[str, int]:
    """Choose what bounds a call, so that each ends as it is to and in no other way because the machine is busy."""
    if behaviour not in ("silence", "drip"):
        return {"timeout_ms": _PATIENT_MS}
    if streamed and phase.in_body and not phase.done:
        return {"timeout_ms": _PATIENT_MS, "idle_timeout_ms": _TIME_MS}
    return {"timeout_ms": _TIME_MS}


def _case_ids(phases: tuple[Phase, ...]) -> list[str]:
    return [phase.name for phase in phases]


@pytest.fixture(params=["own", "supplied"])
def supplied(request: pytest.FixtureRequest) -> bool:
    return request.param == "supplied"


async def _closed_or_reusable(colour: Colour, faults: FaultServer, behaviour: str) -> None:
    if colour.over == "aiohttp":
        await pause(colour, 0.01)  # the event loop closes the socket when it next gets to it
    if behaviour in ("silence", "drip"):
        assert faults.saw_close(1), "the socket is still open"
    assert faults.wait_for(lambda: 1 not in faults._live or len(faults.requests) > 1)


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("phase", JSON_PHASES, ids=_case_ids(JSON_PHASES))
async def test_a_broken_reply_is_one_of_our_errors(
    colour: Colour, faults: FaultServer, phase: Phase, behaviour: str, supplied: bool
) -> None:
    faults.play(_behave(behaviour, phase))
    async with client_of(colour, faults, supplied=supplied) as client:
        began = time.monotonic()
        with pytest.raises(errors.SDKError) as caught:
            await client.call(CREATE, **ASK, **_limits(behaviour, phase, streamed=False))
        assert time.monotonic() - began < _PROMPT_S
        error = caught.value
        timed_out = behaviour in ("silence", "drip")
        if behaviour == "garbage" and phase.in_body and phase.sent.startswith(_LENGTH_HEAD):
            assert type(error) is errors.ResponseValidationError  # as many bytes as were promised, none of them JSON
            assert error.status_code == 200
        elif behaviour == "garbage" and phase.name == "mid-chunk":
            assert isinstance(error, errors.APIConnectionError | errors.ResponseValidationError)
        else:
            assert type(error) is (errors.APITimeoutError if timed_out else errors.APIConnectionError)
            assert error.__cause__ is not None
        assert len(error.meta.attempts) == 1
        assert len(faults.requests) == 1
        await _closed_or_reusable(colour, faults, behaviour)
        again = await client.call(CREATE, **ASK, timeout_ms=5000)
        assert again.text == "Hello there"


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("phase", STREAM_PHASES, ids=_case_ids(STREAM_PHASES))
async def test_a_broken_stream_is_one_of_our_errors(
    colour: Colour, faults: FaultServer, phase: Phase, behaviour: str, supplied: bool
) -> None:
    faults.play(_behave(behaviour, phase))
    async with client_of(colour, faults, supplied=supplied) as client:
        began = time.monotonic()
        limits = _limits(behaviour, phase, streamed=True)
        if phase.done:
            got = await client.call(CREATE, **ASK, stream=True, timeout_ms=_PATIENT_MS)
            assert len(await collect(got)) == 3
            assert got.final.text == "Hello there"
            assert time.monotonic() - began < _PROMPT_S
        else:
            with pytest.raises(errors.APIConnectionError) as caught:
                got = await client.call(CREATE, **ASK, stream=True, **limits)
                await collect(got)
            assert time.monotonic() - began < _PROMPT_S
            error = caught.value
            timed_out = behaviour in ("silence", "drip")
            if not phase.in_body:
                assert type(error) is (errors.APITimeoutError if timed_out else errors.APIConnectionError)
                assert error.partial is None
            elif timed_out:
                assert type(error) is errors.StreamTimeoutError
            else:
                assert type(error) is errors.StreamInterruptedError
                assert error.reason == "connection"
            if behaviour != "drip":
                assert error.__cause__ is not None
            if phase.in_body:
                text = "" if phase.name == "before-events" else "Hel"
                assert (error.partial.text or "") == text
                with pytest.raises(type(error)):
                    _ = got.final
            await _closed_or_reusable(colour, faults, behaviour)
        again = await client.call(CREATE, **ASK, timeout_ms=5000)
        assert again.text == "Hello there"
        await _closed_or_reusable(colour, faults, behaviour)


def test_a_server_that_refuses_keeps_its_port(faults: FaultServer) -> None:
    """Another test, of this run or of one beside it, would get the requests of this one."""
    faults.refuse()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", faults.port))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", faults.port))


@pytest.mark.also_trio
@pytest.mark.parametrize("streamed", [False, True])
async def test_refused(colour: Colour, faults: FaultServer, streamed: bool, supplied: bool) -> None:
    with socket.socket() as held:  # bound and not listening, so that nobody else gets the port
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        async with client_of(colour, faults, supplied=supplied, server_url=url) as client:
            with pytest.raises(errors.APIConnectionError) as caught:
                await client.call(CREATE, **ASK, stream=streamed)
        assert type(caught.value) is errors.APIConnectionError
        assert caught.value.__cause__ is not None
        assert "refused" in str(caught.value).lower() or "connect" in str(caught.value).lower()


@pytest.mark.also_trio
async def test_a_host_that_has_no_address(colour: Colour, supplied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with FaultServer() as server:
        async with client_of(
            colour, server, supplied=supplied, server_url=f"http://nowhere.localhost:{server.port}"
        ) as client:
            with pytest.raises(errors.APIConnectionError) as caught:
                await client.call(CREATE, **ASK)
            assert type(caught.value) is errors.APIConnectionError


@pytest.mark.parametrize("greeting", [(Fin(),), (Rst(),), (b"SSH-2.0-OpenSSH_9\r\n", Fin())], ids=["fin", "rst", "ssh"])
async def test_closed_on_accept(colour: Colour, faults: FaultServer, greeting: Play, supplied: bool) -> None:
    faults.greet(*greeting)
    async with client_of(colour, faults, supplied=supplied) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK, timeout_ms=2000)
        assert type(caught.value) is errors.APIConnectionError
        faults.greet()
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


# --------------------------------------------------------- kept-alive connections

_QUIET = RetryConfig("backoff", BackoffStrategy(1, 5, 1, 10_000), True, max_attempts=3)


@pytest.mark.parametrize("how", [Fin(), Rst()], ids=["fin", "reset"])
async def test_a_thousand_idle_connections_closed_between_calls(
    colour: Colour, faults: FaultServer, how: Fin | Rst
) -> None:
    whole = reply()[0]
    faults.always((whole, how))
    async with client_of(colour, faults, retry_config=_QUIET) as client:
        for number in range(1000):
            res = await client.call(CREATE, **ASK)
            assert res.text == "Hello there"
            assert res.meta.attempts[-1].status == 200, number
    keys = [seen.headers["idempotency-key"] for seen in faults.requests]
    assert len(set(keys)) == 1000


async def test_closed_as_the_next_request_arrives(colour: Colour, faults: FaultServer) -> None:
    """The server reads the second request of each connection and hangs up without a word."""
    served: set[int] = set()

    def script(seen):
        if seen.connection in served:
            return (Fin(),)
        served.add(seen.connection)
        return reply()

    faults.always(script)
    async with client_of(colour, faults, retry_config=_QUIET) as client:
        for _ in range(50):
            res = await client.call(CREATE, **ASK)
            assert res.text == "Hello there"
    assert len(faults.requests) >= 99
    same = [seen.headers["idempotency-key"] for seen in faults.requests[1:3]]
    assert len(set(same)) == 1, "both sends of one call carry the same key"


@pytest.mark.every_backend
@pytest.mark.parametrize("how", [Fin(), Rst()], ids=["fin", "reset"])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_a_reused_connection_that_ends_is_replaced_whatever_the_policy(
    colour: Colour, faults: FaultServer, streamed: bool, how: Fin | Rst, supplied: bool
) -> None:
    faults.play(reply(), (how,), GOOD_STREAM if streamed else reply())
    async with client_of(colour, faults, supplied=supplied, retry_config=None) as client:
        await client.call(CREATE, **ASK)
        got = await client.call(CREATE, **ASK, stream=streamed)
        await collect(got) if streamed else None
        assert [attempt.status for attempt in got.meta.attempts] == [200]
    assert faults.connections == 2
    first, second = (seen.headers for seen in faults.requests[1:])
    assert first == second


@pytest.mark.every_backend
@pytest.mark.parametrize("how", [Fin(), Rst()], ids=["fin", "reset"])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_a_server_that_closes_without_a_word_costs_no_call(
    colour: Colour, faults: FaultServer, streamed: bool, how: Fin | Rst, supplied: bool
) -> None:
    """It closes each connection 5 ms after the reply, as some small servers and proxies do, and says nothing of it."""
    faults.always((*(GOOD_STREAM if streamed else reply()), Wait(0.005), how))
    async with client_of(colour, faults, supplied=supplied, retry_config=None) as client:
        for number in range(40):
            got = await client.call(CREATE, **ASK, stream=streamed)
            await collect(got) if streamed else None
            assert len(got.meta.attempts) == 1
            await pause(colour, number % 8 / 1000)


@pytest.mark.every_backend
@pytest.mark.parametrize("how", [Fin(), Rst()], ids=["fin", "reset"])
async def test_a_fresh_connection_that_ends_is_not_replaced(
    colour: Colour, faults: FaultServer, how: Fin | Rst, supplied: bool
) -> None:
    faults.play(reply(), (how,), (how,))
    async with client_of(colour, faults, supplied=supplied, retry_config=None) as client:
        await client.call(CREATE, **ASK)
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK)
        assert len(caught.value.meta.attempts) == 1
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


async def test_connections_are_reused(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    async with client_of(colour, faults, supplied=supplied) as client:
        for _ in range(20):
            await client.call(CREATE, **ASK)
    assert faults.connections == 1


async def test_streams_give_their_connection_back(colour: Colour, faults: FaultServer) -> None:
    skip_supplied(colour, "it cannot be asked for what has arrived, so a stream closes its connection")
    faults.always(GOOD_STREAM)
    async with client_of(colour, faults) as client:
        for _ in range(20):
            assert len(await client.events(CREATE, **ASK)) == 3
    assert faults.connections == 1


async def test_an_error_gives_its_connection_back(colour: Colour, faults: FaultServer) -> None:
    faults.always(reply(b'{"error": {"message": "busy"}}', 503))
    async with client_of(colour, faults) as client:
        for _ in range(10):
            with pytest.raises(errors.ServiceUnavailableError):
                await client.call(CREATE, **ASK)
    assert faults.connections == 1


# ------------------------------------------------------------------- odd replies

_ODD_HEADS: dict[str, Play] = {
    "http-1.0": (head("HTTP/1.0 200 OK", "Content-Type: application/json") + WHOLE, Fin()),
    "http-1.0-length": (
        head("HTTP/1.0 200 OK", "Content-Type: application/json", f"Content-Length: {len(WHOLE)}") + WHOLE,
        Fin(),
    ),
    "connection-close": (head(200, "Content-Type: application/json", "Connection: close") + WHOLE, Fin()),
    "connection-close-length": reply(WHOLE, 200, "Connection: close"),
    "continue": (head("HTTP/1.1 100 Continue"), *reply()),
    "early-hints": (head("HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload"), *reply()),
    "many-1xx": (head("HTTP/1.1 102 Processing") * 20, *reply()),
    "no-reason": (head("HTTP/1.1 200", "Content-Type: application/json", f"Content-Length: {len(WHOLE)}") + WHOLE,),
    "odd-reason": (
        head("HTTP/1.1 200 Tout va tr\xe8s bien", "Content-Type: application/json", f"Content-Length: {len(WHOLE)}")
        + WHOLE,
    ),
    "latin-1-header": reply(WHOLE, 200, "X-Note: caf\xe9"),
    "20-kb-header": reply(WHOLE, 200, f"X-Big: {'v' * 20_000}"),
    "trailers": (_CHUNKED_HEAD + b"%x\r\n%b\r\n0\r\nX-Trailer: yes\r\n\r\n" % (len(WHOLE), WHOLE),),
    "chunk-extensions": (_CHUNKED_HEAD + b"%x;name=value\r\n%b\r\n0\r\n\r\n" % (len(WHOLE), WHOLE),),
    "no-content-type": (head(200, f"Content-Length: {len(WHOLE)}") + WHOLE,),
}


@pytest.mark.parametrize("play", _ODD_HEADS.values(), ids=_ODD_HEADS)
async def test_odd_but_legal(colour: Colour, faults: FaultServer, play: Play, supplied: bool) -> None:
    faults.always(play)
    async with client_of(colour, faults, supplied=supplied) as client:
        for _ in range(3):
            res = await client.call(CREATE, **ASK, timeout_ms=3000, retries=_QUIET)
            assert res.text == "Hello there"


_BAD_HEADS: dict[str, Play] = {
    "bad-header-name": (head(200, "Bad Header: x", f"Content-Length: {len(WHOLE)}") + WHOLE, Fin()),
    "no-colon": (head(200, "nonsense", f"Content-Length: {len(WHOLE)}") + WHOLE, Fin()),
    "nul-in-header": (head(200, "X-A: a\0b", f"Content-Length: {len(WHOLE)}") + WHOLE, Fin()),
    "bad-status": (head("HTTP/1.1 abc Hm") + WHOLE, Fin()),
    "not-http": (b"220 mail.example ESMTP\r\n", Fin()),
    "html": (b"<html><body>hello</body></html>", Fin()),
    "one-huge-header": (b"HTTP/1.1 200 OK\r\nX-Big: ", Flood(b"v" * 4096, 8 << 20), Fin()),
    "endless-headers": (b"HTTP/1.1 200 OK\r\n", Flood(b"X-Filler: v\r\n" * 400, 8 << 20), Fin()),
    "bad-length": (head(200, "Content-Length: many") + WHOLE, Fin()),
    "negative-length": (head(200, "Content-Length: -5") + WHOLE, Fin()),
    "two-lengths": (head(200, "Content-Length: 5", "Content-Length: 6") + WHOLE, Fin()),
    "bad-chunk-size": (_CHUNKED_HEAD + b"zz\r\nabc\r\n", Fin()),
    "huge-chunk-size": (_CHUNKED_HEAD + b"f" * 40 + b"\r\nabc\r\n", Fin()),
    "unknown-transfer-encoding": (head(200, "Transfer-Encoding: sideways") + WHOLE, Fin()),
    "switching-protocols": (head("HTTP/1.1 101 Switching", "Upgrade: websocket", "Connection: upgrade"), Fin()),
}


@pytest.mark.every_backend
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("play", _BAD_HEADS.values(), ids=_BAD_HEADS)
async def test_malformed(colour: Colour, faults: FaultServer, play: Play, streamed: bool, supplied: bool) -> None:
    faults.play(play)
    async with client_of(colour, faults, supplied=supplied) as client:
        with pytest.raises((errors.APIConnectionError, errors.SDKDefaultError)) as caught:
            got = await client.call(CREATE, **ASK, timeout_ms=3000, stream=streamed)
            await collect(got)
        assert not isinstance(caught.value, errors.APITimeoutError)
        assert "\n" not in str(caught.value)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


async def test_endless_1xx_are_bounded_by_time(colour: Colour, faults: FaultServer) -> None:
    if not colour.is_async:
        skip_supplied(colour, "each read of a head is bounded, the whole only in an async one")
    faults.play((Flood(head("HTTP/1.1 102 Processing") * 100, 1 << 28), Fin()))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.APITimeoutError):
            await client.call(CREATE, **ASK, timeout_ms=300)
        assert faults.saw_close(1)


@pytest.mark.parametrize("status", [200, 204, 205, 304])
async def test_no_body_at_all(colour: Colour, faults: FaultServer, status: int) -> None:
    faults.play((head(status, *([] if status in (204, 304) else ["Content-Length: 0"])),))
    async with client_of(colour, faults) as client:
        with pytest.raises((errors.ResponseValidationError, errors.SDKDefaultError)) as caught:
            await client.call(CREATE, **ASK, timeout_ms=3000)
        assert caught.value.status_code == status
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


async def test_bytes_after_a_reply_do_not_reach_the_next_call(colour: Colour, faults: FaultServer) -> None:
    skip_supplied(colour, "it takes what a server sends too much for the next reply")
    whole = reply()[0]
    assert isinstance(whole, bytes)
    stray = reply(WHOLE.replace(b"Hello there", b"NOT YOURS"))[0]
    sent = threading.Event()
    faults.play((whole, stray, sent.set))
    async with client_of(colour, faults, retry_config=_QUIET) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
        assert sent.wait(10)
        second = await client.call(CREATE, **ASK)
        assert second.text == "Hello there"


@pytest.mark.parametrize("extra", [b"\n", b"}", reply(WHOLE)[0]], ids=["newline", "junk", "reply"])
async def test_a_length_that_is_too_small_does_not_harm_the_next_call(
    colour: Colour, faults: FaultServer, extra: bytes
) -> None:
    skip_supplied(colour, "it takes what a server sends too much for the next reply")
    faults.play((b"".join(map(bytes, reply())) + extra,))
    async with client_of(colour, faults) as client:
        for _ in range(2):
            assert (await client.call(CREATE, **ASK)).text == "Hello there"
    is_blank = colour.over == "aiohttp" and extra == b"\n"  # a line that its parser rightly leaves out
    assert faults.connections == (1 if is_blank else 2)


async def test_a_body_without_length_ends_with_the_connection(colour: Colour, faults: FaultServer) -> None:
    faults.play((head(200, "Content-Type: text/event-stream") + b"".join(EVENTS) + DONE, Fin()))
    async with client_of(colour, faults) as client:
        assert len(await client.events(CREATE, **ASK)) == 3


async def test_a_large_reply_arrives_whole(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    text = "long " * 400_000
    faults.play(reply(WHOLE.replace(b"Hello there", text.encode())))
    faults.play(stream(event(text), event("", "stop"), DONE))
    async with client_of(colour, faults, supplied=supplied) as client:
        assert (await client.call(CREATE, **ASK)).text == text
        got = await client.call(CREATE, **ASK, stream=True)
        await collect(got)
        assert got.final.text == text
