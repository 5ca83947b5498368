"""What hooks answered with, checked: the transport would only fail with it."""

from __future__ import annotations

from typing import Any, cast

from ..errors import ConfigurationError

_PARTS = {"a request": "url", "a response": "status_code"}


def checked(answer: Any, name: str, kind: str) -> Any:
    """Take the request or response of a hook.

    Raises:
        ConfigurationError: It is none.
    """
    if hasattr(answer, _PARTS[kind]) and hasattr(answer, "headers"):
        return answer
    raise ConfigurationError(f"{name}: must answer with {kind} of the client in use, got {type(answer).__name__}")


def checked_pair(answer: object) -> tuple[Any | None, Exception | None]:
    """Take the response and error of a hook.

    Raises:
        ConfigurationError: It is no such pair.
    """
    kind = type(answer).__name__
    pair: tuple[Any, ...] = cast("Any", answer) if isinstance(answer, tuple) else ()
    if len(pair) != 2 or not isinstance(pair[1], Exception | None):
        raise ConfigurationError(
            f"after_error: must answer with (response or None, error or None) or with None, got {kind}"
        )
    return None if pair[0] is None else checked(pair[0], "after_error", "a response"), pair[1]
