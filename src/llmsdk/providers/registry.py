"""Providers by id: the files beside this one, each imported when it is first used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakSet

from ..errors import ConfigurationError
from ..utils.shapes import described, guessed, quoted
from .ids import IDS
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

FOLDERS = "LLMSDK_PROVIDERS"
"""Environment variable of the files with providers of users' own, or of their folders."""

_TOML = ".toml"
_SHOWN = 6


def is_known(provider: Provider) -> bool:
    """Whether a provider is the one that its id stands for."""
    name: Any = provider.name  # a user's own may be anything, as long as it is not checked
    return isinstance(name, str) and PROVIDERS.get(name) is provider


def checked_provider(provider: Provider) -> Provider:
    """Check a provider the first time it is seen; those of this package are right already."""
    if provider not in _checked:
        if not is_known(provider):
            from .checks import check_provider  # only providers of users' own need it

            check_provider(provider)
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
            known = f"from 0 to {len(IDS) - 1} ({_some(IDS)})"
            raise ConfigurationError(f"server_idx: must be an integer {known}, got {described(server_idx)}")
        if server is not None:
            raise ConfigurationError("server_idx: pass either server or server_idx, not both")
        return PROVIDERS[IDS[number]]
    if server is None:
        return None
    if isinstance(server, Provider):
        return checked_provider(server)
    if (found := provider_by_id(server)) is not None:
        return found
    raise ConfigurationError(f"server: unknown server {quoted(server)}; known servers: {accepted(server)}")


def provider_by_id(name: Any) -> Provider | None:
    """Find a provider by its id, among those in files and those of this package; None where there is none.

    A file of the user's goes before a server of this package that has its name: a fact that has changed can be mended.
    """
    if not isinstance(name, str):
        return None
    if name in PROVIDERS:
        path = next(filter(os.path.isfile, _paths_of(name)), None)
        return PROVIDERS[name] if path is None else _read(path)
    path = own_files().get(name)
    return None if path is None else _read(path)


def own_files() -> dict[str, str]:
    """Find the providers of users' own, by id: the TOML files that `LLMSDK_PROVIDERS` names, or whose folders it does.

    Raises:
        ConfigurationError: There is no such file or folder.
    """
    found: dict[str, str] = {}
    for place in _places():
        try:
            paths = [place] if place.endswith(_TOML) and not os.path.isdir(place) else _files_in(place)
            for path in paths:
                os.stat(path)
                found.setdefault(os.path.basename(path).removesuffix(_TOML), path)
        except OSError as exc:
            raise ConfigurationError(f"environment variable {FOLDERS}: {place}: {exc.strerror}") from None
    return found


def _places() -> list[str]:
    return [place for place in os.environ.get(FOLDERS, "").split(os.pathsep) if place]


def _files_in(folder: str) -> list[str]:
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(_TOML)]


def _paths_of(name: str) -> Iterator[str]:
    """Give the places where a file of this name may be."""
    for place in _places():
        yield place if os.path.basename(place) == name + _TOML else os.path.join(place, name + _TOML)


@cache
def _read(path: str) -> Provider:
    """Read a file once: a provider is the same as another one only if it is that one."""
    provider = Provider.from_toml(path)
    stem, inside = os.path.basename(path).removesuffix(_TOML), provider.name
    if stem != inside:
        raise ConfigurationError(f"{path}: name: must be {quoted(stem)}, as the file's, got {quoted(inside)}")
    _checked.add(provider)
    return provider


def accepted(name: Any) -> str:
    """Name the first ids and those of users' own, and ask for the nearest where one looks like a slip of the pen."""
    own = tuple(own_files())
    ids = (*IDS, *own)
    hint = guessed(str.__str__(name).lower(), ids, most=2) if isinstance(name, str) else ""
    return f"{', '.join((*own, _some(IDS)))}, or a Provider{hint and f'; {hint}'}"


def _some(ids: Sequence[str]) -> str:
    """Name a few of many: a message is one line."""
    return f"{', '.join(ids[:_SHOWN])} and {len(ids) - _SHOWN} more of docs/servers.md"
