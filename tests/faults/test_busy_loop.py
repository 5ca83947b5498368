"""What takes turns of the event loop, where other tasks make each turn long."""

from __future__ import annotations

import asyncio
import time

import pytest

from llmsdk import SDK
from llmsdk._net import aiohttp_connections, async_driver, lines
from support.colours import KEY
from support.fault_client import ASK
from support.fault_server import FaultServer, reply

_CALLS = 20


@pytest.mark.parametrize("backend", ["httpx", "aiohttp"])
def test_it_does_not_use_up_the_time_to_connect(
    faults: FaultServer, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    """The server has accepted long before the loop looks at its sockets again."""
    monkeypatch.setattr(lines, "CONNECT_S", 0.2)
    monkeypatch.setattr(aiohttp_connections, "CONNECT_S", 0.2)
    faults.always(reply())

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None, backend=backend) as sdk:
            calls = [asyncio.create_task(sdk.completions.create_async(**ASK)) for _ in range(_CALLS)]
            for _ in range(3):
                await asyncio.sleep(0)
                time.sleep(0.4)
            assert {made.text for made in await asyncio.gather(*calls)} == {"Hello there"}

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["httpx", "aiohttp"])
def test_closing_leaves_no_connection_open(faults: FaultServer, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    """All are closed within the time of one."""
    monkeypatch.setattr(async_driver, "CLOSE_S", 0.1)
    faults.always(reply())

    async def main() -> None:
        async with SDK(server_url=faults.url, api_key=KEY, retry_config=None, backend=backend) as sdk:
            await asyncio.gather(*(sdk.completions.create_async(**ASK) for _ in range(_CALLS)))
            busy = asyncio.create_task(_busy())
        busy.cancel()

    asyncio.run(main())
    assert faults.connections > 1
    assert all(faults.saw_close(number) for number in range(1, faults.connections + 1))


async def _busy() -> None:
    while True:
        time.sleep(0.02)
        await asyncio.sleep(0)
