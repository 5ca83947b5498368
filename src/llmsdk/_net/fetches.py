"""Fetching what a reply points to, with the clients of an SDK and without its key."""

from __future__ import annotations

from typing import Any

from .._call.download import fetch
from .._call.effects import Flow
from .lookup import lookup, lookup_async
from .runner import Runner


def fetch_file(runner: Runner, url: str, home: str, *, allow_private: bool) -> bytes:
    """Fetch a file; the arguments are those of `fetch`."""
    driver = runner.drivers.sync()
    return driver.run(_flow(runner, url, build=driver.build, resolve=lookup(driver), home=home, may=allow_private))


async def fetch_file_async(runner: Runner, url: str, home: str, *, allow_private: bool) -> bytes:
    """Fetch a file; the arguments are those of `fetch`."""
    driver = runner.drivers.asynchronous()
    resolve = lookup_async(driver)
    return await driver.run(_flow(runner, url, build=driver.build, resolve=resolve, home=home, may=allow_private))


def _flow(runner: Runner, url: str, *, may: bool, **given: Any) -> Flow[bytes]:
    config = runner.config
    limits: dict[str, Any] = {"max_bytes": config.max_response_bytes, "timeout_s": config.timeout_ms / 1000}
    return fetch(url, env=runner.env, allow_private=may, **limits, **given)
