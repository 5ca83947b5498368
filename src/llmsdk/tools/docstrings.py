"""What a docstring says of a function and of its parameters, in the styles of Google, NumPy and Sphinx."""

from __future__ import annotations

import inspect
import re
from itertools import zip_longest

_ARGUMENTS = r"(?:keyword |other )?(?:args|arguments|parameters|params)"
_OTHERS = (
    "returns?|yields?|receives?|raises|warns|examples?|notes?|see also|attributes|methods|warnings?|todo|references"
    "|source"
)
# "Args:" alone on its line, or "Parameters" over a line of dashes.
_SECTION = re.compile(rf"(?:(?P<arguments>{_ARGUMENTS})|{_OTHERS})\s*(?P<colon>:?)\s*", re.IGNORECASE)
_UNDERLINE = re.compile(r"[-=~]{3,}\s*")
# ":param int city: text", or with an @ in front; the other fields have no parameter to describe.
_FIELD = re.compile(
    r"[:@](?:(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*\s)?\*{0,2}(?P<name>\w+)"
    r"|(?:type|rtype|returns?|raises?|except|exception|yields?|ytype|meta|since|see|deprecated)\b[^:]*):\s*(?P<text>.*)"
)
_GOOGLE = re.compile(r"\*{0,2}(?P<names>\w+)\s*(?:\(.*?\))?\s*:\s*(?P<text>.*)")
_NUMPY = re.compile(r"(?P<names>\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?(?P<text>)")


def described(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Split a docstring.

    Returns:
        The text before the first section, in one paragraph per paragraph, and the descriptions by parameter.
    """
    lines = inspect.cleandoc(docstring or "").splitlines()
    head: list[str] = []
    found: dict[str, str] = {}
    entry: re.Pattern[str] | None = None  # how the section under way begins the description of a parameter
    names: list[str] = []  # the parameters under way
    margin: int | None = None
    is_head = True
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        depth = len(line) - len(line.lstrip())
        if _UNDERLINE.fullmatch(line):
            continue
        if _is_section(line, following):
            arguments = _SECTION.fullmatch(line)
            style = _NUMPY if _UNDERLINE.fullmatch(following) else _GOOGLE
            entry, names, margin, is_head = style if arguments and arguments["arguments"] else None, [], None, False
        elif not depth and (field := _FIELD.match(line)):
            names, is_head = [field["name"]] if field["name"] else [], False
            found.update((name, field["text"]) for name in names)
        elif is_head:
            head.append(line)
        elif entry is not None and line.strip():
            margin = depth if margin is None else margin
            if depth <= margin and (match := entry.fullmatch(line.strip())):
                names = re.findall(r"\w+", match["names"])
                found.update((name, match["text"]) for name in names)
            else:
                _go_on(found, names, line)
        elif depth:
            _go_on(found, names, line)
    paragraphs = re.split(r"\n\s*\n", "\n".join(head).strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs), found


def _is_section(line: str, following: str) -> bool:
    """Whether a line begins a section; sections begin at the margin."""
    match = _SECTION.fullmatch(line)
    return match is not None and (bool(match["colon"]) or _UNDERLINE.fullmatch(following) is not None)


def _go_on(found: dict[str, str], names: list[str], line: str) -> None:
    for name in names:
        found[name] = f"{found[name]} {line.strip()}".strip()
