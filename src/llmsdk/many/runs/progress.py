"""Progress: a run as it goes, live on a terminal where rich is installed, else a plain line now and then."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from .counts import RunCounts

_EVERY_S = 5.0


@contextmanager
def showing(counts: RunCounts, wanted: bool | None, every_s: float = _EVERY_S) -> Generator[None, None, None]:
    """Show the counts on stderr while the block runs.

    Args:
        wanted: None shows them on terminals only.
        every_s: Seconds between plain lines.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if wanted is False or sys.stderr is None or (wanted is None and not is_terminal):
        yield
    elif is_terminal and find_spec("rich") is not None:
        with _live(counts):
            yield
    else:
        over = threading.Event()
        arguments = (counts, over, every_s)
        thread = threading.Thread(target=_write_lines, args=arguments, name="llmsdk-batch-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def line(counts: RunCounts) -> str:
    """Say in one line how far a run is."""
    finished = counts.finished
    share = f" ({100 * finished / counts.rows:.0f} %)" if counts.rows else ""
    parts = [
        f"{finished:,}/{counts.rows:,} rows{share}",
        f"{counts.rows_per_s:,.1f} rows/s",
        f"{counts.total_tokens:,} tokens",
    ]
    cost, eta = counts.cost, counts.eta_s
    if cost is not None:
        parts.append(f"cost {cost:,.4f}")
    if counts.failed:
        common = ", ".join(f"{group.error_class} {group.rows:,}" for group in counts.failures[:3])
        parts.append(f"failed {counts.failed:,}: {common}")
    if eta is not None and counts.left:
        parts.append(f"ETA {_clock(eta)}")
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _write_lines(counts: RunCounts, over: threading.Event, every_s: float) -> None:
    while not over.wait(every_s):
        sys.stderr.write(f"{line(counts)}\n")
        sys.stderr.flush()


@contextmanager
def _live(counts: RunCounts) -> Generator[None, None, None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    def shown() -> Any:
        bar = ProgressBar(total=max(1, counts.rows), completed=counts.finished, width=60)
        return Group(bar, Text(line(counts)))

    with Live(get_renderable=shown, console=Console(stderr=True), refresh_per_second=4, transient=True):
        yield
