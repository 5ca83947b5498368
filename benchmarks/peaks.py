"""Peak memory of what is bounded: a large upload, many streams at once, the embedded provider under large requests.

    PYTHONPATH=src .venv/bin/python benchmarks/peaks.py      half a minute, on Linux; prints a table

Each client runs in a process of its own, and so does the embedded provider. A figure is the growth of its highest
memory (VmHWM) over that after a small request of the same kind, so that imports and first uses don't count.
"""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

UPLOAD = 200_000_000
STREAMS = 1_500
REQUESTS, REQUEST = 40, 16 << 20

_PEAK = """
import asyncio, json, pathlib, sys
from llmsdk import SDK

def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

def sdk_at(url, way):
    return SDK(server_url=url, api_key="sk-placeholder", backend="aiohttp" if way == "aiohttp" else "httpx")
"""

_UPLOAD = f"""{_PEAK}
url, way, kind, path = sys.argv[1:]

async def edit(sdk, image):
    if way == "sync":
        return sdk.images.edit(image=image, prompt="x", model="m")
    return await sdk.images.edit_async(image=image, prompt="x", model="m")

async def main():
    sdk = sdk_at(url, way)
    await edit(sdk, b"small")
    before = peak()
    with open(path, "rb") as handle:
        reply = await edit(sdk, handle if kind == "handle" else pathlib.Path(path))
    assert len(reply.meta.attempts) == 2, reply.meta.attempts
    print(peak() - before)
    await sdk.aclose()

asyncio.run(main())
"""

_STREAMS = f"""{_PEAK}
import resource
url, way, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

async def stream(sdk, begun, all_begun):
    async with await sdk.completions.create_async(model="m", prompt="x", stream=True) as events:
        text = (await anext(events)).text
        begun.append(True)
        if len(begun) == count:
            all_begun.set()
        await all_begun.wait()
        return text + "".join([event.text async for event in events])

async def main():
    global count
    async with sdk_at(url, way) as sdk:
        wanted, count = count, 1
        assert await stream(sdk, [], asyncio.Event()) == "ab"
        before, count, begun, all_begun = peak(), wanted, [], asyncio.Event()
        texts = await asyncio.gather(*(stream(sdk, begun, all_begun) for _ in range(count)))
        assert texts == ["ab"] * count
        print(peak() - before)

asyncio.run(main())
"""


def reply(status: str, body: bytes) -> bytes:
    """Write a whole reply."""
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def request_of(sock: socket.socket) -> int | None:
    """Read a request and forget it; the result is the length of its body."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = sock.recv(1 << 16)
        if not more:
            return None
        head += more
    head, _, body = head.partition(b"\r\n\r\n")
    size = left = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    left -= len(body)
    while left > 0:
        left -= len(sock.recv(1 << 20)) or left
    return size


def answer_uploads(sock: socket.socket, refused: list[bool]) -> None:
    """Answer the first large body with a 503, so that it is sent twice."""
    while (size := request_of(sock)) is not None:
        is_refused = size >= UPLOAD and not refused
        if is_refused:
            refused.append(True)
        status = "503 Service Unavailable" if is_refused else "200 OK"
        sock.sendall(reply(status, b'{"created": 1, "data": [{"b64_json": "aGk="}]}'))


def answer_streams(sock: socket.socket) -> None:
    """Answer with two events at once; the client reads the second one only when all streams have begun."""
    events = [
        b'data: {"choices": [{"index": 0, "text": "a", "finish_reason": null}]}\n\n',
        b'data: {"choices": [{"index": 0, "text": "b", "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n',
    ]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    while request_of(sock) is not None:
        sock.sendall(head + chunks + b"0\r\n\r\n")


@contextlib.contextmanager
def serving(answer, *args) -> Iterator[str]:
    """Serve each connection in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def serve(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            answer(sock, *args)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def child(code: str, *args: str) -> int:
    """Run a client; the result is the growth of its peak, in kB."""
    done = subprocess.run([sys.executable, "-c", code, *args], check=True, capture_output=True, text=True, timeout=300)
    return json.loads(done.stdout)


def upload(way: str, kind: str) -> int:
    """Measure an upload that is sent twice."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file, serving(answer_uploads, []) as url:
        file.truncate(UPLOAD)
        return child(_UPLOAD, url, way, kind, file.name)


def streams(way: str) -> int:
    """Measure streams that all wait for the first event of each other."""
    with serving(answer_streams) as url:
        return child(_STREAMS, url, way, str(STREAMS))


def embedded(body: bytes) -> int:
    """Measure the embedded provider, which holds the last requests that came, up to 64 MiB."""
    command = [sys.executable, "-m", "llmsdk.local", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0])

    def ask(content: bytes) -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("POST", "/v1/chat/completions", content, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def peak() -> int:
        lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

    try:
        assert ask(body.replace(b"x" * 1000, b"")) == 200
        before = peak()
        with ThreadPoolExecutor(REQUESTS) as pool:
            assert list(pool.map(ask, [body] * REQUESTS)) == [200] * REQUESTS
        return peak() - before
    finally:
        server.kill()
        server.wait()


def show(what: str, kilobytes: int) -> None:
    """Print a row."""
    print(f"| {what} | {kilobytes / 1000:.0f} |", flush=True)


def main() -> None:
    """Print the table."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for spelling in (name, name.upper()):
            os.environ.pop(spelling, None)
    print("| what | peak, MB |\n| --- | --- |")
    for way in ("sync", "asyncio", "aiohttp"):
        for kind in ("path", "handle"):
            show(f"upload of {UPLOAD // 10**6} MB, sent twice, {way}, {kind}", upload(way, kind))
    for way in ("httpx", "aiohttp"):
        show(f"{STREAMS:,} streams at once, {way}", streams(way))
    text = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * REQUEST}]}).encode()
    show(f"embedded provider, {REQUESTS} requests of {REQUEST >> 20} MiB at once", embedded(text))


if __name__ == "__main__":
    main()
