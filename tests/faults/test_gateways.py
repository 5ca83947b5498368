"""A web application that relays a stream: the provider sees soon that whoever called it has left, at any moment.

The application is FastAPI's, as docs/fastapi.md shows it, and what a server would do is done by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from llmsdk import SDK
from support.colours import KEY
from support.fault_client import ASK
from support.fault_server import EVENTS, GOOD_STREAM, STREAM_HEAD, FaultServer, Flood, Stall, chunk

Message = MutableMapping[str, Any]
_SCOPE = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
_ONE_EVENT = STREAM_HEAD + chunk(EVENTS[0])


def _application(sdk: SDK) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def relay() -> StreamingResponse:
        events = await sdk.completions.create_async(**ASK, stream=True)

        async def body() -> AsyncIterator[str]:
            async with events:
                async for text in events.text_deltas():
                    yield text

        return StreamingResponse(body(), media_type="text/plain", background=BackgroundTask(events.close))

    return app


async def _serve(app: FastAPI, caller: Visit) -> None:
    with contextlib.suppress(ClientDisconnect):  # a server logs it
        await app(caller.scope, caller.receive, caller.send)


class Visit:
    """One request, as a server passes it on, and who has sent it.

    Attributes:
        gone: Set once the caller has left.
        texts: What it has received.
        started: Set with the first of these.
    """

    def __init__(self, version: str = "2.3") -> None:
        self.scope = {**_SCOPE, "asgi": {"version": "3.0", "spec_version": version}}
        self.gone = asyncio.Event()
        self.started = asyncio.Event()
        self.texts: list[bytes] = []
        self.is_asked = False

    async def receive(self) -> Message:
        if not self.is_asked:
            self.is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message.get("body"):
            self.texts.append(message["body"])
            self.started.set()


class SlowVisit(Visit):
    """One that reads nothing after the first text; its server lets the application wait, where uvicorn wakes it."""

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.texts:
            await asyncio.Event().wait()


class DeafVisit(Visit):
    """One whose server says that the caller has left by refusing what is sent, as ASGI 2.4 has it."""

    def __init__(self) -> None:
        super().__init__("2.4")

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.texts:
            raise OSError("the caller has left")


def _relayed(faults: FaultServer, backend: str, visit: Callable[[], Visit], leave: Callable[[Visit], Any]) -> None:
    """Have the application answer; then the provider's side is closed, and the SDK works as before."""

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, backend=backend) as sdk, asyncio.timeout(20):
            app, caller = _application(sdk), visit()
            serving = asyncio.ensure_future(_serve(app, caller))
            await leave(caller)
            await serving
            assert await asyncio.to_thread(faults.saw_close, 1)
            faults.always(GOOD_STREAM)
            another = Visit()
            await _serve(app, another)
            assert b"".join(another.texts) == b"Hello there"

    asyncio.run(main())


async def _once_started(caller: Visit) -> None:
    await caller.started.wait()
    caller.gone.set()


async def _at_once(caller: Visit) -> None:
    caller.gone.set()


BACKENDS = pytest.mark.parametrize("backend", ["httpx", "aiohttp"])


@BACKENDS
def test_a_caller_leaves_while_the_provider_is_silent(faults: FaultServer, backend: str) -> None:
    faults.play((_ONE_EVENT, Stall()))
    _relayed(faults, backend, Visit, _once_started)


@BACKENDS
@pytest.mark.parametrize("visit", [SlowVisit, DeafVisit])
def test_a_caller_leaves_while_the_application_sends(
    faults: FaultServer, backend: str, visit: Callable[[], Visit]
) -> None:
    faults.play((_ONE_EVENT, Flood(chunk(EVENTS[0]), 4 << 20), Stall()))
    _relayed(faults, backend, visit, _once_started)


@BACKENDS
def test_a_caller_has_left_before_the_response_begins(faults: FaultServer, backend: str) -> None:
    """The body is never iterated then, and nobody but the SDK knows of the stream."""
    faults.play((_ONE_EVENT, Stall()))
    _relayed(faults, backend, Visit, _at_once)
