"""Soak: mixed load with faults against a loopback server, for as long as told.

Prints calls, errors by class, and how far descriptors and memory have drifted; fails where a call is unaccounted for,
an error is none of ours, results are crossed, or descriptors are left open.

Run from the checkout: `python scripts/soak.py --minutes 3`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / "src"), str(_ROOT / "tests")]

from llmsdk import SDK, errors  # noqa: E402 - the path is set above
from llmsdk.utils import BackoffStrategy, RetryConfig  # noqa: E402 - the path is set above
from support.fault_server import (  # type: ignore[import-not-found]  # noqa: E402 - the path is set above
    DONE,
    STREAM_HEAD,
    FaultServer,
    Fin,
    Play,
    Rst,
    Seen,
    Stall,
    chunk,
    completion,
    event,
    reply,
    stream,
)

_FAULT_SHARE = 0.1
_RETRIES = RetryConfig("backoff", BackoffStrategy(5, 50, 2, 5_000), True, max_attempts=3)
_MAX_RSS_DRIFT = 64 << 20


def _faulty(text: str, is_stream: bool) -> Play:
    begun: Play = (STREAM_HEAD + chunk(event(text)),) if is_stream else ()
    plays: list[Play] = [
        (*begun, Fin()),
        (*begun, Rst()),
        (*begun, Stall(5)),
        reply(b'{"error": {"message": "slow down"}}', 429, "Retry-After: 0"),
        reply(b"oh", 500),
        reply(b"<html>"),
        reply(b'{"error": {"message": "no", "code": 400}}'),
        reply(b"junk", 200, "Content-Encoding: gzip"),
    ]
    return random.choice(plays)  # noqa: S311 - no secret hangs on it


def _script(seen: Seen) -> Play:
    asked = seen.json
    text, is_stream = asked["prompt"], bool(asked.get("stream"))
    if random.random() < _FAULT_SHARE:  # noqa: S311 - no secret hangs on it
        return _faulty(text, is_stream)
    if is_stream:
        return stream(*(event(text) for _ in range(5)), event("", "stop"), DONE)
    return reply(completion(text * 5))


class Soak:
    """One run: its counts, and what went wrong."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.until

    def note(self, text: str, outcome: str | BaseException) -> None:
        """Count a call."""
        with self._lock:
            if isinstance(outcome, errors.SDKError):
                self.counts[type(outcome).__name__] += 1
            elif isinstance(outcome, BaseException):
                self.problems.append(f"foreign: {outcome!r}")
            elif outcome != text * 5:
                self.problems.append(f"crossed: {text} got {outcome[:80]}")
            else:
                self.counts["fine"] += 1

    def thread(self, sdk: SDK, name: str) -> None:
        """Call again and again, every second call streamed, every tenth stream left early."""
        number = 0
        while not self.is_over:
            number += 1
            text = f"<{name}.{number}>"
            try:
                self.note(text, self._sync_call(sdk, text, number))
            except BaseException as exc:
                self.note(text, exc)

    def _sync_call(self, sdk: SDK, text: str, number: int) -> str:
        args: dict[str, Any] = {"model": "m", "prompt": text, "timeout_ms": 500}
        if number % 2:
            return str(sdk.completions.create(**args).text)
        with sdk.completions.create(**args, stream=True) as got:
            if number % 10 == 0:
                next(got, None)
                return text * 5
            return "".join(got.text_deltas())

    async def task(self, sdk: SDK, name: str) -> None:
        """The same, async; every tenth call is cancelled."""
        number = 0
        while not self.is_over:
            number += 1
            text = f"<{name}.{number}>"
            try:
                if number % 10 == 5:
                    await asyncio.wait_for(self._async_call(sdk, text, number), 0.002)
                    self.note(text, text * 5)
                else:
                    self.note(text, await self._async_call(sdk, text, number))
            except TimeoutError:
                self.counts["cancelled"] += 1
            except Exception as exc:
                self.note(text, exc)

    async def _async_call(self, sdk: SDK, text: str, number: int) -> str:
        args: dict[str, Any] = {"model": "m", "prompt": text, "timeout_ms": 500}
        if number % 2:
            return str((await sdk.completions.create_async(**args)).text)
        async with await sdk.completions.create_async(**args, stream=True) as got:
            return "".join([piece async for piece in got.text_deltas()])


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def _rss() -> int:
    try:
        fields = Path("/proc/self/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def _round(url: str, seconds: float, workers: int) -> Soak:
    soak = Soak(time.monotonic() + seconds)
    with SDK(server_url=url, api_key="sk-placeholder", retry_config=_RETRIES) as sdk:
        threads = [threading.Thread(target=soak.thread, args=(sdk, f"t{number}")) for number in range(workers)]
        for thread in threads:
            thread.start()

        async def tasks() -> None:
            await asyncio.gather(*(soak.task(sdk, f"a{number}") for number in range(workers)))

        asyncio.run(tasks())
        for thread in threads:
            thread.join(30)
            if thread.is_alive():
                soak.problems.append("a thread hangs")
    return soak


def main() -> int:
    """Run rounds until the time is up, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long (3)")
    parser.add_argument("--workers", type=int, default=8, help="threads, and tasks, at once (8)")
    given = parser.parse_args()
    end = time.monotonic() + given.minutes * 60
    total: Counter[str] = Counter()
    problems: list[str] = []
    with FaultServer(records=False) as server:
        server.always(_script)
        _round(server.url, min(2.0, given.minutes * 6), given.workers)  # warm: imports and caches are no drift
        first_rss = 0
        first_fds = 0
        while True:
            gc.collect()
            if not server.drained(10):
                problems.append("the server still sees open connections")
            fds, rss = _descriptors(), _rss()
            first_rss, first_fds = first_rss or rss, first_fds or fds
            print(
                f"calls {sum(total.values()):>8}  descriptors {fds - first_fds:+d}  "
                f"memory {(rss - first_rss) / (1 << 20):+.1f} MiB",
                flush=True,
            )
            left = end - time.monotonic()
            if left <= 0 or problems:
                break
            done = _round(server.url, min(20.0, left), given.workers)
            total += done.counts
            problems += done.problems
    if fds > first_fds:
        problems.append(f"{fds - first_fds} descriptors are left open")
    if rss - first_rss > _MAX_RSS_DRIFT:
        problems.append(f"memory has grown by {(rss - first_rss) >> 20} MiB")
    for name, count in total.most_common():
        print(f"{name:<28}{count:>9}")
    for problem in problems[:20]:
        print("PROBLEM:", problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
