"""Work that is written once, as a generator of steps, and done sync or async; and what `async for` holds."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from opcode import opmap
from typing import Any, Generic, Protocol, Self, TypeVar

from .._call.secrecy import hide_frames
from ..errors import SDKError

StepT = TypeVar("StepT")
T = TypeVar("T")
EventT_co = TypeVar("EventT_co", covariant=True)

Steps = Generator[StepT, Any, T]
"""Yields what is to be done, is sent what came of it, returns the result."""


def take(steps: Steps[StepT, T], do: Callable[[StepT], Any]) -> T:
    """Take all steps; what a step raises is raised inside the generator."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = do(step)
            except Exception as exc:
                step = steps.throw(exc)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except SDKError as exc:
        hide_frames(exc)
        raise


async def take_async(steps: Steps[StepT, T], do: Callable[[StepT], Awaitable[Any]]) -> T:
    """Take all steps; what a step raises is raised inside the generator."""
    try:
        step = next(steps)
        while True:
            try:
                outcome = await do(step)
            except Exception as exc:
                step = steps.throw(exc)
            else:
                step = steps.send(outcome)
    except StopIteration as stop:
        result: T = stop.value
        return result
    except SDKError as exc:
        hide_frames(exc)
        raise


_FOR = tuple(bytes([opmap[name]]) for name in ("GET_ITER", "GET_AITER"))


def is_asked_by_for() -> bool:
    """Whether it is a `for` or `async for` that asks the caller of this for an iterator.

    A `for` drops the iterator that it leaves, and nobody can go on with it: the stream is to be closed. One that was
    taken by hand is dropped in the same way, after `next(iter(stream))`, and the stream goes on. Python calls the same
    `__iter__` for both; only the instruction under way tells them apart. Where none is to be seen, as in compiled code,
    the stream is closed when it is dropped itself.
    """
    # Not by inspect.currentframe(): a frame in a local of its own is a cycle, which would hold what its callers hold.
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # documented all the same
    place = frame.f_lasti
    return frame.f_code.co_code[place : place + 1] in _FOR


class _Abandonable(Protocol[EventT_co]):
    async def __anext__(self) -> EventT_co: ...
    def abandon(self) -> None: ...


class Iteration(Generic[EventT_co]):
    """What `async for` holds of a stream; dropping it, as `break` does, closes the stream."""

    __slots__ = ("_stream",)

    def __init__(self, stream: _Abandonable[EventT_co]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, EventT_co]:
        return self._stream.__anext__()

    def __del__(self) -> None:
        self._stream.abandon()
