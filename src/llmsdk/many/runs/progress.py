"""Progress: a run as it goes, live on a terminal where rich is installed, else a plain line now and then."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Literal

from ...utils.log import logger
from .counts import RunCounts
from .figures import short

Wanted = bool | Literal["log"] | None
"""None shows progress on terminals only, True on stderr whatever it is, "log" sends it to the logger `llmsdk`."""

_EVERY_S = 5.0
_IN_LOGS_EVERY_S = 30.0  # a run of a night then adds a thousand lines to a log
_LEVELS = 6  # of shortening: at the last, everything that matters takes some 45 characters


@contextmanager
def showing(counts: RunCounts, wanted: Wanted, every_s: float | None = None) -> Generator[None, None, None]:
    """Show the counts while the block runs."""
    stderr: Any = sys.stderr  # None in a program without a console
    is_terminal = stderr is not None and stderr.isatty()
    if wanted == "log":
        with _repeating(lambda: logger.info("%s", line(counts)), every_s or _IN_LOGS_EVERY_S):
            yield
    elif wanted is False or stderr is None or (wanted is None and not is_terminal):
        yield
    elif is_terminal and find_spec("rich") is not None:
        with _live(counts):
            yield
    else:
        with _repeating(
            lambda: _write(counts, is_terminal), every_s or (_EVERY_S if is_terminal else _IN_LOGS_EVERY_S)
        ):
            yield


def line(counts: RunCounts, width: int | None = None) -> str:
    """Say in one line how far a run is and what slows it down, in at most so many characters."""
    text = ""
    for level in range(_LEVELS):
        text = (", " if level < 4 else " ").join(filter(None, _parts(counts, level)))
        if width is None or len(text) <= width:
            return text
    return text[:width]


def _parts(counts: RunCounts, level: int) -> list[str]:
    """Write what a line says, the less the higher the level; rows, rate, failures and what holds them up stay."""
    finished, rows, failed = counts.finished, counts.rows, counts.failed
    share = f" ({100 * finished / rows:.0f} %)" if rows and level < 3 else ""
    cost, eta = counts.cost, counts.eta_s
    common = ", ".join(f"{group.error_class} {group.rows:,}" for group in counts.failures[:3])
    return [
        f"{finished:,}/{rows:,} rows{share}" if level < 4 else f"{short(finished)}/{short(rows)}",
        f"{counts.rows_per_s:,.1f} rows/s" if level < 3 else f"{short(counts.rows_per_s)}/s",
        f"{counts.total_tokens:,} tokens" if level < 1 else "",
        f"cost {cost:,.4f}" if cost is not None and level < 1 else "",
        (f"{failed:,} failed: {common}" if level < 2 else f"{short(failed)} failed") if failed else "",
        _load(counts, level),
        f"ETA {_clock(eta)}" if eta is not None and counts.left and level < 3 else "",
    ]


def _load(counts: RunCounts, level: int) -> str:
    """Return how many requests are in flight, and what holds up others."""
    if counts.load is None:
        return ""
    in_flight, pause_s, why = counts.load()
    if pause_s < 0.05:  # between two requests of a steady rate
        return f"{in_flight:,} in flight"
    wait = f"{pause_s:.0f} s" if pause_s >= 1 else f"{pause_s:.1f} s"
    if level < 4:
        return f"{in_flight:,} in flight, paused {wait}: {why}"
    brief = f"{why.rpartition(' ')[2]}: {wait}"
    return f"{in_flight:,} in flight, {brief}" if level < 5 else brief


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _write(counts: RunCounts, is_terminal: bool) -> None:
    width = shutil.get_terminal_size().columns - 1 if is_terminal else None
    sys.stderr.write(f"{line(counts, width)}\n")
    sys.stderr.flush()


@contextmanager
def _repeating(act: Callable[[], None], every_s: float) -> Generator[None, None, None]:
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(every_s):
            act()

    thread = threading.Thread(target=repeat, name="llmsdk-batch-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _live(counts: RunCounts) -> Generator[None, None, None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    console = Console(stderr=True)

    def shown() -> Any:
        bar = ProgressBar(total=max(1, counts.rows), completed=counts.finished, width=min(60, console.width))
        # The text first: a bar ends without a line break, and what follows stands beside it, cut off.
        return Group(Text(line(counts, console.width), no_wrap=True), bar)

    with Live(get_renderable=shown, console=console, refresh_per_second=4, transient=True):
        yield
