"""The API keys of an SDK, by server."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigurationError
from ..options import KeyFunction
from ..providers.registry import checked_provider
from ..providers.spec import Provider
from ..utils.shapes import is_mapping, is_unicode, quoted
from .auth import Secret, check_key

if TYPE_CHECKING:
    pass


class Keys:
    """The API keys of an SDK, by server id; a literal is wrapped at once, so that nothing shows it."""

    def __init__(self, given: Any, default: Provider, known: Collection[str]) -> None:
        if given is None:
            self._by_server: dict[str, Secret | KeyFunction] = {}
        elif is_mapping(given):
            pairs = [(_server_id(name, known), value) for name, value in given.items()]
            self._by_server = {name: _key(value, f"api_key[{quoted(name)}]") for name, value in pairs}
        else:
            self._by_server = {default.name: _key(given, "api_key")}

    def told(self) -> str:
        """Say for which servers there are keys, where there are any: one may be for the wrong one."""
        return f" (there are keys of {', '.join(map(quoted, self._by_server))})" if self._by_server else ""

    def of(self, provider: Provider) -> Secret | KeyFunction | None:
        """Answer with the key that was given for a provider."""
        return self._by_server.get(provider.name)


def _key(value: Any, name: str) -> Secret | KeyFunction:
    if isinstance(value, Secret):
        return check_key(value, name)
    if isinstance(value, str):
        return check_key(Secret(value), name)
    if callable(value):
        return cast(KeyFunction, value)
    raise ConfigurationError(
        f"{name}: accepted are a string, a function, or a mapping of server ids to these, got {type(value).__name__}"
    )


def _server_id(name: Any, known: Collection[str]) -> str:
    """Read a key of the mapping of API keys; an unknown id may be that of a provider which only a call will name.

    Raises:
        ConfigurationError: It is none, or a slip of the pen.
    """
    if isinstance(name, Provider):
        return checked_provider(name).name
    if isinstance(name, str) and name in known:
        return str.__str__(name)
    from difflib import get_close_matches

    is_name = isinstance(name, str) and len(name) > 0 and is_unicode(name)
    near = get_close_matches(str.__str__(name).lower(), known, n=1, cutoff=0.85) if is_name else []
    if near or not is_name:
        raise ConfigurationError(
            f"api_key: unknown server {quoted(name)} in the mapping; accepted are {', '.join(known)}, and a Provider"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return str.__str__(name)
