"""The steps of a call don't grow with the calls in flight, nor with the hosts of one SDK."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import llmsdk
from llmsdk import SDK

PACKAGE = str(Path(llmsdk.__file__).parent)
FLAT = 1.05
BODY = b'{"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
MESSAGES: Any = [{"role": "user", "content": "Hi"}]
BACKENDS = ("httpx", "aiohttp")


class Round:
    """Answers when so many requests have come that all of a round are in flight."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.waiting: list[asyncio.WriteTransport] = []

    def take(self, transport: asyncio.WriteTransport) -> None:
        """Take a request, and answer all if it is the last of its round."""
        self.waiting.append(transport)
        if len(self.waiting) == self.width:
            for each in self.waiting:
                each.write(REPLY)
            self.waiting.clear()


class Connection(asyncio.Protocol):
    """Finds the ends of requests."""

    def __init__(self, calls: Round) -> None:
        self.calls = calls
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if end and len(body) == int(length):
            self.received = b""
            self.calls.take(self.transport)


@contextmanager
def counted() -> Iterator[list[int]]:
    """Count the calls of functions that the package makes, those of built-in ones included."""
    count = [0]

    def step(frame: FrameType, event: str, _: object) -> None:
        count[0] += event in ("call", "c_call") and frame.f_code.co_filename.startswith(PACKAGE)

    sys.setprofile(step)
    try:
        yield count
    finally:
        sys.setprofile(None)


def steps(backend: str, width: int, hosts: int) -> float:
    """Count the steps of a call among `width` in flight, to so many hosts in turn, on open connections."""

    async def body() -> float:
        loop, calls = asyncio.get_running_loop(), Round(width)
        servers = [await loop.create_server(lambda: Connection(calls), "127.0.0.1", 0) for _ in range(hosts)]
        urls = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1" for server in servers]
        options: dict[str, Any] = {"backend": backend, "retry_config": None}
        async with SDK(api_key="sk-placeholder", server_url=urls[0], **options) as sdk:

            async def whole_round() -> None:
                async with asyncio.TaskGroup() as group:
                    for url in islice(cycle(urls), width):
                        group.create_task(sdk.chat.create_async(model="m", messages=MESSAGES, server_url=url))

            await whole_round()
            with counted() as count:
                await whole_round()
        for server in servers:
            server.close()
        return count[0] / width

    return asyncio.run(body())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_takes_as_many_steps_among_many_in_flight(backend: str) -> None:
    assert steps(backend, 80, 1) <= steps(backend, 8, 1) * FLAT


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_takes_as_many_steps_where_the_hosts_are_many(backend: str) -> None:
    assert steps(backend, 40, 20) <= steps(backend, 40, 1) * FLAT
