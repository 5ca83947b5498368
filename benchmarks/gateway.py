"""A gateway's day: a FastAPI application that relays streams for 200 callers at once, with one client after the other.

    python benchmarks/gateway.py                     all clients, under 2 minutes; prints the section of the docs
    python benchmarks/gateway.py --clients llmsdk    only these, separated by commas
    python benchmarks/gateway.py --docs              put the section into docs/benchmarks.md

The gateway runs on one core; the provider behind it and the callers before it share another. The same callers, straight
at the provider, give what is subtracted from the delay of a chunk. A part of `python benchmarks/run.py`.
"""

import argparse
import contextlib
import datetime
import json
import os
import random
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gateway_report
from harness import (
    CLIENT_CORE,
    HERE,
    ROOT,
    SERVER_CORE,
    Failure,
    checked,
    environment,
    install,
    missing,
    pinned,
    python_of,
    versions,
)

GROUP = "gateway"
CLIENTS = ("llmsdk", "llmsdk-aiohttp", "openai", "openai-aiohttp", "anthropic", "httpx", "aiohttp")
PACKAGES = ("aiohttp", "anthropic", "fastapi", "openai", "starlette", "uvicorn")  # whose versions matter as well
CHAT = "/v1/chat/completions"

CALLERS = 200
LEAVERS = 50
# A chunk every 50 ms is what fast models send. 200 such streams keep the gateway of llmsdk busy for a third of the
# time, that of openai for two thirds. Whoever leaves does so more than a second before the end of its stream.
PACED = {"callers": CALLERS, "chunks": 36, "every_s": 0.05, "spread_s": 0.5, "leavers": LEAVERS}
# As many chunks on their way as there are callers: the gateway always has something to do.
FULL = {"callers": CALLERS, "chunks": 30, "every_s": 0.0, "spread_s": 0.0, "leavers": 0}
WARM = {"callers": 4, "chunks": 10, "every_s": 0.0, "spread_s": 0.0, "leavers": 0}

ROUNDS = 3
RUN_S = 110.0  # no further round where that would end later
TIMEOUT_S = 40.0
PROMPT_S = 1.0  # an upstream has to be closed within that much of its caller's leaving


class Process:
    """A program of the gateway's environment on one core, which prints a port, then a line for each that it is sent."""

    def __init__(self, core: int, *args: str) -> None:
        command = [str(python_of(GROUP)), *args]
        with pinned(core):
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE, env=environment(GROUP)
            )
        self.port = int(self._line(TIMEOUT_S) or b"0")
        if not self.port:
            self.stop()
            raise Failure("its process died")

    def ask(self, timeout_s: float, **values: Any) -> dict[str, Any]:
        """Send one command and wait for its answer.

        Raises:
            Failure: It died, or took too long.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(values).encode() + b"\n")
        self.process.stdin.flush()
        return checked(self._line(timeout_s))

    def _line(self, timeout_s: float) -> bytes:
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], timeout_s)[0]:
            raise Failure(f"more than {timeout_s:.0f} s")
        return self.process.stdout.readline()

    def resident_mb(self, name: str) -> float:
        """`VmRSS` or `VmHWM`."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024 / 1e6

    def forget_peak(self) -> None:
        """Let `VmHWM` start again from what is resident now."""
        with contextlib.suppress(OSError):  # then the peak is that of all before, which was lower
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5", encoding="ascii")

    def cpu_s(self) -> float:
        """CPU time so far, from the system's own account."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


@dataclass
class Day:
    """What one gateway gave, round by round; `direct` is the callers straight at the provider."""

    paced: list[dict[str, Any]] = field(default_factory=list)
    full: list[dict[str, Any]] = field(default_factory=list)
    memory_mb: float = 0.0
    problem: str = ""


class Run:
    """All gateways with the world around them."""

    def __init__(self, world: Process, gateways: dict[str, Process]) -> None:
        self.world = world
        self.gateways = gateways
        self.days = {name: Day() for name in ("direct", *gateways)}

    def round(self) -> None:
        """Give each gateway its turn, in an order of its own."""
        names = [name for name, day in self.days.items() if not day.problem]
        random.shuffle(names)
        for name in names:
            try:
                self._turn(name)
            except Failure as failure:
                self.days[name].problem = str(failure)

    def _turn(self, name: str) -> None:
        day, gateway = self.days[name], self.gateways.get(name)
        if not day.paced:
            self._relay(name, **WARM)
            if gateway is not None:
                gateway.forget_peak()
                before = gateway.resident_mb("VmRSS")
        day.paced.append(self._relay(name, **PACED))
        if gateway is not None and len(day.paced) == 1:
            day.memory_mb = gateway.resident_mb("VmHWM") - before
        day.full.append(self._relay(name, **FULL))

    def _relay(self, name: str, **values: Any) -> dict[str, Any]:
        gateway = self.gateways.get(name)
        before = gateway.cpu_s() if gateway is not None else 0.0
        port = (gateway or self.world).port
        found = self.world.ask(TIMEOUT_S, port=port, path=CHAT, **values)
        if found["lost"]:
            raise Failure(f"{found['lost']} of {values['callers']} callers lost their stream: one {found['problem']}")
        if gateway is not None:
            found["gateway_cpu"] = gateway.cpu_s() - before
        return found


@contextlib.contextmanager
def started(names: tuple[str, ...]) -> Iterator[tuple[Run, dict[str, str]]]:
    """Start the world and the gateways; why which could not be started."""
    processes: list[Process] = []
    problems = {}
    try:
        world = Process(SERVER_CORE, "gateway_world.py")
        processes.append(world)
        gateways = {}
        for name in names:
            try:
                gateways[name] = Process(CLIENT_CORE, "gateway_app.py", name, f"http://127.0.0.1:{world.port}")
            except Failure as failure:
                problems[name] = str(failure)
            else:
                processes.append(gateways[name])
        yield Run(world, gateways), problems
    finally:
        for process in processes:
            process.stop()


def figures(day: Day, direct: Day) -> dict[str, Any]:
    """One row of the results."""
    pairs = list(zip(day.paced, direct.paced, strict=False))
    if day.problem or not pairs:
        return {"problem": day.problem or f"nothing to compare with: {direct.problem}"}
    closed_s = [seconds for turn in day.paced for seconds in turn["closed_s"]]
    left, closed = sum(turn["left"] for turn in day.paced), sum(seconds <= PROMPT_S for seconds in closed_s)
    median = statistics.median
    found = {
        "rounds": len(day.paced),
        "events_s": median(turn["events"] / turn["wall"] for turn in day.full),
        "world_share": max(turn["cpu"] / turn["wall"] for turn in day.full),
        "p50_ms": median(turn["p50_ms"] for turn in day.paced),
        "p99_ms": median(turn["p99_ms"] for turn in day.paced),
        "added_p50_ms": median(turn["p50_ms"] - other["p50_ms"] for turn, other in pairs),
        "added_p99_ms": median(turn["p99_ms"] - other["p99_ms"] for turn, other in pairs),
        "left": left,
        "closed": closed,
        "closed_share": closed / left,
        "longest_ms": max(closed_s, default=0.0) * 1e3,
    }
    if day is direct:
        return found
    busy = median(turn["gateway_cpu"] / turn["wall"] for turn in day.paced)
    cpu_us = median(turn["gateway_cpu"] / turn["events"] * 1e6 for turn in day.paced)
    return {**found, "busy": busy, "cpu_us": cpu_us, "memory_mb": day.memory_mb}


def measured(names: tuple[str, ...] = CLIENTS) -> dict[str, Any]:
    """Do the run; the results as JSON."""
    found: dict[str, Any] = {
        "at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_at_start": round(os.getloadavg()[0], 2),
        "callers": CALLERS,
        "every_ms": PACED["every_s"] * 1e3,
        "versions": {},
    }
    problem = missing(GROUP) and install(GROUP)
    begun = time.monotonic()
    rows = {name: {"problem": problem} for name in names} if problem else rows_of(names)
    if not problem:
        found["versions"] = versions(GROUP, PACKAGES)
    targets = gateway_report.judged(rows)
    return {**found, "rows": rows, "targets": targets, "seconds": round(time.monotonic() - begun)}


def rows_of(names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """All rounds that there is time for; a row for each client, and one for none."""
    begun = time.monotonic()
    with started(names) as (run, problems):
        for number in range(ROUNDS):
            elapsed = time.monotonic() - begun
            if number and elapsed + elapsed / number > RUN_S:
                break
            run.round()
            told = f"{time.monotonic() - begun:6.1f} s  a gateway's day, round {number + 1}"
            print(told, file=sys.stderr, flush=True)
    rows = {name: figures(day, run.days["direct"]) for name, day in run.days.items()}
    return rows | {name: {"problem": problem} for name, problem in problems.items()}


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default=",".join(CLIENTS), metavar="NAMES", help="separated by commas")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the results go, as JSON")
    parser.add_argument("--docs", action="store_true", help="put the section into docs/benchmarks.md")
    args = parser.parse_args()
    found = measured(tuple(args.clients.split(",")))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(gateway_report.part(found))
    if args.docs:
        page = ROOT / "docs" / "benchmarks.md"
        page.write_text(gateway_report.put_into(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    return int(any("problem" in row for row in found["rows"].values()))


if __name__ == "__main__":
    sys.exit(main())
