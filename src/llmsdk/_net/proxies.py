"""The proxies that the environment names: which of them a host is reached through."""

from __future__ import annotations

import re
from importlib.util import find_spec
from ipaddress import ip_network
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from ..errors import ConfigurationError
from ..utils.urls import address_of, is_loopback, origin

_SCHEMES = ("http", "https", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}
_EXEMPT = re.compile(
    r"\[([^]]*)\](?::(\d+))?|([^:]*)(?::(\d+))?"
)  # with a port or without; a bare IPv6 address is neither


def proxy_of(scheme: str, host: str, port: int | None) -> str | None:
    """Find the environment's proxy for a host (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY).

    None for this machine, whatever the environment says: a proxy would look for the server on its own.

    Raises:
        ConfigurationError: It is no URL of a proxy, or a SOCKS proxy, and the package for that is not installed.
    """
    proxies = getproxies()  # 36 us: asked once for each host that is called
    url = proxies.get(scheme) or proxies.get("all")
    if not url or is_loopback(host):
        return None
    port = port or _PORTS.get(scheme, 0)
    # The system's own exceptions are asked where the environment names no proxy, on macOS and Windows.
    if _is_exempt(host, port, proxies.get("no", "")) or proxy_bypass(f"{host}:{port}"):
        return None
    url = url if "://" in url else f"http://{url}"
    # Its text is not repeated: it may hold a password.
    try:
        parsed = httpx.URL(url)
        name = parsed.host
    except (httpx.InvalidURL, UnicodeError):
        raise _refused("an invalid URL") from None
    if parsed.scheme not in _SCHEMES:
        raise _refused(f"scheme {parsed.scheme[:20]!r}")
    if not name or (parsed.port or 0) > 0xFFFF:
        raise _refused(f"port {parsed.port}" if name else "a URL without a host")
    if parsed.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError("the environment names a SOCKS proxy, which needs a package; install httpx[socks]")
    return url


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY has a host.

    No standard says how it is read. This takes what curl, Go or requests take: names, which stand for those below them
    too, with or without a dot or `*.` before them; addresses and networks; each with a port or without; `*` for all.
    """
    name, address = host.lower().rstrip("."), address_of(host)
    for entry in no_proxy.lower().replace(",", " ").split():
        found = _EXEMPT.fullmatch(entry)
        stated = found[1] or found[3] or "" if found else entry
        if found and (only := found[2] or found[4]) and only.lstrip("0") != str(port):
            continue
        if stated == "*":
            return True
        try:
            network = ip_network(stated, strict=False)
        except ValueError:
            above = stated.removeprefix("*").strip(".")
            if above and (name == above or name.endswith(f".{above}")):
                return True
        else:
            if address is not None and address in network:
                return True
    return False


def _refused(found: str) -> ConfigurationError:
    accepted = f"{', '.join(_SCHEMES[:-1])} or {_SCHEMES[-1]}://host:port"
    return ConfigurationError(f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY has {found}; expected {accepted}")


def proxy_to(url: str) -> str | None:
    """Find the environment's proxy for a URL, as `proxy_of`."""
    return proxy_of(*origin(url))


def as_option(proxy: str) -> httpcore.Proxy:
    """Make what httpcore takes; the user and password of a proxy do not belong to its URL there."""
    url = httpx.URL(proxy)
    auth = (url.username.encode(), url.password.encode()) if url.username else None
    return httpcore.Proxy(str(url.copy_with(username=None, password=None)), auth=auth)
