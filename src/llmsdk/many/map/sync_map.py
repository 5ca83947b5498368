"""Runs a map in threads."""

from __future__ import annotations

import contextvars
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar

from ..._net.steps import Steps
from ...errors import ConfigurationError
from .crew import CLOSE_S, END, Admit, Crew, Pause, Pull, Report, Results, Send, WorkerStep
from .job import MapJob, check_requests
from .rows import MapRow, Outcome

T = TypeVar("T")

_POLL_S = 0.05  # a thread that was about to send when the map was closed is hung up a moment later


class Mapped(Results[T]):
    """What a map gives, as it comes: an iterator, and a context manager for leaving early.

    It may be iterated in parts. `close`, the end of `with`, an exception while waiting, and dropping it end it: nothing
    more is sent, and what is in flight is hung up. The first step starts the work.
    """

    def __init__(self, job: MapJob, requests: Any, shape: Callable[[Outcome[Any]], T]) -> None:
        check_requests(requests, ("__iter__",))
        if job.settings.gate is not None:
            raise ConfigurationError("gate: a sync map has none; call the async one instead")
        if job.runner.config.hooks.has_async:
            raise ConfigurationError(
                "hooks: one of them is async, and a sync call cannot wait for it; call the _async method instead"
            )
        super().__init__(job, shape)
        self._threads = _Threads(job, requests)
        # Not __del__: this is called before the interpreter ends, too. A thread that is still inside of pydantic's
        # Rust code when Python ends its threads takes the process with it (SIGABRT in 43 of 60 runs, made likely).
        self._close = weakref.finalize(self, self._threads.close)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._close.alive:
            self._check_open()
            raise StopIteration
        try:
            outcome = self._threads.next()
        except BaseException:
            self.close()
            raise
        if outcome is not None:
            return self._hand_out(outcome)
        error = self._rows.error
        if error is None and self._threads.is_closing:  # by another thread, or by the iterable itself
            self._check_open()
        self._is_ended = True
        self.close()
        raise StopIteration if error is None else error

    def close(self) -> None:
        """End what is in flight; may be called again."""
        self._is_ended = self._is_ended or self._rows.is_done
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Threads(Crew):
    """The threads of one map. One lock guards all state; what takes time is done outside of it."""

    def __init__(self, job: MapJob, requests: Any) -> None:
        super().__init__(job)
        self.is_closing = False
        self._requests = requests
        self._source: Any = None  # an iterator
        self._lock = threading.RLock()  # the finalizer may come to `close` inside any of the threads
        self._for_reader = threading.Condition(self._lock)
        self._for_head = threading.Condition(self._lock)
        self._for_idle = threading.Condition(self._lock)
        self._sent: set[MapRow] = set()
        self._threads: list[threading.Thread] = []
        self._living = 0
        self._pid = os.getpid()

    def next(self) -> Outcome[Any] | None:
        """Wait for the next outcome; None at the end.

        Raises:
            ConfigurationError: The map was started before a fork.
        """
        if os.getpid() != self._pid:
            raise ConfigurationError("a map cannot go on in another process; its threads stayed where it was started")
        rows = self.job.rows
        with self._lock:
            if self._source is None:
                try:
                    self._source = iter(self._requests)
                except Exception as exc:
                    rows.end(exc)
                    return None
                self.add_worker()
            while True:
                was_full = rows.is_full
                outcome = rows.take()
                if outcome is not None:
                    if was_full:
                        self.wake_head()
                    return outcome
                if not self._living:
                    return None
                self._for_reader.wait()

    def close(self) -> None:
        """Send nothing more, hang up and wait for the threads."""
        if os.getpid() != self._pid:
            return  # they stayed in the parent, and one of them may have held the lock
        with self._lock:
            self.is_closing = True
            for condition in (self._for_head, self._for_idle, self._for_reader):
                condition.notify_all()
        if threading.current_thread() in self._threads:
            return
        end = time.monotonic() + CLOSE_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < end:
                self._hang_up()
                thread.join(_POLL_S)

    def _hang_up(self) -> None:
        """Shut the sockets of attempts in flight, which wakes the threads that wait for them."""
        with self._lock:
            states = [row.state for row in self._sent if row.state is not None]
        for state in states:
            state.is_abandoned = True  # no other attempt is made
        countdowns = [state.countdown for state in states if state.countdown is not None]
        for countdown in countdowns:
            countdown.shorten(0)
        self.job.runner.drivers.interrupt(countdowns)

    def add_worker(self) -> None:
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._work,), name="llmsdk-map", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads here: those that there are do the work
            if not self._living:
                raise
            return
        self._threads.append(thread)
        self.started += 1
        self._living += 1

    def wake_reader(self) -> None:
        self._for_reader.notify()

    def wake_head(self) -> None:
        self._for_head.notify()

    def wake_idle(self) -> None:
        if self._is_over:
            self._for_idle.notify_all()
        else:
            self._for_idle.notify()

    def _work(self) -> None:
        try:
            self._take_steps()
        except BaseException as exc:
            with self._lock:
                self.job.rows.end(exc)
                self.is_closing = True
        finally:
            with self._lock:
                self._living -= 1
                for condition in (self._for_head, self._for_idle, self._for_reader):
                    condition.notify_all()

    def _take_steps(self) -> None:
        steps = self.worker()
        done: Pull | Send | None = None
        outcome: Any = None
        error: Exception | None = None
        while True:
            with self._lock:
                done = self._decide(steps, done, outcome, error)
            outcome = error = None
            try:
                if isinstance(done, Send):
                    outcome = self.job.call(done.args, done.state)
                elif isinstance(done, Pull):
                    outcome = next(self._source, END)  # which may take its time
                else:
                    return
            except Exception as exc:
                error = exc

    def _decide(
        self, steps: Steps[WorkerStep, None], done: Pull | Send | None, outcome: Any, error: Exception | None
    ) -> Pull | Send | None:
        """Take the steps up to the next one that is done outside of the lock; None at the end."""
        is_reply = isinstance(done, Send) and error is None
        if isinstance(done, Send):
            self._sent.discard(done.row)
        if self.is_closing and not is_reply:  # what was hung up is no result; a reply was paid for
            return None
        try:
            step = steps.send(outcome) if error is None else steps.throw(error)
            while not isinstance(step, Pull | Send):
                answer = self._do(step)
                if self.is_closing:
                    return None
                step = steps.send(answer)
        except StopIteration:
            return None
        if isinstance(step, Send):
            self._sent.add(step.row)
        return step

    def _do(self, step: Pause | Admit | Report) -> bool:
        """Do a step under the lock, which waiting lets go of."""
        now, pacer = self.job.clock(), self.job.pacer
        if isinstance(step, Report):
            pacer.report(step.feedback, now)
            return True
        wait = step.seconds
        if isinstance(step, Admit):
            wait = min(wait, pacer.admit(now))
            if wait <= 0:
                return True
        condition = self._for_idle if isinstance(step, Pause) and step.of_idle else self._for_head
        condition.wait(None if wait == math.inf else min(wait, threading.TIMEOUT_MAX))
        return False
