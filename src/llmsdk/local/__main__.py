"""`python -m llmsdk.local`: serve the embedded provider to any client, until Ctrl-C."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from ..providers.ids import FOR_URLS
from ..providers.registry import PROVIDERS
from ..utils.urls import is_loopback
from .faults import Fault
from .server import LocalServer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m llmsdk.local", description="Serve the embedded provider.")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    # The embedded provider is made for one machine: see SECURITY.md.
    parser.add_argument("--host", default="127.0.0.1", help="interface to listen on (default: %(default)s)")
    parser.add_argument("--dialect", default=FOR_URLS, choices=list(PROVIDERS), help="whom to speak like")
    parser.add_argument("--api-key", help="the only key to let in; by default any key is")
    parser.add_argument("--fault", metavar="JSON", help='what every request gets, such as {"status": 503}')
    parser.add_argument("--delay-ms", type=float, default=0.0, help="wait before each event of a stream")
    parser.add_argument("--allow-remote", action="store_true", help="let --host be reachable from other machines")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = _parser()
    options = parser.parse_args(argv)
    if not options.allow_remote and not is_loopback(options.host):
        parser.error(f"{options.host} is not a loopback address; --allow-remote lets other machines in")
    server = LocalServer(
        options.dialect,
        port=options.port,
        host=options.host,
        api_key=options.api_key,
        event_delay_s=options.delay_ms / 1000,
    )
    try:
        server.always(None if options.fault is None else Fault.parse(options.fault))
        server.start()
    except ValueError as exc:
        parser.error(f"--fault: {exc}")
    except (OSError, OverflowError) as exc:
        print(f"cannot listen on {options.host}:{options.port}: {exc}", file=sys.stderr)
        return 1
    with server:
        print(f"embedded provider ({options.dialect}) at {server.url}", flush=True)
        try:
            while True:
                time.sleep(1)  # an interruption that another thread was handed is seen when this one wakes
        except KeyboardInterrupt:
            pass  # which is how it ends
    return 0


if __name__ == "__main__":
    sys.exit(main())
