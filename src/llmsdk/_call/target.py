"""Where one call goes: server, URL and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..providers.registry import find_provider
from ..providers.spec import Provider
from ..utils.log import logger
from ..utils.secrets import Secret, revealed
from ..utils.urls import is_loopback, origin
from .checks import checked_url
from .config import SDKConfig
from .keys import KeySource, check_key

if TYPE_CHECKING:
    pass


@dataclass(slots=True)
class Target:
    """Where one call goes, and with which key."""

    provider: Provider
    base_url: str
    key: KeySource | None


def resolve(config: SDKConfig, server: Any, server_url: Any, start_embedded: Callable[[], str]) -> Target:
    """Find where a call goes.

    Args:
        server, server_url: The call's own options, None where not given.
        start_embedded: Starts the embedded server and answers with its URL.

    Raises:
        ConfigurationError: An unknown server, a URL that is none, or no key where one is needed.
    """
    provider = find_provider(server) or config.provider
    own_url = config.server_url if provider is config.provider else None
    if server_url is not None:
        base_url = checked_url(revealed(server_url), config.url_params)
    elif own_url is not None:
        base_url = own_url
    elif provider.embedded:
        base_url = start_embedded()
    elif provider.servers:
        base_url = provider.servers[0]
    else:
        raise ConfigurationError(f"server_url: server {provider.name!r} has no URL of its own; pass server_url=")
    return Target(provider, base_url, _key_source(config, provider, base_url, own_url))


def _key_source(config: SDKConfig, provider: Provider, base_url: str, own_url: str | None) -> KeySource | None:
    """Find the key for a URL. A key goes only to the hosts it was given for."""
    if provider.key_header is None:
        return None
    name, form = provider.key_header
    key = config.keys.of(provider)
    if key is not None:
        homes = {origin(url) for url in (*provider.servers, *([own_url] if own_url else []))}
        if homes and origin(base_url) not in homes:
            logger.warning(
                "the API key of server %r is not sent to %s, a host that it was not given for; pass the header "
                "yourself in http_headers if it is meant to be",
                provider.name,
                origin(base_url)[1],
            )
            return None
        _warn_of_plain_http(base_url)
        return KeySource(key, form, name)
    found = Secret(os.environ.get(provider.env_var)) if provider.env_var and os.environ.get(provider.env_var) else None
    hosts = {*provider.key_hosts, *(origin(url)[1] for url in provider.servers)}
    if found is not None and origin(base_url)[1] in hosts:
        _warn_of_plain_http(base_url)
        return KeySource(check_key(found, f"environment variable {provider.env_var}"), form, name)
    if provider.key_required and not {"authorization", name} & {given.lower() for given in config.http_headers}:
        held = f" ({provider.env_var} is set, but belongs to {', '.join(sorted(hosts))})" if found is not None else ""
        raise ConfigurationError(
            f"api_key: server {provider.name!r} needs one for {origin(base_url)[1]}; pass SDK(api_key=...)"
            + config.keys.told()
            + (f" or set {provider.env_var}" if provider.env_var and not held else "")
            + held
        )
    return None


_warned: set[str] = set()


def _warn_of_plain_http(base_url: str) -> None:
    scheme, host, _ = origin(base_url)
    if scheme == "http" and not is_loopback(host) and host not in _warned:
        _warned.add(host)
        logger.warning("an API key is sent over plain http to %s; anyone on the way can read it", host)
