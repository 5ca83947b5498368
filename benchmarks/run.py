"""Measure llmsdk beside other clients and beside what a hand-written one costs.

    python benchmarks/run.py                    everything, under 20 minutes; writes docs/benchmarks.md and its plot
    python benchmarks/run.py --quick            one environment, fewer questions, short turns, under 2 minutes
    python benchmarks/run.py --only call-sync   questions whose name begins so; may be given again
    python benchmarks/run.py --only start- --again    these questions anew, in the results of the last full run
    python benchmarks/run.py --report           write docs/benchmarks.md anew from these results

Needs a C compiler, and the network once, to install the peers into environments of their own. Linux only.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gateway
import report
from clients import CLIENTS, Client
from harness import CLIENT_CORE, CORES, HERE, ROOT, SERVER_CORE, Server, install, missing, versions
from measure import FULL, QUICK, Run
from question import Question
from questions import QUESTIONS

# What a quick run leaves out: growth, what takes long, and what has a sibling that stays.
SLOW = (
    *("shards-", "chunk-size-", "chunks-x", "reply-size-", "flight-100", "flight-512"),
    *("chunk-paced-", "event-async", "event-memory", "start-stream", "crowd"),
    *("inflight-", "streams-", "hosts-", "calls-"),
)

KEPT = HERE / "results.json"  # of the last full run, which docs/benchmarks.md shows
GROUPS = tuple(dict.fromkeys(client.group for client in CLIENTS))


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short turns, only the environment `core`")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a question, or how its name begins"
    )
    parser.add_argument("--clients", default="", metavar="NAMES", help="only these clients, separated by commas")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a further place for the results")
    parser.add_argument("--again", action="store_true", help="put questions anew into the results of the last full run")
    parser.add_argument("--report", action="store_true", help="only write the documentation of these results")
    parser.add_argument("--list", action="store_true", help="list the questions and the clients")
    return parser.parse_args()


def environments(clients: list[Client]) -> dict[str, str]:
    """Make what is missing; why which client cannot be used."""
    problems = {}
    for group in dict.fromkeys(client.group for client in clients):
        problems[group] = missing(group) and install(group)
    return {client.name: problems[client.group] for client in clients if problems[client.group]}


def is_in_quick(client: Client) -> bool:
    """Whether a quick run asks this client."""
    return client.group == "core" and client.loop == "asyncio" and client.name != "httpx-typed"


def machine() -> dict[str, Any]:
    """What it ran on."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    return {
        "cpu": cpu,
        "cores": len(CORES),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "client_core": CLIENT_CORE,
        "server_core": SERVER_CORE,
    }


def commit() -> str:
    """The commit that was measured, with a plus where files differ from it."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=10"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


def server_proof(server: Server, *, quick: bool) -> dict[str, dict[str, float]]:
    """What the server can do when the client is in C."""
    times = 1 if quick else 5
    return {
        "small, 1 connection": server.load("small", 4000 * times, 1),
        "small, 64 connections": server.load("small", 8000 * times, 64),
        "stream of 1,000 chunks, many in each write": server.load("stream/1000/bulk", 40 * times, 1),
        "stream of 1,000 chunks, each a write of its own": server.load("stream/1000/single", 10 * times, 1),
        "stream of 1,000 chunks, each in a read of its own": server.load("stream/1000/paced", 2 * times, 1),
        "event of 8 MB": server.load("event8m", 4 * times, 1),
    }


def chosen(only: list[str], *, quick: bool) -> list[Question]:
    """The questions; a quick run leaves some out."""
    if only:
        return [question for question in QUESTIONS if any(question.id.startswith(begin) for begin in only)]
    left_out = SLOW if quick else ()
    return [question for question in QUESTIONS if not question.id.startswith(left_out)]


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Do the run."""
    started = time.monotonic()
    names = set(filter(None, args.clients.split(",")))
    clients = [client for client in CLIENTS if client.name in names] or [
        client for client in CLIENTS if not args.quick or is_in_quick(client)
    ]
    unusable = environments(clients)
    found: dict[str, Any] = {
        "at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "quick": args.quick,
        "machine": machine(),
        "versions": {group: versions(group) for group in GROUPS if not missing(group)},
        "kinds": {client.name: client.kind for client in clients},
        "unusable": unusable,
        "left_out": [client.name for client in CLIENTS if client not in clients],
    }
    questions = chosen(args.only, quick=args.quick)
    with Server() as server:
        found["server"] = server_proof(server, quick=args.quick)
        run = Run(server, QUICK if args.quick else FULL, clients, unusable)
        try:
            run.put_all(questions)
        finally:
            run.close()
        found["questions"] = {question.id: run.results(question) for question in questions}
    if not (args.quick or args.only or args.clients):
        found["gateway"] = gateway.measured()
    found["seconds"] = round(time.monotonic() - started)
    return found


def renew(earlier: dict[str, Any], found: dict[str, Any]) -> None:
    """Replace questions of an earlier run, and say when they were put."""
    at = {question_id: place for place, question_id in enumerate(question.id for question in QUESTIONS)}
    questions = earlier["questions"] | found["questions"]
    earlier["questions"] = {name: questions[name] for name in sorted(questions, key=lambda name: at.get(name, len(at)))}
    titles = [question["title"] for question in found["questions"].values()]
    load = found["machine"]["load_at_start"]
    again = {"at": found["at"], "commit": found["commit"], "load": load, "titles": titles}
    earlier["again"] = [*earlier.get("again", ()), again]


def kept() -> dict[str, Any]:
    """Read the results of the last full run.

    Raises:
        SystemExit: There has been none since they are kept.
    """
    if not KEPT.exists():
        raise SystemExit(f"{KEPT.name}: there are no results yet; run without --only, --clients and --quick first")
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def keep(found: dict[str, Any]) -> None:
    """Write the results of a full run, and the documentation of them."""
    KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    report.write(found, ROOT / "docs")


def main() -> int:
    """See the module."""
    args = parsed()
    if args.list:
        print("\n".join(f"{question.id:20} {question.title}" for question in QUESTIONS))
        print("\n".join(f"{client.name:24} {client.kind:6} in {client.group}" for client in CLIENTS))
        return 0
    if args.report:
        report.write(kept(), ROOT / "docs")
        return 0
    earlier = kept() if args.again else None
    found = measured(args)
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(report.markdown(found))
    if earlier is not None:
        renew(earlier, found)
        keep(earlier)
    elif not (args.quick or args.only or args.clients):
        keep(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
