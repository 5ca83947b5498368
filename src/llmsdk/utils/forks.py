"""Forks: a child process starts with nothing half made, and with no lock that a thread of its parent holds.

A fork copies all memory and one thread. What another thread was in the middle of stays so in the child for ever: a
module that is half imported, whose lock is taken, or an SSL context that is half loaded. With four threads at their
first call, which imports for 0.2 s, each of 40 children hung at its own first call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")

_PATIENCE_S = 10.0  # a first use takes less than one second; whatever it hangs in, a fork is never kept for longer

FIRST_USE: Any = threading.RLock()
"""Held while something is imported or made for the first time; a fork waits for it."""
_held: list[bool] = []  # whether each fork under way has got it
_locks: WeakSet[Any] = WeakSet()


def forkable_lock() -> threading.Lock:
    """Make a lock that is free in a forked child: what it guards is consistent enough between any two steps."""
    lock = threading.Lock()
    _locks.add(lock)
    return lock


if TYPE_CHECKING:
    once = cached_property
else:

    class once(Generic[T]):  # noqa: N801 - used as a decorator, like the function that it stands for
        """A property that is computed once.

        Not functools.cached_property: before Python 3.12 it holds a lock of its own meanwhile, which no fork waits for.
        """

        def __init__(self, compute: Callable[[Any], T]) -> None:
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner: type[Any], name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type[Any] | None = None) -> T:
            if instance is None:
                return self
            with FIRST_USE:
                values = vars(instance)
                if self._name not in values:
                    values[self._name] = self._compute(instance)
                return values[self._name]


def _before() -> None:
    _held.append(FIRST_USE.acquire(timeout=_PATIENCE_S))


def _after() -> None:
    if _held.pop():
        FIRST_USE.release()


def _after_in_child() -> None:
    # The standard library makes its own locks free in this way.
    if _held.pop():
        FIRST_USE.release()
    else:
        FIRST_USE._at_fork_reinit()
    for lock in _locks:
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after_in_child)
