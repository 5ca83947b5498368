"""One test body, both colours: a client whose calls are awaited whether they are sync or async."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from operator import attrgetter
from typing import Any, Self

import anyio

from llmsdk import SDK

KEY = "sk-placeholder"

USUAL = ("sync", "asyncio")
OTHERS = ("sync-httpx2", "asyncio-httpx2", "asyncio-aiohttp")
"""What a test of the mark `every_backend` runs over besides: supplied clients of httpx2, and aiohttp."""


class Client:
    """An SDK seen through one colour; `async with` closes it in that colour, and the client that it was given."""

    def __init__(self, sdk: SDK, backend: str, lent: Any = None) -> None:
        self.sdk = sdk
        self.is_async = backend != "sync"
        self._lent = lent

    async def call(self, method: str, /, *given: Any, **args: Any) -> Any:
        """Call `chat.create` or its twin."""
        return await settled(attrgetter(method + "_async" * self.is_async)(self.sdk)(*given, **args))

    async def events(self, method: str, /, **args: Any) -> list[Any]:
        """Call with `stream=True` and collect all events."""
        return await collect(await self.call(method, stream=True, **args))

    def preview(self, resource: str, /, **args: Any) -> Any:
        """Ask a resource what it would send; there is one colour of that."""
        return getattr(self.sdk, resource).preview(**args)

    async def __aenter__(self) -> Self:
        await (self.sdk.__aenter__() if self.is_async else settled(self.sdk.__enter__()))
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await settled((self.sdk.__aexit__ if self.is_async else self.sdk.__exit__)(*exc))
        if self._lent is not None:
            await settled(self._lent.aclose() if self.is_async else self._lent.close())


class Colour:
    """What the `colour` fixture gives: makes clients of one colour, over one backend.

    Args:
        router: A mocked network that supplied clients are to use.

    Attributes:
        backend: The event loop, or "sync".
        over: What carries the calls: "own" connections, supplied clients of "httpx2", or "aiohttp".
    """

    def __init__(self, name: str, router: Any = None) -> None:
        self._router = router
        self.backend, _, over = name.partition("-")
        self.over = over or "own"
        self.is_async = self.backend != "sync"

    def open(self, **options: Any) -> Client:
        """Make an SDK with these options and see it in this colour; a client among the options is the one used."""
        lent = None
        if not options.keys() & {"client", "async_client", "backend"}:
            lent = self._carry(options)
        return Client(SDK(**options), self.backend, lent)

    def _carry(self, options: dict[str, Any]) -> Any:
        """Add what carries the calls to the options; answer with what has to be closed after the SDK."""
        if self.over == "aiohttp":
            options["backend"] = "aiohttp"
        if self.over != "httpx2":
            return None
        import httpx2

        from .mocked import Mocked

        given: dict[str, Any] = {} if self._router is None else {"transport": Mocked(self._router)}
        if self.is_async:
            options["async_client"] = httpx2.AsyncClient(**given)
            return options["async_client"]
        options["client"] = httpx2.Client(**given)
        return options["client"]

    def run(self, body: Callable[..., Any], /, **given: Any) -> None:
        """Run a test body; a sync one never really waits, so no event loop is needed."""
        if self.is_async:
            anyio.run(lambda: body(**given), backend=self.backend)
            return
        coroutine = body(**given)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        coroutine.close()
        raise AssertionError("a sync body awaited something")


async def settled(value: Any) -> Any:
    """Await what can be awaited."""
    return await value if inspect.isawaitable(value) else value


async def each(stream: Any) -> AsyncIterator[Any]:
    """Iterate a stream of either colour."""
    if hasattr(stream, "__aiter__"):
        async for event in stream:
            yield event
    else:
        for event in stream:
            yield event


async def collect(stream: Any) -> list[Any]:
    """Iterate a stream of either colour to its end."""
    return [event async for event in each(stream)]
