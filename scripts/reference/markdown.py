"""Markdown: tables, links, fences."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by scripts/docs.py from the code; change it there. -->"


def code_block(text: str) -> str:
    """Fence Python."""
    return f"```python\n{text.rstrip()}\n```"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table without padding, so that a changed row is one changed line."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows]
    return "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines)


def page(title: str, *parts: str) -> str:
    """Join a page of its parts; empty ones are left out."""
    return "\n\n".join([NOTE, f"# {title}", *(part.strip() for part in parts if part.strip())]) + "\n"


def link(text: str, target: str, here: str) -> str:
    """Link from one page of docs/ to another."""
    path, _, anchor = target.partition("#")
    relative = posixpath.relpath(path, posixpath.dirname(here) or ".")
    return f"[{text}]({relative}{'#' + anchor if anchor else ''})"


def codes(names: Iterable[str]) -> str:
    """List names as code."""
    return ", ".join(f"`{name}`" for name in names)


def indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
