"""What a flow can ask of a driver. It yields one of these, and is sent what that comes to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal, NamedTuple, TypeVar

from .countdown import Countdown

T = TypeVar("T")

# Named tuples: a dataclass takes twelve times as long to make (0.65 ms), and every process makes all six at import.


class Send(NamedTuple):
    """Send a request; comes to the response, its body unread."""

    request: Any
    countdown: Countdown


class Read(NamedTuple):
    """Read a response's body, decoded; `truncate` says whether to stop at `max_bytes` or to raise there."""

    response: Any
    max_bytes: int
    countdown: Countdown
    truncate: bool = False


class Pull(NamedTuple):
    """Give the next raw bytes of a body that stays open, from what the driver's `chunks` made; None at its end."""

    chunks: Any


class Close(NamedTuple):
    """Give a response's connection back if its body was read whole, else close it."""

    response: Any


class Sleep(NamedTuple):
    """Wait."""

    seconds: float


class Invoke(NamedTuple):
    """Call a user's function, which may be a coroutine function where the driver is async.

    `wrap` is applied to the answer by the driver, so that a secret is never a bare local of any frame. A `countdown`
    bounds the wait for a coroutine.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    wrap: Callable[[Any], Any] | None = None
    countdown: Countdown | None = None


Effect = Send | Read | Pull | Close | Sleep | Invoke
Flow = Generator[Effect, Any, T]

FailureKind = Literal["connect", "timeout", "network", "protocol", "coding", "too large", "request"]


class TransportFailure(Exception):
    """What a driver makes of its client's exceptions; `__cause__` is the client's own.

    Attributes:
        kind: "request" means that it could not be sent at all, and never can.
        began: Whether a byte of the reply had arrived.
        stale: Whether a kept-alive connection turned out to be closed before the reply began.
        body: What had been read of the body.
    """

    def __init__(
        self, kind: FailureKind, message: str, *, began: bool = False, stale: bool = False, body: bytes = b""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.began = began
        self.stale = stale
        self.body = body
