"""The state of one stream, apart from the object that users hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from ...errors import (
    APIConnectionError,
    ConfigurationError,
    DeadlineExceededError,
    RemoteError,
    ReplyMeta,
    ResponseValidationError,
    SDKError,
    StreamInterruptedError,
    StreamTimeoutError,
)
from ...errors.meta import where_of
from ...utils.secrets import masked
from ..countdown import Countdown
from ..effects import TransportFailure
from ..plan import Plan
from ..reply.decode import safe_cause, shown_text, without_secrets
from ..reply.reading import count, finish
from ..secrecy import hide_frames
from ..state import Held
from .events import EventDecoder
from .pieces import PieceDecoder


@dataclass(slots=True, eq=False, repr=False)
class Progress:
    """A stream's state, apart from the object that users hold, so that dropping that one frees the connection.

    Attributes:
        held: What the call set aside of a budget.
        feed: Decodes bytes into events.
        chunks: These three are set where the stream was read before it was handed out.
    """

    plan: Plan
    held: Held | None
    response: Any
    meta: ReplyMeta
    decoder: EventDecoder | PieceDecoder
    countdown: Countdown
    deadline: float | None
    chunks: Any = None
    ahead: Iterator[Any] | None = None
    at_end: bool = False
    observed: Any = None
    counted: bool = False
    finished: bool = False
    closed: bool = False
    error: SDKError | None = None
    idle_since: float | None = None
    feed: Callable[[bytes], Generator[Any, None, bool]] = field(init=False)

    def __post_init__(self) -> None:
        self.feed = self.decoder.feed

    def observe(self, observed: Any) -> None:
        """Notify `observed` of the first event, and of the end."""
        self.observed = observed
        if self.ahead is not None:
            observed.first_event()
        else:
            self.feed = self._feed_first

    def _feed_first(self, raw: bytes) -> Generator[Any, None, bool]:
        events = self.decoder.feed(raw)
        for event in events:
            self.feed = self.decoder.feed  # the events after it cost nothing more
            self.observed.first_event()
            yield event
            yield from events
            return True
        return False

    def end(self) -> Iterator[Any]:
        """Take the end of the bytes; returns the one event of a reply that was no stream."""
        for event in self.decoder.end():
            if self.observed is not None:
                self.observed.first_event()
            yield event

    def arm(self) -> None:
        """Set the time limit of the next read.

        Raises:
            RemoteError: A limit has passed already.
        """
        now = time.monotonic()
        if self.idle_since is None:
            self.idle_since = now  # the caller's own time between two events does not count
        limits = self.plan.limits
        idle = limits.idle_s - (now - self.idle_since)
        if self.deadline is not None and now >= self.deadline:
            raise self._deadline_passed()
        if idle <= 0:
            raise self._silent()
        limit = min(limits.timeout_s, idle)
        self.countdown.restart(limit if self.deadline is None else min(limit, self.deadline - now))

    def failed(self, exc: Exception) -> Exception:
        """Make the error that ends the stream of whatever was raised inside it."""
        error: Exception = self._judged(exc) if isinstance(exc, TransportFailure) else exc
        if isinstance(error, APIConnectionError) and not error.body:
            error.body = shown_text(self.decoder.unread, self.decoder.secrets)
        if isinstance(error, RemoteError):
            if error.partial is None:
                error.partial = self.build()
            error.meta = without_secrets(error.meta or self.meta, self.decoder.secrets)
        if isinstance(error, SDKError):
            self.error = error
        return error

    def build(self) -> Any:
        """Fold what has come."""
        return finish(self.plan, self.decoder.accumulator.build(), self.meta)

    def settle(self) -> None:
        """Report the token counts that have come, once, however the stream ended."""
        if not self.counted:
            self.counted = True
            accumulator = self.decoder.accumulator
            is_whole = self.finished or accumulator.finished
            count(self.plan, self.meta, self.held, accumulator.usage, is_whole)
            if self.observed is not None:
                self.observed.ended(self)

    def check_usable(self) -> None:
        """Refuse to go on with a stream that failed or was closed."""
        if self.error is not None:
            hide_frames(self.error)
            raise self.error
        if self.closed and not self.finished:
            raise ConfigurationError("the stream is closed; `.partial` has what was received")

    def _judged(self, failure: TransportFailure) -> Exception:
        error: Exception
        text = masked(str(failure), self.decoder.secrets)
        if failure.kind == "timeout":
            is_over = self.deadline is not None and time.monotonic() >= self.deadline - 0.002
            error = self._deadline_passed() if is_over else self._silent()
        elif failure.kind in ("coding", "too large"):
            body = shown_text(failure.body, self.decoder.secrets)
            error = ResponseValidationError(text, status_code=self.meta.status_code, body=body, meta=self.meta)
        else:
            message = f"the connection broke inside the stream from {self._where()}: {text}"
            error = StreamInterruptedError(message, reason="connection", meta=self.meta)
        error.__cause__ = safe_cause(failure.__cause__, self.decoder.secrets)
        return error

    def _deadline_passed(self) -> DeadlineExceededError:
        allowed_ms = (self.plan.limits.deadline_s or 0.0) * 1000
        return DeadlineExceededError(f"deadline_ms={allowed_ms:g} passed inside the stream", meta=self.meta)

    def _silent(self) -> StreamTimeoutError:
        limits, waited = self.plan.limits, time.monotonic() - (self.idle_since or 0.0)
        limit = f"no byte within timeout_ms={limits.timeout_s * 1000:g}"
        if waited >= limits.idle_s - 0.002:
            limit = f"no event within idle_timeout_ms={limits.idle_s * 1000:g}"
        return StreamTimeoutError(f"the stream from {self._where()} fell silent: {limit}", meta=self.meta)

    def _where(self) -> str:
        return masked(where_of(self.meta), self.decoder.secrets)
