"""API keys: checked, kept out of every text, put into a header at the last moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from ..options import KeyFunction
from .countdown import Countdown
from .effects import Flow, invoke


class Secret:
    """A string that no repr, traceback with locals, log or pickle shows."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def reveal(self) -> str:
        """Answer with the string itself."""
        value: str = self._value
        return value

    @property
    def is_text(self) -> bool:
        """Whether it is a string at all: what a user's function answers with may be anything."""
        return isinstance(self._value, str)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "api_key: a literal key cannot be pickled; leave api_key out and set the environment variable, or pass a "
            "function that can be pickled by its name"
        )


class Secrets:
    """The keys that a call has used, to be masked wherever the server echoes them."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: str) -> None:
        """Learn a secret."""
        self._values.add(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __repr__(self) -> str:
        return f"<{len(self._values)} secrets>"


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a call's key comes from, and the form of the Authorization header that holds it."""

    value: Secret | KeyFunction
    form: str = "{api_key}"

    def resolve(self, countdown: Countdown | None = None) -> Flow[Secret]:
        """Take the key, anew where it is a function; an async one may take as long as `countdown` says."""
        if isinstance(self.value, Secret):
            return self.value
        key: Secret = yield from invoke(self.value, wrap=Secret, countdown=countdown)
        return check_key(key, "api_key (from the function)")

    def header(self, key: Secret, secrets: Secrets) -> Secret:
        """Write the Authorization header; `secrets` learns the key, and what follows a scheme in it."""
        secrets.add(key.reveal())
        secrets.add(key.reveal().rpartition(" ")[2])
        return Secret(self.form.format(api_key=key.reveal()))


def check_key(key: Secret, name: str) -> Secret:
    """Refuse what cannot be a key, without showing it.

    Raises:
        ConfigurationError: Not a string, empty, or with characters that a header cannot hold.
    """
    if not key.is_text:
        raise ConfigurationError(f"{name}: must be a string, got {type(key.reveal()).__name__}")
    if not key.reveal().strip():
        raise ConfigurationError(f"{name}: must not be empty or blank")
    if not all(" " <= character <= "~" or "\xa0" <= character <= "\xff" for character in key.reveal()):
        raise ConfigurationError(
            f"{name}: has a newline, a control character or a character outside Latin-1; accepted is one line of "
            "Latin-1 text"
        )
    if key.reveal() != key.reveal().strip():
        raise ConfigurationError(f"{name}: has blanks around it; remove them")
    return key
