"""Work that is written once, as a generator of steps, and done sync or async; and what `async for` holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Generic, Protocol, Self, TypeVar

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


class _Abandonable(Protocol[EventT_co]):
    async def __anext__(self) -> EventT_co: ...
    def abandon(self) -> None: ...


class Iteration(Generic[EventT_co]):
    """What `async for` holds of a stream; dropping it, as `break` does, closes the stream."""

    def __init__(self, stream: _Abandonable[EventT_co]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Coroutine[Any, Any, EventT_co]:
        return self._stream.__anext__()

    def __del__(self) -> None:
        self._stream.abandon()
