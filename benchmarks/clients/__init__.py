"""The clients that are measured: which there are, where each is installed, and what an adapter has to have."""

import importlib
import itertools
from collections.abc import Coroutine
from typing import Any, NamedTuple

MODEL = "bench-model"
MESSAGES: Any = [
    {"role": "system", "content": "You are a terse assistant."},
    {"role": "user", "content": "Say something about the fox and the dog, in one sentence."},
]
KEY = "sk-placeholder"
PROMPT = "a fox and a dog"


class Client(NamedTuple):  # no dataclass: the processes that measure their start would import more than the client does
    """One line of the results.

    Args:
        name: How the results call it.
        module: The adapter's module in this package.
        group: The virtual environment, which is also the name of its requirements file.
        package: What has to be imported to use it, with the name that its users take from it.
        distribution: Whose version the results name.
        kind: `ours`, a `peer`, or a `floor`: what a hand-written client costs.
        loop: The event loop, `asyncio` or `uvloop`.
        is_special: Asked only where a question names it.
    """

    name: str
    module: str
    group: str
    package: str
    distribution: str
    kind: str = "peer"
    loop: str = "asyncio"
    is_special: bool = False

    def adapter(self) -> "Adapter":
        """Import and make the adapter."""
        module = importlib.import_module(f"clients.{self.module}")
        adapter: Adapter = module.ADAPTERS[self.name.removesuffix("+uvloop")]()
        return adapter


class Unsupported(Exception):
    """The client has no such operation; the message says what is missing."""


class Adapter:
    """One client behind the interface that the questions use; every result is typed as the client types it, and read.

    What a client does not have raises `Unsupported`. The base URL picks the canned reply, so an adapter is set up anew
    for each kind of reply.
    """

    sync_client: Any = None
    async_client: Any = None

    def setup(self, base_url: str) -> None:
        """Take the base URL, without `/v1`; clients are made at first use of their colour."""
        self.base_url = base_url

    def make(self) -> Any:
        """Construct a sync client."""
        raise Unsupported("no sync client")

    def amake(self) -> Any:
        """Construct an async client; called inside the loop."""
        raise Unsupported("no async client")

    @property
    def client(self) -> Any:
        """The sync client."""
        if self.sync_client is None:
            self.sync_client = self.make()
        return self.sync_client

    @property
    def aclient(self) -> Any:
        """The async client."""
        if self.async_client is None:
            self.async_client = self.amake()
        return self.async_client

    def call(self) -> int:
        """Ask for one chat reply; the length of its text."""
        raise Unsupported("no sync calls")

    def stream(self) -> int:
        """Read one streamed chat; the number of chunks with text."""
        raise Unsupported("no sync streams")

    def text(self) -> int:
        """Read one streamed chat; the length of its text."""
        raise Unsupported("no sync streams")

    def first(self) -> int:
        """Read the first chunk of a streamed chat, and leave; the length of its text."""
        raise Unsupported("no sync streams")

    def logprobs(self) -> int:
        """Ask for a reply with logprobs; their number."""
        raise Unsupported("no logprobs")

    def image(self) -> int:
        """Ask for an image; the length of its base64."""
        raise Unsupported("no images")

    async def acall(self) -> int:
        """`call`, async."""
        raise Unsupported("no async calls")

    async def arows(self, count: int, width: int) -> int:
        """Ask for that many chat replies as one job; the length that all their texts have, or -1."""
        import asyncio

        gate = asyncio.Semaphore(width)

        async def row() -> int:
            async with gate:
                return await self.acall()

        return common(await asyncio.gather(*(row() for _ in range(count))), count)

    async def astream(self) -> int:
        """`stream`, async."""
        raise Unsupported("no async streams")

    async def atext(self) -> int:
        """`text`, async."""
        raise Unsupported("no async streams")

    def shard(self, count: int) -> None:
        """Use that many connection pools for async calls; for clients that have such a setting."""
        raise Unsupported("no setting for the number of pools")

    def spread(self, base_urls: list[str]) -> None:
        """Send async calls to these in turn, all with one client; for clients that can."""
        raise Unsupported("one host for each client")

    def close(self) -> None:
        """Close the sync client."""
        if self.sync_client is not None:
            self.sync_client.close()
            self.sync_client = None

    async def aclose(self) -> None:
        """Close the async client."""
        if self.async_client is not None:
            await self.async_client.close()
            self.async_client = None


def common(values: list[int], count: int) -> int:
    """The one value that all of them have; -1 where they differ, or are not so many."""
    return values[-1] if len(values) == count and len(set(values)) == 1 else -1


class ChatAdapter(Adapter):
    """An adapter whose client has one way to open a chat and chunks like OpenAI's."""

    def open(self, **options: Any) -> Any:
        """Send a chat; `stream=True` gives an iterable of chunks."""
        raise Unsupported("no sync calls")

    def aopen(self, **options: Any) -> Coroutine[Any, Any, Any]:
        """Send a chat from async code."""
        raise Unsupported("no async calls")

    def delta(self, chunk: Any) -> str:
        """The text of a chunk, empty if it has none."""
        return (chunk.choices[0].delta.content or "") if chunk.choices else ""

    def call(self) -> int:
        return len(self.open().choices[0].message.content)

    def stream(self) -> int:
        count = 0
        for chunk in self.open(stream=True):
            count += bool(self.delta(chunk))
        return count

    def text(self) -> int:
        return sum(len(self.delta(chunk)) for chunk in self.open(stream=True))

    def first(self) -> int:
        for chunk in self.open(stream=True):
            return len(self.delta(chunk))
        return 0

    def logprobs(self) -> int:
        return len(self.open(logprobs=True).choices[0].logprobs.content)

    async def acall(self) -> int:
        return len((await self.aopen()).choices[0].message.content)

    async def astream(self) -> int:
        count = 0
        async for chunk in await self.aopen(stream=True):
            count += bool(self.delta(chunk))
        return count

    async def atext(self) -> int:
        size = 0
        async for chunk in await self.aopen(stream=True):
            size += len(self.delta(chunk))
        return size


class CopiedAdapter(ChatAdapter):
    """An adapter whose client has a base URL for all calls, and copies with another one that share its connections."""

    path = ""  # of a base URL
    copies: Any = None

    def spread(self, base_urls: list[str]) -> None:
        client = self.aclient
        self.copies = itertools.cycle([client.with_options(base_url=base_url + self.path) for base_url in base_urls])

    @property
    def acopy(self) -> Any:
        """The async client, or the next of its copies."""
        return self.aclient if self.copies is None else next(self.copies)


# The order is that of the tables.
CLIENTS: tuple[Client, ...] = (
    Client("llmsdk", "ours", "core", "llmsdk:SDK", "llmsdk", "ours"),
    Client("llmsdk-aiohttp", "ours", "core", "llmsdk:SDK", "llmsdk", "ours"),
    Client("llmsdk-map", "ours", "core", "llmsdk:SDK", "llmsdk", "ours", is_special=True),
    Client("llmsdk-map-aiohttp", "ours", "core", "llmsdk:SDK", "llmsdk", "ours", is_special=True),
    Client("openai", "openai", "core", "openai:OpenAI", "openai"),
    Client("openai-aiohttp", "openai", "core", "openai:OpenAI", "openai"),
    Client("anthropic", "anthropic", "core", "anthropic:Anthropic", "anthropic"),
    Client("together", "together", "stainless", "together:Together", "together"),
    Client("writer-sdk", "writer", "stainless", "writerai:Writer", "writer-sdk"),
    Client("mistralai", "mistral", "speakeasy", "mistralai.client:Mistral", "mistralai"),
    Client("openrouter", "openrouter", "speakeasy", "openrouter:OpenRouter", "openrouter"),
    Client("r9s", "r9s", "speakeasy", "r9s:R9S", "r9s"),
    Client("litellm", "litellm", "litellm", "litellm:completion", "litellm"),
    Client("any-llm", "anyllm", "anyllm", "any_llm:AnyLLM", "any-llm-sdk"),
    Client("httpx", "raw_httpx", "core", "httpx:Client", "httpx", "floor"),
    Client("httpx-typed", "raw_httpx", "core", "httpx:Client", "httpx", "floor"),
    Client("httpx2", "raw_httpx", "core", "httpx2:Client", "httpx2", "floor"),
    Client("aiohttp", "raw_aiohttp", "core", "aiohttp:ClientSession", "aiohttp", "floor"),
    Client("http.client", "http_client", "core", "http.client:HTTPConnection", "", "floor"),
    Client("llmsdk+uvloop", "ours", "core", "llmsdk:SDK", "llmsdk", "ours", "uvloop"),
    Client("llmsdk-aiohttp+uvloop", "ours", "core", "llmsdk:SDK", "llmsdk", "ours", "uvloop"),
    Client("openai+uvloop", "openai", "core", "openai:OpenAI", "openai", "peer", "uvloop"),
    Client("aiohttp+uvloop", "raw_aiohttp", "core", "aiohttp:ClientSession", "aiohttp", "floor", "uvloop"),
)
BY_NAME = {client.name: client for client in CLIENTS}
