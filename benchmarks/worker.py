"""One client in its own process: does what it is told, and says what that cost.

    worker.py NAME                  take commands as JSON lines on standard input
    worker.py NAME fresh TASK ...   do one thing in a fresh process, print what it cost, and end

Only what the measured client needs is imported here: a fresh process is measured from its first instruction on.
"""

import os
import sys
import time
from typing import Any

from clients import BY_NAME, Adapter, Client, Unsupported, common

# What a library prints must not get between our lines.
ANSWERS = os.dup(1)
os.dup2(2, 1)


def answer(values: dict[str, object]) -> None:
    """Print one line."""
    import json

    os.write(ANSWERS, json.dumps(values).encode() + b"\n")


class Worker:
    """Runs the operations of one adapter, the async ones in a loop that stays."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.adapter: Adapter | None = None
        self.runner = self._runner()

    def _runner(self) -> Any:
        import asyncio

        if self.client.loop == "uvloop":
            import uvloop

            return asyncio.Runner(loop_factory=uvloop.new_event_loop)
        return asyncio.Runner()

    def setup(self, base: str, shards: int = 0, hosts: int = 0) -> dict[str, object]:
        """Make the adapter anew for another reply."""
        self.close()
        self.adapter = self.client.adapter()
        self.adapter.setup(base)
        if shards:
            self.adapter.shard(shards)
        if hosts:
            self.adapter.spread([base.replace("127.0.0.1", f"127.0.0.{number}") for number in range(1, hosts + 1)])
        return {}

    def close(self) -> None:
        """Close both colours."""
        if self.adapter is not None:
            self.adapter.close()
            self.runner.run(self.adapter.aclose())
            self.adapter = None

    def run(self, op: str, count: int, width: int = 0, is_warm: bool = False) -> dict[str, object]:
        """Do an operation that often; `width` at a time where that is given.

        Args:
            is_warm: Have `width` calls untimed before: a rate is about connections that are open, and those that idled
                since the last turn are closed.
        """
        import gc

        gc.collect()
        adapter: Any = self.adapter
        found: dict[str, object]
        if op == "arows":
            found = self.runner.run(self._rows(adapter.arows, count, width))
            return found
        if width:
            found = self.runner.run(self._flight(getattr(adapter, op), count, width, is_warm=is_warm))
            return found
        if op in ("acall", "astream", "atext"):
            found = self.runner.run(self._repeat(getattr(adapter, op), count))
            return found
        function = getattr(adapter, op)
        wall, cpu = time.perf_counter(), time.process_time()
        result = 0
        for _ in range(count):
            result = function()
        return spent(wall, cpu, result)

    async def _repeat(self, function: Any, count: int) -> dict[str, object]:
        wall, cpu = time.perf_counter(), time.process_time()
        result = 0
        for _ in range(count):
            result = await function()
        return spent(wall, cpu, result)

    async def _flight(self, function: Any, count: int, width: int, *, is_warm: bool) -> dict[str, object]:
        import asyncio

        left = iter(range(count))
        results: list[int] = []

        async def lane() -> None:
            for _ in left:
                result = await function()
                results.append(result)

        if is_warm:
            await asyncio.gather(*(function() for _ in range(width)))
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane() for _ in range(width)))
        return spent(wall, cpu, common(results, count))

    async def _rows(self, function: Any, count: int, width: int) -> dict[str, object]:
        wall, cpu = time.perf_counter(), time.process_time()
        result = await function(count, width)
        return spent(wall, cpu, result)


def spent(wall: float, cpu: float, result: int) -> dict[str, object]:
    """What has passed since."""
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "result": result}


def allow_many_files() -> None:
    """As many open connections as the system allows."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def serve(client: Client) -> None:
    """Take commands until standard input ends."""
    import json

    allow_many_files()
    worker = Worker(client)
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        try:
            answer(getattr(worker, do)(**command))
        except Unsupported as error:
            answer({"unsupported": str(error)})
        except Exception as error:  # whatever a client raises is a result of the run
            answer({"failed": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]})


# ---- one thing in a fresh process ----


def imports(client: Client, *_: str) -> dict[str, object]:
    """What the package imports beyond httpx and pydantic."""
    import importlib

    import httpx  # noqa: F401  (what everyone has anyway)
    import pydantic

    pydantic.BaseModel  # noqa: B018  (pydantic imports its parts on first use)
    pydantic.TypeAdapter  # noqa: B018  (as above)
    before, cpu = len(sys.modules), time.process_time()
    module, _, name = client.package.partition(":")
    getattr(importlib.import_module(module), name)
    return {"value": (time.process_time() - cpu) * 1e3, "modules": len(sys.modules) - before}


def construct(client: Client, base: str) -> dict[str, object]:
    """The first and the second client of the process."""
    adapter = client.adapter()
    adapter.setup(base)
    times = [time.process_time()]
    made = []
    for _ in range(2):
        made.append(adapter.make())
        times.append(time.process_time())
    return {"value": (times[1] - times[0]) * 1e3, "second": (times[2] - times[1]) * 1e3}


def once(client: Client, base: str, op: str) -> dict[str, object]:
    """Import, construct, and do one operation; the parent measures the process as a whole."""
    adapter = client.adapter()
    adapter.setup(base)
    result = getattr(adapter, op)()
    adapter.close()
    return {"result": result}


def resident(field: str) -> int:
    """`VmRSS` or `VmHWM`, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def forget_peak() -> None:
    """Let the peak of resident memory start again from what is resident now."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as reset:
            reset.write("5")
    except OSError:
        pass  # then the peak is that of the whole process, which was lower so far


def memory(client: Client, warm: str, base: str, op: str, count: str = "1") -> dict[str, object]:
    """The peak of resident memory during an operation, above what was resident before it."""
    import gc

    adapter = client.adapter()
    adapter.setup(warm)
    getattr(adapter, op)()  # on a small reply: what is imported and built once is not the operation's
    adapter.close()
    adapter.setup(base)
    gc.collect()
    forget_peak()
    before = resident("VmRSS")
    result = 0
    for _ in range(int(count)):
        result = getattr(adapter, op)()
    return {"value": max(0, resident("VmHWM") - before) / 1e6, "result": result}


def crowd(client: Client, warm: str, base: str, op: str, width: str, expect: str) -> dict[str, object]:
    """Many streams at once: events for each second of CPU, growth of memory, and how many streams were not whole."""
    import asyncio
    import gc

    allow_many_files()
    worker = Worker(client)
    worker.setup(warm)
    worker.runner.run(getattr(worker.adapter, op)())  # what is imported and built once is not the streams'
    worker.setup(base)

    async def at_once() -> list[Any]:
        function = getattr(worker.adapter, op)
        return await asyncio.gather(*(function() for _ in range(int(width))), return_exceptions=True)

    gc.collect()
    forget_peak()
    before, cpu = resident("VmRSS"), time.process_time()
    results = worker.runner.run(at_once())
    cpu = time.process_time() - cpu
    grown = max(0, resident("VmHWM") - before) / 1e6
    whole = results.count(int(expect))
    return {"value": whole * int(expect) / cpu, "memory": grown, "lost": len(results) - whole, "result": int(expect)}


FRESH: dict[str, Any] = {
    "imports": imports,
    "construct": construct,
    "once": once,
    "memory": memory,
    "crowd": crowd,
}


def main() -> None:
    """See the module."""
    client = BY_NAME[sys.argv[1]]
    if len(sys.argv) == 2:
        serve(client)
        return
    try:
        answer(FRESH[sys.argv[3]](client, *sys.argv[4:]))
    except Unsupported as error:
        answer({"unsupported": str(error)})


if __name__ == "__main__":
    main()
