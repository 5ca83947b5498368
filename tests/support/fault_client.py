"""Clients of the fault server: our own connections or a supplied `httpx` client, in either colour."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import httpx
import pytest

from .colours import KEY, Client, Colour
from .fault_server import FaultServer

ASK = {"model": "m", "prompt": "Say hello"}
CREATE = "completions.create"


class HasUrl(Protocol):
    """A server that runs."""

    @property
    def url(self) -> str: ...


@asynccontextmanager
async def client_of(colour: Colour, server: HasUrl, *, supplied: bool = False, **options: Any) -> AsyncIterator[Client]:
    """Open an SDK that talks to a server; without retries, unless told."""
    given: dict[str, Any] = {"server_url": server.url, "api_key": KEY, "retry_config": None, **options}
    if not supplied:
        async with colour.open(**given) as client:
            yield client
    elif colour.is_async:
        async with httpx.AsyncClient() as own, colour.open(async_client=own, **given) as client:
            yield client
    else:
        with httpx.Client() as own:
            async with colour.open(client=own, **given) as client:
                yield client


async def pause(colour: Colour, seconds: float) -> None:
    """Wait in either colour."""
    if colour.is_async:
        await anyio.sleep(seconds)
    else:
        time.sleep(seconds)


async def saw_close(colour: Colour, faults: FaultServer, number: int) -> bool:
    """Wait until a connection was closed, and leave the event loop its turns: it may have the closing still to do."""
    if colour.is_async:
        return await anyio.to_thread.run_sync(faults.saw_close, number)
    return faults.saw_close(number)


def skip_supplied(colour: Colour, limit: str) -> None:
    """Skip what a client of the caller's does not hold; README.md names these limits."""
    if colour.over == "httpx2":
        pytest.skip(f"a limit of supplied httpx2 clients: {limit}")
