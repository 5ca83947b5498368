"""Text on a terminal: cleaned of what it would obey, as live Markdown, or as it comes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

# What a terminal obeys instead of showing: everything below the blank but tab and newline, DEL, and the C1 block.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What turns the direction of text, so that a name or an address reads as another: UAX 9, 2.1 to 2.4.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# The same where JSON can say them in another way; it escapes what is below the blank by itself.
_ESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Take out what a terminal would obey, and show what would turn the text around as its code."""
    return _TURNS.sub(lambda found: f"<U+{ord(found[0]):04X}>", _CONTROLS.sub("", text))


def clean_line(text: str) -> str:
    """Make one clean line of a text."""
    return clean(" ".join(text.split()))


def json_text(value: Any) -> str:
    """Write a value as JSON that does nothing to terminals."""
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(text: str) -> str:
    """Write in JSON what a terminal would obey in a way that says the same to programs."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _SafeMarkdown(Markdown):
    """Markdown that shows where its links lead, and whose entities (`&#x202e;`) come out clean too."""

    def __init__(self, text: str) -> None:
        super().__init__(text, hyperlinks=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Segment) and not part.control:
                yield part._replace(text=clean(part.text))
            else:
                yield part


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
    console = Console()
    # Room for the terminal's echo of Ctrl-C: on a line of its own, it would keep the last frame from being redrawn.
    console.width = max(20, console.width - 3)
    text, done = "", 0
    with Live(console=console, refresh_per_second=12) as live:  # more often than eyes follow costs CPU alone
        for piece in pieces:
            text += clean(piece)
            settled = settled_length(text)
            # A live display taller than the screen cannot be redrawn: what cannot change any more leaves it.
            begun, done = done, settled
            live.update(_SafeMarkdown(text[done:]), refresh=done > begun)
            if done > begun:
                live.console.print(_SafeMarkdown(text[begun:done]), "")


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
