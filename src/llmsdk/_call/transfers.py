"""Transfer: files up and down and the wait for a batch, as flows; a storage elsewhere never sees the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import (
    APIConnectionError,
    APIStatusError,
    DeadlineExceededError,
    RequestValidationError,
    ResponseValidationError,
)
from ..models.batches import Batch
from ..models.images import checked_private
from ..providers.spec import Handover, Route
from ..utils.files import Draft, checked_path
from ..utils.secrets import Secret
from ..utils.urls import fill_path, join, origin
from .checks import checked_ms
from .countdown import Countdown
from .download import Resolve, check_file_url, failed, joined, refuse_private, refuse_private_peer
from .effects import Flow, TransportFailure, close, invoke, pull, sleep
from .flow import BuildRequest, Call, Received, exchange
from .hooks import Hooks
from .operation import Operation
from .plan import Plan
from .reply.body import BodyReader
from .reply.decode import safe_cause

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_MAX_SILENT_POLLS = 5
_MAX_FILE_BYTES = 16 << 30  # on the disk; no server is to fill it
_GROWTH = 1.5


@dataclass(slots=True)
class Tools:
    """What a driver lends to a flow; `thread` runs a function where it may take its time."""

    build: BuildRequest
    chunks: Callable[[Any, Countdown], Any]
    resolve: Resolve
    thread: Callable[..., Any]


class Transfer(Plan):
    """One call about what a server keeps.

    Args:
        allow_private: Whether a storage may be in a private network.
    """

    def __init__(
        self, operation: Operation, args: Mapping[str, Any], runner: Any, *, allow_private: bool = False
    ) -> None:
        if args.get("failover") is not None:
            raise RequestValidationError(
                "failover: what one server keeps, another does not have; name the server instead", param="failover"
            )
        super().__init__(operation, {name: value for name, value in args.items() if name != "failover"}, runner)
        self._env = runner.env
        self._allow_private = checked_private(allow_private)

    @property
    def route(self) -> Route:
        """How the server does it."""
        route: Route = self.target.provider.routes[self.operation.id]
        return route

    # ------------------------------------------------------------------ up

    def uploading(self, tools: Tools, read: Callable[[], tuple[str, bytes]]) -> Flow[Any]:
        """Upload a file.

        Args:
            read: Gives its name and its bytes, and may take its time.
        """
        name, content = yield from invoke(tools.thread, read)
        handover = self.route.handover
        if handover is None:
            self.encoded = replace(self.encoded, files={"file": (name, content)})
            return self.reply((yield from self.flow(tools.build)))
        kind = Path(name).suffix[1:] or "jsonl"
        fields = {**(self.encoded.form or {}), "file_name": name, "file_type": kind}
        # Without a file name, parts of a form are plain fields.
        parts = {name: (None, str(value).encode()) for name, value in fields.items()}
        self.encoded = replace(self.encoded, form={}, files=parts)
        self.call = call = self._call(tools.build)
        call.expects = (handover.status,)
        received = yield from exchange(call, self.config.hooks, self._env)
        if received.status != handover.status:
            return self.reply([received])
        return (yield from self._handed_over(tools, handover, received, content))

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
        call = yield from self._keyless(tools, joined(self.encoded.url, location), "PUT", content)
        yield from exchange(call, Hooks(), self._env)
        url = join(self.target.base_url, fill_path(handover.done, {"file_id": file_id}), None)
        self.encoded = replace(self.encoded, url=url, form=None, files=None)
        return self.reply((yield from self.flow(tools.build)))

    # ---------------------------------------------------------------- down

    def saving(self, tools: Tools, to: str | os.PathLike[str] | None) -> Flow[Any]:
        """Download a file to a path, whole or not at all, or into memory."""
        if to is None:
            content = bytearray()
            yield from self.downloading(tools, content.extend, max_bytes=self.config.max_response_bytes)
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
        self.call = call = self._call(tools.build)
        call.encoded = replace(self.encoded, stream=True)  # the body stays open
        call.headers = [("accept", "*/*") if name == "accept" else (name, value) for name, value in call.headers]
        call.expects = _REDIRECTS
        received = yield from exchange(call, self.config.hooks, self._env)
        for _ in range(_MAX_REDIRECTS):
            if received.status < 300:
                break
            yield from close(received.response)
            url = joined(call.encoded.url, received.headers.get("location", ""))
            call = yield from self._keyless(tools, url, "GET", None)
            call.expects = _REDIRECTS
            received = yield from exchange(call, Hooks(), self._env)
            if not self._may_be_private(url):
                yield from self._checked_peer(received)
        if received.status >= 300:
            yield from close(received.response)
            raise ResponseValidationError(f"the file's URL redirects more than {_MAX_REDIRECTS} times")
        yield from self._written(tools, received, write, max_bytes)

    def _written(self, tools: Tools, received: Received, write: Callable[[bytes], Any], max_bytes: int) -> Flow[None]:
        countdown, size = received.countdown, 0
        body = BodyReader(received.headers.get("content-encoding"), self.config.max_response_bytes)
        chunks = tools.chunks(received.response, countdown)
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
            secrets = self.call.secrets
            raise failed(failure, secrets) from safe_cause(failure.__cause__, secrets)
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
        countdown.restart(self.timeout_s)
        if self.deadline is not None:
            countdown.shorten(self.deadline - self._env.clock())

    def _check_deadline(self) -> None:
        if self.deadline is not None and self._env.clock() >= self.deadline - 0.002:
            raise DeadlineExceededError("deadline_ms passed inside the file")

    # -------------------------------------------------------------- storage

    def _keyless(self, tools: Tools, url: str, method: str, content: bytes | None) -> Flow[Call]:
        """Make the call to a storage: retried like any other, without key, hooks and the caller's headers."""
        check_file_url(url)
        if not self._may_be_private(url):
            yield from refuse_private(url, tools.resolve)
        call = self._call(tools.build)
        kept = ("user-agent", "accept-encoding")
        call.headers = [("accept", "*/*"), *((name, value) for name, value in call.headers if name in kept)]
        if content is not None:
            call.headers.append(("content-type", "application/octet-stream"))
        if signature := url.partition("?")[2]:
            call.secrets.add(Secret(signature))  # whoever has it may read or write the file
        call.encoded = replace(self.encoded, method=method, url=url, stream=content is None, form=None, files=None)
        call.content, call.key = content, None
        return call

    def _may_be_private(self, url: str) -> bool:
        return self._allow_private or origin(url) == origin(self.target.base_url)

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
                batch: Batch = self.reply((yield from self.flow(tools.build)))
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
            left = delay if self.deadline is None else self.deadline - self._env.clock()
            yield from sleep(max(0.0, min(delay, left)))
            if left <= delay and self.deadline is not None:
                raise self._too_late(status)
            delay = min(delay * _GROWTH, longest)

    def _too_late(self, status: str) -> DeadlineExceededError:
        return DeadlineExceededError(f"deadline_ms passed; the batch goes on, its last status was {status!r}")


def _may_pass(error: APIConnectionError | APIStatusError) -> bool:
    """Tell a failure that a later poll may not meet."""
    return not isinstance(error, APIStatusError) or error.status_code in (408, 409, 429) or error.status_code >= 500
