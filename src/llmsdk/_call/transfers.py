"""Transfer: files up and down and the wait for a batch, as flows; a storage elsewhere never sees the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    APIConnectionError,
    APIStatusError,
    DeadlineExceededError,
    RequestValidationError,
    ResponseValidationError,
)
from ..models.batches import Batch
from ..models.images import checked_private
from ..providers.spec import Handover
from ..utils.urls import fill_path, join
from .checks import checked_ms
from .core import Core
from .download import RemoteFile, Tools
from .effects import Flow, Invoke, Sleep
from .flow import exchange, run_call
from .operation import Operation
from .plan import Plan, plan_call, split_arguments
from .reply.reading import read_reply
from .request.large import Body
from .request.multipart import Form
from .secrecy import on_leaving
from .state import CallState, Received

if TYPE_CHECKING:
    from .observed import Observed

_MAX_SILENT_POLLS = 5  # failures in a row; a batch takes hours, and servers restart meanwhile
_GROWTH = 1.5  # of the wait between two looks: 2 s become 60 s at the ninth


class Transfer:
    """One call about what a server keeps.

    Args:
        allow_private: Whether a storage may be in a private network.
    """

    def __init__(
        self, operation: Operation, args: Mapping[str, Any], core: Core, *, allow_private: bool = False
    ) -> None:
        if args.get("failover") is not None:
            raise RequestValidationError(
                "failover: what one server keeps, another does not have; name the server instead", param="failover"
            )
        try:
            self.plan = plan_call(core, operation, *split_arguments(operation, args))
        except BaseException as exc:
            on_leaving(exc)  # resources plan before they enter the runner: an error may leave here
            raise
        self.observed: Observed | None = None
        self._env = core.env
        self._started = core.env.clock()
        self._allow_private = checked_private(allow_private)

    def _state(self) -> CallState:
        return CallState(self._started, observed=self.observed)

    @property
    def _deadline(self) -> float | None:
        deadline_s = self.plan.limits.deadline_s
        return None if deadline_s is None else self._started + deadline_s

    # ------------------------------------------------------------------ up

    def uploading(self, tools: Tools, read: Callable[[], tuple[str, bytes]]) -> Flow[Any]:
        """Upload a file.

        Args:
            read: Gives its name and its bytes, and may take its time.
        """
        name, content = yield Invoke(tools.thread, (read,))
        handover, body = self.plan.route.handover, self.plan.encoded.body
        fields: Mapping[str, Any] = body.fields if isinstance(body, Form) else {}
        if handover is None:
            plan = self._with(body=Form(fields, {"file": (name, content)}))
            return (yield from run_call(plan, self._state(), tools.driver, self._env))
        fields = {**fields, "file_name": name, "file_type": Path(name).suffix[1:] or "jsonl"}
        plan = self._with(body=Form(fields, {}))._replace(expects=(handover.status,))
        state = self._state()
        received = yield from exchange(plan, state, tools.driver, self._env)
        if received.status != handover.status:
            return read_reply(plan, state, [received])
        return (yield from self._handed_over(tools, handover, received, content))

    def _with(self, **changes: Any) -> Plan:
        return self.plan._replace(encoded=self.plan.encoded._replace(**changes))

    def _handed_over(self, tools: Tools, handover: Handover, received: Received, content: Body) -> Flow[Any]:
        """Put a file where the server wants it, and say so."""
        file_id = received.headers.get(handover.id_header, "")
        location = received.headers.get("location", "")
        if not file_id or not location:
            missing = "Location" if file_id else handover.id_header
            raise ResponseValidationError(
                f"the server redirects the upload, but without {missing}",
                status_code=received.status,
                meta=received.meta,
            )
        storage = self._file(tools)
        stored = yield from storage.elsewhere(self.plan.encoded.url, location, method="PUT", content=content)
        yield from exchange(stored, storage.state(stored), tools.driver, self._env)
        url = join(self.plan.target.base_url, fill_path(handover.done, {"file_id": file_id}))
        done = self._with(url=url, body=None)
        return (yield from run_call(done, self._state(), tools.driver, self._env))

    # ---------------------------------------------------------------- down

    def saving(self, tools: Tools, to: str | os.PathLike[str] | None) -> Flow[bytes | Path]:
        """Download a file to a path, whole or not at all, or into memory."""
        return self._file(tools).save(to)

    def downloading(self, tools: Tools, write: Callable[[bytes], Any]) -> Flow[None]:
        """Download a file piece by piece."""
        return self._file(tools).read(write)

    def _file(self, tools: Tools) -> RemoteFile:
        return RemoteFile(self.plan, tools, self._env, self._started, self._allow_private, self.observed)

    # ----------------------------------------------------------------- wait

    def polling(self, tools: Tools, poll_ms: float, max_poll_ms: float) -> Flow[Batch]:
        """Ask for a batch until it is over, less and less often.

        Raises:
            DeadlineExceededError: It is not over in time.
        """
        delay, longest = checked_ms(poll_ms, "poll_ms") / 1000, checked_ms(max_poll_ms, "max_poll_ms") / 1000
        silent, status = 0, "unknown"
        while True:
            try:
                batch: Batch = yield from run_call(self.plan, self._state(), tools.driver, self._env)
            except DeadlineExceededError:
                raise self._too_late(status) from None
            except (APIConnectionError, APIStatusError) as exc:
                silent += 1
                if silent == _MAX_SILENT_POLLS or not _may_pass(exc):
                    raise
            else:
                silent, status = 0, batch.status or status
                if batch.is_over:
                    return batch
            # A look at the deadline itself would be cut off: the wait ends there, and the last answer is told.
            left = delay if self._deadline is None else self._deadline - self._env.clock()
            yield Sleep(max(0.0, min(delay, left)))
            if left <= delay and self._deadline is not None:
                raise self._too_late(status)
            delay = min(delay * _GROWTH, longest)

    def _too_late(self, status: str) -> DeadlineExceededError:
        return DeadlineExceededError(f"deadline_ms passed; the batch goes on, its last status was {status!r}")


def _may_pass(error: APIConnectionError | APIStatusError) -> bool:
    """Recognize a failure that a later poll may not meet."""
    return not isinstance(error, APIStatusError) or error.status_code in (408, 409, 429) or error.status_code >= 500
