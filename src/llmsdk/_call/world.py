"""The world as a flow sees it beside its effects: clocks, chance, and what a driver makes at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from .countdown import Countdown
from .keys import KeyHeader
from .request.large import Body

_UTC_NOW = partial(datetime.now, UTC)


class Env(NamedTuple):
    """A monotonic clock, chance in [0, 1), the time of day."""

    clock: Callable[[], float]
    jitter: Callable[[], float]
    now: Callable[[], datetime] = _UTC_NOW


ENV = Env(clock=time.monotonic, jitter=random.random)


class BuildRequest(Protocol):
    """Makes the client's own request; `authorization` is put into its headers without being a local on the way."""

    def __call__(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        authorization: KeyHeader | None,
        content: Body | None,
        countdown: Countdown,
    ) -> Any: ...


class Driver(Protocol):
    """Values of the client in use; whatever waits is an effect instead."""

    # Plain methods and no effects: a flow that stopped for each of them would take twice as many turns.

    @property
    def build(self) -> BuildRequest:
        """Makes requests."""
        ...

    def proxy_for(self, url: str) -> str | None:
        """Find the proxy of the environment that leads to a URL; None of a supplied client, whose own affair it is."""
        ...

    def rebuild(self, response: Any, body: bytes) -> Any:
        """Make a response that hooks can read, of one whose body was read and decoded."""
        ...

    def chunks(self, response: Any, countdown: Countdown) -> Any:
        """Make the iterator of a body's raw bytes that `Pull` takes."""
        ...
