"""Bodies that a hook, of the SDK's or of a supplied client's, has read: they are used, or the hook is told."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from llmsdk import errors
from support.colours import Client, Colour
from support.fault_client import client_of
from support.fault_server import DONE, EVENTS, WHOLE, FaultServer, reply

ASK: dict[str, Any] = {"model": "m", "prompt": "x"}
GZIP = "Content-Encoding: gzip"
STREAM = reply(gzip.compress(b"".join([*EVENTS, DONE])), 200, GZIP, content_type="text/event-stream")


class Reading:
    """A hook that reads what it sees, or iterates it."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.keeps = keeps

    def read(self, response: Any) -> Any:
        if self.keeps:
            response.read()
        else:
            list(response.iter_bytes())
        return response

    async def aread(self, response: Any) -> Any:
        if self.keeps:
            await response.aread()
        else:
            async for _ in response.aiter_bytes():
                pass
        return response


@asynccontextmanager
async def hooked(colour: Colour, faults: FaultServer, whose: str, reading: Reading) -> AsyncIterator[Client]:
    """Open a client with a hook of the SDK's, or of a supplied client's."""
    is_sync = colour.backend == "sync"
    read = reading.read if is_sync else reading.aread
    if whose == "sdk":
        hook: Any = type("Hook", (), {"after_success": lambda self, _, response: read(response)})
        if not is_sync:

            async def after_success(self: Any, _: Any, response: Any) -> Any:
                return await reading.aread(response)

            hook.after_success = after_success
        async with client_of(colour, faults, hooks=[hook()]) as client:
            yield client
    elif is_sync:
        with httpx.Client(event_hooks={"response": [read]}) as lent:
            async with client_of(colour, faults, client=lent) as client:
                yield client
    else:
        async with (
            httpx.AsyncClient(event_hooks={"response": [read]}) as lent_async,
            client_of(colour, faults, async_client=lent_async) as client,
        ):
            yield client


@pytest.mark.also_trio
@pytest.mark.parametrize("whose", ["sdk", "client"])
async def test_what_a_hook_has_read_is_decoded(colour: Colour, faults: FaultServer, whose: str) -> None:
    faults.play(reply(gzip.compress(WHOLE), 200, GZIP))
    faults.play(STREAM)
    async with hooked(colour, faults, whose, Reading()) as client:
        assert (await client.call("completions.create", **ASK)).text == "Hello there"
        events = await client.events("completions.create", **ASK)
        assert "".join(event.text for event in events) == "Hello there"


@pytest.mark.also_trio
@pytest.mark.parametrize("whose, stream", [("sdk", True), ("client", True), ("client", False)])
async def test_a_hook_that_keeps_nothing_is_told(colour: Colour, faults: FaultServer, whose: str, stream: bool) -> None:
    faults.play(STREAM if stream else reply(gzip.compress(WHOLE), 200, GZIP))
    async with hooked(colour, faults, whose, Reading(keeps=False)) as client:
        with pytest.raises(errors.ConfigurationError, match=r"comes only once; read\(\) keeps it"):
            if stream:
                await client.events("completions.create", **ASK)
            else:
                await client.call("completions.create", **ASK)
