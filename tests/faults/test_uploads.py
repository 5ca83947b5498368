"""Uploads: files larger than memory should hold, retries of them, and servers that answer before they have read all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmsdk import errors
from llmsdk._call.request import large
from llmsdk._call.request.large import LARGE, LargeFile, in_pieces, read_handle, read_path, whole
from support.colours import Colour
from support.fault_client import client_of

_SRC = Path(__file__).parents[2] / "src"
_EDITED = b'{"created": 1, "data": [{"b64_json": "aGk="}], "text": "heard"}'
_TOO_LARGE = b'{"error": {"message": "the file is too large"}}'


def _answer(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Sink:
    """A server that reads uploads and keeps nothing of them but their digest.

    Attributes:
        seen: Length and digest of each whole body, in order.
        statuses: What the next requests are answered with; then 200.
        before_answer: Called once a request has been read.
        dies: After how many bytes of the next request it resets the connection; None if it does not.
        impatient: With how many bytes of a request it answers 413 and closes; None if it reads all.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[int, str]] = []
        self.statuses: list[str] = []
        self.impatient: int | None = None
        self.dies: int | None = None
        self.before_answer: Callable[[], Any] = int
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # not every system can
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(raw, server_side=True) if self._tls else raw as sock:
                while self._exchange(sock):
                    pass
        except OSError:
            pass  # the client has gone

    def _exchange(self, sock: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(1 << 16)
            if not more:
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        digest, got = hashlib.sha256(body), len(body)
        while got < size:
            if self.impatient is not None and got >= self.impatient:
                sock.sendall(_answer("413 Payload Too Large", _TOO_LARGE))
                return False  # and what it has not read makes the system reset the connection
            if self.dies is not None and got >= self.dies:
                self.dies = None
                return False
            more = sock.recv(1 << 20)
            if not more:
                return False
            digest.update(more)
            got += len(more)
        self.seen.append((size, digest.hexdigest()))
        self.before_answer()
        sock.sendall(_answer(self.statuses.pop(0) if self.statuses else "200 OK", _EDITED))
        return True


@pytest.fixture
def sink() -> Iterator[Sink]:
    server = Sink()
    yield server
    server.close()


_CLIENT = """
import asyncio, json, pathlib, sys
from llmsdk import SDK

url, way, kind, path = sys.argv[1:]

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

async def edit(sdk, image):
    if way == "sync":
        return sdk.images.edit(image=image, prompt="x", model="m")
    return await sdk.images.edit_async(image=image, prompt="x", model="m")

async def main():
    sdk = SDK(server_url=url, api_key="sk-placeholder", backend="aiohttp" if way == "aiohttp" else "httpx")
    with open(path, "rb") as handle:
        await edit(sdk, b"small")
        before = peak()
        handle.seek(5)
        reply = await edit(sdk, handle if kind == "handle" else pathlib.Path(path))
        print(json.dumps([peak() - before, handle.tell(), len(reply.meta.attempts)]))
    await sdk.aclose()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
@pytest.mark.parametrize("kind", ["path", "handle"])
@pytest.mark.parametrize("way", ["sync", "asyncio", "aiohttp"])
def test_a_large_file_is_never_whole_in_memory(sink: Sink, tmp_path: Path, way: str, kind: str) -> None:
    """100 MB, sent twice since the first answer is a 503."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    sink.statuses = ["200 OK", "503 Service Unavailable"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _CLIENT, sink.url, way, kind, str(path)],
        env={**os.environ, "PYTHONPATH": str(_SRC)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    kilobytes, position, attempts = json.loads(done.stdout)
    assert kilobytes < 20_000
    assert (position, attempts) == (5, 2)
    assert len(sink.seen) == 3
    assert sink.seen[1] == sink.seen[2]
    assert sink.seen[1][0] > 99_999_000


def _temporary(data: bytes) -> Any:
    file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by the test
    file.write(data)
    file.seek(0)
    return file


def _spooled(data: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - closed by the test
    file.write(data)
    file.seek(0)
    return file


@pytest.mark.every_backend
@pytest.mark.parametrize("make", [io.BytesIO, _temporary, _spooled])
async def test_a_retry_sends_the_same_bytes(colour: Colour, sink: Sink, make: Callable[[bytes], Any]) -> None:
    data = os.urandom(3 * LARGE + 11)
    sink.statuses = ["503 Service Unavailable"]
    async with client_of(colour, sink, retry_config=1) as client:
        with make(b"junk" + data) as file:
            file.seek(4)
            await client.call("images.edit", image=file, prompt="x", model="m")
            assert file.tell() == 4
            assert file.read() == data
        assert len(sink.seen) == 2
        assert sink.seen[0] == sink.seen[1]
        await client.call("images.edit", image=("a.bin", data), prompt="x", model="m")
        assert sink.seen[2][0] > len(data)


@pytest.mark.every_backend
@pytest.mark.parametrize("kind", ["path", "handle"])
async def test_a_recording_whose_connection_dies_is_sent_again(
    colour: Colour, sink: Sink, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"RIFF0000WAVE" + os.urandom(4 << 20))
    sink.dies = 1 << 20
    with path.open("rb") as handle:
        async with client_of(colour, sink) as client:
            given = path if kind == "path" else handle
            reply = await client.call("audio.transcribe", model="m", file=given, retries=2)
        assert handle.tell() == 0
    assert reply.text == "heard"
    assert len(reply.meta.attempts) == 2
    ((size, _),) = sink.seen
    assert size > path.stat().st_size


@pytest.mark.every_backend
async def test_a_file_that_changes_between_two_attempts_is_named(colour: Colour, sink: Sink, tmp_path: Path) -> None:
    if colour.over == "httpx2":
        pytest.skip("supplied clients are given all of a body at once, for each attempt")
    data = bytes(3 * LARGE)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    handle = io.BytesIO(data)
    cases: list[tuple[Any, str, Callable[[], Any]]] = [
        (path, "changed while it was sent", lambda: path.write_bytes(data[1:])),
        (handle, "cannot be read: I/O operation on closed file", handle.close),
    ]
    async with client_of(colour, sink, retry_config=1) as client:
        for image, problem, happens in cases:
            sink.statuses = ["503 Service Unavailable"]
            sink.before_answer = happens
            with pytest.raises(errors.RequestValidationError, match=f"image: {problem}") as caught:
                await client.call("images.edit", image=image, prompt="x", model="m")
            assert caught.value.param == "image"


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("read", [1, 100_000, 3_000_000])
async def test_a_server_that_answers_early_and_closes_is_read(colour: Colour, sink: Sink, read: int) -> None:
    if colour.over == "httpx2":
        pytest.skip("supplied clients write by themselves")
    sink.impatient = read
    async with client_of(colour, sink) as client:
        for _ in range(5):
            with pytest.raises(errors.PayloadTooLargeError, match="the file is too large"):
                await client.call("images.edit", image=bytes(8 * LARGE), prompt="x", model="m")
            with pytest.raises(errors.PayloadTooLargeError, match="the file is too large"):
                await client.call("completions.create", prompt="x" * 5 * LARGE, model="m")
        sink.impatient = None
        await client.call("images.edit", image=bytes(8 * LARGE), prompt="x", model="m")


def test_hooks_see_the_whole_body(sink: Sink) -> None:
    from llmsdk import SDK

    seen: list[int] = []

    class Hook:
        def before_request(self, _: Any, request: Any) -> Any:
            seen.append(len(request.content))
            return request

    with SDK(server_url=sink.url, api_key="sk-placeholder", hooks=[Hook()]) as sdk:
        sdk.images.edit(image=io.BytesIO(bytes(2 * LARGE)), prompt="x", model="m")
    assert seen == [sink.seen[0][0]]


# ------------------------------------------------------------------------------ parts


def test_pieces_are_neither_small_nor_large() -> None:
    for sizes in ([], [3], [LARGE], [LARGE + 1], [10, LARGE, 10], [3 * LARGE + 5, 1], [1] * 10):
        parts = [os.urandom(size) for size in sizes]
        made = list(large.pieces(parts))
        assert b"".join(made) == b"".join(parts)
        assert all(len(piece) < 2 * LARGE for piece in made)
        assert all(len(piece) >= LARGE for piece in made[:-1])
    assert list(in_pieces(b"ab")) == [b"ab"]
    assert list(in_pieces(bytes(LARGE + 1))) == [bytes(LARGE), b"\0"]


def test_a_large_file_is_read_as_forms_read_files(tmp_path: Path) -> None:
    data = os.urandom(2 * LARGE + 7)
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    file = read_path("file", path)
    assert isinstance(file, LargeFile)
    assert (len(file), file.seek(0, os.SEEK_END), file.tell()) == (len(data), len(data), len(data))
    assert file.read(10) == b""
    file.seek(0)
    found = b""
    while piece := file.read(1 << 16):
        found += piece
    assert found == data == whole(file)
    assert file.head == data[:64]
    assert whole(None) is None


def test_what_cannot_go_back_is_read_once(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        file.write(b"piped")
    with open(reading, "rb") as file:
        assert read_handle("file", file) == b"piped"

    class Odd(io.RawIOBase):
        """One that may have to do much to go back."""

        def __init__(self) -> None:
            self.inner = io.BytesIO(bytes(2 * LARGE))

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            return self.inner.readinto(into)

        def seek(self, offset: int, whence: int = 0) -> int:
            return self.inner.seek(offset, whence)

        def tell(self) -> int:
            return self.inner.tell()

    odd = Odd()
    odd.seek(3)
    assert read_handle("file", odd) == bytes(2 * LARGE - 3)
    assert odd.tell() == 3
    named = tmp_path / "pipe"
    os.mkfifo(named)
    threading.Thread(target=named.write_bytes, args=(bytes(2 * LARGE),), daemon=True).start()
    assert read_path("file", named) == bytes(2 * LARGE)
