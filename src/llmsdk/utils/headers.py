"""HTTP headers: a mapping that ignores case, and checks for what is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast, overload

from .secrets import MASK, is_secret_name

T = TypeVar("T")
Pair: TypeAlias = "tuple[str, str] | tuple[bytes, bytes]"

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# Visible Latin-1, space and tab: RFC 9110, 5.5.
_VALUE = r"[\t\x20-\x7e\x80-\xff]*"
_C1 = r"[\x80-\x9f]"


class Headers(Mapping[str, str]):
    """Immutable headers of a reply; names ignore case, values of a repeated name are joined by ", ".

    Args:
        pairs: Name and value, as text or as the bytes of the wire. Kept as given and read when first asked for.
    """

    __slots__ = ("_index", "_pairs")

    def __init__(self, pairs: Iterable[Pair] | Mapping[str, str] = ()) -> None:
        self._index: dict[str, str] | None = None
        self._pairs: Sequence[Pair]
        if isinstance(pairs, (list, tuple)):
            self._pairs = pairs
        elif isinstance(pairs, Mapping):  # which may change later, as a list of a client's does not
            self._pairs = list(cast("Mapping[str, str]", pairs).items())
        else:
            self._pairs = list(pairs)

    def _joined(self) -> dict[str, str]:
        if self._index is None:
            index: dict[str, str] = {}
            for name, text in self._pairs:
                # Inline, for the same reason as below.
                key = (name if isinstance(name, str) else name.decode("latin-1")).lower()
                value = text if isinstance(text, str) else text.decode("latin-1")
                index[key] = f"{index[key]}, {value}" if key in index else value
            self._index = index
        return self._index

    def __getitem__(self, name: str) -> str:
        return self._joined()[name.lower()]

    @overload
    def get(self, name: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, name: str, default: str | T, /) -> str | T: ...
    def get(self, name: str, default: Any = None, /) -> Any:
        """Answer with a header, or with `default`: most that are asked for are absent, which is no exception."""
        # Eleven are asked for in each call: one that is read already costs no call of a method.
        return (self._index or self._joined()).get(name.lower(), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._joined()

    def __iter__(self) -> Iterator[str]:
        return iter(self._joined())

    def __len__(self) -> int:
        return len(self._joined())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._joined() == other._joined()
        if isinstance(other, Mapping):
            theirs = cast("Mapping[object, object]", other)
            return self._joined() == {str(name).lower(): value for name, value in theirs.items()}
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._joined().items()))

    def __repr__(self) -> str:
        shown = {name: MASK if is_secret_name(name) else value for name, value in self._joined().items()}
        return f"Headers({shown!r})"

    def __reduce__(self) -> tuple[type[Headers], tuple[list[tuple[str, str]]]]:
        return Headers, (self.multi_items(),)

    def multi_items(self) -> list[tuple[str, str]]:
        """List every name and value as received, repeated names apart."""
        # Inline, as an error reads all headers: a function for each name and value was an eighth of a retry's calls.
        return [
            (
                name if isinstance(name, str) else name.decode("latin-1"),
                value if isinstance(value, str) else value.decode("latin-1"),
            )
            for name, value in self._pairs
        ]


def new_idempotency_key() -> str:
    """Make what tells one request from all others, 128 random bits of it."""
    return os.urandom(16).hex()


def check_header(name: object, value: object) -> None:
    """Refuse a header that could not be sent as it is, or that would smuggle in another.

    Raises:
        ValueError: One line that never shows the value.
    """
    if not isinstance(name, str):
        raise ValueError(f"header name: got {type(name).__name__}; expected a str")
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"header name: got {name[:40]!a}; expected letters, digits and !#$%&'*+-.^_`|~")
    field = f"header {name[:40]}"
    if not isinstance(value, str):
        raise ValueError(f"{field}: got {type(value).__name__}; expected a str")
    if not re.fullmatch(_VALUE, value) or re.search(_C1, value):
        raise ValueError(
            f"{field}: got str with a newline, a control character or one outside Latin-1; "
            "expected visible Latin-1 characters, spaces and tabs"
        )
