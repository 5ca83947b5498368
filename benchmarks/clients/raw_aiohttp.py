"""What a hand-written client on aiohttp costs."""

import itertools
from typing import Any

import aiohttp

from . import Adapter
from .raw_httpx import BODY, HEADERS, STREAM_BODY
from .replies import Events


class RawAiohttp(Adapter):
    """One `ClientSession`; `.json()` for a call, bytes, a split and `validate_json` for a stream."""

    def setup(self, base_url: str) -> None:
        super().setup(base_url)
        self.spread([base_url])

    def spread(self, base_urls: list[str]) -> None:
        self.urls = itertools.cycle([f"{base_url}/v1/chat/completions" for base_url in base_urls])

    def amake(self) -> Any:
        return aiohttp.ClientSession(
            headers=HEADERS, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=600)
        )

    async def acall(self) -> int:
        async with self.aclient.post(next(self.urls), json=BODY) as response:
            return len((await response.json())["choices"][0]["message"]["content"])

    async def astream(self) -> int:
        count = 0
        events = Events()
        async with self.aclient.post(next(self.urls), json=STREAM_BODY) as response:
            async for data in response.content.iter_any():
                for chunk in events.feed(data):
                    count += bool(chunk.choices[0].delta.content)
        return count

    async def atext(self) -> int:
        size = 0
        events = Events()
        async with self.aclient.post(next(self.urls), json=STREAM_BODY) as response:
            async for data in response.content.iter_any():
                for chunk in events.feed(data):
                    size += len(chunk.choices[0].delta.content or "")
        return size


ADAPTERS = {"aiohttp": RawAiohttp}
