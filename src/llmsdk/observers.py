"""Observers: objects that are notified of every call, from its start to its end, that of a stream included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import ReplyMeta


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What an observer receives when a call starts; with failover, about its first server.

    `params` are the parameters as the caller gave them; they may hold what nobody else should read. `traced_as` is the
    operation's name in OpenTelemetry's conventions for generative AI, None for what is no work of a model.
    """

    operation_id: str
    resource: str
    server: str
    base_url: str
    params: Mapping[str, Any]
    stream: bool
    traced_as: str | None = None


class Observation(Protocol):
    """One call under observation; `finished`, `abandoned` or `failed` comes once and last."""

    def headers(self) -> Mapping[str, str]:
        """Headers to add to each attempt, such as a trace context."""
        ...

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """A server's turn has come: the first one, and with failover each further one."""
        ...

    def first_event(self) -> None:
        """The first event of a stream has arrived."""
        ...

    def finished(self, reply: Any, meta: ReplyMeta | None) -> None:
        """The reply has come; of a stream that was closed early, what had come of it."""
        ...

    def abandoned(self, reply: Any, meta: ReplyMeta | None) -> None:
        """A stream was dropped, neither read to its end nor closed; runs in a finalizer and must take no lock."""
        ...

    def failed(self, error: BaseException, partial: Any) -> None:
        """The call raised; `partial` is what had come of its stream, or None."""
        ...


class Observer(Protocol):
    """What `SDK(observers=[...])` takes; it serves all threads and event loops at once."""

    def start(self, call: CallInfo) -> Observation | None:
        """A call starts, in the context of its caller; None where it is of no interest."""
        ...
