"""Runs a map in tasks, under asyncio and trio."""

from __future__ import annotations

import contextvars
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from ..._net.loops import close_soon
from ...errors import SDKError
from .gate import Gate, LocalGate
from .job import Job, check_requests
from .pace import Observation
from .work import PULL, Outcome, Row

T = TypeVar("T")

_AT_ONCE = 16  # outcomes that are handed out before others may run
_CLOSE_S = 2.0  # closing is never waited for longer, not even by a cancelled task


class MappedAsync(Generic[T]):
    """What a map gives, as it comes: an async iterator, and an async context manager for leaving early.

    `break`, an exception, cancellation and `aclose` end what is in flight. The first step starts the work.
    """

    def __init__(self, job: Job, requests: Any, shape: Callable[[Outcome[Any]], T]) -> None:
        check_requests(requests, ("__aiter__", "__iter__"))
        self._run: _Run | None = _Run(job, requests)
        self._abandoned: _Run | None = None
        self._work = job.work
        self._shape = shape

    def __aiter__(self) -> AsyncIterator[T]:
        return _Iteration(self)

    async def __anext__(self) -> T:
        run = self._run
        if run is None:
            raise StopAsyncIteration
        try:
            outcome = await run.next()
        except BaseException:
            await self.aclose()
            raise
        if outcome is None:
            await self.aclose()
            if run.job.work.error is not None:
                raise run.job.work.error
            raise StopAsyncIteration
        return self._shape(outcome)

    async def aclose(self) -> None:
        """End what is in flight; may be called again."""
        run = self._run or self._abandoned
        self._run = self._abandoned = None
        if run is not None:
            await run.aclose()

    def drain(self) -> list[T]:
        """Give what was done and not handed out when the map was closed."""
        return [self._shape(outcome) for outcome in iter(self._work.take, None)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def abandon(self) -> None:
        """Have the event loop end what nobody iterates any more."""
        run, self._run = self._run, None
        if run is not None and run.token is not None:
            self._abandoned = run  # for `async with`, which waits for the end: `break` comes here first
            close_soon(run.token, run.aclose)

    def __del__(self) -> None:
        if hasattr(self, "_run"):
            self.abandon()


class _Iteration(Generic[T]):
    """What `async for` holds; dropping it, as `break` does, ends the map."""

    def __init__(self, mapped: MappedAsync[T]) -> None:
        self._mapped = mapped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self._mapped.__anext__()

    def __del__(self) -> None:
        self._mapped.abandon()


_kept: set[Any] = set()  # tasks that nobody else holds


class _Run:
    """The tasks of one map. They take turns at the head: one reads a row and waits to be let in, the others work.

    Whoever is let in hands the head over and sends its row, so that there is never more than one row read ahead, and
    never more tasks than `limit` allows.
    """

    def __init__(self, job: Job, requests: Any) -> None:
        self.job = job
        self.token: EventLoopToken | None = None
        self._gate: Gate = job.settings.gate or LocalGate(job.pacer, job.clock)
        self._requests = requests
        self._source: Iterator[Any] | AsyncIterator[Any] | None = None
        self._is_led = False
        self._heirs: deque[anyio.Event] = deque()  # of the head
        self._unpaused = 0
        self._scope: Any = None
        self._tasks: Any = None
        self._idle = 0
        self._started = 0
        self._news: anyio.Event | None = None  # for the head
        self._ready: anyio.Event | None = None  # for the reader
        self._over: Any = None

    async def next(self) -> Outcome[Any] | None:
        """Wait for the next outcome; None at the end."""
        if self.token is None:
            self._start()
        work = self.job.work
        waited = False
        while True:
            was_full = work.is_full
            outcome = work.take()
            if outcome is not None:
                if was_full:
                    self._tell_head()
                self._unpaused = 0 if waited else self._unpaused + 1
                if self._unpaused >= _AT_ONCE:
                    self._unpaused = 0
                    await checkpoint()  # or a reader of many ready outcomes would let nobody else run
                return outcome
            if self._over.is_set():
                return None
            self._ready = anyio.Event()
            await self._ready.wait()
            waited = True

    async def aclose(self) -> None:
        """Cancel every task and wait for them."""
        if self.token is None:
            return
        self._scope.cancel()
        with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE_S):
            await self._over.wait()
            source: Any = self._source
            self._source = None
            if not self.job.work.is_at_end and hasattr(source, "aclose"):
                await source.aclose()

    def _start(self) -> None:
        self.token = current_token()
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        native: Any = self.token.native_token
        if hasattr(native, "create_task"):
            task = native.create_task(self._main())
            _kept.add(task)
            task.add_done_callback(_kept.discard)
        else:
            import trio

            trio.lowlevel.spawn_system_task(self._main, context=contextvars.copy_context())

    async def _main(self) -> None:
        try:
            with self._scope:
                requests = self._requests
                self._source = aiter(requests) if hasattr(requests, "__aiter__") else iter(requests)
                async with anyio.create_task_group() as self._tasks:
                    self._add_task()
        except Exception as exc:
            self.job.work.end(exc)
        finally:
            self._over.set()
            self._tell_reader()

    def _add_task(self) -> None:
        self._started += 1
        self._tasks.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            self._idle += 1
            while self._is_led:
                heir = anyio.Event()
                self._heirs.append(heir)
                await heir.wait()
            self._idle -= 1
            self._is_led = True
            try:
                row = await self._admitted()
            finally:
                self._is_led = False
                if self._heirs:
                    self._heirs.popleft().set()
            if row is None:
                return
            if not self._idle and self._started < self.job.limit.max:
                self._add_task()
            await self._attempt(row)

    async def _admitted(self) -> Row | None:
        """Wait for a row that may be sent now; None at the end."""
        job = self.job
        while True:
            row = await self._next_row()
            if row is None:
                return None
            if job.prepare(row):
                left = math.inf if job.work.deadline is None else job.work.deadline - job.clock()
                if left == math.inf:
                    await self._gate.acquire()
                    return row
                with anyio.move_on_after(left):
                    await self._gate.acquire()
                    return row
                job.prepare(row)  # the deadline has passed, which ends the row
            self._tell_reader()

    async def _next_row(self) -> Row | None:
        work = self.job.work
        while True:
            step = work.step(self.job.clock())
            if step is PULL:
                row = await self._pull()
                if row is not None:
                    return row
            elif step is None or isinstance(step, Row):
                return step
            else:
                self._tell_reader()  # of what a deadline may have ended
                self._news = anyio.Event()
                with anyio.move_on_after(step):
                    await self._news.wait()

    async def _pull(self) -> Row | None:
        work, source = self.job.work, self._source
        try:
            if isinstance(source, AsyncIterator):
                return work.add(await anext(source))
            for item in source or ():
                return work.add(item)
            work.end()
        except StopAsyncIteration:
            work.end()
        except Exception as exc:
            work.end(exc)
        return None

    async def _attempt(self, row: Row) -> None:
        job = self.job
        seen = Observation(sent=False)
        began = job.clock()
        try:
            args, state = job.begin(row)
            reply = await job.runner.call_async(job.operation, args, job.finish, state)
            seen = job.succeeded(row, reply, began)
        except SDKError as exc:
            seen = job.failed(row, exc, began)
        except Exception as exc:
            job.work.drop(exc)
        except BaseException:
            with anyio.CancelScope(shield=True), anyio.move_on_after(_CLOSE_S):
                await self._gate.report(seen)
            raise
        self._tell_reader()
        self._tell_head()
        await self._gate.report(seen)

    def _tell_reader(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.set()

    def _tell_head(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.set()
