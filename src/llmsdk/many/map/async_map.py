"""Runs a map in tasks, under asyncio and trio."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

from ..._net.loops import close_soon
from ..._net.steps import take_async
from .crew import CLOSE_S, END, Admit, Crew, Pause, Pull, Report, Results, Send, WorkerStep
from .gate import Gate, LocalGate
from .job import MapJob, check_requests
from .pace import NOT_SENT
from .rows import Outcome

T = TypeVar("T")

_AT_ONCE = 16  # outcomes that are handed out before others may run: a reader of many ready ones would let nobody else


class MappedAsync(Results[T]):
    """What a map gives, as it comes: an async iterator, and an async context manager for leaving early.

    It may be iterated in parts. `aclose`, the end of `async with`, an exception or a cancellation while waiting, and
    dropping it end what is in flight. The first step starts the work.
    """

    def __init__(self, job: MapJob, requests: Any, shape: Callable[[Outcome[Any]], T]) -> None:
        check_requests(requests, ("__aiter__", "__iter__"))
        super().__init__(job, shape)
        self._tasks: _Tasks | None = _Tasks(job, requests)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        tasks = self._tasks
        if tasks is None:
            self._check_open()
            raise StopAsyncIteration
        try:
            outcome = await tasks.next()
        except BaseException:
            await self.aclose()
            raise
        if outcome is not None:
            return self._hand_out(outcome)
        error = self._rows.error
        if error is None and self._tasks is None:  # another task has closed it
            self._check_open()
        self._is_ended = True
        await self.aclose()
        raise StopAsyncIteration if error is None else error

    async def aclose(self) -> None:
        """End what is in flight; may be called again."""
        self._is_ended = self._is_ended or self._rows.is_done
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        tasks: _Tasks | None = getattr(self, "_tasks", None)
        if tasks is not None and tasks.token is not None:
            close_soon(tasks.token, tasks.aclose)


_kept: set[Any] = set()  # tasks that nobody else holds


class _Tasks(Crew):
    """The tasks of one map."""

    def __init__(self, job: MapJob, requests: Any) -> None:
        super().__init__(job)
        self.token: EventLoopToken | None = None
        self._gate: Gate = job.settings.gate or LocalGate(job.pacer, job.clock)
        self._requests = requests
        self._source: Any = None  # an iterator, sync or async
        self._scope: Any = None
        self._group: Any = None
        self._over: Any = None
        self._for_reader: anyio.Event | None = None
        self._for_head: anyio.Event | None = None
        self._for_idle: deque[anyio.Event] = deque()
        self._unpaused = 0

    async def next(self) -> Outcome[Any] | None:
        """Wait for the next outcome; None at the end."""
        if self.token is None:
            self._start()
        rows = self.job.rows
        waited = False
        while True:
            was_full = rows.is_full
            outcome = rows.take()
            if outcome is not None:
                if was_full:
                    self.wake_head()
                self._unpaused = 0 if waited else self._unpaused + 1
                if self._unpaused >= _AT_ONCE:
                    self._unpaused = 0
                    await checkpoint()
                return outcome
            if self._over.is_set():
                return None
            self._for_reader = self._for_reader or anyio.Event()
            await self._for_reader.wait()
            waited = True

    async def aclose(self) -> None:
        """Cancel every task and wait for them."""
        if self.token is None:
            return
        self._scope.cancel()
        with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_S):
            await self._over.wait()
            source, self._source = self._source, None
            if not self.job.rows.is_at_end and hasattr(source, "aclose"):
                await source.aclose()

    def add_worker(self) -> None:
        self.started += 1
        self._group.start_soon(take_async, self.worker(), self._do)

    def wake_reader(self) -> None:
        ready, self._for_reader = self._for_reader, None
        if ready is not None:
            ready.set()

    def wake_head(self) -> None:
        news, self._for_head = self._for_head, None
        if news is not None:
            news.set()

    def wake_idle(self) -> None:
        for _ in range(len(self._for_idle) if self._is_over else min(1, len(self._for_idle))):
            self._for_idle.popleft().set()

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
                async with anyio.create_task_group() as self._group:
                    self.add_worker()
        except Exception as exc:
            self.job.rows.end(exc)
        finally:
            self._over.set()
            self.wake_reader()

    async def _do(self, step: WorkerStep) -> Any:
        match step:
            case Send():
                return await self._send(step)
            case Pull():
                source = self._source
                return await anext(source, END) if hasattr(source, "__anext__") else next(source, END)
            case Report():
                await self._gate.report(step.feedback)
            case Admit():
                with anyio.move_on_after(step.seconds):
                    await self._gate.acquire()
                    return True
            case Pause():
                news = anyio.Event()
                if step.of_idle:
                    self._for_idle.append(news)
                else:
                    self._for_head = news
                with anyio.move_on_after(step.seconds):
                    await news.wait()
        return False

    async def _send(self, step: Send) -> Any:
        try:
            return await self.job.call_async(step.args, step.state)
        except Exception:
            raise  # to the worker, which reports it
        except BaseException:
            # A gate may be another's: it must not count on what was cancelled.
            with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_S):
                await self._gate.report(NOT_SENT)
            raise
