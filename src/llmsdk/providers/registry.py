"""Providers by id: the files beside this one, each imported when it is first used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any
from weakref import WeakSet

from ..errors import ConfigurationError
from ..utils.shapes import described, quoted
from .ids import IDS, OPERATIONS
from .spec import Provider


class Providers(Mapping[str, Provider]):
    """Providers by id, in the order of `server_idx`.

    There are some thirty, and a process uses one or two: reading an entry imports its module, going through the ids
    imports none.
    """

    def __init__(self) -> None:
        self._used: dict[str, Provider] = {}

    def __getitem__(self, name: str) -> Provider:
        if name not in self._used:
            if name not in IDS:
                raise KeyError(name)
            self._used[name] = import_module(f"{__package__}.{name}").PROVIDER
        return self._used[name]

    def __iter__(self) -> Iterator[str]:
        return iter(IDS)

    def __len__(self) -> int:
        return len(IDS)

    def __repr__(self) -> str:
        return f"<{len(self)} providers: {', '.join(self)}>"


PROVIDERS = Providers()

_checked = WeakSet[Provider]()


def is_known(provider: Provider) -> bool:
    """Whether a provider is the one that its id stands for."""
    name: Any = provider.name  # a user's own may be anything, as long as it is not checked
    return isinstance(name, str) and PROVIDERS.get(name) is provider


def checked_provider(provider: Provider) -> Provider:
    """Check a provider the first time it is seen; those of this package are right already."""
    if provider not in _checked:
        if not is_known(provider):
            from .checks import check_provider  # only providers of users' own need it

            check_provider(provider, OPERATIONS)
        _checked.add(provider)
    return provider


def find_provider(server: Any, server_idx: Any = None) -> Provider | None:
    """Find a provider by id, index or constant; None where neither is given.

    Raises:
        ConfigurationError: No such server.
    """
    if server_idx is not None:
        number = server_idx if isinstance(server_idx, int) and not isinstance(server_idx, bool) else None
        if number is None or not 0 <= number < len(IDS):
            known = f"from 0 to {len(IDS) - 1} ({', '.join(IDS)})"
            raise ConfigurationError(f"server_idx: must be an integer {known}, got {described(server_idx)}")
        if server is not None:
            raise ConfigurationError("server_idx: give either server or server_idx, not both")
        return PROVIDERS[IDS[number]]
    if server is None:
        return None
    if isinstance(server, Provider):
        return checked_provider(server)
    if isinstance(server, str) and server in PROVIDERS:
        return PROVIDERS[server]
    raise ConfigurationError(f"server: unknown server {quoted(server)}; accepted are {accepted(server)}")


def accepted(name: Any) -> str:
    """List the ids, and ask for the nearest where one looks like a slip of the pen."""
    from difflib import get_close_matches  # for this message only

    near = get_close_matches(str.__str__(name).lower(), IDS, n=2) if isinstance(name, str) else []
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{', '.join(IDS)}, or a Provider{hint}"
