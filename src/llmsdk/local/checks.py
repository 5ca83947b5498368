"""What scripts and settings of the embedded provider may hold, with one-line errors that name the field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from ..errors import ConfigurationError
from ..utils.shapes import described, is_mapping, quoted


def refused(name: str, accepted: str, value: object) -> ConfigurationError:
    """Make the error of a value that cannot be."""
    return ConfigurationError(f"{name}: must be {accepted}, got {described(value)}")


def check_number(value: Any, name: str, low: float, high: float = math.inf, *, accepted: str) -> None:
    """Refuse what is no number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise refused(name, accepted, value)


def check_count(value: Any, name: str, low: int = 0, high: float = math.inf) -> None:
    """Refuse what is no whole number from `low` to `high`."""
    accepted = f"an integer from {low}" + (f" to {high}" if high < math.inf else " on")
    if not isinstance(value, int):
        raise refused(name, accepted, value)
    check_number(value, name, low, high, accepted=accepted)


def check_whole(value: Any, name: str) -> None:
    """Refuse what is no whole number."""
    if not isinstance(value, int):
        raise refused(name, "an integer", value)


def check_seconds(value: Any, name: str) -> None:
    """Refuse what is no time."""
    check_number(value, name, 0, accepted="a number of seconds, 0 or above")


def check_flag(value: Any, name: str) -> None:
    """Refuse what is no bool."""
    if not isinstance(value, bool):
        raise refused(name, "a bool", value)


def check_header_text(value: Any, name: str) -> None:
    """Refuse what no header can hold; whether it should is the script's own matter."""
    if not isinstance(value, str) or not _is_latin(value):
        raise refused(name, "a str of Latin-1 characters without newlines", value)


def check_headers(value: Any, name: str) -> None:
    """Refuse what cannot be written as headers; numbers are written as text."""
    if not is_mapping(value):
        raise refused(name, "a mapping of header names to texts", value)
    for key, text in value.items():
        check_header_text(key, f"{name}: a name")
        check_header_text(str(text) if isinstance(text, int | float) else text, f"{name}, header {quoted(key)}")


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return not {"\r", "\n"} & {*text}


def check_payload(value: Any, name: str) -> None:
    """Refuse what is neither bytes, text nor JSON."""
    if isinstance(value, bytes | str):
        return
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise refused(name, "bytes, text, or what JSON can hold", value) from None


def items(value: Any, name: str) -> list[Any]:
    """List what a caller gave."""
    given: Any = value
    if isinstance(value, str | bytes) or is_mapping(value) or not isinstance(value, Iterable):
        raise refused(name, "a list of faults", value)
    return list(given)
