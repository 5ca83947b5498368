"""What a value of unknown shape is, told so that both type checkers agree on its items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

Json = dict[str, Any]
"""A JSON object."""


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Recognize a list."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Recognize a JSON object."""
    return isinstance(value, dict)


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Recognize a mapping of any kind."""
    return isinstance(value, Mapping)


def is_listed(value: object) -> TypeGuard[Sequence[Any]]:
    """Recognize a list or a tuple."""
    return isinstance(value, list | tuple)


_KEPT = (list, tuple, str, bytes, bytearray, memoryview, Mapping)


def as_list(value: Any) -> Any:
    """Read any iterable of items into a list; lists, tuples, and what is no iterable of items stay as they are.

    Once: a generator has nothing left for a second reader. Texts, objects and pydantic's models are no lists of items,
    though each can be iterated.
    """
    kind = value.__class__
    is_one = not hasattr(kind, "__iter__") or hasattr(kind, "__pydantic_serializer__")
    return value if is_one or issubclass(kind, _KEPT) else list(value)


def is_sized(value: object) -> TypeGuard[str | bytes | bytearray | list[Any] | tuple[Any, ...]]:
    """Recognize text, bytes, a list or a tuple: what may be empty."""
    return isinstance(value, str | bytes | bytearray | list | tuple)


_SHOWN = 40  # characters of a caller's name or word in a message; more may be a prompt that stands in the wrong place
_LARGEST_SHOWN = 10**20


def described(value: object) -> str:
    """Say in a few words what a value is: its type, and of a number or a boolean which one. Text is never shown."""
    name = type(value).__name__[:_SHOWN]
    if isinstance(value, bool):
        return f"{name} {value}"
    if isinstance(value, int):
        is_short = -_LARGEST_SHOWN < value < _LARGEST_SHOWN
        return f"{name} {int.__repr__(value)}" if is_short else f"{name} of {value.bit_length()} bits"
    if isinstance(value, float):
        return f"{name} {float.__repr__(value)}"
    return name


def quoted(value: object) -> str:
    """Show a name or a word that the caller wrote, cut where it is long; of anything else, what it is."""
    if not isinstance(value, str):
        return described(value)
    text = str.__str__(value)
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def named(*steps: object) -> str:
    """Write the way to a place inside a caller's value, such as `messages[0].content`."""
    return "".join(map(_step, steps)).removeprefix(".")


def _step(step: object) -> str:
    if type(step) is int and 0 <= step < _LARGEST_SHOWN:
        return f"[{step}]"
    text = str.__str__(step) if isinstance(step, str) else ""
    is_plain = len(text) <= _SHOWN and text.isascii() and text.replace("-", "_").isidentifier()
    return f".{text}" if is_plain else f"[{quoted(step)}]"


def is_unicode(text: str) -> bool:
    """Recognize text that UTF-8 can hold: a lone surrogate is the half of a character that was cut in two."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_LEAST_SIMILAR = 0.75  # a wrong guess costs more than none: below it, `input` would be taken for `min_tokens`


def guessed(name: str, known: Iterable[str], *, most: int = 1, least: float = _LEAST_SIMILAR) -> str:
    """Ask whether a misspelt name was meant to be a known one; "" where none is like it.

    Args:
        most: How many to name.
        least: How similar they are, 0 to 1.
    """
    from difflib import get_close_matches  # slow to import, and for an error only

    near = get_close_matches(str.__str__(name), known, n=most, cutoff=least)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""
