"""Streamed text on a terminal, as live Markdown, or anywhere else as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from .setup import clean


def show(pieces: Iterable[str], *, markdown: bool) -> None:
    """Show the pieces of a text as they arrive; whatever ends them, what came stays and its last line is ended.

    Args:
        markdown: Whether to lay it out, where stdout is a terminal.
    """
    is_terminal = sys.stdout.isatty()
    if markdown and is_terminal:
        _show_live(pieces)
    else:
        _show_plain(pieces, is_terminal=is_terminal)


def _show_plain(pieces: Iterable[str], *, is_terminal: bool) -> None:
    last = ""
    try:
        for piece in pieces:
            last = piece or last
            sys.stdout.write(clean(piece) if is_terminal else piece)
            sys.stdout.flush()
    finally:
        if last and not last.endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()


def _show_live(pieces: Iterable[str]) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown

    console = Console()
    # Room for the terminal's echo of Ctrl-C: on a line of its own, it would keep the last frame from being redrawn.
    console.width = max(20, console.width - 3)
    text, done = "", 0
    with Live(console=console, refresh_per_second=12) as live:
        for piece in pieces:
            text += clean(piece)
            settled = settled_length(text)
            # A live display taller than the screen cannot be redrawn: what cannot change any more leaves it.
            begun, done = done, settled
            live.update(Markdown(text[done:]), refresh=done > begun)
            if done > begun:
                live.console.print(Markdown(text[begun:done]), "")


def settled_length(text: str) -> int:
    """Measure the part of a Markdown text that later lines cannot change: up to the last blank line outside code."""
    settled, position, fence = 0, 0, ""
    for line in text.splitlines(keepends=True):
        position += len(line)
        mark = line.strip()
        if fence:
            fence = "" if mark.startswith(fence) and not mark.strip(fence[0]) else fence
        elif mark.startswith(("```", "~~~")):
            fence = mark[: len(mark) - len(mark.lstrip(mark[0]))]
        elif not mark and line.endswith("\n"):
            settled = position
    return settled
