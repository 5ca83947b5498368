"""Room in memory for what several threads hold at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


class Room:
    """A number of bytes; who needs more than is left waits until others have gone."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._changed = threading.Condition()

    @contextmanager
    def guest(self) -> Generator[Callable[[int], None]]:
        """Return what takes bytes, to be called once; they are given back at the end of the block."""
        held: list[int] = []

        def take(size: int) -> None:
            with self._changed:
                self._changed.wait_for(lambda: self._left >= size)
                self._left -= size
                held.append(size)

        try:
            yield take
        finally:
            if held:
                with self._changed:
                    self._left += sum(held)
                    self._changed.notify_all()
