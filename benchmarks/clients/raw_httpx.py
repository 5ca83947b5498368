"""What a hand-written client on httpx, or on httpx2, costs."""

import importlib
import itertools
import json
from typing import Any

from . import KEY, MESSAGES, MODEL, PROMPT, Adapter

HEADERS = {"authorization": f"Bearer {KEY}"}
BODY = {"model": MODEL, "messages": MESSAGES}
STREAM_BODY = {**BODY, "stream": True}
IMAGE_BODY = {"model": MODEL, "prompt": PROMPT}


class RawHttpx(Adapter):
    """`Client.post` and `.json()` for one call; bytes, a split and `validate_json` for everything bigger."""

    library = "httpx"

    def setup(self, base_url: str) -> None:
        super().setup(base_url)
        self.module = importlib.import_module(self.library)
        self.spread([base_url])

    def spread(self, base_urls: list[str]) -> None:
        self.urls = itertools.cycle([f"{base_url}/v1/chat/completions" for base_url in base_urls])

    @property
    def url(self) -> str:
        """Where the next call goes."""
        return next(self.urls)

    def make(self) -> Any:
        return self.module.Client(headers=HEADERS, timeout=600)

    def amake(self) -> Any:
        return self.module.AsyncClient(headers=HEADERS, timeout=600)

    def call(self) -> int:
        return len(self.client.post(self.url, json=BODY).json()["choices"][0]["message"]["content"])

    def typed(self, url: str, body: dict[str, Any]) -> bytes:
        """Send one request and read the bytes of the reply."""
        content: bytes = self.client.post(url, json=body).content
        return content

    def logprobs(self) -> int:
        from .replies import CHAT

        found = CHAT.validate_json(self.typed(self.url, BODY)).choices[0].logprobs
        return len(found.content or ()) if found else 0

    def image(self) -> int:
        from .replies import IMAGE

        reply = IMAGE.validate_json(self.typed(f"{self.base_url}/v1/images/generations", IMAGE_BODY))
        return len(reply.data[0].b64_json or "")

    def stream(self) -> int:
        from .replies import Events

        count = 0
        events = Events()
        with self.client.stream("POST", self.url, json=STREAM_BODY) as response:
            for data in response.iter_bytes():
                for chunk in events.feed(data):
                    count += bool(chunk.choices[0].delta.content)
        return count

    def text(self) -> int:
        from .replies import Events

        size = 0
        events = Events()
        with self.client.stream("POST", self.url, json=STREAM_BODY) as response:
            for data in response.iter_bytes():
                for chunk in events.feed(data):
                    size += len(chunk.choices[0].delta.content or "")
        return size

    def first(self) -> int:
        """The first event by `json.loads`: this process never imports pydantic."""
        with self.client.stream("POST", self.url, json=STREAM_BODY) as response:
            for line in response.iter_lines():
                return len(json.loads(line[6:])["choices"][0]["delta"]["content"])
        return 0

    async def acall(self) -> int:
        response = await self.aclient.post(self.url, json=BODY)
        return len(response.json()["choices"][0]["message"]["content"])

    async def astream(self) -> int:
        from .replies import Events

        count = 0
        events = Events()
        async with self.aclient.stream("POST", self.url, json=STREAM_BODY) as response:
            async for data in response.aiter_bytes():
                for chunk in events.feed(data):
                    count += bool(chunk.choices[0].delta.content)
        return count

    async def atext(self) -> int:
        from .replies import Events

        size = 0
        events = Events()
        async with self.aclient.stream("POST", self.url, json=STREAM_BODY) as response:
            async for data in response.aiter_bytes():
                for chunk in events.feed(data):
                    size += len(chunk.choices[0].delta.content or "")
        return size

    def shard(self, count: int) -> None:
        """That many clients, each with a pool of its own, in turn."""
        self.async_client = Clients([self.amake() for _ in range(count)])

    async def aclose(self) -> None:
        if self.async_client is not None:
            await self.async_client.aclose()
            self.async_client = None


class Clients:
    """Several clients that are used in turn."""

    def __init__(self, clients: list[Any]) -> None:
        self.clients = clients
        self.turns = itertools.cycle(clients)

    async def post(self, url: str, **options: Any) -> Any:
        """Send with the next client."""
        return await next(self.turns).post(url, **options)

    async def aclose(self) -> None:
        """Close all of them."""
        for client in self.clients:
            await client.aclose()


class TypedHttpx(RawHttpx):
    """The same with `send` on a hand-built request, and five small models that validate the reply: what types cost."""

    def setup(self, base_url: str) -> None:
        super().setup(base_url)
        from .five import Reply

        self.validate = Reply.model_validate_json

    def request(self, body: dict[str, Any]) -> Any:
        """A request made by hand, without the client's merging of settings."""
        content = json.dumps(body, separators=(",", ":")).encode()
        headers = {**HEADERS, "content-type": "application/json"}
        return self.module.Request("POST", self.url, headers=headers, content=content)

    def call(self) -> int:
        return len(self.validate(self.client.send(self.request(BODY)).content).choices[0].message.content or "")

    def first(self) -> int:
        response = self.client.send(self.request(STREAM_BODY), stream=True)
        try:
            for line in response.iter_lines():
                return len(self.validate(line[6:]).choices[0].delta.content or "")
        finally:
            response.close()
        return 0

    async def acall(self) -> int:
        response = await self.aclient.send(self.request(BODY))
        return len(self.validate(response.content).choices[0].message.content or "")


class RawHttpx2(RawHttpx):
    """The same calls on httpx2."""

    library = "httpx2"


ADAPTERS = {"httpx": RawHttpx, "httpx-typed": TypedHttpx, "httpx2": RawHttpx2}
