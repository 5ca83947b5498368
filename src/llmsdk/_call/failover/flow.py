"""A call that goes on to another server where one has failed for good; it yields effects and does no I/O."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from ...errors import APIConnectionError, APIStatusError, APITimeoutError, DeadlineExceededError, RemoteError, ReplyMeta
from ..effects import Close, Flow, Pull
from ..plan import Plan
from ..stream.progress import Progress
from ..world import Driver, Env
from .cooldowns import Cooldowns


class HasMeta(Protocol):
    """A reply, or a stream that has begun."""

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the call."""
        ...


T = TypeVar("T", bound=HasMeta)


def first_that_answers(
    plans: Sequence[Plan],
    ask: Callable[[Plan], Flow[T]],
    *,
    on: Collection[int | str],
    cooldowns: Cooldowns,
    env: Env,
    deadline: float | None,
) -> Flow[T]:
    """Ask one server after the other until one answers.

    Args:
        plans: The call at each server, the first choice first.
        ask: Makes the flow that asks one of them, its own retries included.
        on: What makes a call move on: statuses, "connection", "timeout".
        deadline: Moment of the clock when everything must be over; None without one.

    Raises:
        RemoteError: The last server's failure, or the first that no other server would cure; `earlier` and the notes
            tell of the servers before it.
    """
    began = env.clock()
    waiting = list(plans)
    earlier: list[RemoteError] = []
    while True:
        now = env.clock()
        # Only the first server may be asked during its cool-down, where all have one: the call must ask somebody.
        plan = _next(waiting, cooldowns, now, is_first=not earlier)
        if plan is None:
            raise _told(earlier.pop(), earlier, waiting, cooldowns, now)
        waiting.remove(plan)
        try:
            reply = yield from ask(plan)
        except RemoteError as error:
            _count_from(error.meta, now - began)
            failed_at = env.clock()
            is_covered = covers(on, error)
            # A wait that is asked for with an error of the request's own, such as a 400, is not the server's.
            if is_covered and isinstance(error, APIStatusError) and error.retry_after_s:
                cooldowns.start(_server(plan), error.retry_after_s, failed_at)
            if not is_covered or (deadline is not None and failed_at >= deadline):
                _told(error, earlier, waiting, cooldowns, failed_at)
                raise
            earlier.append(error)
        else:
            _count_from(reply.meta, now - began)
            return reply


def covers(on: Collection[int | str], error: Exception) -> bool:
    """Return whether another server is worth asking after an error."""
    if isinstance(error, DeadlineExceededError):
        return False  # it bounds all servers together
    if isinstance(error, APIStatusError):
        # An error object inside a good reply, of a kind that says nothing: a failure of the server, as a 500 is.
        status = 500 if error.status_code < 300 else error.status_code
        return status in on
    if isinstance(error, APITimeoutError):
        return "timeout" in on
    return isinstance(error, APIConnectionError) and "connection" in on


def first_event(progress: Progress, driver: Driver) -> Flow[Progress]:
    """Read a stream up to its first event, which the stream hands out later; where it fails, let go of it.

    Only until then is another server asked: what was handed out cannot be taken back.
    """
    progress.chunks = chunks = driver.chunks(progress.response, progress.countdown)
    decoder = progress.decoder
    try:
        while not (decoder.done or progress.at_end):
            progress.arm()
            raw: bytes | None = yield Pull(chunks)
            progress.at_end = raw is None
            events: Iterator[Any] = decoder.end() if raw is None else decoder.feed(raw)
            for event in events:
                progress.ahead = itertools.chain([event], events)
                return progress
        return progress
    except GeneratorExit:
        raise  # the flow was dropped: nobody would perform what it asks for now
    except BaseException as exc:
        yield Close(chunks)
        yield Close(progress.response)
        error = progress.failed(exc) if isinstance(exc, Exception) else exc
        if error is exc:
            raise
        raise error from error.__cause__


def _server(plan: Plan) -> tuple[str, str]:
    return plan.target.provider.name, plan.target.base_url


def _next(waiting: Sequence[Plan], cooldowns: Cooldowns, now: float, *, is_first: bool) -> Plan | None:
    """Find the first server that is not left alone; where all are, the call itself still asks the one free soonest."""
    waits = [cooldowns.left(_server(plan), now) for plan in waiting]
    free = next((plan for wait, plan in zip(waits, waiting, strict=True) if not wait), None)
    if free is not None or not is_first:
        return free
    return waiting[waits.index(min(waits))]


def _count_from(meta: ReplyMeta | None, seconds: float) -> None:
    """Count the time of earlier servers too; attempts are shared and need no such care."""
    if meta is not None:
        meta.elapsed_ms += seconds * 1000


def _told(
    error: RemoteError, earlier: list[RemoteError], waiting: Sequence[Plan], cooldowns: Cooldowns, now: float
) -> RemoteError:
    """Write the story of the other servers into an error."""
    error.earlier = tuple(earlier)
    for other in earlier:
        error.add_note(
            f"failover: before this, server {other.server!r} failed with {type(other).__name__}: {other.brief()}"
        )
    for plan in waiting:
        if wait := cooldowns.left(_server(plan), now):
            name = plan.target.provider.name
            error.add_note(f"failover: server {name!r} was not asked, it wants to be left alone for {wait:.1f} s")
    return error
