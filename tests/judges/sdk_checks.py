"""What this SDK is asked to do at a server of others."""

from __future__ import annotations

import asyncio

from llmsdk import SDK

from .checks import HELLO, Checks

STREAMS = 20  # in a row, which should take one connection


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
