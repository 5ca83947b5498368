"""What arrives behind the end mark of a stream: it keeps the connection, and is never taken for the next reply."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpcore
import pytest
from httpcore._backends.anyio import AnyIOStream

from llmsdk._net import aiohttp_replies, pool
from support.colours import Colour, settled
from support.fault_client import ASK, CREATE, client_of, pause
from support.fault_server import (
    DONE,
    EVENTS,
    STREAM_HEAD,
    WHOLE,
    FaultServer,
    Play,
    Stall,
    Step,
    Wait,
    chunk,
    reply,
)

pytestmark = [pytest.mark.also_trio, pytest.mark.also_aiohttp]

_FIRST = STREAM_HEAD + b"".join(map(chunk, (*EVENTS, DONE)))
_ENDS = {"chunk": chunk(b""), "trailers": b"0\r\nX-T: 1\r\n\r\n", "text": chunk(b"\n") + chunk(b"")}
_CUTS = [(name, cut) for name, end in _ENDS.items() for cut in range(len(end) + 1)]
_STRAY = reply(WHOLE.replace(b"Hello there", b"NOT YOURS"))[0]
assert isinstance(_STRAY, bytes)
_SETTLE_S = 0.03  # for bytes on loopback


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A fault server, with and without TLS: there, records may wait in memory where no socket shows them."""
    tls: ssl.SSLContext | None = None
    if request.param == "tls":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with FaultServer(tls=tls) as made:
        yield made


class Late:
    """A part of a play that waits until the client has read the stream."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.gone = threading.Event()

    def play(self, *rest: Step) -> Play:
        return (_FIRST, lambda: self.go.wait(10), *rest, self.gone.set)

    async def send(self, colour: Colour) -> None:
        """Have the rest sent, and arrive."""
        self.go.set()
        assert self.gone.wait(10)
        await pause(colour, _SETTLE_S)


@pytest.mark.parametrize("name, cut", _CUTS)
async def test_a_tail_that_is_cut_anywhere(colour: Colour, server: FaultServer, name: str, cut: int) -> None:
    """Its first part comes with the end mark, its second before the next call: the connection serves both."""
    end, late = _ENDS[name], Late()
    play = late.play(end[cut:])
    server.play((_FIRST + end[:cut], *play[1:]), reply())
    async with client_of(colour, server) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await late.send(colour)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert server.connections == 1


@pytest.mark.parametrize("name", list(_ENDS))
async def test_a_tail_in_pieces(colour: Colour, server: FaultServer, name: str) -> None:
    late = Late()
    pieces: list[Step] = []
    for place in range(len(_ENDS[name])):
        pieces += [_ENDS[name][place : place + 1], Wait(0.001)]
    server.play(late.play(*pieces), reply())
    async with client_of(colour, server) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await late.send(colour)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert server.connections == 1


@pytest.mark.parametrize("name, cut", [(name, cut) for name, cut in _CUTS if cut < len(_ENDS[name])])
async def test_a_tail_that_does_not_come_soon_is_given_up(
    colour: Colour, server: FaultServer, name: str, cut: int
) -> None:
    """What of it comes later meets a connection that is closed."""
    end, late = _ENDS[name], Late()
    play = late.play(end[cut:], _STRAY)
    server.play((_FIRST + end[:cut], *play[1:]), reply(), reply())
    async with client_of(colour, server) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        began = time.monotonic()
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
        assert time.monotonic() - began < 3.0
        assert server.connections == 2
        late.go.set()
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert server.connections == 2


@pytest.mark.parametrize(
    "extra", [b"\n", b"}", b"HTTP/1.1 200 OK\r\n", _STRAY], ids=["newline", "junk", "head", "reply"]
)
@pytest.mark.parametrize("when", ["at once", "with the tail", "behind the tail"])
async def test_what_comes_behind_the_end_is_never_the_next_reply(
    colour: Colour, server: FaultServer, extra: bytes, when: str
) -> None:
    end, late = chunk(b""), Late()
    if when == "at once":
        server.play((_FIRST + end + extra, *late.play()[1:]))
    elif when == "with the tail":
        server.play(late.play(end + extra))
    else:
        server.play(late.play(end, Wait(0.005), extra))
    server.always(reply())
    async with client_of(colour, server) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await late.send(colour)
        for _ in range(2):
            assert (await client.call(CREATE, **ASK)).text == "Hello there"
    # aiohttp forgets what makes no whole message together with the parser of the last reply.
    is_dropped = colour.over == "aiohttp" and extra in (b"\n", b"HTTP/1.1 200 OK\r\n")
    assert server.connections in ((1, 2) if is_dropped else (2,))


@pytest.mark.parametrize("is_hooked", [False, True])
async def test_leaving_with_does_not_wait_for_the_tail(colour: Colour, server: FaultServer, is_hooked: bool) -> None:
    late = Late()
    server.play(late.play(chunk(b"")), reply())
    hooks = [type("Looks", (), {"after_success": lambda self, context, response: response})()] if is_hooked else []
    async with client_of(colour, server, hooks=hooks) as client:
        began = time.monotonic()
        stream = await client.call(CREATE, **ASK, stream=True)
        if colour.is_async:
            async with stream:
                assert len([one async for one in stream]) == 3
        else:
            with stream:
                assert len(list(stream)) == 3
        await settled(stream.close())
        assert time.monotonic() - began < 3.0
        assert not late.gone.is_set()
        await late.send(colour)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert server.connections == 1


async def test_an_endless_tail_is_given_up(colour: Colour, faults: FaultServer) -> None:
    """A server that goes on sending behind its end mark is read no further than a bound."""
    late = Late()
    faults.play(late.play(*[chunk(b"x" * 8000)] * 20, lambda: None), reply())
    async with client_of(colour, faults) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await late.send(colour)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
        assert faults.saw_close(1)
    assert faults.connections == 2


async def test_streams_in_a_row_have_one_connection(colour: Colour, server: FaultServer) -> None:
    """The last chunk comes 5 ms behind the end mark; the caller does something with each answer."""
    ended: list[None] = []
    server.always((_FIRST, Wait(0.005), chunk(b""), lambda: ended.append(None)))
    async with client_of(colour, server) as client:
        for number in range(1, 21):
            assert len(await client.events(CREATE, **ASK)) == 3
            until = time.monotonic() + 10
            while len(ended) < number and time.monotonic() < until:
                await pause(colour, 0.005)
            await pause(colour, 0.01)
    assert server.connections == 1


async def test_a_tail_that_is_there_is_read_however_late(
    colour: Colour, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that had no turn while the time for a read ran out is told so before it is given the bytes."""
    read, timeouts = AnyIOStream.read, []

    async def late(stream: AnyIOStream, max_bytes: int, timeout: float | None = None) -> bytes:
        if timeout is not None and timeout < 1 and not timeouts:
            timeouts.append(timeout)
            raise httpcore.ReadTimeout
        return await read(stream, max_bytes, timeout)

    monkeypatch.setattr(AnyIOStream, "read", late)
    end = Late()
    server.play(end.play(chunk(b"")), reply())
    async with client_of(colour, server) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        await end.send(colour)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert server.connections == 1


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a tail is waited for: longer than a busy machine takes for it."""
    seconds = 2.0
    monkeypatch.setattr(pool, "TAIL_S", seconds)
    monkeypatch.setattr(aiohttp_replies.Unread, "patience_s", seconds)
    return seconds


@pytest.mark.parametrize("wait_s", [0.0, 0.001, 0.01])
async def test_streams_back_to_back_have_one_connection(
    colour: Colour, server: FaultServer, patience: float, wait_s: float
) -> None:
    """A caller who asks again at once comes before the last chunk; to wait for that is cheaper than a connection."""
    server.always((_FIRST, Wait(wait_s), chunk(b"")))
    async with client_of(colour, server) as client:
        for _ in range(20):
            assert len(await client.events(CREATE, **ASK)) == 3
    assert server.connections == 1


async def test_a_server_whose_tail_never_comes_is_waited_for_once(
    colour: Colour, faults: FaultServer, patience: float
) -> None:
    late = Late()
    faults.always(late.play())
    async with client_of(colour, faults) as client:
        began = time.monotonic()
        for _ in range(6):
            assert len(await client.events(CREATE, **ASK)) == 3
        assert patience / 2 < time.monotonic() - began < 4 * patience
        assert faults.connections == 6
        late.go.set()
        faults.always((_FIRST + chunk(b""),))
        await pause(colour, _SETTLE_S)
        assert len(await client.events(CREATE, **ASK)) == 3
        assert faults.connections <= 7


async def test_streams_side_by_side_keep_their_connections(colour: Colour, faults: FaultServer) -> None:
    if not colour.is_async:
        return
    faults.always((_FIRST, Wait(0.002), chunk(b"")))

    async def caller() -> None:
        for _ in range(10):
            assert len(await client.events(CREATE, **ASK)) == 3
            await anyio.sleep(0.02)

    async with client_of(colour, faults) as client, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(caller)
    assert faults.connections <= 70  # of 100 streams, which would be 100 if none were kept


async def test_a_body_that_ends_with_its_connection_closes_it(colour: Colour, faults: FaultServer) -> None:
    body = b"".join((*EVENTS, DONE))
    faults.play((b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body, Stall()))
    async with client_of(colour, faults) as client:
        assert len(await client.events(CREATE, **ASK)) == 3
        assert faults.saw_close(1)
