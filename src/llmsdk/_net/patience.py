"""A time limit for opening a connection, which a busy event loop does not use up."""

from __future__ import annotations

from typing import Any

import anyio

from .loops import token_here

_PARTS = 5


class Patience:
    """Cancels a scope after a time in which its event loop had turns; under trio, just after the time.

    Where 1,500 calls begin at once on a busy machine, making their requests takes longer than a connection may. A plain
    timer would then end connections that stand, before the loop has looked at the network once. This one runs in parts,
    and a part that ends late counts as one all the same.

    Args:
        scope: What to cancel.
        seconds: When.
    """

    def __init__(self, scope: anyio.CancelScope, seconds: float) -> None:
        self._scope = scope
        self._part_s = seconds / _PARTS
        self._left = _PARTS
        self._timer: Any = None
        self._loop: Any = token_here().native_token
        if hasattr(self._loop, "call_later"):
            self._timer = self._loop.call_later(self._part_s, self._tick)
        else:
            scope.deadline = anyio.current_time() + seconds

    def _tick(self) -> None:
        self._left -= 1
        if self._left:
            self._timer = self._loop.call_later(self._part_s, self._tick)
        else:
            self._scope.cancel()

    def stop(self) -> None:
        """Cancel nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
