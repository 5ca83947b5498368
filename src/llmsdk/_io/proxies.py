"""The proxies that the environment names: which of them can be used."""

from __future__ import annotations

from importlib.util import find_spec

import httpcore
import httpx

from ..errors import ConfigurationError
from ..utils.urls import is_loopback


def usable(url: str, host: str) -> str | None:
    """Answer with a proxy's URL where it leads to a host.

    None for this machine, unless the proxy is on it as well: another one would look for the server on its own.

    Raises:
        ConfigurationError: A SOCKS proxy, and the package for it is not installed.
    """
    if is_loopback(host) and not is_loopback(httpx.URL(url).host):
        return None
    if url.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError("the environment names a SOCKS proxy, which needs a package; install httpx[socks]")
    return url


def as_option(proxy: str) -> httpcore.Proxy:
    """Make what httpcore takes; the user and password of a proxy do not belong to its URL there."""
    url = httpx.URL(proxy)
    auth = (url.username, url.password) if url.username else None
    return httpcore.Proxy(str(url.copy_with(username=None, password=None)), auth=auth)
