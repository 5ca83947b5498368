"""What a flow can ask of a driver, and the typed helpers that ask."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal, TypeVar

from .countdown import Countdown

T = TypeVar("T")


class _Asked:
    """What effects have in common; plain classes, as dataclasses take twenty times as long to make."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]  # the language's own way to say that equal ones may change

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__slots__)})"


class Send(_Asked):
    """Send a request and answer with the response, its body unread."""

    __slots__ = ("countdown", "request")

    def __init__(self, request: Any, countdown: Countdown) -> None:
        self.request = request
        self.countdown = countdown


class Read(_Asked):
    """Read a response's body, decoded; `truncate` says whether to stop at `max_bytes` or to raise there."""

    __slots__ = ("countdown", "max_bytes", "response", "truncate")

    def __init__(self, response: Any, max_bytes: int, countdown: Countdown, truncate: bool = False) -> None:
        self.response = response
        self.max_bytes = max_bytes
        self.countdown = countdown
        self.truncate = truncate


class Pull(_Asked):
    """Give the next raw bytes of a body that stays open, from what the driver's `chunks` made; None at its end."""

    __slots__ = ("chunks",)

    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks


class Close(_Asked):
    """Give a response's connection back if its body was read whole, else close it."""

    __slots__ = ("response",)

    def __init__(self, response: Any) -> None:
        self.response = response


class Sleep(_Asked):
    """Wait."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Invoke(_Asked):
    """Call a user's function, which may be a coroutine function where the driver is async.

    `wrap` is applied to the answer by the driver, so that a secret is never a bare local of any frame. A `countdown`
    bounds the wait for a coroutine.
    """

    __slots__ = ("args", "countdown", "function", "wrap")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        wrap: Callable[[Any], Any] | None = None,
        countdown: Countdown | None = None,
    ) -> None:
        self.function = function
        self.args = args
        self.wrap = wrap
        self.countdown = countdown


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


def send(request: Any, countdown: Countdown) -> Flow[Any]:
    """Send a request; the answer is the client's response."""
    return (yield Send(request, countdown))


def read(response: Any, max_bytes: int, countdown: Countdown, *, truncate: bool = False) -> Flow[bytes]:
    """Read a body."""
    body: bytes = yield Read(response, max_bytes, countdown, truncate)
    return body


def pull(chunks: Any) -> Flow[bytes | None]:
    """Read on in a body that stays open."""
    raw: bytes | None = yield Pull(chunks)
    return raw


def close(response: Any) -> Flow[None]:
    """Let go of a response."""
    yield Close(response)


def sleep(seconds: float) -> Flow[None]:
    """Wait."""
    yield Sleep(seconds)


def invoke(
    function: Callable[..., Any],
    *args: Any,
    wrap: Callable[[Any], Any] | None = None,
    countdown: Countdown | None = None,
) -> Flow[Any]:
    """Call what a user gave us."""
    return (yield Invoke(function, args, wrap, countdown))
