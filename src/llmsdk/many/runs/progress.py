"""Progress: a run as it goes, live on a terminal where rich is installed, else a plain line now and then."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from .tally import Tally

_EVERY_S = 5.0


@contextmanager
def showing(tally: Tally, wanted: bool | None, every_s: float = _EVERY_S) -> Generator[None, None, None]:
    """Show a tally on stderr while the block runs.

    Args:
        wanted: None shows it on terminals only.
        every_s: Seconds between plain lines.
    """
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if wanted is False or sys.stderr is None or (wanted is None and not is_terminal):
        yield
    elif is_terminal and find_spec("rich") is not None:
        with _live(tally):
            yield
    else:
        over = threading.Event()
        thread = threading.Thread(target=_tell, args=(tally, over, every_s), name="llmsdk-batch-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def line(tally: Tally) -> str:
    """Tell where a run is, in one line."""
    finished = tally.done_before + tally.succeeded + tally.failed
    share = f" ({100 * finished / tally.rows:.0f} %)" if tally.rows else ""
    parts = [
        f"{finished:,}/{tally.rows:,} rows{share}",
        f"{tally.rows_per_s:,.1f} rows/s",
        f"{tally.total_tokens:,} tokens",
    ]
    cost, eta = tally.cost, tally.eta_s
    if cost is not None:
        parts.append(f"cost {cost:,.4f}")
    if tally.failed:
        parts.append(f"failed {tally.failed:,}: {_classes(tally)}")
    if eta is not None and tally.left:
        parts.append(f"ETA {_clock(eta)}")
    return ", ".join(parts)


def _classes(tally: Tally) -> str:
    # A copy: the run counts on in another thread.
    common = tally.errors.copy().most_common(3)
    return ", ".join(f"{name} {count:,}" for name, count in common)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _tell(tally: Tally, over: threading.Event, every_s: float) -> None:
    while not over.wait(every_s):
        sys.stderr.write(f"{line(tally)}\n")
        sys.stderr.flush()


@contextmanager
def _live(tally: Tally) -> Generator[None, None, None]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    def shown() -> Any:
        finished = tally.done_before + tally.succeeded + tally.failed
        bar = ProgressBar(total=max(1, tally.rows), completed=finished, width=60)
        return Group(bar, Text(line(tally)))

    with Live(get_renderable=shown, console=Console(stderr=True), refresh_per_second=4, transient=True):
        yield
