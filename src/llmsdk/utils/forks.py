"""Forks: a child process starts with nothing half made, and with no lock that a thread of its parent holds.

A fork copies all memory and one thread. What another thread was in the middle of stays so in the child for ever: a
module that is half imported, whose lock is taken, or an SSL context that is half loaded. With four threads at their
first call, which imports for 0.2 s, each of 40 children hung at its own first call.

So a fork waits for two things: for `FIRST_USE`, under which things are made for the first time, and for the imports of
calls of this package. Not all of these are ours (anyio imports its backend, pydantic its rarer parts), so that no lock
of ours is around them, but the stacks of the threads show them.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

# The interpreter holds the three functions of this module to its very end, and through them whatever is a name here.
# `typing` would be among it, whose caches lead to every model: 20,700 objects were left to free then, now 8,000.
if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import cached_property
    from types import FrameType
    from typing import Any

    once = cached_property

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_IMPORTER = "<frozen importlib._bootstrap>"  # the file that CPython names for the code of every import
_POLL_S = 0.001
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


if not TYPE_CHECKING:

    class once:  # noqa: N801 - used as a decorator, like the function that it stands for
        """A property that is computed once.

        Not functools.cached_property: before Python 3.12 it holds a lock of its own meanwhile, which no fork waits for.
        """

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner: type[Any], name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
            if instance is None:
                return self
            with FIRST_USE:
                values = vars(instance)
                if self._name not in values:
                    values[self._name] = self._compute(instance)
                return values[self._name]


def _before() -> None:
    end = time.monotonic() + _PATIENCE_S
    while is_held := FIRST_USE.acquire(timeout=max(0.0, end - time.monotonic())):
        if not _is_importing() or time.monotonic() > end:
            break
        FIRST_USE.release()  # an import may wait for it
        threading.Event().wait(_POLL_S)
    _held.append(is_held)


def _is_importing() -> bool:
    """Whether a call of this package, in another thread, is in the middle of an import.

    The lock of all imports can't be held instead: a hook after this one may wait for a lock whose holder imports.
    """
    here = threading.get_ident()
    # Not by threading's list: a thread may have been started without it.
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # documented all the same
    return any(ident != here and _imports(frame) for ident, frame in frames.items())


def _imports(frame: FrameType | None) -> bool:
    """Whether a thread is inside of an import that code of this package has led to.

    Any other import is not waited for: one of a program may run for as long as the program does.
    """
    is_inside = False
    while frame is not None:
        name = frame.f_code.co_filename
        if name == _IMPORTER:
            is_inside = True
        elif is_inside and name.startswith(_PACKAGE):
            return True
        frame = frame.f_back
    return False


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
