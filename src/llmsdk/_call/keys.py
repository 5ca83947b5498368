"""API keys: by server, checked, kept out of every text, put into a header at the last moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from ..errors import ConfigurationError
from ..options import KeyFunction
from ..providers.registry import checked_provider
from ..providers.spec import Provider
from ..utils.secrets import Secret, Secrets
from ..utils.shapes import guessed, is_mapping, is_unicode, quoted
from .countdown import Countdown
from .effects import Flow, Invoke


class Keys:
    """The API keys of an SDK, by server id; a literal is wrapped at once, so that nothing shows it."""

    def __init__(self, given: Any, default: Provider, known: Collection[str]) -> None:
        self._by_server: dict[str, Secret | KeyFunction] = {}
        if is_mapping(given):
            for name, value in given.items():
                server = _server_id(name, known)
                self._by_server[server] = _key(value, f"api_key[{quoted(server)}]")
        elif given is not None:
            self._by_server[default.name] = _key(given, "api_key")

    def listed(self) -> str:
        """Say for which servers there are keys, where there are any: one may be for the wrong one."""
        return f" (there are keys of {', '.join(map(quoted, self._by_server))})" if self._by_server else ""

    def of(self, provider: Provider) -> Secret | KeyFunction | None:
        """Return the key that was given for a provider."""
        return self._by_server.get(provider.name)


class KeyHeader(Secret):
    """The value of the header that holds the key, and the header's name."""

    __slots__ = ("header",)

    def __init__(self, value: str, header: str) -> None:
        super().__init__(value)
        self.header = header


class KeySource:
    """Where a call's key comes from, and the header that holds it: its name and its form.

    Attributes:
        header: That of a literal key, which is the same for all calls; None where a function gives the key.
        origin: Where the key was given, for errors.
    """

    # `header` is made once and not per call: 8 calls less in each.
    __slots__ = ("form", "header", "name", "origin", "value")

    def __init__(
        self,
        value: Secret | KeyFunction,
        form: str = "{api_key}",
        name: str = "authorization",
        *,
        origin: str = "http_headers",
    ) -> None:
        self.origin = origin
        self.value = value
        self.form = form
        self.name = name
        self.header = self._header(value) if isinstance(value, Secret) else None

    def ask(self, secrets: Secrets, countdown: Countdown | None = None) -> Flow[KeyHeader]:
        """Call the function that gives the key, and write the header; `secrets` learns the key.

        Called before every attempt, so that a rotated key is picked up; an async one may take as long as `countdown`
        says.
        """
        key: Secret = yield Invoke(cast(KeyFunction, self.value), (), Secret, countdown)
        secrets.add(check_key(key, "api_key (from the function)"))
        return self._header(key)

    def _header(self, key: Secret) -> KeyHeader:
        # Its characters alone: a class that a caller derives from `str` has no say in what is sent.
        return KeyHeader(self.form.format(api_key=str.__str__(key.reveal())), self.name)


def check_key(key: Secret, name: str) -> Secret:
    """Refuse what cannot be a key, without showing it; a user's function may have returned anything.

    Raises:
        ConfigurationError: Not a string, empty, or with characters that a header cannot hold.
    """
    if not isinstance(key.reveal(), str):
        raise ConfigurationError(f"{name}: must be a string, got {type(key.reveal()).__name__}")
    if not key.reveal().strip():
        raise ConfigurationError(f"{name}: must not be empty or blank")
    # What h11 lets through; a newline would begin another header (RFC 9112, 11.1).
    if not all(" " <= character <= "~" or "\xa0" <= character <= "\xff" for character in key.reveal()):
        raise ConfigurationError(
            f"{name}: has a newline, a control character or a character outside Latin-1; expected one line of "
            "Latin-1 text"
        )
    if key.reveal() != key.reveal().strip():
        raise ConfigurationError(f"{name}: has blanks around it; remove them")
    return key


def _key(value: Any, name: str) -> Secret | KeyFunction:
    if isinstance(value, str):
        return check_key(Secret(value), name)
    if callable(value):
        return cast(KeyFunction, value)
    raise ConfigurationError(
        f"{name}: expected a string, a function, or a mapping of server ids to these, got {type(value).__name__}"
    )


def _server_id(name: Any, known: Collection[str]) -> str:
    """Read a key of the mapping of API keys; an unknown id may be that of a provider which only a call will name.

    Raises:
        ConfigurationError: It is not an id, or looks like a misspelt one.
    """
    if isinstance(name, Provider):
        return checked_provider(name).name
    if isinstance(name, str) and name in known:
        return str.__str__(name)
    is_name = isinstance(name, str) and len(name) > 0 and is_unicode(name)
    # Stricter than elsewhere: what is not like an id is no mistake here.
    hint = guessed(str.__str__(name).lower(), known, least=0.85) if is_name else ""
    if hint or not is_name:
        raise ConfigurationError(
            f"api_key: unknown server {quoted(name)} in the mapping; expected {', '.join(known)}, and a Provider"
            + (hint and f"; {hint}")
        )
    return str.__str__(name)
