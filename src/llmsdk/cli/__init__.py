"""The command `llmsdk`; its parts are in the extra `llmsdk[cli]`.

Exit codes: 0 done, 1 the server refused, failed or could not be reached, 2 the command or its set-up is wrong and
nothing was sent, 130 interrupted.

Optional: only the console script imports it; it may import everything. Start reading at `app`, which has a function
for each command; `setup` has what they share, `options` their options, `talk` the conversation, `screen` what is shown.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec

_NEEDED = ("typer", "rich")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments without the command's name; those of this process by default.

    Returns:
        The exit code.
    """
    # Imports take some tenths of a second. Ctrl-C would print where they just were: it ends the process instead.
    is_ours = threading.current_thread() is threading.main_thread()
    is_ours = is_ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        sys.stderr.write(f"llmsdk: error: {' and '.join(missing)} not installed; install llmsdk[cli]\n")
        return 2
    from .app import run  # only now: it imports what may not be installed

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return run(sys.argv[1:] if argv is None else argv)
    finally:
        if is_ours and argv is None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nor is there anything to show while the process ends
