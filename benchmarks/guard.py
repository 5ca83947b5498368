"""Hold the work of one sync call and of one sync stream of 2,000 chunks under recorded ceilings.

    python benchmarks/guard.py               count, compare with ceilings.json, fail above a ceiling by 10 %
    python benchmarks/guard.py --update      record the counts as the new ceilings, for this version of Python
    python benchmarks/guard.py --callgrind   count machine instructions under valgrind as well: minutes, not for CI

What is counted is stable where time is not: lines executed and functions called (C functions too) in llmsdk, httpx,
httpcore and h11, over a socket that gives canned bytes in fixed reads. Counts belong to a minor version of Python;
those of the libraries, also to their versions: where these differ from the recorded, only our own count is held.
"""

import argparse
import gc
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

HERE = Path(__file__).resolve().parent
CEILINGS = HERE / "ceilings.json"
PACKAGES = ("llmsdk", "httpx", "httpcore", "h11")
CHUNKS = 2000
SLACK = 1.10
TASKS = ("call", "stream", "bulk")
TITLES = {
    "call": "one call",
    "stream": f"one stream of {CHUNKS:,} chunks, each in its own read",
    "bulk": f"one stream of {CHUNKS:,} chunks, in reads of 64 KiB",
}

sys.path.insert(0, str(HERE.parent / "src"))

# ---- a socket with canned replies ----

REPLY = json.dumps(
    {
        "id": "chatcmpl-guard",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "guard-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "words " * 40},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 40, "total_tokens": 51},
    }
).encode()


def event(index: int) -> bytes:
    """One event of the stream."""
    last = index + 1 == CHUNKS
    choice = {
        "index": 0,
        "delta": {"content": f"token {index} " * 6},
        "logprobs": None,
        "finish_reason": "stop" if last else None,
    }
    chunk = {"id": "chatcmpl-guard", "object": "chat.completion.chunk", "created": 1760000000, "model": "guard-model"}
    return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"


def http_chunk(data: bytes) -> bytes:
    """A part of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def reads_of(task: str) -> list[bytes]:
    """What each read gives."""
    if task == "call":
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: guard\r\ncontent-length: %d\r\n\r\n"
        return [head % len(REPLY) + REPLY]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    end = http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    events = [event(index) for index in range(CHUNKS)]
    if task == "stream":
        return [head, *map(http_chunk, events), end]
    body = b"".join(events)
    parts = [http_chunk(body[start : start + 65000]) for start in range(0, len(body), 65000)]
    return [head, *parts, end]


class CannedSocket:
    """What a connected socket has to be for a client: it is sent a request, and gives the reads of the reply."""

    def __init__(self, reads: list[bytes]) -> None:
        self.reads = reads
        self.left: list[bytes] = []
        self.kept, self.other = socket.socketpair()  # a real descriptor: pools ask whether it is readable

    def send(self, data: bytes, *_: Any) -> int:
        self.sendall(data)
        return len(data)

    def sendall(self, _: bytes, *__: Any) -> None:
        self.left = self.reads[::-1]

    def recv(self, size: int, *_: Any) -> bytes:
        data = self.left.pop() if self.left else b""
        if len(data) > size:
            self.left.append(data[size:])
        return data[:size]

    def close(self) -> None:
        self.kept.close()
        self.other.close()

    def fileno(self) -> int:
        return self.kept.fileno()

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    getpeername = getsockname

    def settimeout(self, *_: Any) -> None: ...

    def gettimeout(self) -> float:
        return 600.0

    def setsockopt(self, *_: Any) -> None: ...

    def getsockopt(self, *_: Any) -> int:
        return 0

    def shutdown(self, *_: Any) -> None: ...


def worker(task: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """A function that does the task once, and one that closes the SDK."""
    opened: list[CannedSocket] = []

    def connect(*_: Any, **__: Any) -> CannedSocket:
        opened.append(CannedSocket(reads_of(task)))
        return opened[-1]

    socket.create_connection = connect  # type: ignore[assignment]  # a stand-in with what clients use of a socket
    from llmsdk import SDK

    sdk = SDK(api_key="sk-placeholder", server_url="http://127.0.0.1:1/v1")
    messages: Any = [{"role": "user", "content": "Hi"}]

    def call() -> None:
        reply = sdk.chat.create(model="guard-model", messages=messages)
        assert (reply.choices[0].message.content or "").startswith("words")

    def stream() -> None:
        with sdk.chat.create(model="guard-model", messages=messages, stream=True) as chunks:
            count = sum(bool(chunk.choices[0].delta.content) for chunk in chunks)
        assert count == CHUNKS, f"{count} chunks"
        assert len(opened) == 1, "the stream did not give its connection back"

    return (call if task == "call" else stream), sdk.close


# ---- counting ----


class Counts:
    """Counts lines and calls by package."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.packages: dict[CodeType, str] = {}

    def package(self, code: CodeType) -> str:
        """The package of a piece of code, empty for others."""
        found = self.packages.get(code)
        if found is None:
            parts = Path(code.co_filename).parts
            found = next((part for part in reversed(parts[:-1]) if part in PACKAGES), "")
            self.packages[code] = found
        return found

    def of(self, task: Callable[[], None]) -> dict[str, int]:
        """Do a task, counting."""
        self.counts.clear()
        gc.collect()
        gc.disable()
        try:
            (self._by_monitoring if sys.version_info >= (3, 12) else self._by_tracing)(task)
        finally:
            gc.enable()
        found = {name: self.counts[name] for name in PACKAGES}
        return {**found, "all": sum(found.values())}

    def _by_tracing(self, task: Callable[[], None]) -> None:
        def trace(frame: FrameType, kind: str, _: Any) -> Any:
            name = self.package(frame.f_code)
            if name and kind in ("call", "line"):
                self.counts[name] += 1
            return trace if name else None

        def profile(frame: FrameType, kind: str, _: Any) -> None:
            if kind == "c_call" and (name := self.package(frame.f_code)):
                self.counts[name] += 1

        sys.settrace(trace)
        sys.setprofile(profile)
        try:
            task()
        finally:
            sys.setprofile(None)
            sys.settrace(None)

    def _by_monitoring(self, task: Callable[[], None]) -> None:
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # from Python 3.12 on
        tool, events = monitoring.PROFILER_ID, monitoring.events

        def count(code: CodeType, *_: Any) -> Any:
            name = self.package(code)
            if not name:
                return monitoring.DISABLE
            self.counts[name] += 1
            return None

        kinds = (events.PY_START, events.PY_RESUME, events.LINE, events.CALL)
        monitoring.use_tool_id(tool, "guard")
        for kind in kinds:
            monitoring.register_callback(tool, kind, count)
        monitoring.set_events(tool, sum(kinds))
        try:
            task()
        finally:
            monitoring.set_events(tool, 0)
            monitoring.free_tool_id(tool)


def counted(task: str) -> dict[str, int]:
    """The events of one task, caches warm: the least of three, as a rare branch may be taken once."""
    do, close = worker(task)
    do()
    do()
    found = min((Counts().of(do) for _ in range(3)), key=lambda counts: counts["all"])
    close()
    return found


def instructions(task: str) -> int:
    """The instructions of one task under callgrind: what more of them add to a process."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise SystemExit("valgrind is not installed")
    more = 20 if task == "call" else 1
    totals = []
    for count in (2, 2 + more):
        with tempfile.TemporaryDirectory() as folder:
            command = [valgrind, "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, __file__]
            done = subprocess.run(
                [*command, "--do", task, str(count)],
                env={**os.environ, "PYTHONHASHSEED": "0"},
                capture_output=True,
                text=True,
                check=True,
            )
        collected = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
        if not collected:
            raise SystemExit(f"callgrind gave no count: {done.stderr[-300:]}")
        totals.append(int(collected[1]))
    return (totals[1] - totals[0]) // more


# ---- ceilings ----


def versions() -> dict[str, str]:
    """The libraries that the counts depend on."""
    return {name: importlib.metadata.version(name) for name in ("httpx", "httpcore", "h11", "pydantic")}


def judged(task: str, found: dict[str, int], ceiling: dict[str, int], *, is_same: bool) -> bool:
    """Print one task's figures beside its ceilings; whether they hold."""
    print(f"{TITLES[task]}:")
    holds = True
    for name, value in found.items():
        bound = ceiling.get(name)
        change = f"{value / bound - 1:+7.1%}" if bound else "       "
        is_held = name == "llmsdk" or (name in ("all", "instructions") and is_same)
        is_over = bool(is_held and bound and value > bound * SLACK)
        holds = holds and not is_over
        verdict = "ABOVE THE CEILING" if is_over else "" if is_held else "not held"
        print(
            f"  {name:13} {value:14,}  ceiling {bound if bound is not None else '-':>14}  {change}  {verdict}".rstrip()
        )
    return holds


def guarded(args: argparse.Namespace) -> int:
    """Count, then record or compare."""
    if not CEILINGS.exists() and not args.update:
        print("no ceilings are recorded: `--update` records them")
        return 1
    recorded: dict[str, Any] = json.loads(CEILINGS.read_text(encoding="utf-8")) if CEILINGS.exists() else {}
    key = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = recorded.get(key, {"versions": {}, "ceilings": {}})
    found = {task: counted(task) for task in TASKS}
    if args.callgrind:
        for task in TASKS:
            found[task]["instructions"] = instructions(task)
    if args.update:
        kept = {task: {**own["ceilings"].get(task, {}), **found[task]} for task in TASKS}
        recorded[key] = {"versions": versions(), "ceilings": kept}
        CEILINGS.write_text(json.dumps(dict(sorted(recorded.items())), indent=2) + "\n", encoding="utf-8")
    is_same = own["versions"] == versions()
    if not own["ceilings"] and not args.update:
        print(f"no ceilings are recorded for Python {key}: nothing is held; `--update` records them")
    elif not is_same and not args.update:
        print(f"the ceilings are of {own['versions']}, here are {versions()}: only llmsdk's own counts are held")
    holds = [judged(task, found[task], own["ceilings"].get(task, {}), is_same=is_same) for task in TASKS]
    return 0 if args.update or all(holds) else 1


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="record the counts as the new ceilings")
    parser.add_argument("--callgrind", action="store_true", help="count instructions as well")
    parser.add_argument("--do", nargs=2, metavar=("TASK", "COUNT"), help="do a task that often, for callgrind")
    args = parser.parse_args()
    if args.do:
        do, close = worker(args.do[0])
        for _ in range(int(args.do[1])):
            do()
        close()
        return 0
    return guarded(args)


if __name__ == "__main__":
    sys.exit(main())
