"""A FastAPI application that relays streamed chats through one shared client, in its own process.

    gateway_app.py CLIENT UPSTREAM    listen on 127.0.0.1, print the port, and serve until killed

Each client is used as its documentation shows it. Whoever calls gets server-sent events with the text of each chunk.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.background import BackgroundTask

KEY = "sk-placeholder"
ROOM = 1000  # connections; openai and anthropic have as much by default

Messages = list[dict[str, Any]]
Texts = AsyncGenerator[str]
Close = Callable[[], Coroutine[Any, Any, object]]


class Relay:
    """One client that all requests share; made inside the event loop."""

    client: Any

    def __init__(self, base: str) -> None:
        raise NotImplementedError

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        """Send the request and wait for the status; the text of each chunk, and what closes the stream."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the client."""
        await self.client.close()


class Ours(Relay):
    """llmsdk, as docs/fastapi.md shows it."""

    options: dict[str, Any] = {}  # noqa: RUF012  (each class has its own constant)

    def __init__(self, base: str) -> None:
        from llmsdk import SDK

        self.client = SDK(api_key=KEY, server_url=f"{base}/v1", **self.options)

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        events = await self.client.chat.create_async(model=model, messages=messages, stream=True)

        async def texts() -> Texts:
            async with events:
                async for text in events.text_deltas():
                    yield text

        return texts(), events.close

    async def close(self) -> None:
        await self.client.aclose()


class OursOnAiohttp(Ours):
    """The same over aiohttp."""

    options = {"backend": "aiohttp"}  # noqa: RUF012  (a constant)


class OpenAI(Relay):
    """openai, with its default HTTP client."""

    def __init__(self, base: str) -> None:
        import openai

        self.client = openai.AsyncOpenAI(api_key=KEY, base_url=f"{base}/v1", **self.options(openai))

    def options(self, openai: Any) -> dict[str, Any]:
        """What differs from the default client."""
        return {}

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        stream = await self.client.chat.completions.create(model=model, messages=messages, stream=True)

        async def texts() -> Texts:
            async for event in stream:
                if text := event.choices[0].delta.content:
                    yield text

        return texts(), stream.close


class OpenAIOnAiohttp(OpenAI):
    """The same over aiohttp, as its extra offers it."""

    def options(self, openai: Any) -> dict[str, Any]:
        return {"http_client": openai.DefaultAioHttpClient()}


class Anthropic(Relay):
    """anthropic, with its default HTTP client and in its own wire format."""

    def __init__(self, base: str) -> None:
        import anthropic

        self.client = anthropic.AsyncAnthropic(api_key=KEY, base_url=base)

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        stream = await self.client.messages.create(model=model, messages=messages, max_tokens=100, stream=True)

        async def texts() -> Texts:
            async for event in stream:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

        return texts(), stream.close


class RawHttpx(Relay):
    """httpx by hand: bytes, a split, and pydantic for each event."""

    def __init__(self, base: str) -> None:
        import httpx

        self.url = f"{base}/v1/chat/completions"
        headers = {"authorization": f"Bearer {KEY}"}
        limits = httpx.Limits(max_connections=ROOM)  # by default the 101st caller would wait for the first to end
        self.client = httpx.AsyncClient(headers=headers, timeout=600, limits=limits)

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        from clients.replies import Events

        body = {"model": model, "messages": messages, "stream": True}
        response = await self.client.send(self.client.build_request("POST", self.url, json=body), stream=True)
        response.raise_for_status()

        async def texts() -> Texts:
            events = Events()
            try:
                async for data in response.aiter_bytes():
                    for event in events.feed(data):
                        if text := event.choices[0].delta.content:
                            yield text
            finally:
                await response.aclose()

        return texts(), response.aclose

    async def close(self) -> None:
        await self.client.aclose()


class RawAiohttp(Relay):
    """aiohttp by hand: the same."""

    def __init__(self, base: str) -> None:
        import aiohttp

        self.url = f"{base}/v1/chat/completions"
        self.client = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {KEY}"},
            connector=aiohttp.TCPConnector(limit=ROOM),
            timeout=aiohttp.ClientTimeout(total=600),
        )

    async def open(self, model: str, messages: Messages) -> tuple[Texts, Close]:
        from clients.replies import Events

        body = {"model": model, "messages": messages, "stream": True}
        response = await self.client.post(self.url, json=body)
        response.raise_for_status()

        async def texts() -> Texts:
            events = Events()
            async with response:
                async for data in response.content.iter_any():
                    for event in events.feed(data):
                        if text := event.choices[0].delta.content:
                            yield text

        async def close() -> None:
            response.close()

        return texts(), close


RELAYS: dict[str, type[Relay]] = {
    "llmsdk": Ours,
    "llmsdk-aiohttp": OursOnAiohttp,
    "openai": OpenAI,
    "openai-aiohttp": OpenAIOnAiohttp,
    "anthropic": Anthropic,
    "httpx": RawHttpx,
    "aiohttp": RawAiohttp,
}


class Ask(BaseModel):
    """What a caller sends: of the vocabulary of chat, what is relayed."""

    model: str
    messages: Messages
    stream: bool = True


def application(name: str, base: str) -> FastAPI:
    """The application with one of the clients."""
    relay: Relay

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal relay
        relay = RELAYS[name](base)
        yield
        await relay.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/chat/completions")
    async def chat(ask: Ask) -> StreamingResponse:
        texts, close = await relay.open(ask.model, ask.messages)

        async def body() -> AsyncGenerator[str]:
            async for text in texts:
                yield f"data: {json.dumps({'text': text})}\n\n"
            yield "data: [DONE]\n\n"

        return StreamingResponse(body(), media_type="text/event-stream", background=BackgroundTask(close))

    return app


def end_with_parent() -> None:
    """End when standard input does: the run that started us is gone."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """See the module."""
    name, base = sys.argv[1:]
    threading.Thread(target=end_with_parent, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(application(name, base), log_level="error", access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
