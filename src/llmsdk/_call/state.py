"""What becomes of one call while it runs: shared by its attempts, and by the servers that it may go on to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import Attempt, ReplyMeta
from ..utils.headers import Headers, new_idempotency_key
from ..utils.secrets import Secrets
from .countdown import Countdown


class Watchers(Protocol):
    """Those who watch a call, as far as its flow knows them."""

    def headers(self) -> Mapping[str, str]:
        """Headers to add to each attempt."""
        ...

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """A server's turn has come."""
        ...


class Held(Protocol):
    """What an attempt has reserved of budgets."""

    def pay(self, usage: Any) -> None:
        """Settle by the usage that a reply states."""
        ...

    def fail(self, error: BaseException, state: CallState) -> None:
        """Settle an attempt that brought no reply."""
        ...

    def lose(self) -> None:
        """Settle what nothing is known about."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class Received:
    """A reply with a status below 300, or one that the plan expects; `body` is None while a stream is still open."""

    response: Any
    status: int
    headers: Headers
    body: bytes | None
    meta: ReplyMeta
    countdown: Countdown

    @property
    def coding(self) -> str | None:
        """The content coding of a body that is still to be read; a hook that has read it has undone that."""
        is_read = getattr(self.response, "is_stream_consumed", False)
        return None if is_read else self.headers.get("content-encoding")


@dataclass(slots=True, eq=False, repr=False)
class Failed:
    """An attempt that brought no reply, judged.

    Attributes:
        retryable: Whether another attempt may end otherwise, and the policy allows it.
        retry_after_s: The wait that the server asked for: a minimum.
    """

    error: Exception
    retryable: bool
    retry_after_s: float | None = None


@dataclass(slots=True, eq=False, repr=False)
class CallState:
    """One call under way. Who makes the call makes this, and may look into it during the call and after it.

    Attributes:
        started: When the call began, by the monotonic clock; its deadline counts from here.
        idempotency_key: The same on every attempt, so that a server can tell a repeated request from a second one.
        earlier: Attempts that were made before this call, where the waits between them are the caller's.
        waits_for_budget: Whether an attempt waits for the budget that calls under way hold, as the rows of a map do.
        is_abandoned: Set by another thread that wants no further attempt.
        observed: Those who watch the call.
        hook_state: What hooks keep from one attempt to the next.
        attempts: Every send so far.
        secrets: What errors must not show.
        countdown: Of the attempt under way.
        held: What the attempt under way has reserved of budgets.
        failed: The failure that ended the call, for a caller who tries again itself.
    """

    # What the caller says.
    started: float
    idempotency_key: str = field(default_factory=new_idempotency_key)
    earlier: int = 0
    waits_for_budget: bool = False
    is_abandoned: bool = False
    observed: Watchers | None = None
    # What the call writes.
    hook_state: dict[str, Any] = field(default_factory=dict[str, Any])
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    secrets: Secrets = field(default_factory=Secrets)
    countdown: Countdown | None = None
    failed: Failed | None = None
    held: Held | None = None
