"""The stream under async connections in asyncio, by hand, and what an open one holds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import pytest
from anyio.abc import SocketAttribute

from llmsdk import SDK
from llmsdk._call.countdown import Countdown
from llmsdk._net.asyncio_stream import AsyncioStream, _Room, _rooms
from llmsdk._net.connections import _Body
from llmsdk._net.early import SavingStream
from llmsdk._net.network import AsyncBackend


def tried(body: Callable[[AsyncioStream, socket.socket], Awaitable[None]]) -> None:
    """Run a test with a stream and the other end of its socket."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        theirs.settimeout(20.0)
        with theirs:
            _, stream = await asyncio.get_running_loop().create_connection(AsyncioStream, sock=ours)
            try:
                await asyncio.wait_for(body(stream, theirs), 30.0)
            finally:
                await stream.aclose()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_what_arrives_is_read_once_and_in_order() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        reading = asyncio.ensure_future(stream.read(100, 20.0))
        await asyncio.sleep(0)
        theirs.sendall(b"one")
        assert await reading == b"one"
        assert not stream.has_unread
        theirs.sendall(b"two")
        await until(lambda: stream.has_unread)  # nobody waits: it is kept, and no more is read
        theirs.sendall(b"three")
        for _ in range(5):
            await asyncio.sleep(0.001)
        assert await stream.read(1, 20.0) == b"t"
        assert await stream.receive() == b"wo"
        assert await stream.receive() == b"three"
        theirs.close()
        assert await stream.read(100, 20.0) == b""
        assert stream.has_unread
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()

    tried(body)


def test_two_reads_of_the_event_loop_before_the_task_are_one() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        for part in (b"ab", b"c"):
            stream.get_buffer(-1)[: len(part)] = part
            stream.buffer_updated(len(part))
        assert await stream.receive() == b"abc"

    tried(body)


def test_what_waits_for_its_task_is_bounded_over_all() -> None:
    room = _Room()
    sizes = [room.view().nbytes]
    for _ in range(511):
        room.filled(sizes[-1])
        sizes.append(room.view().nbytes)
    assert sizes[:16] == [1 << 16] * 16  # of a few, each reads as much as it likes
    assert sizes[16:] == [1 << 12] * 496  # and of many none has to wait


@pytest.mark.parametrize("way", ["closed", "cancelled", "dropped", "reset"])
def test_what_nobody_reads_any_more_waits_for_no_task(way: str) -> None:
    """Were it still counted, every later read of the process would be a small one."""

    def answer(server: socket.socket, kept: list[socket.socket]) -> None:
        theirs, _ = server.accept()
        kept.append(theirs)
        theirs.recv(1 << 16)
        event = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
        with contextlib.suppress(OSError):  # it is not read to its end
            theirs.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + event * 5000)
        if way == "reset":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()

    async def read(url: str) -> None:
        async with SDK(api_key="sk-placeholder", server_url=url) as sdk:
            stream = await sdk.chat.create_async(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
            assert (await anext(stream)).choices
            room = _rooms[asyncio.get_running_loop()]
            reading = asyncio.ensure_future(anext(stream))
            if way == "cancelled":
                reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if way != "reset":  # which throws away what has not been read
                await until(lambda: room.waiting)  # more has arrived, and its task does something else
            if way == "dropped":
                del stream, reading
                gc.collect()
            elif way != "reset":
                await stream.close()
            await sdk.aclose()
            await until(lambda: room.waiting == 0)

    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server, kept), daemon=True)
        thread.start()
        asyncio.run(asyncio.wait_for(read(f"http://127.0.0.1:{server.getsockname()[1]}/v1"), 30.0))
        thread.join(20.0)
        for theirs in kept:
            theirs.close()


def test_a_read_ends_in_time_and_the_timer_is_set_on() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, 0.01)
        for seconds in (0.02, 20.0):  # the second goes on when the timer of the first rings, the third needs it sooner
            reading = asyncio.ensure_future(stream.read(100, seconds))
            await asyncio.sleep(0)
            theirs.sendall(b"x")
            assert await reading == b"x"
        reading = asyncio.ensure_future(stream.read(100, 20.0))
        await asyncio.sleep(0.05)
        theirs.sendall(b"x")
        assert await reading == b"x"
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, 0.01)
        theirs.sendall(b"x")
        await until(lambda: stream.has_unread)
        assert await stream.read(100, 0.01) == b"x"
        reading = asyncio.ensure_future(stream.read(100, 0.02))
        await asyncio.sleep(0)
        theirs.sendall(b"x")
        assert await reading == b"x"
        await asyncio.sleep(0.05)  # it rings where nobody waits

    tried(body)


def test_a_read_that_is_cancelled_loses_nothing() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        reading = asyncio.ensure_future(stream.read(100, 20.0))
        await asyncio.sleep(0)
        reading.cancel()
        theirs.sendall(b"late")
        await until(lambda: stream.has_unread)
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await stream.read(100, 20.0) == b"late"

    tried(body)


def test_a_write_returns_once_the_system_has_it() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        await stream.send(b"small")
        assert theirs.recv(100) == b"small"
        sending = asyncio.ensure_future(stream.send(bytes(1 << 23)))
        await asyncio.sleep(0.01)
        assert not sending.done()
        left = 1 << 23
        while left:
            left -= len(await asyncio.to_thread(theirs.recv, 1 << 20))
        await sending
        await stream.send_eof()
        assert theirs.recv(100) == b""

    tried(body)


def test_a_broken_connection_gives_what_had_arrived_and_then_an_error() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        theirs.sendall(b"413")
        await until(lambda: stream.has_unread)
        sending = asyncio.ensure_future(stream.send(bytes(1 << 23)))
        await asyncio.sleep(0.01)
        theirs.close()
        with pytest.raises(anyio.BrokenResourceError):
            await sending
        assert await stream.read(100, 20.0) == b"413"
        with pytest.raises(httpcore.ReadError) as caught:
            await stream.read(100, 20.0)
        assert isinstance(caught.value.__cause__, anyio.BrokenResourceError)
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"more")

    tried(body)


def test_closing_wakes_who_reads_and_who_writes() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        reading = asyncio.ensure_future(stream.read(100, 20.0))
        sending = asyncio.ensure_future(stream.send(bytes(1 << 23)))
        await asyncio.sleep(0.01)
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await reading
        with pytest.raises(anyio.ClosedResourceError):
            await sending

    tried(body)


def test_it_says_which_socket_it_is() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        known = {name: value() for name, value in stream.extra_attributes.items()}
        assert known[SocketAttribute.raw_socket].fileno() > 0
        assert {SocketAttribute.local_address, SocketAttribute.remote_address} < set(known)

    tried(body)


def test_what_waits_for_its_task_is_bounded_over_all_connections() -> None:
    async def main() -> None:
        pairs = [socket.socketpair() for _ in range(40)]
        streams: list[AsyncioStream] = []
        for ours, theirs in pairs:
            theirs.setblocking(False)
            theirs.send(bytes(60_000))
            streams.append((await asyncio.get_running_loop().create_connection(AsyncioStream, sock=ours))[1])
        await until(lambda: all(stream.has_unread for stream in streams))
        sizes = [len(await stream.receive(1 << 20)) for stream in streams]
        assert max(sizes) == 60_000
        assert sum(sizes) <= (1 << 20) + len(streams) * (1 << 12)
        assert len(await streams[-1].receive(1 << 20)) == 60_000 - sizes[-1]  # there is room again
        for stream, (_, theirs) in zip(streams, pairs, strict=True):
            await stream.aclose()
            theirs.close()

    asyncio.run(main())


def test_only_an_untouched_stream_of_asyncio_is_taken() -> None:
    async def main() -> None:
        assert AsyncioStream.over(object()) is None
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with await anyio.connect_tcp("127.0.0.1", server.getsockname()[1]) as stream:
                theirs, _ = server.accept()
                with theirs:
                    theirs.sendall(b"x")
                    taken = AsyncioStream.over(stream)
                    assert taken is not None
                    assert await taken.receive() == b"x"
                    await taken.aclose()
        event = SimpleNamespace(is_set=lambda: True)
        assert AsyncioStream.over(SimpleNamespace(_transport=1, _protocol=SimpleNamespace(read_event=event))) is None

    asyncio.run(main())


def backend_in(seconds: float) -> AsyncBackend:
    backend = AsyncBackend()
    backend.begin(Countdown(seconds, lambda: 0.0))
    return backend


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("host, seconds", [("127.0.0.1", 600.0), ("::1", 5.0), ("localhost", 5.0)])
def test_a_connection_to_an_address_and_to_a_name(host: str, seconds: float, backend: str) -> None:
    async def main() -> None:
        family = socket.AF_INET6 if host == "::1" else socket.AF_INET
        with socket.create_server((host, 0), family=family) as server:
            stream = await backend_in(seconds).connect_tcp(host, server.getsockname()[1], local_address=None)
            theirs, _ = server.accept()
            with theirs:
                await stream.write(b"ask")
                theirs.sendall(b"answer")
                assert await stream.read(100) == b"answer"
                assert theirs.recv(100) == b"ask"
                theirs.sendall(b"unasked")
                while not stream.get_extra_info("is_readable"):
                    await anyio.sleep(0.001)
                await stream.aclose()

    anyio.run(main, backend=backend)


def test_a_connection_may_begin_at_an_address_of_ours() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            stream = await backend_in(5.0).connect_tcp("127.0.0.1", server.getsockname()[1], local_address="127.0.0.2")
            theirs, address = server.accept()
            theirs.close()
            assert address[0] == "127.0.0.2"
            await stream.aclose()

    asyncio.run(main())


def test_connecting_fails_as_httpcore_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        with socket.socket() as held:  # bound and not listening, so that nobody else gets the port
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            with pytest.raises(httpcore.ConnectError):
                await backend_in(5.0).connect_tcp("127.0.0.1", port)
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", forever)
        with pytest.raises(httpcore.ConnectTimeout):
            await backend_in(0.01).connect_tcp("127.0.0.1", port)

    asyncio.run(main())


def test_a_body_is_given_piece_by_piece_and_closed_where_it_breaks() -> None:
    closed: list[int] = []

    async def aclose() -> None:
        closed.append(1)

    async def main() -> None:
        events: list[Any] = [SimpleNamespace(data=bytearray(b"ab")), SimpleNamespace(), "of the next reply"]
        waits = asyncio.Event()

        async def receive() -> Any:
            await waits.wait()
            if isinstance(event := events.pop(0), Exception):
                raise event
            return event

        body = _Body(SimpleNamespace(aclose=aclose), receive)
        first = asyncio.ensure_future(anext(body))
        await asyncio.sleep(0)
        assert body.ag_running
        with pytest.raises(RuntimeError, match="read already"):
            await anext(body)
        waits.set()
        assert await first == b"ab"
        assert [piece async for piece in body] == []
        assert [piece async for piece in body] == []
        assert events == ["of the next reply"]
        assert not closed
        events[:] = [httpcore.ReadError("reset"), "more"]
        broken = _Body(SimpleNamespace(aclose=aclose), receive)
        with pytest.raises(httpcore.ReadError):
            await anext(broken)
        assert [piece async for piece in broken] == []
        assert closed == [1]

    asyncio.run(main())


def test_a_saving_stream_knows_what_is_unread() -> None:
    async def body(stream: AsyncioStream, theirs: socket.socket) -> None:
        saving = SavingStream(stream)
        assert not saving.has_unread
        assert saving.read == stream.read
        theirs.sendall(b"x")
        await until(lambda: saving.has_unread)
        assert await saving.receive() == b"x"

    tried(body)


_HELD = """
import asyncio, gc, sys, tracemalloc
from llmsdk import SDK

async def main():
    async with SDK(api_key="sk-placeholder", server_url=sys.argv[1]) as sdk:
        async def opened():
            stream = await sdk.chat.create_async(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True)
            assert (await anext(stream)).choices
            return stream, asyncio.ensure_future(anext(stream))
        async def closed(stream, reading):
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            await stream.close()
        await closed(*await opened())
        gc.collect()
        tracemalloc.start()
        streams = [await opened() for _ in range(50)]
        await asyncio.sleep(0)
        gc.collect()
        print(tracemalloc.get_traced_memory()[0] // len(streams))
        for each in streams:
            await closed(*each)

asyncio.run(main())
"""


def test_an_open_stream_holds_little() -> None:
    """14.7 kB with Python 3.11, 23 before there was a stream of our own; a task that waits for it is among that."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = (
        b'data: {"id":"a","created":1,"model":"m","object":"chat.completion.chunk",'
        b'"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
    )
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        kept: list[socket.socket] = []

        def answer() -> None:
            while True:
                try:
                    theirs, _ = server.accept()
                except OSError:
                    return
                kept.append(theirs)
                theirs.recv(1 << 16)
                theirs.sendall(head + b"%x\r\n%b\r\n" % (len(event), event))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        command = [sys.executable, "-c", _HELD, url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20.0)
        for theirs in kept:
            theirs.close()
    assert done.stderr == ""
    assert int(done.stdout) < 17_000
