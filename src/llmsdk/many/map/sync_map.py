"""Runs a map in threads."""

from __future__ import annotations

import contextvars
import math
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ...errors import ConfigurationError, SDKError
from .job import Job, check_requests
from .pace import Observation
from .work import PULL, Outcome, Row

T = TypeVar("T")

_POLL_S = 0.05  # a thread that was about to send when the map was closed is hung up a moment later


class Mapped(Generic[T]):
    """What a map gives, as it comes: an iterator, and a context manager for leaving early.

    `break`, an exception and `close` end it: nothing more is sent, and what is in flight is hung up. The first step
    starts the work.
    """

    def __init__(self, job: Job, requests: Any, shape: Callable[[Outcome[Any]], T]) -> None:
        check_requests(requests, ("__iter__",))
        if job.settings.gate is not None:
            raise ConfigurationError("gate: a sync map has none; call the async one instead")
        if job.runner.config.hooks.has_async:
            raise ConfigurationError(
                "hooks: one of them is async, and a sync call cannot wait for it; call the _async method instead"
            )
        self._run: _Run | None = _Run(job, requests)
        self._work = job.work
        self._shape = shape

    def __iter__(self) -> Iterator[T]:
        return _Iteration(self)

    def __next__(self) -> T:
        run = self._run
        if run is None:
            raise StopIteration
        try:
            outcome = run.next()
        except BaseException:
            self.close()
            raise
        if outcome is None:
            self.close()
            if run.job.work.error is not None:
                raise run.job.work.error
            raise StopIteration
        return self._shape(outcome)

    def close(self) -> None:
        """End what is in flight; may be called again."""
        run, self._run = self._run, None
        if run is not None:
            run.close()

    def drain(self) -> list[T]:
        """Give what was done and not handed out when the map was closed."""
        return [self._shape(outcome) for outcome in iter(self._work.take, None)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_run"):
            self.close()


class _Iteration(Generic[T]):
    """What `for` holds; dropping it, as `break` does, ends the map."""

    def __init__(self, mapped: Mapped[T]) -> None:
        self._mapped = mapped

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._mapped)

    def __del__(self) -> None:
        self._mapped.close()


class _Run:
    """The threads of one map; they take turns at the head as the tasks of the async one do.

    One lock guards all state. Whoever waits on it is the reader, for an outcome, or the head, for a row or for leave.
    """

    def __init__(self, job: Job, requests: Any) -> None:
        self.job = job
        self._pacer = job.pacer
        self._requests = requests
        self._source: Iterator[Any] | None = None
        self._lock = threading.RLock()  # a finalizer may come to `close` inside any of the threads
        self._ready = threading.Condition(self._lock)  # for the reader
        self._news = threading.Condition(self._lock)  # for the head
        self._turn = threading.Condition(self._lock)  # for the idle
        self._has_head = False
        self._closing = False
        self._over = False
        self._idle = 0
        self._sent: set[Row] = set()
        self._threads: list[threading.Thread] = []
        self._living = 0

    def next(self) -> Outcome[Any] | None:
        """Wait for the next outcome; None at the end."""
        work = self.job.work
        with self._lock:
            if self._source is None:
                self._source = iter(self._requests)
                self._add_thread()
            while True:
                was_full = work.is_full
                outcome = work.take()
                if outcome is not None:
                    if was_full:
                        self._news.notify()
                    return outcome
                if not self._living:
                    return None
                self._ready.wait()

    def close(self) -> None:
        """Send nothing more, hang up and wait for every thread."""
        with self._lock:
            self._closing = True
            self._wake_all()
        if threading.current_thread() in self._threads:
            return
        for thread in self._threads:
            while thread.is_alive():
                self._hang_up()
                thread.join(_POLL_S)

    def _hang_up(self) -> None:
        """Shut the sockets of attempts in flight, which wakes the threads that wait for them."""
        with self._lock:
            states = [row.state for row in self._sent if row.state is not None]
        for state in states:
            state.is_abandoned = True  # no other connection is tried
            countdown = state.countdown
            if countdown is not None and countdown.carrier is not None:
                countdown.shorten(0)
                sock = countdown.carrier.get_extra_info("socket")
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is closed already

    def _wake_all(self) -> None:
        for condition in (self._news, self._turn, self._ready):
            condition.notify_all()

    def _add_thread(self) -> None:
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._work,), name="llmsdk-map", daemon=True)
        self._threads.append(thread)
        self._living += 1
        thread.start()

    def _work(self) -> None:
        try:
            while (row := self._admitted()) is not None:
                self._attempt(row)
        except BaseException as exc:
            with self._lock:
                self.job.work.end(exc)
                self._closing = True
        finally:
            with self._lock:
                self._living -= 1
                self._wake_all()

    def _admitted(self) -> Row | None:
        """Wait for the head, then for a row that may be sent now; None at the end."""
        with self._lock:
            self._idle += 1
            while self._has_head and not (self._closing or self._over):
                self._turn.wait()
            self._idle -= 1
            if self._closing or self._over:
                return None
            self._has_head = True
            try:
                row = self._let_in()
            finally:
                self._has_head = False
            if row is None:
                self._over = True
                self._turn.notify_all()
            elif self._idle:
                self._turn.notify()
            elif len(self._threads) < self.job.limit.max:
                self._add_thread()
            return row

    def _let_in(self) -> Row | None:
        job = self.job
        while True:
            row = self._next_row()
            if row is None:
                return None
            while job.prepare(row):
                wait = self._pacer.admit(job.clock())
                if wait == 0:
                    return row
                if job.work.deadline is not None:
                    wait = min(wait, max(0.0, job.work.deadline - job.clock()))
                self._wait(self._news, wait)
                if self._closing:
                    return None
            self._ready.notify()

    def _next_row(self) -> Row | None:
        work = self.job.work
        while not self._closing:
            step = work.step(self.job.clock())
            if step is PULL:
                row = self._pull()
                if row is not None:
                    return row
            elif step is None or isinstance(step, Row):
                return step
            else:
                self._ready.notify()  # of what a deadline may have ended
                self._wait(self._news, step)
        return None

    def _pull(self) -> Row | None:
        """Read a row; the caller's iterable may take its time, and is not waited for under the lock."""
        work = self.job.work
        found: list[Any] = []
        error: BaseException | None = None
        self._lock.release()
        try:
            for item in self._source or ():
                found.append(item)
                break
        except Exception as exc:
            error = exc
        finally:
            self._lock.acquire()
        if found:
            return work.add(found[0])
        work.end(error)
        return None

    def _attempt(self, row: Row) -> None:
        job = self.job
        seen = Observation(sent=False)
        began = job.clock()
        with self._lock:
            if self._closing:
                return
            args, state = job.begin(row)
            self._sent.add(row)
        result: Any = None
        foreign: Exception | None = None
        try:
            result = job.runner.call(job.operation, args, job.finish, state)
        except SDKError as exc:
            result = exc
        except Exception as exc:
            foreign = exc
        with self._lock:
            self._sent.discard(row)
            if self._is_hung_up(result):
                return
            if foreign is not None:
                job.work.drop(foreign)
            elif isinstance(result, SDKError):
                seen = job.failed(row, result, began)
            else:
                seen = job.succeeded(row, result, began)
            self._pacer.report(seen, job.clock())
            self._ready.notify()
            self._news.notify()

    def _is_hung_up(self, result: Any) -> bool:
        """Whether an attempt ended because the map was closed, or as good as."""
        return self._closing and (result is None or isinstance(result, SDKError))

    @staticmethod
    def _wait(condition: threading.Condition, seconds: float) -> None:
        condition.wait(None if seconds == math.inf else min(seconds, threading.TIMEOUT_MAX))
