"""Which row is sent next, which waits for another attempt, which is done: no I/O, no clock, no chance of its own."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from ..._call.state import Failed
from ..._call.verdict import retry_delay
from ...errors import DeadlineExceededError, SDKError
from ...utils.retries import RetryBudget, RetryConfig

if TYPE_CHECKING:
    from ..._call.state import CallState

ItemT = TypeVar("ItemT")


class _Step(Enum):
    PULL = "pull"


PULL: Final = _Step.PULL
"""The next row is to be read from the caller's iterable."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ItemT]):
    """What became of one row.

    Attributes:
        index: Its position in the input, from 0.
        item: The row as it was given.
        result: The reply, or the error that it ended with.
        attempts: Requests that were made for it; 0 where nothing was sent.
        elapsed_ms: From its first attempt to its end, waits included.
    """

    index: int
    item: ItemT
    result: Any
    attempts: int
    elapsed_ms: float


@dataclass(slots=True, eq=False)
class MapRow:
    """A row between being read and being done."""

    index: int
    item: Any
    attempts: int = 0
    began: float | None = None
    error: SDKError | None = None
    args: dict[str, Any] | None = None
    state: CallState | None = None
    sent: int = 0  # attempts of its state that were made before the one under way


class RowQueue:
    """The rows of one map; every method that needs the time is given it.

    Args:
        retries: Policy of each row's attempts; None for one attempt.
        budget: Pays for all retries together.
        deadline: Moment when everything must be over; None without one.
        window: Most rows that are read and not yet handed out, which bounds memory.
        ordered: Whether outcomes are handed out in the order of the rows.
        jitter: Source of chance, in [0, 1).
        reads_on: Whether rows are read on after the deadline, each to end with an error.
    """

    def __init__(
        self,
        *,
        retries: RetryConfig | None,
        budget: RetryBudget,
        deadline: float | None,
        window: int,
        ordered: bool,
        jitter: Callable[[], float],
        reads_on: bool = False,
    ) -> None:
        self.deadline = deadline
        self.error: BaseException | None = None
        self.is_at_end = False  # no more rows are read
        self._retries = retries
        self._budget = (retries.budget if retries is not None else None) or budget
        self._window = window
        self._jitter = jitter
        self._reads_on = reads_on
        self._next_index = 0
        self._running = 0
        self._waiting: list[tuple[float, int, MapRow]] = []  # by the moment of their next attempt
        self._open = 0  # read and not handed out
        self._done: deque[Outcome[Any]] = deque()
        self._held: dict[int, Outcome[Any]] | None = {} if ordered else None
        self._turn = 0  # the index that is handed out next, where there is an order

    def step(self, now: float) -> MapRow | Literal[_Step.PULL] | float | None:
        """Say what comes next: a row to send, `PULL`, seconds to wait unless something happens, or None at the end."""
        if self.deadline is not None and now >= self.deadline:
            self._give_up(now)
        # Rows that were sent before go first: their place in the window stays taken until they are done.
        if self._waiting and self._waiting[0][0] <= now:
            self._running += 1
            return heapq.heappop(self._waiting)[2]
        if not self.is_at_end and not self.is_full:
            return PULL
        if self._waiting:
            return self._waiting[0][0] - now
        return None if self.is_at_end and not self._running else math.inf

    def add(self, item: Any) -> MapRow:
        """Take a row that was read; it is to be sent next."""
        row = MapRow(self._next_index, item)
        self._next_index += 1
        self._open += 1
        self._running += 1
        return row

    def end(self, error: BaseException | None = None) -> None:
        """Read no more: the iterable is at its end, or has raised; what is under way is finished."""
        self.is_at_end = True
        self.error = self.error or error

    def begin(self, row: MapRow, now: float) -> None:
        """Note that an attempt of a row begins."""
        row.attempts += 1
        if row.began is None:
            row.began = now

    def failed(self, row: MapRow, failed: Failed, now: float) -> None:
        """Take a row whose attempt failed: it waits for another one, or ends with the error."""
        began = now if row.began is None else row.began
        delay = retry_delay(
            failed,
            retries=self._retries,
            budget=self._budget,
            made=row.attempts,
            elapsed_s=now - began,
            deadline=self.deadline,
            now=now,
            jitter=self._jitter(),
        )
        if delay is None:
            self.settle(row, failed.error, now)
            return
        row.error = failed.error if isinstance(failed.error, SDKError) else None
        self._running -= 1
        heapq.heappush(self._waiting, (now + delay, row.index, row))

    def settle(self, row: MapRow, result: Any, now: float) -> None:
        """Take a row's reply or last error."""
        self._running -= 1
        if not isinstance(result, SDKError):
            self._budget.success()
        self._finish(row, result, now)

    def drop(self, error: BaseException) -> None:
        """Take a row whose attempt raised what is none of our errors, such as a hook's; it ends the map."""
        self._running -= 1
        self._open -= 1
        self.end(error)

    def take(self) -> Outcome[Any] | None:
        """Hand out the next outcome; None if there is none yet."""
        if self._held is None:
            if not self._done:
                return None
            self._open -= 1
            return self._done.popleft()
        found = self._held.pop(self._turn, None)
        if found is None and self.error is not None and self._held and not (self._running or self._waiting):
            self._turn = min(self._held)  # a row before it was dropped
            found = self._held.pop(self._turn)
        if found is not None:
            self._turn += 1
            self._open -= 1
        return found

    @property
    def is_full(self) -> bool:
        """Whether no row may be read until an outcome has been handed out."""
        return self._open >= self._window

    @property
    def is_done(self) -> bool:
        """Whether every row was read and handed out."""
        return self.is_at_end and not self._open

    def _finish(self, row: MapRow, result: Any, now: float) -> None:
        elapsed_s = 0.0 if row.began is None else now - row.began
        outcome = Outcome(row.index, row.item, result, row.attempts, elapsed_s * 1000)
        if self._held is None:
            self._done.append(outcome)
        else:
            self._held[row.index] = outcome

    def _give_up(self, now: float) -> None:
        """End what the deadline leaves no time for."""
        for _, _, row in self._waiting:
            self._finish(row, row.error, now)
        self._waiting.clear()
        if not (self.is_at_end or self._reads_on):
            self.end(DeadlineExceededError("deadline_ms passed before all rows were read; those that were are done"))
