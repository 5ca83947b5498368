"""What scripts and settings of the embedded provider may hold, with one-line errors that name the field."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from ..utils.shapes import described, is_mapping, quoted


@dataclass(frozen=True)
class Kind:
    """A kind of value: its name in errors, and what tells whether a value is of it."""

    accepted: str
    fits: Callable[[Any], bool]


def refused(name: str, accepted: str, value: object) -> ConfigurationError:
    """Make the error of a value that cannot be."""
    return ConfigurationError(f"{name}: must be {accepted}, got {described(value)}")


def check(value: Any, name: str, kind: Kind) -> None:
    """Refuse a value of another kind."""
    if not kind.fits(value):
        raise refused(name, kind.accepted, value)


def number(accepted: str, low: float, high: float = math.inf, kinds: Any = int | float) -> Kind:
    """Make the kind of numbers from `low` to `high`."""

    def fits(value: Any) -> bool:
        # A bool is an int to Python.
        return isinstance(value, kinds) and not isinstance(value, bool) and bool(low <= value <= high)

    return Kind(accepted, fits)


def count(low: int = 0, high: float = math.inf) -> Kind:
    """Make the kind of whole numbers from `low` to `high`."""
    return number(f"an integer from {low}" + (f" to {high}" if high < math.inf else " on"), low, high, int)


def _is_header_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and not {"\r", "\n"} & {*value} and bool(value.encode("latin-1") or True)
    except UnicodeEncodeError:
        return False


def _is_payload(value: Any) -> bool:
    try:
        return isinstance(value, bytes | str) or bool(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        return False


SECONDS = number("a number of seconds, 0 or above", 0)
WHOLE = Kind("an integer", lambda value: isinstance(value, int))
FLAG = Kind("a bool", lambda value: isinstance(value, bool))
RAW = Kind("bytes", lambda value: isinstance(value, bytes))
# Whether a header should hold such a text is the script's own matter: it may want to send a bad one.
HEADER_TEXT = Kind("a str of Latin-1 characters without newlines", _is_header_text)
PAYLOAD = Kind("bytes, text, or what JSON can hold", _is_payload)


def check_headers(value: Any, name: str) -> None:
    """Refuse what cannot be written as headers; numbers are written as text."""
    if not is_mapping(value):
        raise refused(name, "a mapping of header names to texts", value)
    for key, text in value.items():
        check(key, f"{name}: a name", HEADER_TEXT)
        check(str(text) if isinstance(text, int | float) else text, f"{name}, header {quoted(key)}", HEADER_TEXT)


def items(value: Any, name: str) -> list[Any]:
    """List the faults that a caller gave."""
    if isinstance(value, str | bytes) or is_mapping(value) or not isinstance(value, Iterable):
        raise refused(name, "a list of faults", value)
    return [*value]
