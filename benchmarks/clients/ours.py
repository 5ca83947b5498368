"""llmsdk, with each backend."""

import itertools
from typing import Any

from llmsdk import SDK

from . import KEY, MESSAGES, MODEL, PROMPT, ChatAdapter, Unsupported, common


class Ours(ChatAdapter):
    """The SDK as its README shows it."""

    options: dict[str, Any] = {}  # noqa: RUF012  (each class has its own constant)
    server_urls: Any = None

    def make(self) -> Any:
        try:
            return SDK(api_key=KEY, server_url=f"{self.base_url}/v1", **self.options)
        except (TypeError, ValueError) as error:
            raise Unsupported(f"this version has no {self.options}: {error}") from error

    def amake(self) -> Any:
        return self.make()

    def open(self, **options: Any) -> Any:
        return self.client.chat.create(model=MODEL, messages=MESSAGES, **options)

    def spread(self, base_urls: list[str]) -> None:
        self.server_urls = itertools.cycle([f"{base_url}/v1" for base_url in base_urls])

    def aopen(self, **options: Any) -> Any:
        if self.server_urls is not None:
            options["server_url"] = next(self.server_urls)
        return self.aclient.chat.create_async(model=MODEL, messages=MESSAGES, **options)

    def stream(self) -> int:
        count = 0
        with self.open(stream=True) as stream:
            for chunk in stream:
                count += bool(chunk.choices[0].delta.content)
        return count

    def text(self) -> int:
        with self.open(stream=True) as stream:
            return sum(len(self.delta(chunk)) for chunk in stream)

    def first(self) -> int:
        with self.open(stream=True) as stream:
            return len(self.delta(next(iter(stream))))

    def image(self) -> int:
        return len(self.client.images.create(model=MODEL, prompt=PROMPT).data[0].b64_json)

    async def astream(self) -> int:
        count = 0
        async with await self.aopen(stream=True) as stream:
            async for chunk in stream:
                count += bool(chunk.choices[0].delta.content)
        return count

    async def atext(self) -> int:
        size = 0
        async with await self.aopen(stream=True) as stream:
            async for chunk in stream:
                size += len(self.delta(chunk))
        return size

    async def aclose(self) -> None:
        if self.async_client is not None:
            await self.async_client.aclose()
            self.async_client = None


class OursOnAiohttp(Ours):
    """The same over aiohttp, which has only an async half."""

    options = {"backend": "aiohttp"}  # noqa: RUF012  (a constant)

    def open(self, **options: Any) -> Any:
        raise Unsupported("the backend is async")

    def image(self) -> int:
        raise Unsupported("the backend is async")


class Mapped(Ours):
    """Many rows through `map_async`, which reads them as it sends them and gives errors as results."""

    async def arows(self, count: int, width: int) -> int:
        requests = ({"model": MODEL, "messages": MESSAGES} for _ in range(count))
        sizes = [0] * count
        async for index, reply in self.aclient.chat.map_async(requests, limit=width):
            sizes[index] = len(reply.choices[0].message.content)  # an error has no choices, and fails the turn
        return common(sizes, count)


class MappedOnAiohttp(Mapped, OursOnAiohttp):
    """The same over aiohttp."""


ADAPTERS = {
    "llmsdk": Ours,
    "llmsdk-aiohttp": OursOnAiohttp,
    "llmsdk-map": Mapped,
    "llmsdk-map-aiohttp": MappedOnAiohttp,
}
