"""Reasoning as one text, wherever a server puts it: in a field, in parts of the content, in tags in front of it."""

from __future__ import annotations

from typing import Any

from ..utils.shapes import is_list, is_object

THOUGHTS = "_thoughts"
"""Where the dict of a chunk holds its reasoning, where models write that into the text."""

_OPEN, _CLOSE = "<think>", "</think>"
_KINDS = ("thinking", "reasoning")


def reasoning_of(message: Any) -> str:
    """Read the reasoning of a message or of a delta: `reasoning`, `reasoning_content`, or parts of the content."""
    text = message.reasoning or message.reasoning_content
    return text if isinstance(text, str) else thinking_of(message.content)


def thinking_of(content: Any) -> str:
    """Read the parts of a content that hold reasoning."""
    parts = content if is_list(content) else [content]
    return "".join(_text(part) for part in parts if is_object(part) and part.get("type") in _KINDS)


def _text(part: dict[str, Any]) -> str:
    inner = next((part[name] for name in ("thinking", "text", "summary") if part.get(name)), "")
    pieces = inner if is_list(inner) else [inner]
    texts = (piece.get("text") if is_object(piece) else piece for piece in pieces)
    return "".join(text for text in texts if isinstance(text, str))


class TagReader:
    """Finds `<think>…</think>` in front of a text that comes in pieces, which may cut the tags."""

    def __init__(self) -> None:
        self._held = ""  # may be the beginning of a tag
        self._inside: bool | None = None  # None before the first character that is no blank

    def feed(self, text: str) -> str:
        """Take the next piece; return what of it, and of what was held back, is reasoning."""
        if self._inside is False:
            return ""
        self._held += text
        if self._inside is None:
            start = self._held.lstrip()
            if len(start) < len(_OPEN) and _OPEN.startswith(start):
                return ""
            self._inside = start.startswith(_OPEN)
            self._held = start.removeprefix(_OPEN)
            if not self._inside:
                return ""
        thought, closed, _ = self._held.partition(_CLOSE)
        if closed:
            self._inside, self._held = False, ""
            return thought
        kept = next((size for size in range(len(_CLOSE) - 1, 0, -1) if thought.endswith(_CLOSE[:size])), 0)
        self._held = thought[len(thought) - kept :]
        return thought[: len(thought) - kept]

    def end(self) -> str:
        """Take the end of the text; return what was held back as a tag that never came."""
        return self._held if self._inside else ""


def tagged_in(text: str) -> str:
    """Read the reasoning in front of a whole text."""
    reader = TagReader()
    return reader.feed(text) + reader.end()
