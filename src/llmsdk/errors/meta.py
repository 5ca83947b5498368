"""What is known about a call beside its result: server, status, headers, limits, attempts."""

# Not `from __future__ import annotations`: signatures of named tuples would show ForwardRef('str').

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from ..utils.forks import once
from ..utils.records import Record


class Attempt(NamedTuple):
    """One send of a call; exactly one of `status` and `error` is set.

    Attributes:
        server: Id of the server.
        status: HTTP status of the reply.
        error: Name of the failure, where no reply came.
        elapsed_ms: Time from the start of the attempt to its end.
    """

    server: str
    status: int | None
    error: str | None
    elapsed_ms: float


class Limit(Record):
    """One rate limit as a server states it; a part that the server did not state is None.

    Attributes:
        limit: Requests or tokens allowed; can be a fraction.
        remaining: Requests or tokens left.
        reset_s: Seconds from the reply until the limit is whole again.
        window_s: The time that the limit is for, where the server has several limits: a minute, an hour, a day.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None


class RateLimit(Record):
    """The rate limits of a reply, for requests, tokens and images.

    Attributes:
        requests: The limit of requests; of several windows of time, the one that binds first.
        tokens: The limit of tokens, likewise.
        requests_windows: All limits of requests that the server states, the shortest window first.
        tokens_windows: All limits of tokens, likewise.
        images: The limit of images that are sent, where the server has one.
    """

    requests: Limit = Limit()
    tokens: Limit = Limit()
    requests_windows: tuple[Limit, ...] = ()
    tokens_windows: tuple[Limit, ...] = ()
    images: Limit = Limit()


@dataclass
class ReplyMeta:
    """Facts about a call, on every reply, stream and error as `.meta`.

    Attributes:
        server: Id of the server that answered last.
        status_code: HTTP status; None where no reply came.
        headers: Headers of the reply, case-insensitive.
        request_id: The server's id of the request; quote it to the server's support.
        attempts: All attempts, in order.
        elapsed_ms: Time of all attempts and waits; of a stream, until the headers arrived.
        dropped: Parameters that `unsupported="drop"` left out.
        structured: How `chat.parse` asked for the form of the answer: `json_schema_strict`, `json_schema`,
            `json_object` or `tool`.
        tags_reasoning: Whether models of the server write their reasoning into the text, as `<think>…</think>`.
        origin: Scheme and host of the server, such as `https://api.openai.com`.
        proxy: On errors, scheme and host of the proxy of the environment that led to the server; "" where none did.
    """

    server: str
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    request_id: str | None = None
    attempts: tuple[Attempt, ...] = ()
    elapsed_ms: float = 0.0
    dropped: tuple[str, ...] = ()
    structured: str | None = None
    tags_reasoning: bool = False
    origin: str = ""
    proxy: str = ""
    # Reading a dozen headers of limits costs more than the rest of this object, and few callers ask.
    read_cost: Callable[[], float | None] | None = field(default=None, repr=False, compare=False)
    read_limits: Callable[[Mapping[str, str]], RateLimit] | None = field(default=None, repr=False, compare=False)

    @property
    def cost(self) -> float | None:
        """What the call cost: as the server states it, else by `SDK(prices=...)`; None where neither says.

        Of a stream, it is there once the token counts have come.
        """
        return None if self.read_cost is None else self.read_cost()

    @once
    def rate_limit(self) -> RateLimit:
        """The rate limits that the headers state, read when first asked for: most callers never do."""
        return RateLimit() if self.read_limits is None else self.read_limits(self.headers)

    def __getstate__(self) -> dict[str, Any]:
        # A function does not travel; what it would read does.
        cost = None if self.read_cost is None else partial(_known, self.cost)
        return {**self.__dict__, "rate_limit": self.rate_limit, "read_limits": None, "read_cost": cost}


def _known(cost: float | None) -> float | None:
    return cost


def where_of(meta: ReplyMeta) -> str:
    """Say for an error where a call went."""
    through = f", through the proxy {meta.proxy}" if meta.proxy else ""
    return f"{meta.origin} (server {meta.server!r}{through})" if meta.origin else f"server {meta.server!r}"


def effort_of(meta: ReplyMeta) -> str:
    """Say for an error how often a server was asked, and how long that took."""
    count = sum(attempt.server == meta.server for attempt in meta.attempts)
    took = f"{meta.elapsed_ms / 1000:.1f} s" if meta.elapsed_ms >= 1000 else f"{meta.elapsed_ms:.0f} ms"
    return f"after {count} attempt{'' if count == 1 else 's'} in {took}"
