"""The one rule by which what a stream says adds up, at every level: chunk, choice, delta, tool call.

What was said stands until something is said anew; null, "", [] and {} say nothing. For the rest, the kind decides:

- Objects merge, name by name.
- Lists of objects with an `index` merge by it: an object adds to the last one of its index and `type`. One that repeats
  all texts of that object and adds something to them is the same object again, in a newer state.
- Other lists extend. An object without index that has the `type` of the last one and differs from it in texts alone is
  the next piece of that one, unless a signature has closed it; `closed` may turn true with the last piece.
- What a type calls encrypted or redacted is no such piece, and where it has an id, one of another id is another one.
- Citations (`annotations`) are whole: two that are equal, or differ in the text that they cite, are two.
- Texts are joined. Names say which strings are texts: `text`, `summary`, `audio_data` are; `id`, `type`, `stop_reason`
  are values. A string of any other name is joined too, but one that repeats all that came before adds nothing.
- Of values, the newest stands.

What a chunk says of the reply as a whole (`is_state`), rather than of what is new in it, comes again in many chunks:
there a list or a text that repeats all that came before adds nothing, nor does an entry that the list has already,
numbers apart; and strings of other names than texts are values.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...utils.shapes import is_list, is_object

_WHOLE = "annotations"  # name of the lists whose objects never come in pieces, unless these have an index
_LOOSE = 16  # pieces of a text that are kept apart: a small string takes twice the memory of its text

# The last words of names. What stands in neither set is in doubt, and joined.
_TEXTS = re.compile("text|content|thinking|thoughts?|reasoning|summary|transcript|refusal|input|arguments|data")
_VALUES = re.compile(
    "at|category|channel|created|date|fingerprint|format|ids?|index|kind|lang|language|level|mime|mode|model|object|phase"
    "|provider|reason|recipient|result|role|severity|stage|state|status|stop|tier|time|timestamp|type|uri|url|version"
)


class Pieces:
    """A text that comes in pieces."""

    __slots__ = ("most", "parts")

    def __init__(self, *parts: str) -> None:
        self.parts = list(parts)
        self.most = _LOOSE  # and those that are packed

    def add(self, text: str) -> None:
        """Take the next piece."""
        self.parts.append(text)
        if len(self.parts) >= self.most:
            self.pack()

    def pack(self) -> None:
        """Put the loose pieces into one; in one step, as another thread may ask for what has come."""
        first = self.most - _LOOSE
        self.parts[first:] = ["".join(self.parts[first:])]
        self.most += 1

    def equals(self, text: str) -> bool:
        """Whether this is all that has come; a glance says no for nearly every piece, however long the text."""
        parts = self.parts
        # Of the parts, the first alone may be empty.
        return len(text) + 1 >= len(parts) and text.startswith(parts[0]) and text == "".join(parts)

    def __str__(self) -> str:
        return "".join(self.parts)


class Fold:
    """Adds up the objects of one place of a stream.

    Args:
        is_state: Whether they describe the reply as a whole, and not what is new.
    """

    __slots__ = ("_is_state", "_known")

    def __init__(self, *, is_state: bool = False) -> None:
        self._is_state = is_state
        self._known: dict[str, Any] = {}

    def add(self, said: Mapping[str, Any] | None) -> None:
        """Take the next object; it is not changed, nor kept."""
        if said:
            _merge(self._known, said, self._is_state)

    def extend(self, name: str, said: list[Any]) -> None:
        """Take the next entries of a list."""
        _extend(self._known.setdefault(name, []), said, self._is_state)

    def drop(self, name: str) -> None:
        """Forget what was said under a name."""
        self._known.pop(name, None)

    def build(self) -> dict[str, Any]:
        """Make what has come so far, as JSON has it."""
        built: dict[str, Any] = _plain(self._known)
        return built


def says_the_same(said: Any, name: str = "", *, is_state: bool = False) -> bool:
    """Whether a value said twice in a row is as good as said once: there is nothing in it that adds up."""
    if is_object(said):
        return all(says_the_same(value, key, is_state=is_state) for key, value in said.items())
    if is_list(said):
        return not said or (
            is_state and not any(_is_number(item) or not says_the_same(item, is_state=True) for item in said)
        )
    if is_state:
        return not (isinstance(said, str) and _is_one_of(_TEXTS, name))
    return not said or _is_value(name, said)


def _is_value(name: str, value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and _is_one_of(_VALUES, name))


@lru_cache(maxsize=1024)
def _is_one_of(words: re.Pattern[str], name: str) -> bool:
    """Whether the last word of a name, in snake_case or in camelCase, is one of these."""
    parts: list[str] = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)
    return bool(parts) and words.fullmatch(parts[-1].lower()) is not None


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)


def _plain(node: Any) -> Any:
    """Copy what is known as JSON has it."""
    if is_object(node):
        return {name: _plain(value) for name, value in node.items()}
    if is_list(node):
        return [_plain(item) for item in node]
    return str(node) if isinstance(node, Pieces) else node


def _taken(value: Any, is_state: bool) -> Any:
    """Copy what is said for the first time: it grows here, and the chunk is the caller's."""
    if is_object(value):
        return {name: _taken(inner, is_state) for name, inner in value.items()}
    if is_list(value) and not is_state:
        items: list[Any] = []
        _extend(items, value, is_state)
        return items
    return [_taken(item, is_state) for item in value] if is_list(value) else value


def _merge(known: dict[str, Any], said: Mapping[str, Any], is_state: bool) -> None:
    for name, value in said.items():
        if name not in known or _says_nothing(known[name]):
            if name not in known or value is not None:
                known[name] = _plain(value) if name == _WHOLE else _taken(value, is_state)
        elif not _says_nothing(value):
            known[name] = _joined(name, known[name], value, is_state)


def _joined(name: str, known: Any, said: Any, is_state: bool) -> Any:
    if is_object(known) and is_object(said):
        _merge(known, said, is_state)
        return known
    if is_list(known) and is_list(said):
        if name == _WHOLE and not any(is_object(item) and "index" in item for item in said):
            known.extend(_plain(said))
        else:
            _extend(known, said, is_state)
        return known
    is_string = isinstance(known, str | Pieces) and isinstance(said, str)
    is_text = is_string and _is_one_of(_TEXTS, name)
    if not is_string or _is_one_of(_VALUES, name) or (is_state and not is_text):
        return _taken(said, is_state)
    text = known if isinstance(known, Pieces) else Pieces(str(known))
    if (is_text and not is_state) or not text.equals(said):
        _add_text(name, text, said)
    return text


def _add_text(name: str, text: Pieces, said: str) -> None:
    if name == "data" and text.parts[-1].endswith("="):
        # Recordings come in pieces that are encoded one by one: behind padding a decoder would stop.
        try:
            both = base64.b64decode(text.parts[-1], validate=True) + base64.b64decode(said, validate=True)
            text.parts[-1] = base64.b64encode(both).decode()
        except (binascii.Error, ValueError):
            pass  # some other text that ends so
        else:
            return
    text.add(said)


# ---------------------------------------------------------------- lists


def _extend(known: list[Any], said: list[Any], is_state: bool) -> None:
    is_indexed = False
    again = len(known) if is_state and said[: len(known)] == known else 0
    for item in said[again:]:
        if is_object(item):
            entry = _entry(known, item)
            if entry is not None:
                _merge(entry, item, is_state or _is_said_again(entry, item))
                continue
            if not is_state and known and _continues(known[-1], item):
                _merge(known[-1], item, is_state)
                continue
            is_indexed = is_indexed or _is_number(item.get("index"))
        # Numbers, such as the ids of tokens, may well come twice.
        if not is_state or _is_number(item) or item not in known:
            known.append(_taken(item, is_state))
    # The unstreamed reply has them in the order of their indexes.
    if is_indexed and all(is_object(item) and _is_number(item.get("index")) for item in known):
        known.sort(key=lambda item: item["index"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _entry(known: list[Any], item: Mapping[str, Any]) -> dict[str, Any] | None:
    """Find the entry that an object with an index adds to. Some servers give blocks of several types the index 0."""
    index, kind = item.get("index"), item.get("type")
    if index is None:
        return None
    # From the end, where the entry under way stands.
    for entry in reversed(known):
        if not is_object(entry) or entry.get("index") != index or _is_another(entry, item):
            continue
        if not kind or entry.get("type") in (None, "", kind):
            return entry
    return None


def _is_another(entry: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether ids tell two sealed objects of one index apart: Gemini's, as routers relay them."""
    one, other = entry.get("id"), item.get("id")
    return bool(one and other and one != other) and _is_sealed(item.get("type"))


def _is_sealed(kind: Any) -> bool:
    return isinstance(kind, str) and ("encrypted" in kind or "redacted" in kind)


def _is_said_again(entry: Mapping[str, Any], item: Mapping[str, Any]) -> bool:
    """Whether an object is all of an entry in a newer state, and not its next piece.

    Each of its texts is all that the entry has, and there is something new beside them, or several of them, or one that
    is a whole JSON object. A signature is nothing new: it comes with the last piece of a block.
    """
    texts = {name: value for name, value in item.items() if isinstance(value, str) and not _is_value(name, value)}
    repeated = [name for name, value in texts.items() if value and not _says_nothing(entry.get(name))]
    if not repeated or not all(_equals(entry[name], texts[name]) for name in repeated):
        return False
    adds = any(
        _says_nothing(entry.get(name)) and not _says_nothing(value) and name != "signature"
        for name, value in item.items()
    )
    return adds or len(repeated) > 1 or is_whole_object(texts[repeated[0]])


def _equals(known: Any, said: str) -> bool:
    return known.equals(said) if isinstance(known, Pieces) else known == said


def is_whole_object(text: str) -> bool:
    """Whether a text is a JSON object, or a list, from its beginning to its end."""
    text = text.strip()
    if text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):  # which spares nearly every piece the parser
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _continues(last: Any, item: Mapping[str, Any]) -> bool:
    """Whether an object without index is the next piece of the last one."""
    kind = item.get("type")
    if not is_object(last) or not isinstance(kind, str) or last.get("type") != kind or last.get("signature"):
        return False  # closed, or another
    if _is_sealed(kind):
        return False
    # Two objects that are equal and have no text are two, such as the same source cited twice.
    brings = False
    for name, value in item.items():
        known = last.get(name)
        if (isinstance(value, str) and _is_one_of(_TEXTS, name)) or _is_text_list(value):
            brings = True
        elif _says_nothing(value):
            continue
        elif _says_nothing(known):
            brings = True
        elif name == "closed" and known is False:
            continue
        elif not (_equals(known, value) if isinstance(value, str) else _plain(known) == value):
            return False
    return brings


def _is_text_list(value: Any) -> bool:
    return is_list(value) and all(is_object(part) and part.get("type") == "text" for part in value)
