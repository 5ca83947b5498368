"""Kill a batch at random moments, go on each time, and compare with a run that nobody killed.

Every run is a process of its own that is ended with SIGKILL; the server is in this process and counts what it is sent.
Held true: after each kill the output has whole lines and each key once; at the end it equals the unbroken run; every
row is sent, and none again but those that were in flight when a kill came; what is sent again has its idempotency key.

Run from the checkout: `python scripts/batch_kill.py --kills 20 --seed 1`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "src"))

from llmsdk.local import LocalServer  # noqa: E402 - the path is set above

_LONGEST_S = 120.0
_FIRST_MOMENTS_S = 0.6  # a process that starts, reads and opens files


class Counted:
    """A server that notes of every request whose row it was and with which idempotency key it came."""

    def __init__(self, latency_s: float) -> None:
        self.server = LocalServer(latency_s=latency_s)
        self.sent: dict[str, list[str]] = defaultdict(list)
        self.count = 0
        self._lock = threading.Lock()
        # The server itself keeps its last thousand requests only.
        self._handle = self.server.app.handle
        self.server.app.handle = self._noting  # type: ignore[method-assign] # that is what a wrapper does

    def _noting(self, request: Any, request_id: str) -> Any:
        with self._lock:
            self.count += 1
            self.sent[request.json["messages"][0]["content"]].append(request.headers["idempotency-key"])
        reply = self._handle(request, request_id)
        # The embedded provider states the limits of some small account, to which a run would keep.
        reply.headers = {name: value for name, value in reply.headers.items() if "ratelimit" not in name}
        return reply

    def reset(self) -> None:
        with self._lock:
            self.sent.clear()
            self.count = 0


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(f"batch_kill: {otherwise}")


def write_input(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            said = {"messages": [{"role": "user", "content": f"row {number}"}], "model": "m"}
            # Half of them are known by their content.
            file.write(json.dumps(said | ({"custom_id": f"row-{number}"} if number % 2 else {})) + "\n")


def start(source: Path, output: Path, url: str, limit: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "llmsdk.cli", "batch", "run", str(source), str(output), "--quiet"]
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "src")}
    options = ["--server-url", url, "--limit", str(limit)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, env=environment)


def results(path: Path) -> dict[str, Any]:
    """Read the whole lines of an output; each key is there once."""
    found: dict[str, Any] = {}
    raw = path.read_bytes() if path.exists() else b""
    for line in raw[: raw.rfind(b"\n") + 1].splitlines():
        value = json.loads(line)
        require(value["key"] not in found, f"{value['key']} is there twice")
        require(value["error"] is None, f"{value['key']} is an error")
        found[value["key"]] = value["response"]["body"]
    return found


def kill_once(process: subprocess.Popen[bytes], counted: Counted, chance: random.Random, step: int) -> bool:
    """Kill a run after some requests, or some moments after its start; False where it was through before."""
    until = counted.count + chance.randint(1, max(1, step))
    moments = chance.uniform(0, _FIRST_MOMENTS_S) if chance.random() < 0.25 else None
    pause = chance.uniform(0, 0.01)
    began = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - began
        require(passed < _LONGEST_S, "a run hangs")
        if (passed >= moments) if moments is not None else (counted.count >= until):
            time.sleep(pause)
            process.kill()
            break
        time.sleep(0.001)
    return process.wait() != 0


def check(counted: Counted, rows: int, kills: int, limit: int) -> int:
    """Compare what was sent with what may have been; the answer is how many rows were sent again."""
    require(len(counted.sent) == rows, f"{rows - len(counted.sent)} rows were never sent")
    again = counted.count - rows
    require(again <= kills * limit, f"{again} rows were sent again, {kills * limit} can have been in flight")
    for row, keys in counted.sent.items():
        require(len(set(keys)) == 1, f"{row} was sent with several idempotency keys")
    return again


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a batch at random moments and go on.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)  # noqa: S311 # moments of a test
    counted = Counted(latency_s=0.01)
    with tempfile.TemporaryDirectory() as folder, counted.server as server:
        source, output, unbroken = (Path(folder) / name for name in ("in.jsonl", "out.jsonl", "unbroken.jsonl"))
        write_input(source, given.rows)
        require(start(source, unbroken, server.url, given.limit).wait(_LONGEST_S) == 0, "the unbroken run failed")
        require(counted.count == given.rows, f"the unbroken run sent {counted.count} requests")
        counted.reset()
        kills, done, seen = 0, 0, []
        while kills < given.kills:
            left = given.rows - done
            step = round(1.5 * left / (given.kills - kills + 1))
            if not kill_once(start(source, output, server.url, given.limit), counted, chance, step):
                break
            kills += 1
            found = len(results(output))
            require(found >= done, "a row that was done is gone")
            done = found
            seen.append(done)
        require(kills == given.kills, f"all was done after {kills} kills; take more rows")
        require(start(source, output, server.url, given.limit).wait(_LONGEST_S) == 0, "the last run failed")
        require(results(output) == results(unbroken), "the output differs from that of the unbroken run")
        again = check(counted, given.rows, kills, given.limit)
    print(f"rows done after each kill: {seen}")
    print(
        f"{kills} kills, {given.rows} rows, each there once and as in the unbroken run; {counted.count} requests, "
        f"{again} of them again (at most {kills * given.limit} were in flight)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
