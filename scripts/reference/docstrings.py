"""What docstrings say: prose, first lines, sections."""

from __future__ import annotations

import inspect
import re
from typing import Any


def paragraphs(text: str | None) -> str:
    """Take the prose of a docstring, without its sections of fields and arguments."""
    prose = re.split(r"\n(?=(?:Args|Attributes|Returns|Raises|Example|Source):)", inspect.cleandoc(text or ""))[0]
    return _paged(prose)


def _paged(prose: str) -> str:
    """Fence what is indented, so that its lines stay lines."""
    parts = prose.strip().split("\n\n")
    return "\n\n".join(f"```text\n{inspect.cleandoc(part)}\n```" if part.startswith("    ") else part for part in parts)


def first_line(thing: Any) -> str:
    """Take the first sentence of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].split("\n    ")[0].replace("\n", " ").strip()


def section(text: str | None, name: str) -> dict[str, str]:
    """Read a section of a docstring, such as Attributes; `a, b: text` describes both."""
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text or ""), re.MULTILINE)
    described: dict[str, str] = {}
    names: list[str] = []
    for line in found[1].splitlines() if found else ():
        head = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
        for each in names:
            described[each] = f"{described.get(each, '')} {head[2] if head else line.strip()}".strip()
    return described
