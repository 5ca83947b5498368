"""Transfer: files up and down and the wait for a batch, as flows; a storage elsewhere never sees the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
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
from ..utils.files import Draft, checked_path
from ..utils.secrets import Secret
from ..utils.urls import fill_path, join, origin
from .checks import checked_ms
from .core import Core
from .countdown import Countdown
from .download import Resolve, check_file_url, failed, joined, refuse_private, refuse_private_peer
from .effects import Flow, TransportFailure, close, invoke, pull, sleep
from .flow import exchange, run_call
from .hooks import Hooks
from .operation import Operation
from .plan import Plan, plan_call, split_arguments
from .reply.body import BodyReader
from .reply.decode import safe_cause
from .reply.reading import read_reply
from .request.multipart import Form
from .secrecy import forget_locals
from .state import CallState, Received
from .world import Driver

if TYPE_CHECKING:
    from .observed import Observed

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_MAX_SILENT_POLLS = 5
_MAX_FILE_BYTES = 16 << 30  # on the disk; no server is to fill it
_GROWTH = 1.5


@dataclass(slots=True)
class Tools:
    """What a driver lends to a flow; `thread` runs a function where it may take its time."""

    driver: Driver
    resolve: Resolve
    thread: Callable[..., Any]


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
            forget_locals(exc)
            raise
        self.observed: Observed | None = None
        self._core = core
        self._env = core.env
        self._started = core.env.clock()
        self._allow_private = checked_private(allow_private)

    def _state(self, stored: Plan | None = None) -> CallState:
        state = CallState(self._started, observed=self.observed)
        if stored is not None and (signature := stored.encoded.url.partition("?")[2]):
            state.secrets.add(Secret(signature))  # whoever has it may read or write the file
        return state

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
        name, content = yield from invoke(tools.thread, read)
        handover, body = self.plan.route.handover, self.plan.encoded.body
        fields: Mapping[str, Any] = body.fields if isinstance(body, Form) else {}
        if handover is None:
            plan = self._with(body=Form(fields, {"file": (name, content)}))
            return (yield from run_call(plan, self._state(), tools.driver, self._env))
        fields = {**fields, "file_name": name, "file_type": Path(name).suffix[1:] or "jsonl"}
        # Without a file name, parts of a form are plain fields.
        parts = {name: (None, str(value).encode()) for name, value in fields.items()}
        plan = replace(self._with(body=Form({}, parts)), expects=(handover.status,))
        state = self._state()
        received = yield from exchange(plan, state, tools.driver, self._env)
        if received.status != handover.status:
            return read_reply(plan, state, [received])
        return (yield from self._handed_over(tools, handover, received, content))

    def _with(self, **changes: Any) -> Plan:
        return replace(self.plan, encoded=replace(self.plan.encoded, **changes))

    def _handed_over(self, tools: Tools, handover: Handover, received: Received, content: bytes) -> Flow[Any]:
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
        stored = yield from self._keyless(tools, joined(self.plan.encoded.url, location), "PUT", content)
        yield from exchange(stored, self._state(stored), tools.driver, self._env)
        url = join(self.plan.target.base_url, fill_path(handover.done, {"file_id": file_id}))
        done = self._with(url=url, body=None)
        return (yield from run_call(done, self._state(), tools.driver, self._env))

    # ---------------------------------------------------------------- down

    def saving(self, tools: Tools, to: str | os.PathLike[str] | None) -> Flow[Any]:
        """Download a file to a path, whole or not at all, or into memory."""
        if to is None:
            content = bytearray()
            yield from self.downloading(tools, content.extend, max_bytes=self.plan.limits.max_response_bytes)
            return bytes(content)
        target = yield from invoke(tools.thread, partial(checked_path, to, "to"))
        draft = Draft(target)
        try:
            yield from self.downloading(tools, draft.write)
            yield from invoke(tools.thread, draft.commit)
        finally:
            draft.discard()
        return target

    def downloading(
        self, tools: Tools, write: Callable[[bytes], Any], *, max_bytes: int = _MAX_FILE_BYTES
    ) -> Flow[None]:
        """Download a file piece by piece, following redirects to wherever it is stored."""
        headers = tuple(("accept", "*/*") if name == "accept" else (name, value) for name, value in self.plan.headers)
        plan = replace(self._with(stream=True), headers=headers, expects=_REDIRECTS)  # the body stays open
        state = self._state()
        received = yield from exchange(plan, state, tools.driver, self._env)
        for _ in range(_MAX_REDIRECTS):
            if received.status < 300:
                break
            yield from close(received.response)
            url = joined(plan.encoded.url, received.headers.get("location", ""))
            plan = replace((yield from self._keyless(tools, url, "GET", None)), expects=_REDIRECTS)
            state = self._state(plan)
            received = yield from exchange(plan, state, tools.driver, self._env)
            if not self._may_be_private(url):
                yield from self._checked_peer(received)
        if received.status >= 300:
            yield from close(received.response)
            raise ResponseValidationError(f"the file's URL redirects more than {_MAX_REDIRECTS} times")
        yield from self._written(tools, state, received, write, max_bytes)

    def _written(
        self, tools: Tools, state: CallState, received: Received, write: Callable[[bytes], Any], max_bytes: int
    ) -> Flow[None]:
        countdown, size = received.countdown, 0
        body = BodyReader(received.headers.get("content-encoding"), self.plan.limits.max_response_bytes)
        chunks = tools.driver.chunks(received.response, countdown)
        dropped = False
        try:
            self._allow(countdown)
            while (raw := (yield from pull(chunks))) is not None:
                for piece in body.decoded(raw):
                    size += len(piece)
                    if size > max_bytes:
                        raise ResponseValidationError(f"the file is larger than {max_bytes} bytes")
                    write(piece)
                self._allow(countdown)
            write(body.finish())
        except TransportFailure as failure:
            self._check_deadline()
            raise failed(failure, state.secrets) from safe_cause(failure.__cause__, state.secrets)
        except GeneratorExit:
            dropped = True  # nobody performs effects any more
            raise
        finally:
            if not dropped:
                yield from close(chunks)
                yield from close(received.response)

    def _allow(self, countdown: Countdown) -> None:
        """Bound the next silence."""
        self._check_deadline()
        countdown.restart(self.plan.limits.timeout_s)
        if self._deadline is not None:
            countdown.shorten(self._deadline - self._env.clock())

    def _check_deadline(self) -> None:
        if self._deadline is not None and self._env.clock() >= self._deadline - 0.002:
            raise DeadlineExceededError("deadline_ms passed inside the file")

    # -------------------------------------------------------------- storage

    def _keyless(self, tools: Tools, url: str, method: str, content: bytes | None) -> Flow[Plan]:
        """Plan the call to a storage: retried like any other, without key, hooks and the caller's headers."""
        check_file_url(url)
        if not self._may_be_private(url):
            yield from refuse_private(url, tools.resolve)
        kept = ("user-agent", "accept-encoding")
        headers = [("accept", "*/*"), *((name, value) for name, value in self.plan.headers if name in kept)]
        if content is not None:
            headers.append(("content-type", "application/octet-stream"))
        return replace(
            self._with(method=method, url=url, stream=content is None, body=content),
            target=replace(self.plan.target, key=None),
            headers=tuple(headers),
            is_keyed=False,
            hooks=Hooks(),
        )

    def _may_be_private(self, url: str) -> bool:
        return self._allow_private or origin(url) == origin(self.plan.target.base_url)

    def _checked_peer(self, received: Received) -> Flow[None]:
        try:
            refuse_private_peer(received.response)
        except ResponseValidationError:
            yield from close(received.response)
            raise

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
            left = delay if self._deadline is None else self._deadline - self._env.clock()
            yield from sleep(max(0.0, min(delay, left)))
            if left <= delay and self._deadline is not None:
                raise self._too_late(status)
            delay = min(delay * _GROWTH, longest)

    def _too_late(self, status: str) -> DeadlineExceededError:
        return DeadlineExceededError(f"deadline_ms passed; the batch goes on, its last status was {status!r}")


def _may_pass(error: APIConnectionError | APIStatusError) -> bool:
    """Tell a failure that a later poll may not meet."""
    return not isinstance(error, APIStatusError) or error.status_code in (408, 409, 429) or error.status_code >= 500
