"""What lies around a gateway, in one process on a core of its own: the provider behind it, and the callers before it.

    gateway_world.py    listen on 127.0.0.1, print the port, and take commands as JSON lines on standard input

The provider writes the time into the text of every chunk; the caller that receives it takes the difference, and
compares the text. Being one process, it also knows how long after a caller has left the provider's side was closed.
"""

import asyncio
import contextlib
import gc
import json
import re
import statistics
import sys
import time
from typing import cast

import uvloop
from gateway_formats import ANTHROPIC, OPENAI, Format, framed

FILLER = b"the quick brown fox jumps over the lazy dog 0123456789 "
MARK = b"@"  # begins a text, and is nowhere else
STAMP_END, TEXT_END = 19, 19 + 1 + 5 + len(FILLER)

CALLER = re.compile(rb"caller (\d+)")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

CLOSED_S = 3.0  # for an upstream to be closed after its caller has left
ENDED_S = 20.0  # for a stream, beyond what its pace takes


class Upstream(asyncio.Protocol):
    """The provider's side of one connection: a stream for each request."""

    transport: asyncio.Transport
    timer: asyncio.TimerHandle | None = None

    def __init__(self, world: "World") -> None:
        self.world = world
        self.received = b""
        self.caller = -1
        self.index = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own says of itself less than it is

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        length = LENGTH.search(self.received, 0, end) if end >= 0 else None
        if length is None or len(self.received) < end + 4 + int(length[1]):
            return
        found = CALLER.search(self.received, end)
        assert found, "the request has no caller"
        self.caller, self.index = int(found[1]), 0
        form = ANTHROPIC if self.received.startswith(b"POST /v1/messages") else OPENAI
        self.received = b""
        self._begin(form)

    def _begin(self, form: Format) -> None:
        self.turn = self.world.turn
        self.turn.upstreams[self.caller] = self
        size = len(form.before) + TEXT_END + len(form.after)
        self.before, self.after = b"%x\r\n%b" % (size, form.before), form.after + b"\r\n"
        self.last = framed(form.end) + b"0\r\n\r\n"
        self.transport.write(HEAD + framed(form.begin))
        self.due = self.world.loop.time()
        self.step()

    def step(self) -> None:
        """Send the next chunk, or the end; a paced stream comes back by itself."""
        turn = self.turn
        if self.index == turn.chunks:
            self.timer, self.caller = None, -1
            self.transport.write(self.last)
            return
        text = b"@%018d %b" % (time.monotonic_ns(), turn.texts[self.index])
        self.transport.write(self.before + text + self.after)
        self.index += 1
        if turn.every_s:
            self.due += turn.every_s
            self.timer = self.world.loop.call_at(self.due, self.step)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.caller >= 0:
            self.turn.closed(self.caller)


class Caller(asyncio.Protocol):
    """One caller of the gateway: reads its stream to the end, or leaves in the middle."""

    transport: asyncio.Transport

    def __init__(self, turn: "Turn", number: int, request: bytes, leaves_at: int) -> None:
        self.turn = turn
        self.number = number
        self.request = request
        self.leaves_at = leaves_at
        self.index = 0
        self.rest = b""
        self.ended: asyncio.Future[str] = turn.loop.create_future()  # with what went wrong, if something did

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own says of itself less than it is
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self.index and not self.rest and not data.startswith(b"HTTP/1.1 200 "):
            self._end(f"got {data[:60]!r}")
            return
        data, turn = self.rest + data, self.turn
        start = data.find(MARK)
        while start >= 0 and len(data) - start >= TEXT_END and self.index < turn.chunks:
            if not data.startswith(turn.texts[self.index], start + STAMP_END + 1):
                self._end(f"chunk {self.index} is {data[start : start + TEXT_END]!r}")
                return
            turn.delays_ns.append(now - int(data[start + 1 : start + STAMP_END]))
            self.index += 1
            if self.index == self.leaves_at:
                turn.left(self.number)
                self._end("")
                return
            if not turn.every_s and self.number in turn.upstreams:
                turn.upstreams[self.number].step()  # this one was read: here is the next
            start = data.find(MARK, start + TEXT_END)
        self.rest = data[start:] if start >= 0 else data[-5:]
        if self.index == turn.chunks and self.rest.endswith(b"0\r\n\r\n"):
            self._end("")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(f"was closed after {self.index} chunks")

    def _end(self, problem: str) -> None:
        if not self.ended.done():
            self.ended.set_result(problem)
            self.transport.close()


class Turn:
    """Some callers at once, through one gateway or straight to the provider.

    Args:
        chunks: In each stream.
        every_s: Between two chunks of a stream; 0 sends one as soon as the caller has the one before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, chunks: int, every_s: float) -> None:
        self.loop = loop
        self.chunks = chunks
        self.every_s = every_s
        self.texts = [b"%04d %b" % (index, FILLER) for index in range(chunks)]
        self.delays_ns: list[int] = []
        self.upstreams: dict[int, Upstream] = {}
        self.left_at: dict[int, float] = {}
        self.closed_after_s: dict[int, float] = {}
        self.is_all_closed = asyncio.Event()

    def left(self, number: int) -> None:
        """A caller is about to leave."""
        self.left_at[number] = time.monotonic()
        self.is_all_closed.clear()

    def closed(self, number: int) -> None:
        """The provider's side of an unfinished stream was closed."""
        if number in self.left_at:
            self.closed_after_s[number] = time.monotonic() - self.left_at[number]
            if len(self.closed_after_s) == len(self.left_at):
                self.is_all_closed.set()

    async def all_closed(self) -> None:
        """Wait until the provider's side is closed for everyone who has left, or too long."""
        if self.left_at:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.is_all_closed.wait(), CLOSED_S)


class World:
    """The provider, which stays, and turns of callers."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.turn = Turn(self.loop, 0, 0)

    async def relay(
        self, port: int, path: str, callers: int, chunks: int, every_s: float, spread_s: float, leavers: int
    ) -> dict[str, object]:
        """Have that many callers read a stream each.

        Args:
            port: Of the gateway.
            path: That is called.
            callers: At once.
            chunks: In each stream.
            every_s: Between two of them, as in `Turn`.
            spread_s: The time over which the callers come.
            leavers: How many of them leave, each somewhere in the first third of its stream.
        """
        turn = self.turn = Turn(self.loop, chunks, every_s)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        every = max(1, callers // leavers) if leavers else 0
        made = []
        for number in range(callers):
            # Each at a chunk of its own: a crowd that leaves at once would be another question.
            leaves_at = 2 + number * 7 % (chunks // 3) if every and number % every == 0 else 0
            made.append(self.loop.create_task(self._call(port, path, number, leaves_at)))
            if spread_s:
                await asyncio.sleep(max(0.0, wall + spread_s * (number + 1) / callers - time.perf_counter()))
        problems = [problem for problem in await asyncio.gather(*made) if problem]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await turn.all_closed()
        delays = statistics.quantiles(turn.delays_ns, n=100) if len(turn.delays_ns) > 1 else [0.0] * 99
        return {
            "events": len(turn.delays_ns),
            "wall": wall,
            "cpu": cpu,
            "p50_ms": delays[49] / 1e6,
            "p99_ms": delays[98] / 1e6,
            "left": len(turn.left_at),
            "closed_s": sorted(turn.closed_after_s.values()),
            "lost": len(problems),
            "problem": problems[0] if problems else "",
        }

    async def _call(self, port: int, path: str, number: int, leaves_at: int) -> str:
        body = json.dumps(
            {
                "model": "bench-model",
                "messages": [{"role": "user", "content": f"caller {number}"}],
                "stream": True,
            }
        )
        head = f"POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        request = f"{head}\r\n\r\n{body}".encode()
        _, caller = await self.loop.create_connection(
            lambda: Caller(self.turn, number, request, leaves_at), "127.0.0.1", port
        )
        longest = self.turn.chunks * self.turn.every_s + ENDED_S
        try:
            return await asyncio.wait_for(asyncio.shield(caller.ended), longest)
        except TimeoutError:
            caller.transport.abort()
            return f"had {caller.index} chunks after {longest:.0f} s"


async def main() -> None:
    """See the module."""
    world = World()
    server = await world.loop.create_server(lambda: Upstream(world), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.freeze()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await world.relay(**json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
