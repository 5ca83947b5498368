"""Session: one SDK and one gate over all batches of rows that a worker is handed."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from anyio.from_thread import start_blocking_portal

from ..errors import ConfigurationError
from ..many.map import Gate, Item, LocalGate, Pacer, Settings, outcomes_async
from ..sdk import SDK
from . import columns
from .earlier import Earlier
from .gate import LeasedGate, LimiterError
from .leases import Grant, LeaseRequest
from .plan import Plan
from .requests import RowRequest, read

Columns = dict[str, Any]


class Session:
    """Carries out a plan; batches of rows may overlap.

    It runs in an event loop of its own, in a thread: Ray's actors have a loop that must not wait, and pandas has none.

    Args:
        ask: Asks the limiter that the plan names.
        worker: What the limiter is to know this one by.
    """

    def __init__(
        self, plan: Plan, ask: Callable[[LeaseRequest], Awaitable[Grant]] | None = None, worker: str = ""
    ) -> None:
        if (plan.limiter is None) != (ask is None):
            raise ConfigurationError(
                "limiter: only workers of Ray share one; leave it out, and divide the limit among them"
            )
        self.plan = plan
        self._earlier = Earlier(plan.done_paths, plan.done_keys, plan.columns, carry=plan.carry)
        self._operation = plan.described_operation
        with contextlib.ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal("asyncio"))
            options: Any = plan.sdk_options()
            self._sdk = SDK(**options)
            stack.callback(self._portal.call, self._sdk.aclose)
            self._gate: Gate = LocalGate(Pacer(plan.pace))
            if ask is not None:
                self._gate = leased = LeasedGate(ask, worker, plan.pace.max)
                stack.callback(self._portal.start_task_soon(leased.run).cancel)
            self._stack = stack.pop_all()

    def begin(self, rows: Sequence[Mapping[str, Any]]) -> Future[list[Columns | None]]:
        """Start with the rows of a batch; returns the columns of each, None where it is left out."""
        return self._portal.start_task_soon(self._work, rows)

    def close(self) -> None:
        """Close the SDK and end the loop."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _work(self, rows: Sequence[Mapping[str, Any]]) -> list[Columns | None]:
        found: list[Columns | None] = [None] * len(rows)
        items: dict[int, Item] = {}
        for at, row in enumerate(rows):
            request = read(self.plan, row)
            if not isinstance(request, RowRequest):
                found[at] = columns.of_error(*request)
            elif self._earlier.has(request.key):
                found[at] = self._earlier.columns(request.key)
            else:
                items[at] = Item(request.params, self._idempotency_key(request), (at, request.key))
        error = await self._send(items, found)
        for at, item in items.items():
            found[at] = found[at] or columns.of_error(item.tag[1], error)
        return found

    async def _send(self, items: dict[int, Item], found: list[Columns | None]) -> Exception:
        """Send rows and note their outcomes; returns why some may have none."""
        pace, plan = self.plan.pace, self.plan
        # A window as large as the batch: the gate, not the map, says how much of it is under way.
        settings = Settings(limit=pace, window=max(1, len(items)), options=plan.options, gate=self._gate)
        runner = self._sdk._runner  # pyright: ignore[reportPrivateUsage]  # the SDK is this session's own
        try:
            async for outcome in outcomes_async(runner, self._operation, list(items.values()), settings):
                at, key = outcome.item.tag
                described = columns.of_error if isinstance(outcome.result, BaseException) else columns.of_reply
                found[at] = described(key, outcome.result, outcome.attempts, outcome.elapsed_ms)
        except Exception as exc:  # the limiter is gone, or a hook raised: what was paid for is kept all the same
            return _innermost(exc)
        return LimiterError("the row was not sent")

    def _idempotency_key(self, request: RowRequest) -> str | None:
        """Make a key that is the same where a row is sent again because its worker died; of equal rows none."""
        if not request.is_named:
            return None
        text = json.dumps([self.plan.run_id, request.key, request.params], sort_keys=True, default=repr)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _innermost(error: Exception) -> Exception:
    """Take what tasks raised out of its groups."""
    inner: Any = error
    while hasattr(inner, "exceptions"):
        inner = inner.exceptions[0]
    found: Exception = inner
    return found
