"""What travels to workers: keys go by the names of their environment variables, and nothing secret in the open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._call.secrecy import places_of_secrets
from ..errors import ConfigurationError
from ..utils.secrets import revealed
from ..utils.shapes import is_mapping

_SOME_NAME = "TOGETHER_API_KEY"
_BY_NAME = f'pass the variable\'s name: api_key_env="{_SOME_NAME}"'


@dataclass(frozen=True, slots=True)
class EnvKey:
    """A key by the name of its environment variable; what `SDK(api_key=...)` takes, and pickles as the name."""

    name: str

    def __call__(self) -> str:
        """Answer with the key.

        Raises:
            ConfigurationError: The variable is not set here.
        """
        key = os.environ.get(self.name)
        if not key:
            raise ConfigurationError(
                f"api_key_env: the environment variable {self.name} is not set in this worker; set it where the worker "
                "runs"
            )
        return key


def check_sdk(options: Mapping[str, Any]) -> None:
    """Refuse options of an SDK that cannot travel, or must not; the errors name the way that is open."""
    given = options.get("api_key")
    for key in given.values() if is_mapping(given) else (given,):
        if key is not None and not callable(key):
            raise ConfigurationError(
                f"sdk: a literal api_key does not travel to workers; set it in their environment and {_BY_NAME}"
            )
        if not (key is None or isinstance(key, EnvKey) or _is_named(key)):
            raise ConfigurationError(
                "sdk: api_key is a function that would travel with all that it holds, the key perhaps; take one that "
                f"workers can import, or {_BY_NAME}"
            )
    for name in ("client", "async_client"):  # with open sockets
        if options.get(name) is not None:
            raise ConfigurationError(f"sdk: a {name} does not travel to workers; leave it out, each makes its own")
    check_open(options, "sdk")


# Checked again when a plan is pickled: the mappings in it are the caller's, and may have got a key since.
def check_open(options: Mapping[str, Any], where: str) -> None:
    """Refuse options with secrets in them, which the workers would be sent in the open."""
    for name in options.keys() - {"api_key"}:
        for place in places_of_secrets(name, revealed(options[name])):
            raise ConfigurationError(
                f"{where}: {place} holds a key, which does not travel to workers; set the key in their environment "
                f"and {_BY_NAME}"
            )


def check_variables(names: object) -> None:
    """Refuse what is no name of a variable, or no mapping of servers to such names."""
    for name in names.values() if is_mapping(names) else () if names is None else (names,):
        if not isinstance(name, str) or not name.isidentifier():
            # It may be the key itself: not shown.
            raise ConfigurationError(
                f'api_key_env: must be the name of an environment variable, such as "{_SOME_NAME}", not the key itself'
            )


def _is_named(function: Any) -> bool:
    """Whether a function travels as its name: pickle sends others, those of notebooks for one, with their closure."""
    name, module = getattr(function, "__qualname__", "<>"), getattr(function, "__module__", "__main__")
    return "<" not in name and module != "__main__" and not hasattr(function, "__self__")
