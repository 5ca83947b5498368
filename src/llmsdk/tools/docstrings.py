"""What a docstring says of a function and of its parameters, in the form of Google's style guide."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?|see also|attributes|warnings?|todo"
    r"|references|source)\s*:\s*$",
    re.IGNORECASE,
)
_ARGUMENTS = frozenset({"args", "arguments", "parameters", "params"})
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")


def described(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring.

    Returns:
        The text before the first section, in one paragraph per paragraph, and the descriptions by parameter.
    """
    lines = inspect.cleandoc(docstring or "").splitlines()
    head: list[str] = []
    arguments: dict[str, str] = {}
    section: str | None = None
    entry = ""
    indent: int | None = None
    for line in lines:
        if match := _SECTION.match(line):  # sections begin at the margin
            section, entry, indent = match[1].lower(), "", None
        elif section is None:
            head.append(line)
        elif section in _ARGUMENTS and line.strip():
            depth = len(line) - len(line.lstrip())
            indent = depth if indent is None else indent
            found = _ENTRY.match(line.strip()) if depth <= indent else None
            if found is not None:
                entry = found[1]
                arguments[entry] = found[2]
            elif entry:
                arguments[entry] = f"{arguments[entry]} {line.strip()}".strip()
    paragraphs = re.split(r"\n\s*\n", "\n".join(head).strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs), arguments
