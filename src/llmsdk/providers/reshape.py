"""Forms that a parameter takes on the wire where a dialect differs; each loses nothing, or refuses the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ..utils.records import Record
from ..utils.shapes import is_list, is_object


class Form(Record):
    """What the forms share: a record that is called with a value."""

    def __call__(self, value: Any) -> Mapping[str, Any]:
        """Write a value as the server takes it.

        Raises:
            ValueError: The server doesn't support it; the text says what it takes.
        """
        raise NotImplementedError


class AsList(Form):
    """A single string where only lists are taken."""

    name: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: [value] if isinstance(value, str) else value}


class Renamed(Form):
    """Single values that have another name; others pass as they are."""

    name: str
    values: tuple[tuple[Any, Any], ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: next((theirs for ours, theirs in self.values if value == ours), value)}


class OneText(Form):
    """A parameter of which the server takes a single string; other forms are refused, as it would refuse them."""

    name: str
    passes: ClassVar[type[Any]] = str
    """Values of this type stay as they are, without a call for each."""

    def __call__(self, value: Any) -> Mapping[str, Any]:
        if isinstance(value, list):
            raise ValueError("must be one string for this server; it supports neither several prompts nor token ids")
        return {self.name: value}


class Wrapped(Form):
    """An object that stands inside another one, under a key."""

    name: str
    key: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        is_bare = isinstance(value, dict) and self.key not in value
        return {self.name: {self.key: value} if is_bare else value}


class Unwrapped(Form):
    """A plain value where others also take an object that holds it."""

    name: str
    key: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: value[self.key] if is_object(value) and self.key in value else value}


class Joined(Form):
    """A list that is one text, its items joined by commas."""

    name: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: ",".join(map(str, value)) if is_list(value) else value}


class Flattened(Form):
    """An object whose values stand beside it, each under a name of its own.

    Attributes:
        fields: Name of a value inside the object to its name beside it.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        if not is_object(value):
            return {self.name: value}
        known = dict(self.fields)
        rest = {inner: one for inner, one in value.items() if inner not in known}
        return {
            **({self.name: rest} if rest else {}),
            **{known[key]: value[key] for key in known.keys() & value.keys()},
        }


class AsUpload(Form):
    """A text, such as an address, that goes as the bytes of a file."""

    name: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: ("url", value.encode()) if isinstance(value, str) else value}


class PlainParts(Form):
    """Content parts whose object is a plain value on the wire: of `input_audio`, the base64 text alone.

    Attributes:
        fields: Kind of part to the field of its object that stands for it.
    """

    name: str
    fields: tuple[tuple[str, str], ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: [self._message(one) for one in value] if is_list(value) else value}

    def _message(self, message: Any) -> Any:
        content = message.get("content") if is_object(message) else None
        if not is_object(message) or not is_list(content):
            return message
        return {**message, "content": [self._part(part) for part in content]}

    def _part(self, part: Any) -> Any:
        for kind, field in self.fields:
            if is_object(part) and part.get("type") == kind and is_object(inner := part.get(kind)):
                return {**part, kind: inner.get(field)}
        return part


class PlainText(Form):
    """Messages of some roles whose content must be a string: parts of text are joined.

    Attributes:
        roles: Those whose content must be a string.
    """

    name: str
    roles: tuple[str, ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: [self._message(one) for one in value] if is_list(value) else value}

    def _message(self, message: Any) -> Any:
        content = message.get("content") if is_object(message) else None
        if not is_object(message) or not is_list(content) or message.get("role") not in self.roles:
            return message
        texts = [part.get("text") if is_object(part) else None for part in content]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"must have text alone in messages of role {message['role']} for this server")
        return {**message, "content": "".join(map(str, texts))}


class OneOf(Form):
    """A parameter of which the server takes some values alone; the others are refused, as it would refuse them."""

    name: str
    values: tuple[Any, ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        if value not in self.values:
            raise ValueError(f"must be {' or '.join(map(repr, self.values))} for this server")
        return {self.name: value}


class Refused(Form):
    """A parameter of which the server refuses some values."""

    name: str
    values: tuple[Any, ...]

    def __call__(self, value: Any) -> Mapping[str, Any]:
        if value in self.values:
            raise ValueError(f"must not be {value!r} for this server")
        return {self.name: value}


class WidthHeight(Form):
    """`size="768x512"` where width and height are two parameters."""

    def __call__(self, value: Any) -> Mapping[str, Any]:
        match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be "WIDTHxHEIGHT" in pixels, such as "1024x1024"')
        return {"width": int(match[1]), "height": int(match[2])}


class WithoutPrefix(Form):
    """A name that servers also list with a prefix, which its place in the path has already."""

    name: str
    prefix: str

    def __call__(self, value: Any) -> Mapping[str, Any]:
        return {self.name: value.removeprefix(self.prefix) if isinstance(value, str) else value}
