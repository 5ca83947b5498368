"""A call that moves on to another server where one has failed for good; it yields effects and does no I/O."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ...errors import APIConnectionError, APIStatusError, APITimeoutError, DeadlineExceededError, RemoteError, ReplyMeta
from ..effects import Flow
from ..flow import Env

LONGEST_BENCH_S = 3600.0
"""A server that asks for a longer rest is asked again after this, lest one broken header shut it out for ever."""


class HasMeta(Protocol):
    """A reply, or a stream that has begun."""

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the call."""
        ...


T = TypeVar("T", bound=HasMeta)


@dataclass(frozen=True)
class Leg(Generic[T]):
    """One server's turn: its id and URL, and the flow that asks it, its own retries included."""

    server: str
    base_url: str
    run: Callable[[], Flow[T]]


class Bench:
    """The servers of one SDK that asked for a rest, and until when; threads share it."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def put(self, leg: Leg[T], seconds: float, now: float) -> None:
        """Leave a server out for some time; a shorter time does not replace a longer one."""
        until = now + min(seconds, LONGEST_BENCH_S)
        with self._lock:
            key = (leg.server, leg.base_url)
            self._until[key] = max(until, self._until.get(key, until))

    def left(self, leg: Leg[T], now: float) -> float:
        """Seconds for which a server is still to be left alone; zero where it is not."""
        return max(0.0, self._until.get((leg.server, leg.base_url), now) - now)

    def pick(self, legs: Iterable[Leg[T]], now: float, *, whatever: bool) -> Leg[T] | None:
        """Find the first server that is not benched; where all are, `whatever` takes the one that is free soonest."""
        waits = [(self.left(leg, now), leg) for leg in legs]
        free = next((leg for wait, leg in waits if not wait), None)
        if free is not None or not whatever:
            return free
        return min(waits, key=lambda entry: entry[0])[1] if waits else None


def first_that_answers(
    legs: Iterable[Leg[T]], on: Collection[int | str], bench: Bench, env: Env, deadline: float | None
) -> Flow[T]:
    """Ask one server after the other until one answers.

    Args:
        on: What makes a call move on: statuses, "connection", "timeout".
        deadline: Moment of the clock when everything must be over; None without one.

    Raises:
        RemoteError: The last server's failure, or the first that no other server would cure; `earlier` and the notes
            tell of the servers before it.
    """
    began = env.clock()
    waiting = list(legs)
    earlier: list[RemoteError] = []
    while True:
        now = env.clock()
        leg = bench.pick(waiting, now, whatever=not earlier)
        if leg is None:
            raise _told(earlier.pop(), earlier, waiting, bench, now)
        waiting.remove(leg)
        try:
            reply = yield from leg.run()
        except RemoteError as error:
            _count_from(error.meta, now - began)
            failed_at = env.clock()
            if isinstance(error, APIStatusError) and error.retry_after_s and covers(on, error):
                bench.put(leg, error.retry_after_s, failed_at)
            if not covers(on, error) or (deadline is not None and failed_at >= deadline):
                _told(error, earlier, waiting, bench, failed_at)
                raise
            earlier.append(error)
        else:
            _count_from(reply.meta, now - began)
            return reply


def covers(on: Collection[int | str], error: Exception) -> bool:
    """Tell whether another server is worth asking after an error."""
    if isinstance(error, DeadlineExceededError):
        return False  # it bounds all servers together
    if isinstance(error, APIStatusError):
        # An error object inside a good reply, of a kind that says nothing: a failure of the server, as a 500 is.
        status = 500 if error.status_code < 300 else error.status_code
        return status in on
    if isinstance(error, APITimeoutError):
        return "timeout" in on
    return isinstance(error, APIConnectionError) and "connection" in on


def _count_from(meta: ReplyMeta | None, seconds: float) -> None:
    """Count the time of earlier servers too; attempts are shared and need no such care."""
    if meta is not None:
        meta.elapsed_ms += seconds * 1000


def _told(
    error: RemoteError, earlier: list[RemoteError], waiting: list[Leg[T]], bench: Bench, now: float
) -> RemoteError:
    """Write the story of the other servers into an error."""
    error.earlier = tuple(earlier)
    for other in earlier:
        error.add_note(f"failover: before this, server {other.server!r} failed with {type(other).__name__}: {other}")
    for leg in waiting:
        if wait := bench.left(leg, now):
            error.add_note(f"failover: server {leg.server!r} was not asked, it wants to be left alone for {wait:.1f} s")
    return error
