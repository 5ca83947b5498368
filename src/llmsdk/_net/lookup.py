"""Looking up the hosts of files that a reply points to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .guards import refuse_offline

if TYPE_CHECKING:
    from .async_driver import AsyncDriver
    from .sync_driver import SyncDriver


def lookup(driver: SyncDriver) -> Callable[[str, int], Any]:
    """Make what finds a host's addresses; of one that is unknown here, a player may have recordings all the same."""

    def resolve(host: str, port: int) -> Any:
        try:
            refuse_offline(host)
            return socket.getaddrinfo(host, port)
        except (OSError, ConfigurationError):
            if driver.is_player:
                return []
            raise

    return resolve


def lookup_async(driver: AsyncDriver) -> Callable[[str, int], Any]:
    """Make what awaits a host's addresses, as `lookup`."""
    import anyio

    async def resolve(host: str, port: int) -> Any:
        try:
            refuse_offline(host)
            return await anyio.getaddrinfo(host, port)
        except (OSError, ConfigurationError):
            if driver.is_player:
                return []
            raise

    return resolve
