"""Send many rows through `map_async` to an embedded provider in a process of its own that lets 5 % of them go wrong.

Fails where a row is missing or comes twice, or the server counted other attempts than the rows did. Prints peak memory.

Run from the checkout: `python scripts/map_soak.py --rows 10000`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "src"))

from llmsdk import SDK, Adaptive  # noqa: E402 - the path is set above
from llmsdk.errors import SDKError  # noqa: E402 - the path is set above
from llmsdk.many.map import Settings, outcomes_async  # noqa: E402 - the path is set above
from llmsdk.resources.operations.completions import CREATE_COMPLETION  # noqa: E402 - the path is set above

_SERVE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from llmsdk.local import LocalServer
with LocalServer(fault_share=float(sys.argv[2]), seed=7) as server:
    print(server.url, flush=True)
    sys.stdin.read()
    print(json.dumps({str(status): count for status, count in server.counts.items()}), flush=True)
"""


def _rows(count: int) -> Iterator[Any]:
    for number in range(count):
        yield {"model": "m", "prompt": f"row {number}", "max_tokens": 5}


async def _run(url: str, count: int) -> tuple[Counter[str], int, bytearray]:
    ends: Counter[str] = Counter()
    attempts = 0
    seen = bytearray(count)
    settings = Settings(limit=Adaptive(8, 64), options={"timeout_ms": 2_000})
    async with SDK(server_url=url) as sdk:
        async for outcome in outcomes_async(sdk._runner, CREATE_COMPLETION, _rows(count), settings):
            seen[outcome.index] += 1
            attempts += outcome.attempts
            ends[type(outcome.result).__name__ if isinstance(outcome.result, SDKError) else "fine"] += 1
    return ends, attempts, seen


def main() -> int:
    """Run, print the counts, and say whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--faults", type=float, default=0.05)
    options = parser.parse_args()
    command = [sys.executable, "-c", _SERVE, str(_ROOT / "src"), str(options.faults)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 - they are pipes
        assert server.stdout is not None  # noqa: S101 - they are pipes
        url = server.stdout.readline().strip()
        began = time.monotonic()
        ends, attempts, seen = anyio.run(_run, url, options.rows)
        took = time.monotonic() - began
        server.stdin.close()
        counted: dict[str, int] = json.loads(server.stdout.readline())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{options.rows} rows in {took:.1f} s, {options.rows / took:.0f}/s, peak memory {peak} MiB")
    print(f"ends: {dict(ends)}; attempts {attempts}; the server counted {sum(counted.values())}: {counted}")
    problems = [f"row {at} came {times} times" for at, times in enumerate(seen) if times != 1][:20]
    if sum(counted.values()) != attempts:
        problems.append("the server counted other requests than were made")
    for problem in problems:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
