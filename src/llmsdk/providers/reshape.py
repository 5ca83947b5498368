"""Forms that a parameter takes on the wire where a dialect differs; each loses nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AsList:
    """A single string where only lists are taken."""

    name: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: [value] if isinstance(value, str) else value}


@dataclass(frozen=True)
class Renamed:
    """Single values that have another name; others pass as they are."""

    name: str
    values: tuple[tuple[Any, Any], ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: next((theirs for ours, theirs in self.values if value == ours), value)}


@dataclass(frozen=True)
class OneText:
    """A parameter of which the server takes a single string; other forms are refused, as it would refuse them."""

    name: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        if isinstance(value, list):
            raise ValueError("must be one string for this server; it takes neither several prompts nor token ids")
        return {self.name: value}


@dataclass(frozen=True)
class Wrapped:
    """An object that stands inside another one, under a key."""

    name: str
    key: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        is_bare = isinstance(value, dict) and self.key not in value
        return {self.name: {self.key: value} if is_bare else value}


@dataclass(frozen=True)
class WidthHeight:
    """`size="768x512"` where width and height are two parameters."""

    def __call__(self, value: Any) -> Mapping[str, Any]:
        match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be "WIDTHxHEIGHT" in pixels, such as "1024x1024"')
        return {"width": int(match[1]), "height": int(match[2])}


@dataclass(frozen=True)
class WithoutPrefix:
    """A name that servers also list with a prefix, which its place in the path has already."""

    name: str
    prefix: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: value.removeprefix(self.prefix) if isinstance(value, str) else value}
