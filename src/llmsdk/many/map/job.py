"""One map: what it was asked to do, checked, and what it makes of each row, its replies and its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..._call.checks import checked_flag, checked_ms, checked_retries
from ..._call.state import CallState
from ...errors import ConfigurationError, DeadlineExceededError, RemoteError, RequestValidationError, SDKError
from ...options import CALL_OPTIONS
from ...utils.headers import new_idempotency_key
from ...utils.retries import DEFAULT_RETRY, BackoffStrategy, RetryBudget, RetryConfig
from ...utils.secrets import revealed
from ...utils.shapes import as_list, is_mapping
from .pace import LONGEST_WAIT_S, Adaptive, Feedback, Pacer, as_adaptive
from .rows import MapRow, RowQueue

if TYPE_CHECKING:
    from ..._call.operation import Operation
    from ..._call.plan import Finish
    from ..._net.runner import Runner
    from ...errors.meta import RateLimit, ReplyMeta
    from .gate import Gate

DEFAULT_WINDOW = 1000
MAP_RETRY = RetryConfig("backoff", BackoffStrategy(500, 30_000, 2, 300_000), True, max_attempts=6, bound_attempts=False)
"""Used where neither the map nor the SDK has a policy of the caller's: more patient than that of a single call."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row with more than its parameters.

    Attributes:
        idempotency_key: Sent with every attempt of the row; made by the SDK where None.
        tag: Anything of the caller's; comes back on the outcome's `item`.
    """

    params: Mapping[str, Any]
    idempotency_key: str | None = None
    tag: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a map goes about its rows.

    Attributes:
        limit: Requests in flight: found out within an `Adaptive`, the default, or at most this number.
        ordered: Whether outcomes come in the order of the rows.
        window: Most rows that are read and not yet handed out.
        deadline_ms: Time limit of the whole map.
        options: Options of every call, `retries` among them.
        gate: Lets attempts start instead of a pacer of the map's own; async maps only. `limit` then bounds what is in
            flight here.
        watch: Called with what each attempt showed that was sent, when it is over, in the thread or task that made it.
    """

    limit: Adaptive | int | None = None
    ordered: bool = False
    window: int = DEFAULT_WINDOW
    deadline_ms: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gate: Gate | None = None
    watch: Callable[[Feedback], None] | None = None


class MapJob:
    """A map that is about to run.

    Args:
        finish: Given each reply together with the server's URL, as for a call.

    Raises:
        ConfigurationError: A setting has a wrong value; or as for a call: no key, a closed SDK.
    """

    def __init__(
        self,
        runner: Runner,
        operation: Operation,
        requests: Any,
        settings: Settings,
        finish: Finish | None = None,
    ) -> None:
        self.runner = runner
        self.operation = operation
        self.finish = finish
        self.settings = settings
        self.limit = as_adaptive(settings.limit)
        self.clock = self.runner.env.clock
        options = dict(settings.options)
        _check_options(options)
        given = options.pop("retries", self.runner.config.retry_config)
        retries = checked_retries(MAP_RETRY if given is DEFAULT_RETRY else given, "retries")
        self._headers: Mapping[str, str] = revealed(options.pop("http_headers", None)) or {}
        self._options = options
        self._once = None if retries is None else replace(retries, max_attempts=1)
        self.runner.target(options.get("server"), options.get("server_url"))
        deadline = settings.deadline_ms
        self.rows = RowQueue(
            retries=retries,
            budget=RetryBudget(initial=100, per_second=1, per_success=0.2, capacity=1000),
            deadline=None if deadline is None else self.clock() + checked_ms(deadline, "deadline_ms") / 1000,
            window=_checked_window(settings.window),
            ordered=checked_flag(settings.ordered, "ordered"),
            jitter=self.runner.env.jitter,
            reads_on=isinstance(requests, Sized),
        )
        patience_s = 0.0 if retries is None else retries.max_retry_after_ms / 1000
        self.pacer = Pacer(self.limit, max(LONGEST_WAIT_S, patience_s))

    def prepare(self, row: MapRow) -> bool:
        """Make the arguments of a row's next attempt; False where there is to be none, and the row is done."""
        now = self.clock()
        deadline = self.rows.deadline
        if deadline is not None and now >= deadline:
            error = row.error or DeadlineExceededError("deadline_ms of the map passed before the row was sent")
            self.rows.settle(row, error, now)
            return False
        if row.args is not None:
            return True
        try:
            row.args = {**_params(row.item), **self._options}
        except RequestValidationError as exc:
            self.rows.settle(row, exc, now)
            return False
        return True

    def begin(self, row: MapRow) -> tuple[dict[str, Any], CallState]:
        """Begin an attempt: the arguments of the call, and what it shares with the row's others."""
        now = self.clock()
        if row.state is None:
            key = row.item.idempotency_key if isinstance(row.item, Item) else None
            row.state = CallState(now, key or new_idempotency_key(), waits_for_budget=True)
        row.state.earlier = row.attempts
        row.sent = len(row.state.attempts)
        self.rows.begin(row, now)
        args = {**(row.args or {}), "retries": self._policy(row, now)}
        if self.rows.deadline is not None:
            args["deadline_ms"] = max(1.0, (self.rows.deadline - row.state.started) * 1000)
        headers = self._headers
        if row.attempts > 1:
            headers = {**headers, "x-llmsdk-retry-count": str(row.attempts - 1)}
        if headers:
            args["http_headers"] = headers
        return args, row.state

    def call(self, args: dict[str, Any], state: CallState) -> Any:
        """Make an attempt."""
        return self.runner.call(self.operation, args, self.finish, state)

    async def call_async(self, args: dict[str, Any], state: CallState) -> Any:
        """Make an attempt."""
        return await self.runner.call_async(self.operation, args, self.finish, state)

    def succeeded(self, row: MapRow, reply: Any, began: float) -> Feedback:
        """Take the reply of an attempt."""
        now = self.clock()
        self.rows.settle(row, reply, now)
        meta = reply.meta
        tokens = getattr(getattr(reply, "usage", None), "total_tokens", None) or 0
        return Feedback(meta.status_code, True, None, _stated(meta), tokens, now - began)

    def failed(self, row: MapRow, error: SDKError, began: float) -> Feedback:
        """Take the error of an attempt."""
        now = self.clock()
        state = row.state
        was_sent = state is not None and len(state.attempts) > row.sent
        failed = state.failed if state is not None else None
        if failed is None or failed.error is not error:
            if not was_sent:
                row.attempts -= 1
            self.rows.settle(row, error, now)
        else:
            self.rows.failed(row, failed, now)
        if not isinstance(error, RemoteError):
            return Feedback(sent=was_sent)
        meta = error.meta
        return Feedback(
            getattr(error, "status_code", None),
            True,
            getattr(error, "retry_after_s", None),
            None if meta is None else _stated(meta),
            0,
            now - began,
        )

    def _policy(self, row: MapRow, now: float) -> RetryConfig | None:
        """Set the policy of an attempt: none of its own retries, and of the time what the row has left."""
        once = self._once
        if once is None or row.attempts == 1 or row.began is None or not once.bound_attempts:
            return once
        left = max(0.0, once.backoff.max_elapsed_time - (now - row.began) * 1000)
        return replace(once, backoff=replace(once.backoff, max_elapsed_time=left))


def _stated(meta: ReplyMeta) -> RateLimit | None:
    """Read what a reply states of its limits; None where that is nothing to go by."""
    found = meta.rate_limit
    return None if found.requests.remaining is None and found.tokens.remaining is None else found


def check_requests(requests: Any, methods: tuple[str, ...]) -> None:
    """Refuse what cannot be rows.

    Raises:
        RequestValidationError: It is none of the kinds that are accepted.
    """
    if is_mapping(requests) or isinstance(requests, str | bytes) or not any(hasattr(requests, m) for m in methods):
        hint = "; for one request, put it into a list" if is_mapping(requests) else ""
        kinds = "an iterable or async iterable" if len(methods) > 1 else "an iterable"
        raise RequestValidationError(
            f"requests: must be {kinds} of mappings, got {type(requests).__name__}{hint}", param="requests"
        )


def _params(item: Any) -> Mapping[str, Any]:
    """Take the parameters out of a row.

    Raises:
        RequestValidationError: It is no mapping, or says what only the map can.
    """
    params = item.params if isinstance(item, Item) else item
    if not is_mapping(params):
        raise RequestValidationError(f"request: must be a mapping of parameters, got {type(params).__name__}")
    if params.get("stream") not in (None, False):
        raise RequestValidationError("stream: a map has no streams; leave it out", param="stream")
    for name in params:
        if name in _OF_MAP:
            raise RequestValidationError(
                f"{name}: is an option of the whole map, not of one request; pass it to map", param=name
            )
    # Read once, as the row may be tried again.
    return {name: as_list(value) if name == "messages" else value for name, value in params.items() if name != "stream"}


_OF_MAP = CALL_OPTIONS - {"extra_body"}


def _check_options(options: Mapping[str, Any]) -> None:
    for name in options:
        if name not in CALL_OPTIONS or name == "idle_timeout_ms":
            raise ConfigurationError(f"{name}: unknown option of map; parameters go into the requests")


def _checked_window(window: Any) -> int:
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        came = window if type(window) is int else type(window).__name__
        raise ConfigurationError(f"window: must be an int >= 1, got {came}")
    return window
