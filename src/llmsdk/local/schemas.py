"""Values that satisfy a JSON schema, made without chance."""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import Any

from ..utils.shapes import Json, is_list, is_object

MAX_SIZE = 1 << 20  # about as many bytes of JSON are made at most, however much a schema asks for
_MAX_DEPTH = 6  # below it only what is required is made, so that recursive schemas end
_MAX_BRANCHING = 3  # below it what may be recursive is left out where it can be, so that it stays small
_MAX_NESTED = 64  # below it nothing is made: what requires itself has no end
_VALUE = 8  # bytes that a value without text is counted as

_FORMATS = {
    "date": "2025-01-0{}",
    "date-time": "2025-01-01T00:00:0{}Z",
    "time": "00:00:0{}Z",
    "duration": "PT{}S",
    "email": "user{}@example.com",
    "idn-email": "user{}@example.com",
    "hostname": "host{}.example.com",
    "uri": "https://example.com/{}",
    "url": "https://example.com/{}",
    "uri-reference": "/{}",
    "uuid": "00000000-0000-4000-8000-00000000000{}",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "byte": "QUJDR{}==",
    "base64": "QUJDR{}==",
    "json-pointer": "/{}",
    "regex": "a{}",
}
_GUESSES = ("", "a", "A", "0", "1", "12", "123", "1234", "12345", "12.5", "abc", "ABC", "a1", "A1", "a-b", "a_b", "a.b")
# What a schema says only of values of one type, where it names no type.
_HINTS = (
    ("object", ("properties", "required", "additionalProperties")),
    ("array", ("items", "prefixItems", "minItems")),
    ("string", ("pattern", "format", "minLength", "maxLength")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)


def example(schema: Any, *, hint: str = "embedded", size: int = MAX_SIZE) -> Any:
    """Make a value that fits a schema.

    Args:
        schema: A JSON schema, also one with `$ref`, `anyOf`, `oneOf`, `allOf`.
        hint: Text that free strings take.
        size: About how large it may become; what a schema asks for beyond is left out.
    """
    return _Maker(schema, hint, size).value(schema, 0, 0)


class _Maker:
    """Makes one value; `root` is the document that `$ref` points into."""

    def __init__(self, root: Any, hint: str, size: int) -> None:
        self._root, self._hint, self._left = root, hint, size

    def value(self, schema: Any, depth: int, turn: int) -> Any:
        """Make a part of it; `turn` tells the items of an array apart."""
        self._left -= _VALUE
        schema = self._resolved(schema)
        if not is_object(schema) or self._left < 0 or depth > _MAX_NESTED:
            return None if schema is False else self._hint[: max(0, self._left)]
        if "const" in schema or schema.get("enum"):
            choices = [schema["const"]] if "const" in schema else schema["enum"]
            chosen = choices[turn % len(choices)]
            self._left -= len(json.dumps(chosen))
            return chosen
        if options := schema.get("anyOf") or schema.get("oneOf"):
            rest = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
            return self.value(_merged(rest, _pick(options, depth)), depth, turn)
        match _type_of(schema):
            case "object":
                return self._object(schema, depth, turn)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema, turn)
            case "integer" | "number" as kind:
                return _number(schema, turn, whole=kind == "integer")
            case "boolean":
                return turn % 2 == 0
            case "null":
                return None
            case _:
                return self._hint

    def _resolved(self, schema: Any) -> Any:
        """Follow `$ref` and fold `allOf` in."""
        for _ in range(32):  # a chain of references that is longer goes in a circle
            if not is_object(schema):
                return schema
            if isinstance(reference := schema.get("$ref"), str):
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = _merged(rest, _pointed(self._root, reference))
            elif parts := schema.get("allOf"):
                schema = {key: value for key, value in schema.items() if key != "allOf"}
                for part in parts:
                    schema = _merged(schema, self._resolved(part))
            else:
                return schema
        return True

    def _object(self, schema: Json, depth: int, turn: int) -> dict[str, Any]:
        properties: Json = schema.get("properties") or {}
        names = dict.fromkeys([*(properties if depth < _MAX_DEPTH else ()), *(schema.get("required") or ())])
        extra = schema.get("additionalProperties", True)
        made: dict[str, Any] = {}
        more = (f"key{at}" for at in range(int(schema.get("minProperties", 0)) - len(names)))
        for name in itertools.chain(names, more):
            if self._left < 0:
                break
            self._left -= len(name)
            made[name] = self.value(properties.get(name, extra), depth + 1, turn)
        return made

    def _array(self, schema: Json, depth: int) -> list[Any]:
        first: list[Any] = schema.get("prefixItems") or []
        items, least = schema.get("items", True), int(schema.get("minItems", 0))
        wanted = max(least, 0 if depth >= _MAX_DEPTH else min(1, int(schema.get("maxItems", 1))))
        if depth > _MAX_BRANCHING and is_object(items) and "$ref" in items:
            wanted = least
        if first and "minItems" not in schema:
            wanted = len(first)
        made: list[Any] = []
        while len(made) < wanted and self._left >= 0:
            at = len(made)
            made.append(self.value(first[at] if at < len(first) else items, depth + 1, at))
        return made

    def _string(self, schema: Json, turn: int) -> str:
        if form := _FORMATS.get(str(schema.get("format"))):
            return form.format(turn % 9 + 1)
        least = min(max(0, int(schema.get("minLength", 0))), self._left)
        most = min(int(schema.get("maxLength", max(least, 4096))), self._left)
        text = f"{self._hint} {turn + 1}" if turn else self._hint
        if len(text) > most and turn:
            text = f"{turn}{self._hint}"
        text = text.ljust(least, ".")[:most]
        if isinstance(pattern := schema.get("pattern"), str):
            guesses = (guess for guess in (text, *_GUESSES, *_repeated(least)) if least <= len(guess) <= most)
            text = next((guess for guess in guesses if _fits(pattern, guess)), text)
        self._left -= len(text)
        return text


def _pointed(root: Any, reference: str) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        key = step.replace("~1", "/").replace("~0", "~")  # in this order: RFC 6901, 4
        if key:
            found = found.get(key, True) if is_object(found) else True
    return found


def _merged(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False  # nothing fits
    if not is_object(second):
        return first
    both = {**second, **first}
    for key in ("properties", "$defs"):
        if key in first and key in second:
            both[key] = {**second[key], **first[key]}
    if "required" in first and "required" in second:
        both["required"] = [*second["required"], *first["required"]]
    return both


def _pick(options: list[Any], depth: int) -> Any:
    """Take the first option that says something; deep down, the first that surely ends."""
    leaves: list[Json] = [option for option in options if is_object(option) and "$ref" not in option]
    if depth > _MAX_DEPTH and leaves:
        # An object may require what begins it anew, an array can be empty.
        return min(leaves, key=lambda option: {"object": 2, "array": 1}.get(_type_of(option) or "", 0))
    if depth > _MAX_BRANCHING and {"type": "null"} in options and len(leaves) < len(options):
        return {"type": "null"}
    return next((option for option in options if option != {"type": "null"}), options[0])


def _type_of(schema: Json) -> str | None:
    kind = schema.get("type")
    if is_list(kind):
        return next((str(name) for name in kind if name != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()  # some protocols write them in capitals
    return next((name for name, keys in _HINTS if any(key in schema for key in keys)), None)


def _repeated(least: int) -> list[str]:
    return [letter * length for length in (*range(1, 41), min(least, 256)) for letter in "aA0"]


def _fits(pattern: str, text: str) -> bool:
    # A pattern with groups may take time that doubles with each letter.
    if len(text) > (16 if "(" in pattern else 256):
        return False
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return True


def _number(schema: Json, turn: int, *, whole: bool) -> float:
    low, low_open = _bound(schema, "minimum", "exclusiveMinimum", -math.inf)
    high, high_open = _bound(schema, "maximum", "exclusiveMaximum", math.inf)
    step = schema.get("multipleOf") or (1 if whole else None)
    if step is None:
        return _between(low, low_open, high, high_open, turn)
    step = max(1, round(step)) if whole else float(step)
    least = None if low == -math.inf else math.ceil(low / step) + (low_open and low % step == 0)
    most = None if high == math.inf else math.floor(high / step) - (high_open and high % step == 0)
    count = math.ceil(1 / step) + turn
    if least is not None and most is not None:
        count = least + (count - least) % max(1, most - least + 1)  # in turn, so that items differ
    elif least is not None:
        count = max(count, least + turn)
    elif most is not None:
        count = min(count, most - turn)
    return int(count * step) if whole else float(round(count * step, 12))


def _bound(schema: Json, name: str, open_name: str, none: float) -> tuple[float, bool]:
    """Find the tighter of two bounds, and whether the value itself is outside."""
    given = (schema.get(key) for key in (name, open_name))
    closed, opened = (v if isinstance(v, int | float) and not isinstance(v, bool) else none for v in given)
    bound = max(closed, opened) if none < 0 else min(closed, opened)
    return bound, bound == opened and not math.isinf(bound)


def _between(low: float, low_open: bool, high: float, high_open: bool, turn: int) -> float:
    wanted = 1 + turn * 0.5
    if (low < wanted or (low == wanted and not low_open)) and (wanted < high or (wanted == high and not high_open)):
        return wanted
    if not math.isinf(low) and not math.isinf(high):
        return low + (high - low) * (turn + 1) / (turn + 2)
    return low + (turn + 1) * 0.5 if not math.isinf(low) else high - (turn + 1) * 0.5
