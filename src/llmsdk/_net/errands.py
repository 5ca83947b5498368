"""Blocking steps that are waited for no longer than allowed: nothing wakes a thread from getaddrinfo or connect."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")


# A thread costs 54 us, for each connection that is opened; the TLS handshake that follows costs a millisecond and more.
class Errand(Generic[T]):
    """One blocking step in a thread of its own.

    It comes to one outcome: the first of its result, its failure, the end of the time, and that it was given up.

    Args:
        step: What is to be done.
        discard: Lets go of a result that comes too late.
    """

    def __init__(self, step: Callable[[], T], discard: Callable[[T], Any] = lambda _: None) -> None:
        self._step = step
        self._discard = discard
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._result: T | None = None
        self._failure: BaseException | None = None

    def result(self, timeout: float) -> T:
        """Start the thread, and wait for what comes of the step.

        Raises:
            TimeoutError: Nothing came in time.
            ConnectionAbortedError: Another thread gave it up.
            OSError: No more threads can be started.
        """
        try:
            threading.Thread(target=self._work, name="llmsdk-connect", daemon=True).start()
        except RuntimeError as exc:
            raise OSError(errno.EAGAIN, str(exc)) from exc
        try:
            self._is_over.wait(timeout)
        finally:
            self._end(None, TimeoutError("it took too long"))
        if self._failure is not None:
            raise self._failure
        return cast(T, self._result)

    def give_up(self) -> None:
        """Wake the thread that waits; may be called from any other, and again."""
        self._end(None, ConnectionAbortedError("it was given up"))

    def _work(self) -> None:
        try:
            result = self._step()
        except BaseException as exc:  # it is raised where it is waited for
            self._end(None, exc)
        else:
            if not self._end(result, None):
                self._discard(result)

    def _end(self, result: T | None, failure: BaseException | None) -> bool:
        """Set the outcome, unless there is one; whether it was set."""
        with self._lock:
            if self._is_over.is_set():
                return False
            self._result, self._failure = result, failure
            self._is_over.set()
            return True
