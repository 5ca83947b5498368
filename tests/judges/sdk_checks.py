"""What this SDK is asked to do at a server of others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from unittest import mock

from llmsdk import SDK

from .checks import HELLO, Checks

STREAMS = 20  # in a row, which should take one connection


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    """Count the connections that this process opens, by sync and by async code."""
    opened = 0
    connect = socket.socket.connect

    def counting(made: socket.socket, address: Any) -> None:
        nonlocal opened
        opened += made.type == socket.SOCK_STREAM
        connect(made, address)

    with mock.patch.object(socket.socket, "connect", counting):
        yield lambda: opened


def one_connection(checks: Checks, url: str, key: str, model: str) -> None:
    """Streams in a row, each asked for at once when the one before has ended, over one connection on each way there."""
    asked = {"model": model, "messages": HELLO, "max_tokens": 8, "stream": True}

    def in_sync() -> None:
        with SDK(server_url=url, api_key=key) as sdk:
            for _ in range(STREAMS):
                with sdk.chat.create(**asked) as events:
                    for _ in events:
                        pass

    async def in_async(backend: str) -> None:
        async with SDK(server_url=url, api_key=key, backend=backend) as sdk:
            for _ in range(STREAMS):
                async with await sdk.chat.create_async(**asked) as events:
                    async for _ in events:
                        pass

    ways: dict[str, Callable[[], None]] = {"sync": in_sync, "async": lambda: asyncio.run(in_async("httpx"))}
    if find_spec("aiohttp"):
        ways["aiohttp"] = lambda: asyncio.run(in_async("aiohttp"))
    for way, stream in ways.items():
        with counted() as opened:
            stream()
        checks.that(f"{STREAMS} streams over one connection, {way}", opened() == 1, opened())


def plain(checks: Checks, sdk: SDK, model: str, expected: str) -> None:
    """Chat in all four ways."""

    async def ask() -> bool:
        return expected in (await sdk.chat.create_async(model=model, messages=HELLO)).choices[0].message.content

    async def stream() -> bool:
        async with await sdk.chat.create_async(model=model, messages=HELLO, stream=True) as events:
            async for _ in events:
                pass
            return expected in events.final.choices[0].message.content

    async def both() -> list[bool]:
        async with sdk:
            return [await ask(), await stream()]

    checks.run("chat", lambda: expected in sdk.chat.create(model=model, messages=HELLO).choices[0].message.content)
    checks.run("stream", lambda: expected in streamed(sdk, model))
    checks.run("async chat and stream", lambda: all(asyncio.run(both())))


def streamed(sdk: SDK, model: str) -> str:
    """Give the whole text of a stream."""
    with sdk.chat.create(model=model, messages=HELLO, stream=True) as events:
        for _ in events:
            pass
        return events.final.choices[0].message.content or ""
