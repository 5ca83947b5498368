"""Keep the pace of one account with one process and with several workers of Ray, and lose no row to a worker's death.

The server lets a number of requests per second in and answers 429 above it; it is a process of its own, counts what
comes, and its figures are the ones that are judged: from the first request to the last, the beginning included. Held
true: it is used to 90 % at least and refuses less than 2 %; of a run in which a worker is killed, each row is there
once and well.

Run from the checkout, where Ray is installed: `python scripts/ray_pacing.py --rate 50 --seconds 60`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(_ROOT / "src"))

from llmsdk import SDK, Adaptive  # noqa: E402 - the path is set above
from llmsdk.local import LocalServer  # noqa: E402 - the path is set above
from llmsdk.local.limits import RateLimit  # noqa: E402 - the path is set above
from llmsdk.ray import Limiter, Plan, map_rows  # noqa: E402 - the path is set above

_LEAST_USED = 0.9
_MOST_REFUSED = 0.02
_LATENCY_S = 0.2


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(f"ray_pacing: {otherwise}")


def serve(rate: float, headers: bool) -> None:
    """Answer until the input ends, then tell what came."""
    rule = RateLimit(per_second=rate, burst=max(1.0, rate / 5), headers=headers)  # no more than that flatters the rate
    server = LocalServer(rate_limit=rule, latency_s=_LATENCY_S)
    limiter: Any = server._limiter
    take = limiter.take
    came: list[tuple[float, bool]] = []

    def noting(names: Any, now: float) -> Any:
        refused, headers = take(names, now)
        came.append((now, refused))
        return refused, headers

    limiter.take = noting
    with server:
        print(server.url, flush=True)
        for _ in sys.stdin:
            times = [now for now, _ in came]
            found = {
                "requests": len(came),
                "refused": sum(refused for _, refused in came),
                "span_s": max(times) - min(times) if times else 0,
            }
            came.clear()
            print(json.dumps(found), flush=True)


class Server:
    """The server's process."""

    def __init__(self, process: Any) -> None:
        self._ask, self._answers = process.stdin, process.stdout
        self.url: str = self._answers.readline().strip()

    def counted(self) -> dict[str, Any]:
        """Take what came since the last time."""
        self._ask.write("\n")
        self._ask.flush()
        found: dict[str, Any] = json.loads(self._answers.readline())
        return found


@contextlib.contextmanager
def serving(rate: float, headers: bool) -> Iterator[Server]:
    command = [sys.executable, __file__, "--serve", "--rate", str(rate)] + ([] if headers else ["--no-headers"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def judge(name: str, found: dict[str, Any], rate: float) -> None:
    """Print a run's figures, and hold them against the bounds."""
    accepted = found["requests"] - found["refused"]
    used = accepted / found["span_s"] / rate
    refused = found["refused"] / found["requests"]
    per_s = accepted / found["span_s"]
    print(f"{name:12} {accepted} rows at {per_s:.1f}/s, {used:.1%} of {rate:g}/s; {refused:.2%} refused", flush=True)
    require(used >= _LEAST_USED, f"{name}: {used:.1%} of the rate was used, {_LEAST_USED:.0%} is the least")
    require(refused < _MOST_REFUSED, f"{name}: {refused:.2%} were refused")


def one_process(server: Server, rows: int) -> None:
    requests: Any = ({"model": "m", "messages": [{"role": "user", "content": f"row {n}"}]} for n in range(rows))
    with SDK(server_url=server.url) as sdk:
        errors = sum(isinstance(result, Exception) for _, result in sdk.chat.map(requests, limit=Adaptive(max=256)))
    require(errors == 0, f"{errors} rows failed")


def some_workers(server: Server, rows: int, workers: int, killed: int = 0) -> list[dict[str, Any]]:
    """Send rows by workers, some of which are killed on the way."""
    ray: Any = import_module("ray")
    with tempfile.TemporaryDirectory() as folder, Limiter(Adaptive(max=256)) as limiter:
        source = [{"id": n, "prompt": f"row {n}"} for n in range(rows)]
        dataset = ray.data.from_items(source, override_num_blocks=max(workers, rows // 100))

        def request(row: dict[str, Any]) -> dict[str, Any]:
            (Path(folder) / str(os.getpid())).touch()
            return {"prompt": row["prompt"]}

        plan = Plan(row=request, params={"model": "m"}, key="id", sdk={"server_url": server.url}, limiter=limiter.name)
        found: list[dict[str, Any]] = []
        chance = random.Random(rows)  # noqa: S311 # which worker
        for row in map_rows(dataset, plan, workers=workers, batch_size=16).iter_rows():
            found.append(row)
            if killed and len(found) >= rows // (killed + 2):
                killed -= 1
                victim = chance.choice(os.listdir(folder))
                (Path(folder) / victim).unlink()
                os.kill(int(victim), signal.SIGKILL)
        require(killed == 0, "no worker was killed")
        return found


def check(found: list[dict[str, Any]], rows: int) -> None:
    require(sorted(row["id"] for row in found) == list(range(rows)), "a row is missing, or there twice")
    failed = [row for row in found if row["llm_error_class"] is not None]
    require(not failed, f"{len(failed)} rows failed; the first: {failed[:1]}")
    wrong = [row for row in found if f"'row {row['id']}'" not in row["llm_text"]]
    require(not wrong, f"{len(wrong)} rows have the reply of another")


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep the pace of one account with several workers of Ray.")
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=60, help="how long a run takes at that rate")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--no-headers", action="store_true", help="the server does not tell its limits")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.rate, not given.no_headers)
        return 0
    ray: Any = import_module("ray")
    rows = round(given.rate * given.seconds)
    ray.init(num_cpus=given.workers + 4, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        with serving(given.rate, not given.no_headers) as server:
            one_process(server, rows)
            judge("1 process", server.counted(), given.rate)
            time.sleep(1.5)
            check(some_workers(server, rows, given.workers), rows)
            judge(f"{given.workers} workers", server.counted(), given.rate)
            time.sleep(1.5)
            check(some_workers(server, rows, given.workers, killed=1), rows)
            again = server.counted()["requests"] - rows
        print(f"{given.workers} workers, one killed: {rows} rows, each there once; {again} requests more than rows")
    finally:
        ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
