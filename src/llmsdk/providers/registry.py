"""Providers by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ..errors import ConfigurationError
from ..utils.shapes import described, quoted
from . import PROVIDERS
from .spec import Provider

if TYPE_CHECKING:
    pass


_checked = WeakSet(PROVIDERS.values())


def checked_provider(provider: Provider) -> Provider:
    """Check a provider the first time it is seen; those of this package are right already."""
    if provider not in _checked:
        from .checks import check_provider

        check_provider(provider, frozenset(id for known in PROVIDERS.values() for id in known.routes))
        _checked.add(provider)
    return provider


def find_provider(server: Any, server_idx: Any = None) -> Provider | None:
    """Find a provider by id, index or constant; None where neither is given.

    Raises:
        ConfigurationError: No such server.
    """
    if server_idx is not None:
        number = server_idx if isinstance(server_idx, int) and not isinstance(server_idx, bool) else None
        if number is None or not 0 <= number < len(PROVIDERS):
            raise ConfigurationError(
                f"server_idx: must be an integer from 0 to {len(PROVIDERS) - 1} ({', '.join(PROVIDERS)}), "
                f"got {described(server_idx)}"
            )
        if server is not None:
            raise ConfigurationError("server_idx: give either server or server_idx, not both")
        return list(PROVIDERS.values())[number]
    if server is None:
        return None
    if isinstance(server, Provider):
        return checked_provider(server)
    if isinstance(server, str) and server in PROVIDERS:
        return PROVIDERS[server]
    from difflib import get_close_matches

    near = get_close_matches(str.__str__(server), PROVIDERS, n=1) if isinstance(server, str) else []
    raise ConfigurationError(
        f"server: unknown server {quoted(server)}; accepted are {', '.join(PROVIDERS)}, or a Provider"
        + (f"; did you mean {near[0]!r}?" if near else "")
    )
