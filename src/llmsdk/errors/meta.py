"""What is known about a call beside its result: server, status, headers, limits, attempts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..utils.forks import once


@dataclass(slots=True)
class Attempt:
    """One send of a call.

    Exactly one of `status` and `error` is set: the status that came back, or the name of the failure.
    """

    server: str
    status: int | None
    error: str | None
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate limit as a server states it; a part that the server did not state is None.

    `limit` and `remaining` count requests or tokens (a limit can be a fraction), `reset_s` is seconds from the reply.
    `window_s` is the time that the limit is for, where the server has several: a minute, an hour, a day.
    """

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None
    window_s: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The rate limits of a reply, for requests and for tokens.

    Where the server has limits for several windows of time, these are the ones that bind first, and `requests_windows`
    and `tokens_windows` hold all that it states, the shortest window first.
    """

    requests: Limit = Limit()
    tokens: Limit = Limit()
    requests_windows: tuple[Limit, ...] = ()
    tokens_windows: tuple[Limit, ...] = ()


@dataclass
class ReplyMeta:
    """Facts about a call, on every reply, stream and error as `.meta`.

    `headers` are case-insensitive. `dropped` names the parameters that `unsupported="drop"` left out.
    `elapsed_ms` counts all attempts and waits; of a stream it ends with the arrival of the headers. `structured` says
    how `chat.parse` asked for the answer's form: `json_schema_strict`, `json_schema`, `json_object` or `tool`.
    `tags_reasoning` says whether models of the server write their reasoning into the text, as `<think>…</think>`.
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
    # Reading a dozen headers of limits costs more than the rest of this object, and few callers ask.
    read_limits: Callable[[Mapping[str, str]], RateLimit] | None = field(default=None, repr=False, compare=False)

    @once
    def rate_limit(self) -> RateLimit:
        """The rate limits that the headers state, read when first asked for: most callers never do."""
        return RateLimit() if self.read_limits is None else self.read_limits(self.headers)

    def __getstate__(self) -> dict[str, Any]:
        # A function does not travel; what it would read does.
        return {**self.__dict__, "rate_limit": self.rate_limit, "read_limits": None}
