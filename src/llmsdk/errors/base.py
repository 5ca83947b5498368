"""The tree of errors, without the classes of single statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .meta import Attempt, ReplyMeta, effort_of

_MAX_TEXT = 4_000  # characters of server text in str(error); `.message` and `.body` hold the rest
_MAX_ID = 200


def _restore(cls: type[SDKError], message: str, state: dict[str, Any]) -> SDKError:
    """Make an error again from its pickle, without knowing the arguments of its class."""
    # `__init__` would want arguments that no pickle has, and which differ from class to class.
    error = cls.__new__(cls)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class SDKError(Exception):
    """Every error that this package raises."""

    # Tracebacks and logs show the path that users import, and not the file that a class stands in.
    __module__ = "llmsdk.errors"

    message: str

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("llmsdk.errors."):
            cls.__module__ = "llmsdk.errors"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args`, which fails for every class with keyword arguments.
        return _restore, (type(self), str(self.args[0]) if self.args else "", dict(self.__dict__))

    def __str__(self) -> str:
        # A traceback must stay readable where a server answers with a page of HTML.
        text = self.message
        return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}... ({len(text)} characters in all)"


class ConfigurationError(SDKError, ValueError):
    """The configuration is wrong: an invalid key, an unknown server, a closed SDK. Nothing was sent."""


class CassetteError(ConfigurationError):
    """A cassette has no recording of a request, cannot be read or written, or has a broken line. Nothing was sent."""


class BatchError(SDKError):
    """A batch cannot start, or had to stop: a bad file, an output of another run, a full disk.

    Attributes:
        path, line: The file and its line that it is about, where it is about one.
        report: What had been done, and is written; None where nothing was sent.
    """

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None, report: Any = None) -> None:
        # A path with control characters or half characters could not be printed.
        is_plain = path is None or path.isprintable()
        super().__init__(message if is_plain else message.replace(path or "", repr(path)))
        self.path = path
        self.line = line
        self.report = report


class RequestValidationError(SDKError, ValueError):
    """A parameter is missing, unknown or of the wrong type. Nothing was sent.

    `param` names the parameter, as a path such as `messages[0].content`.
    """

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class UnsupportedParameterError(RequestValidationError):
    """The server in use doesn't support a parameter; `servers` are those that do."""

    def __init__(self, message: str, *, param: str, server: str, servers: tuple[str, ...]) -> None:
        super().__init__(message, param=param)
        self.server = server
        self.servers = servers


class UnsupportedOperationError(RequestValidationError):
    """The server in use doesn't support an operation; `servers` are those that do."""

    def __init__(self, message: str, *, operation: str, server: str, servers: tuple[str, ...]) -> None:
        super().__init__(message)
        self.operation = operation
        self.server = server
        self.servers = servers


class BudgetExceededError(SDKError):
    """A call could exceed its budget. It was not sent.

    Attributes:
        bound: Which one: `cost`, `tokens` or `requests`.
        limit: Its value.
        spent: What calls have taken of it that are over.
        reserved: What is held for calls under way, and may become free again.
        needed: What this call may take at the most.
    """

    def __init__(self, message: str, *, bound: str, limit: float, spent: float, reserved: float, needed: float) -> None:
        super().__init__(message)
        self.bound = bound
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.needed = needed

    @property
    def may_fit_later(self) -> bool:
        """Whether there may be room for the call once calls under way are over."""
        return self.reserved > 0 and self.spent + self.needed <= self.limit


class RemoteError(SDKError):
    """Base of errors that are raised after something was sent.

    Attributes:
        meta: Server, headers, attempts; None where nothing was sent.
        partial: What a stream had folded up to the error; None outside streams.
        earlier: Where a call may go on to other servers, the errors of those that it had tried before.
    """

    def __init__(self, message: str, *, meta: ReplyMeta | None = None, partial: Any = None) -> None:
        super().__init__(message)
        self.meta = meta
        self.partial = partial
        # A tuple: what was tried before is history, and one list would be shared by copies.
        self.earlier: tuple[RemoteError, ...] = ()

    @property
    def server(self) -> str | None:
        """Id of the server that was called."""
        return self.meta.server if self.meta else None

    @property
    def request_id(self) -> str | None:
        """The server's id of the request, if it sends one."""
        return self.meta.request_id if self.meta else None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every send of the call; empty where nothing was sent."""
        return self.meta.attempts if self.meta else ()

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the reply, case-insensitive; empty where there was none."""
        return self.meta.headers if self.meta else {}

    def __str__(self) -> str:
        return self._line(self._facts())

    def brief(self) -> str:
        """Give the text without the server's address, for who names the server beside it."""
        return self._line([])

    def _line(self, facts: list[str]) -> str:
        text = super().__str__()
        # What a server's support asks for first stands in every log line; cut, as a server may send anything.
        known = [*facts, f"request id {self.request_id[:_MAX_ID]}"] if self.request_id else facts
        return f"{text} ({', '.join(known)})" if known else text

    def _facts(self) -> list[str]:
        """Say what is known beside the message, for whoever reads it in a log."""
        return []


class APIStatusError(RemoteError):
    """The server answered with a status of 400 or above, or with an error object in a reply or stream.

    The class is chosen by status alone, whatever the body.

    Attributes:
        status_code: HTTP status; of an error object inside a 2xx reply or stream, the status its code stands for,
            or the HTTP status where it stands for none.
        message: The server's text, found in the body, else the body's text, else the reason phrase.
        code, type, param: What the body says of the error, where it does.
        body: The body as text, the first MiB.
        data: The body parsed as JSON; None where it is not JSON.
        retry_after_s: Seconds that the server asks to wait; None where it does not say.
    """

    statuses: ClassVar[dict[int, type[APIStatusError]]] = {}
    status: ClassVar[int | None] = None

    def __init_subclass__(cls, *, status: int | None = None, **kwargs: Any) -> None:
        # The class statement is the registration: `class X(APIStatusError, status=418)` is all that a new one needs.
        super().__init_subclass__(**kwargs)
        if status is not None:
            cls.status = status
            # The first stands: a caller's own subclass of one of ours must not take the place of its parent.
            APIStatusError.statuses.setdefault(status, cls)

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        body: str = "",
        data: Any = None,
        retry_after_s: float | None = None,
        meta: ReplyMeta | None = None,
        partial: Any = None,
    ) -> None:
        super().__init__(message, meta=meta, partial=partial)
        self.status_code = status_code
        self.code = code
        self.type = type
        self.param = param
        self.body = body
        self.data = data
        self.retry_after_s = retry_after_s

    def _facts(self) -> list[str]:
        return _facts_of(self.meta)

    def _line(self, facts: list[str]) -> str:
        outer = self.meta.status_code if self.meta else None
        # Who sees 503 here and 200 in a log of the server's would look for a proxy between them.
        inside = f"an error object inside a {outer} reply" if outer is not None and outer < 300 else ""
        if inside and self.status_code == outer:
            # A code that stands for no status would otherwise read "200: ...".
            return f"{inside}: {super()._line(facts)}"
        return f"{self.status_code}{f' ({inside})' if inside else ''}: {super()._line(facts)}"


class APIConnectionError(RemoteError):
    """No reply, or an incomplete one: refused, reset, cut. The exception of the HTTP library is `__cause__`.

    Attributes:
        body: The body received so far, as text, the first MiB; "" if there was none, and of a stream only what
            makes no event, as `partial` holds the events.
    """

    def __init__(self, message: str, *, body: str = "", meta: ReplyMeta | None = None, partial: Any = None) -> None:
        super().__init__(message, meta=meta, partial=partial)
        self.body = body


class APITimeoutError(APIConnectionError):
    """An attempt took longer than `timeout_ms`, or connecting took too long."""


class DeadlineExceededError(APITimeoutError):
    """A call with all its attempts, waits and stream took longer than `deadline_ms`."""


class StreamInterruptedError(APIConnectionError):
    """A stream ended before it was complete; `partial` is what was received.

    `reason` is "truncated" (the reply ended without finish reason and without `[DONE]`), "connection" (cut, or broken
    encoding) or "idle" (nothing came for too long).
    """

    def __init__(
        self, message: str, *, reason: str, body: str = "", meta: ReplyMeta | None = None, partial: Any = None
    ) -> None:
        super().__init__(message, body=body, meta=meta, partial=partial)
        self.reason = reason


# Both bases: who waits for timeouts and who waits for broken streams each catch it.
class StreamTimeoutError(StreamInterruptedError, APITimeoutError):
    """Nothing arrived in time: no byte within `timeout_ms`, or no event within `idle_timeout_ms`."""

    def __init__(self, message: str, *, body: str = "", meta: ReplyMeta | None = None, partial: Any = None) -> None:
        super().__init__(message, reason="idle", body=body, meta=meta, partial=partial)


class ResponseValidationError(RemoteError):
    """The reply is invalid: HTML, broken JSON, a missing field, too large.

    Attributes:
        status_code: HTTP status of the reply; None where the error is not about one.
        body: What came, as text, the first MiB.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        body: str = "",
        meta: ReplyMeta | None = None,
        partial: Any = None,
    ) -> None:
        super().__init__(message, meta=meta, partial=partial)
        self.status_code = status_code
        self.body = body

    def _facts(self) -> list[str]:
        return _facts_of(self.meta)


def _facts_of(meta: ReplyMeta | None) -> list[str]:
    """Say which server answered and, where it was asked more than once, how often."""
    if meta is None or not meta.origin:
        return []
    through = f" through the proxy {meta.proxy}" if meta.proxy else ""
    facts = [f"server {meta.server!r} at {meta.origin}{through}"]
    return [*facts, effort_of(meta)] if len(meta.attempts) > 1 else facts
