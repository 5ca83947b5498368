"""What drivers lend to flows that move files: where hosts are, whether a proxy leads there, and a thread."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import run_sync

from .._call.download import Tools
from ..errors import ConfigurationError
from .guards import refuse_offline

if TYPE_CHECKING:
    from .async_driver import AsyncDriver
    from .sync_driver import SyncDriver


def sync_tools(driver: SyncDriver) -> Tools:
    """Lend what a sync flow needs."""
    return Tools(driver, partial(_resolve, driver), partial(_is_proxied, driver), _here)


def async_tools(driver: AsyncDriver) -> Tools:
    """Lend what an async flow needs."""
    return Tools(driver, partial(_resolve_async, driver), partial(_is_proxied, driver), run_sync)


def _resolve(driver: SyncDriver, host: str, port: int, seconds: float) -> Any:
    try:
        refuse_offline(host)  # a look-up leaves this machine too
        return driver.wait_for(partial(socket.getaddrinfo, host, port), seconds)
    except (OSError, ConfigurationError):
        if driver.is_player:  # it may have a recording of a host that is not known here
            return []
        raise


async def _resolve_async(driver: AsyncDriver, host: str, port: int, seconds: float) -> Any:
    try:
        refuse_offline(host)
        with anyio.fail_after(max(0.0, seconds)):
            return await anyio.getaddrinfo(host, port)
    except (OSError, ConfigurationError):
        if driver.is_player:  # as above
            return []
        raise


def _is_proxied(driver: SyncDriver | AsyncDriver, url: str) -> bool:
    """Whether a proxy of the environment is used; what a supplied client does is its own affair, and is guarded."""
    return driver.proxy_for(url) is not None


def _here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
