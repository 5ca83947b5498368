"""Where one call goes: server, URL and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from ..providers.registry import PROVIDERS, find_provider
from ..providers.spec import Provider
from ..utils.log import logger
from ..utils.secrets import Secret, revealed
from ..utils.urls import is_loopback, origin, placeholders
from .checks import checked_url
from .config import SDKConfig
from .keys import KeySource, check_key

if TYPE_CHECKING:
    pass


@dataclass(slots=True, eq=False, repr=False)
class Target:
    """Where one call goes, and with which key."""

    provider: Provider
    base_url: str
    key: KeySource | None


def resolve(config: SDKConfig, server: Any, server_url: Any, start_embedded: Callable[[], str]) -> Target:
    """Find where a call goes.

    Args:
        server, server_url: The call's own options, None where not given.
        start_embedded: Starts the embedded server and returns its URL.

    Raises:
        ConfigurationError: An unknown server, an invalid URL, or no key where one is needed.
    """
    provider = find_provider(server) or config.provider
    # The SDK's URL is that of its own server; a call that names another one goes to that server's.
    own_url = config.server_url if provider is config.provider else None
    if server_url is not None:
        base_url = checked_url(revealed(server_url), config.url_params)
    elif own_url is not None:
        base_url = own_url
    elif provider.embedded:
        base_url = start_embedded()
    else:
        base_url = _home(config, provider)
    return Target(provider, base_url, _key_source(config, provider, base_url, own_url))


def _home(config: SDKConfig, provider: Provider) -> str:
    """Find the URL of a provider itself: that of its variable, else the first of its own."""
    url, name = _variable(provider.base_url_var), provider.base_url_var
    if url is None:
        if not provider.servers:
            raise ConfigurationError(f"server_url: server {provider.name!r} has no URL of its own; pass server_url=")
        url, name = provider.servers[0], None
        if open_names := [one for one in placeholders(url) if one not in config.url_params]:
            raise ConfigurationError(
                f"url_params: server {provider.name!r} needs {', '.join(open_names)} for its URL {url}; pass "
                f"SDK(url_params={{{open_names[0]!r}: ...}}), or server_url="
            )
        if not placeholders(url):
            return url
    try:
        return checked_url(url, config.url_params)
    except ConfigurationError as exc:
        where = f"environment variable {name}" if name else f"server {provider.name!r}"
        raise ConfigurationError(f"{where}: {str(exc).removeprefix('server_url: ')}") from None


def _variable(*names: str | None) -> str | None:
    """Read the first environment variable that is set to something."""
    return next((value for name in names if name and (value := os.environ.get(name))), None)


def _own_origins(config: SDKConfig, provider: Provider) -> set[tuple[str, str, int]]:
    """Where a provider itself is; of a URL whose names nothing fills, nowhere."""
    filled = [url for url in provider.servers if config.url_params.keys() >= set(placeholders(url))]
    return {origin(checked_url(url, config.url_params)) for url in filled}


def _key_source(config: SDKConfig, provider: Provider, base_url: str, own_url: str | None) -> KeySource | None:
    """Find the key for a URL. A key goes only to the hosts it was given for."""
    if provider.key_header is None:
        return None
    name, form = provider.key_header
    key = config.keys.of(provider)
    own = _own_origins(config, provider)
    homes = own | {origin(url) for url in (_variable(provider.base_url_var), own_url) if url}
    if key is not None:
        # A provider without a home is the caller's constant for servers anywhere: the key goes where it says.
        if homes and origin(base_url) not in homes:
            logger.warning(
                "the API key of server %r is not sent to %s, a host that it was not given for; pass the header "
                "yourself in http_headers if it is meant to be",
                provider.name,
                origin(base_url)[1],
            )
            return None
        _warn_of_plain_http(base_url)
        given = "api_key" if isinstance(key, Secret) else "the function given as api_key"
        return KeySource(key, form, name, origin=given)
    variable = next((name for name in (provider.env_var, *provider.other_env_vars) if _variable(name)), None)
    found = _variable(variable)
    # The environment's key may go to what the environment or the dialect names, and not to a URL of the caller's.
    hosts = {*provider.key_hosts, *(host for _, host, _ in own)}
    if url := _variable(provider.base_url_var):
        hosts.add(origin(url)[1])
    if found is not None and origin(base_url)[1] in hosts:
        _warn_of_plain_http(base_url)
        where = f"environment variable {variable}"
        return KeySource(check_key(Secret(found), where), form, name, origin=f"the {where}")
    is_required = provider.key_required and not (provider.key_optional_elsewhere and origin(base_url) not in own)
    if is_required and not {"authorization", name} & {given.lower() for given in config.http_headers}:
        held = f" ({provider.env_var} is set, but belongs to {', '.join(sorted(hosts))})" if found is not None else ""
        raise ConfigurationError(
            f"api_key: server {provider.name!r} needs one for {origin(base_url)[1]}; pass SDK(api_key=...)"
            + config.keys.listed()
            + (f" or set {provider.env_var}" if provider.env_var and not held else "")
            + held
            + _others()
        )
    return None


def _others() -> str:
    """Name the servers whose keys are in the environment: one of them may be meant."""
    found: dict[str, str] = {}  # the first server of each variable
    for name, provider in PROVIDERS.items():
        for variable in (provider.env_var, *provider.other_env_vars):
            if variable is not None and _variable(variable):
                found.setdefault(variable, name)
    return "".join(f'; {variable} is set: SDK(server="{name}")' for variable, name in found.items())


_warned: set[str] = set()  # hosts, for the life of the process: once is enough


def _warn_of_plain_http(base_url: str) -> None:
    scheme, host, _ = origin(base_url)
    if scheme == "http" and not is_loopback(host) and host not in _warned:
        _warned.add(host)
        logger.warning("an API key is sent over plain http to %s; anyone on the way can read it", host)
