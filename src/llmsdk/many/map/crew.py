"""What threads and tasks do alike: the workers of a map, written once, and where iterating stands.

The workers take turns at the head. Whoever has it reads a row and waits until the row may be sent; then it hands the
head over and sends the row. So no more than one row is read ahead, and there are never more workers than requests that
may be in flight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from ..._call.state import CallState
from ..._net.steps import Steps
from ...errors import ConfigurationError, SDKError
from .job import MapJob
from .pace import NOT_SENT, Feedback, Load
from .rows import PULL, MapRow, Outcome

T = TypeVar("T")

CLOSE_S = 5.0  # what is in flight ends at once; only code of the caller's, such as its iterable, may take longer


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait until something happens, at most so many seconds; `of_idle` is the wait for the head."""

    seconds: float
    of_idle: bool = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Wait until an attempt may start, at most so many seconds; answered with whether it may."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Pull:
    """Read the next item of the caller's iterable; StopIteration is answered with `END`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Make an attempt; answered with the reply."""

    row: MapRow
    args: dict[str, Any]
    state: CallState


@dataclass(frozen=True, slots=True)
class Report:
    """Tell what lets attempts start what this one showed."""

    feedback: Feedback


WorkerStep: TypeAlias = Pause | Admit | Pull | Send | Report
END: Any = object()


class Crew:
    """The workers of one map."""

    def __init__(self, job: MapJob) -> None:
        self.job = job
        self.started = 0
        self._has_head = False
        self._idle = 0
        self._is_over = False

    def add_worker(self) -> None:
        """Start one more."""
        raise NotImplementedError

    def wake_reader(self) -> None:
        """Wake who waits for an outcome."""
        raise NotImplementedError

    def wake_head(self) -> None:
        """Wake the worker at the head, which may wait for leave or for a row."""
        raise NotImplementedError

    def wake_idle(self) -> None:
        """Wake the workers that wait for the head."""
        raise NotImplementedError

    def worker(self) -> Steps[WorkerStep, None]:
        """Work until there is nothing left to send."""
        while True:
            self._idle += 1
            while self._has_head and not self._is_over:
                yield Pause(math.inf, of_idle=True)
            self._idle -= 1
            if self._is_over:
                return
            self._has_head = True
            row = yield from self._admitted()
            self._has_head = False
            self._is_over = row is None
            self.wake_idle()
            if row is None:
                return
            if not self._idle and self.started < self.job.limit.max:
                self.add_worker()
            yield from self._attempt(row)

    def _admitted(self) -> Steps[WorkerStep, MapRow | None]:
        """Wait for a row that may be sent now; None at the end."""
        job = self.job
        while True:
            row = yield from self._next_row()
            if row is None:
                return None
            while job.prepare(row):
                left = math.inf if job.rows.deadline is None else job.rows.deadline - job.clock()
                if (yield Admit(left)):
                    return row
            self.wake_reader()

    def _next_row(self) -> Steps[WorkerStep, MapRow | None]:
        rows = self.job.rows
        while True:
            step = rows.step(self.job.clock())
            if step is PULL:
                try:
                    item = yield Pull()
                except Exception as exc:
                    rows.end(exc)
                    continue
                if item is not END:
                    return rows.add(item)
                rows.end()
            elif step is None or isinstance(step, MapRow):
                return step
            else:
                self.wake_reader()  # of what a deadline may have ended
                yield Pause(step)

    def _attempt(self, row: MapRow) -> Steps[WorkerStep, None]:
        job = self.job
        began = job.clock()
        feedback = NOT_SENT
        try:
            args, state = job.begin(row)
            reply = yield Send(row, args, state)
        except SDKError as exc:
            feedback = job.failed(row, exc, began)
        except Exception as exc:
            job.rows.drop(exc)
        else:
            feedback = job.succeeded(row, reply, began)
        if feedback.sent and job.settings.watch is not None:
            job.settings.watch(feedback)
        self.wake_reader()
        self.wake_head()
        yield Report(feedback)


class Results(Generic[T]):
    """What the results of both kinds of map share."""

    def __init__(self, job: MapJob, shape: Callable[[Outcome[Any]], T]) -> None:
        self._job = job
        self._rows = job.rows
        self._shape = shape
        self._handed = 0
        self._is_ended = False

    def drain(self) -> list[T]:
        """Return what was done and not handed out when the map was closed."""
        return [self._shape(outcome) for outcome in iter(self._rows.take, None)]

    def load(self) -> Load:
        """Say how many requests are in flight, and what keeps the next one from starting; callable from any thread."""
        return self._job.pacer.load(self._job.clock())

    def _hand_out(self, outcome: Outcome[Any]) -> T:
        self._handed += 1
        return self._shape(outcome)

    def _check_open(self) -> None:
        """Refuse to go on with what was given up: rows would be missing, and nothing would say so.

        Raises:
            ConfigurationError: The map was closed before its end.
        """
        if not self._is_ended:
            raise ConfigurationError(
                f"the map was closed before its end, after {self._handed} results; drain() returns the finished ones"
            )
