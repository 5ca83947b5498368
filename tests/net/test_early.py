"""Answers that come before a request was sent whole, by hand."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute

from llmsdk._call.countdown import Countdown
from llmsdk._net.early import SavingStream, arrived, copied
from llmsdk._net.network import AsyncBackend

_LARGE = bytes(1 << 17)


class Lent:
    """A socket as asyncio lends it; `is_closed` once it has closed its own."""

    def __init__(self, sock: socket.socket, problem: OSError | None = None) -> None:
        self._sock = sock
        self._problem = problem
        self.is_closed = False

    def dup(self) -> socket.socket:
        if self._problem is not None:
            raise self._problem
        return self._sock.dup()

    def fileno(self) -> int:
        return -1 if self.is_closed else self._sock.fileno()


class Under:
    """anyio's stream; a large write fails like asyncio's."""

    def __init__(self, lent: Any, *, fails: bool, says_so: bool = True) -> None:
        self.extra_attributes: Any = {SocketAttribute.raw_socket: lambda: lent}
        self.done: list[Any] = []
        self.is_broken = False
        self._lent, self._fails, self._says_so = lent, fails, says_so

    def extra(self, attribute: Any, default: Any = None) -> Any:
        return self.extra_attributes[attribute]()

    async def send(self, item: bytes) -> None:
        self.done.append(len(item))
        if self._fails and len(item) > 1 << 16:
            self._lent.is_closed = True
            if self._says_so:
                raise anyio.BrokenResourceError

    async def receive(self, max_bytes: int = 1) -> bytes:
        if self.is_broken:
            raise anyio.BrokenResourceError
        return b"later"

    async def send_eof(self) -> None:
        self.done.append("eof")

    async def aclose(self) -> None:
        self.done.append("closed")


@pytest.mark.parametrize("says_so", [True, False])
def test_what_had_arrived_when_a_write_failed_is_read(says_so: bool) -> None:
    async def body() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"HTTP/1.1 413")
            under = Under(Lent(ours), fails=True, says_so=says_so)
            stream = SavingStream(under)
            await stream.send(b"head")
            assert not stream.has_failed
            await stream.send(_LARGE)
            assert stream.has_failed
            assert await stream.receive(4) == b"HTTP"
            assert await stream.receive() == b"/1.1 413"
            assert await stream.receive() == b"later"
            await stream.send_eof()
            await stream.aclose()
            assert under.done == [4, len(_LARGE), "eof", "closed"]

    asyncio.run(body())


def test_a_write_that_succeeds_saves_nothing() -> None:
    async def body() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            under = Under(Lent(ours), fails=False)
            stream = SavingStream(under)
            await stream.send(_LARGE)
            assert not stream.has_failed
            assert stream.receive != under.receive
            assert await stream.receive() == b"later"
            assert stream.extra(SocketAttribute.raw_socket).fileno() == ours.fileno()
            await stream.send(b"head of the next request")
            assert not stream.has_failed
            assert stream.receive == under.receive  # its reads cost nothing more again
            await stream.send(_LARGE)
            await stream.aclose()

    asyncio.run(body())


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("arrived_then", [b"HTTP/1.1 413", b""])
def test_a_write_that_fails_after_it_returned_loses_nothing(arrived_then: bytes, is_closed: bool) -> None:
    """asyncio writes the last of a large piece in the background, and closes the socket if that fails."""

    async def body() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            lent = Lent(ours)
            under = Under(lent, fails=False)
            stream = SavingStream(under)
            await stream.send(_LARGE)
            theirs.sendall(arrived_then)
            lent.is_closed, under.is_broken = is_closed, True
            if arrived_then and is_closed:
                assert await stream.receive() == arrived_then
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
            await stream.aclose()

    asyncio.run(body())


def test_only_what_asyncio_lends_is_copied() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert copied(None) is None
        assert copied(ours) is None
        assert copied(Lent(ours, OSError(24, "Too many open files"))) is None
        copy = copied(Lent(ours))
        assert copy is not None
        theirs.sendall(b"x")
        theirs.close()
        assert arrived(copy) == b"x"

    async def body() -> None:  # without a copy, as under trio, the socket itself still has what arrived
        stream = SavingStream(Under(Lent(ours, OSError(24, "Too many open files")), fails=True))
        await stream.send(_LARGE)
        assert stream.has_failed
        assert await stream.receive() == b"later"

    asyncio.run(body())


def test_a_backend_without_a_stream_inside_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def get_extra_info(self, _: str) -> Any:
            return SimpleNamespace(fileno=lambda: 3)

    async def connect(*_: Any) -> Any:
        return Bare()

    async def body() -> None:
        monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
        backend = AsyncBackend()
        backend.begin(Countdown(5.0, lambda: 0.0))
        await backend.connect_tcp("host.invalid", 1)
        assert backend.saving is None
        monkeypatch.setattr("httpcore._backends.anyio.AnyIOStream", None)
        await backend.connect_tcp("127.0.0.1", 1)  # an address that there is no other way to, either

    asyncio.run(body())
