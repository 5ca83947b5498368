"""The one request loop: attempts, waits, hooks, errors, closing of responses; it yields effects and does no I/O."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from ..errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    Attempt,
    ConfigurationError,
    DeadlineExceededError,
    RateLimitError,
    RemoteError,
    ReplyMeta,
    ResponseValidationError,
)
from ..errors.status import SDKDefaultError
from ..hooks import HookContext
from ..providers.spec import Provider
from ..utils.headers import Headers
from ..utils.retries import RetryBudget, RetryConfig, retry_after_from, should_retry_header
from ..utils.secrets import Secret, Secrets, masked
from ..utils.urls import origin
from .countdown import Countdown
from .effects import Flow, TransportFailure, close, read, send, sleep
from .hooks import Hooks
from .keys import KeySource
from .reply.decode import MAX_ERROR_BODY, decode_error, rate_limit, request_id, safe_cause, shown_text, without_secrets
from .request.encode import Encoded
from .verdict import Failed, retry_delay

_ERROR_BODY_WAIT_S = 5.0  # the status is known by then; a body that stalls is not worth a caller's timeout
_MAX_REDIRECTS = 5
_MAX_URL = 1 << 15  # clients refuse URLs of twice that length with errors of their own
_MAX_SHOWN_URL = 500
_MAX_STALE = 8  # kept-alive connections in a row that may turn out to be closed, before it counts as a failure


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Env:
    """The world as the flow sees it: a monotonic clock, the time of day, chance."""

    clock: Callable[[], float]
    jitter: Callable[[], float]
    now: Callable[[], datetime] = _utc_now


class BuildRequest(Protocol):
    """Makes the client's own request; `authorization` is put into its headers without being a local on the way."""

    def __call__(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        authorization: Secret | None,
        content: bytes | None,
        countdown: Countdown,
    ) -> Any: ...


@dataclass(slots=True, repr=False)
class Call:
    """One call, ready to be sent.

    Attributes:
        headers: What every attempt carries, without the key.
        rebuild: Makes a response that has been read readable for hooks.
        deadline: Moment of the clock when everything must be over; None without one.
        earlier: Attempts that were made before, by a caller that waits between them itself.
        failed: The failure that ended the call, for such a caller.
        countdown: Of the attempt under way.
        expects: Statuses from 300 on that are no failure, such as the redirect to a storage.
    """

    encoded: Encoded
    content: bytes | None
    provider: Provider
    key: KeySource | None
    headers: list[tuple[str, str]]
    context: HookContext
    build: BuildRequest
    rebuild: Callable[[Any, bytes], Any]
    retries: RetryConfig | None
    budget: RetryBudget
    timeout_s: float
    deadline: float | None
    max_response_bytes: int
    log: Callable[..., None] | None = None
    secrets: Secrets = field(default_factory=Secrets)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    earlier: int = 0
    failed: Failed | None = None
    countdown: Countdown | None = None
    expects: tuple[int, ...] = ()


@dataclass(slots=True, repr=False)
class Received:
    """A reply with a status below 300; `body` is None while a stream is still open."""

    response: Any
    status: int
    headers: Headers
    body: bytes | None
    meta: ReplyMeta
    countdown: Countdown


def exchange(call: Call, hooks: Hooks, env: Env) -> Flow[Received]:
    """Send a call until it succeeds or may not be tried again.

    Raises:
        SDKError: The last attempt's failure, or that the deadline passed.
    """
    started = env.clock()
    stale = 0
    number = call.earlier
    while True:
        number += 1
        outcome = yield from _attempt(call, hooks, env, started, number)
        if isinstance(outcome, Received):
            _budget(call).success()
            return outcome
        if outcome.stale and stale < _MAX_STALE and _may_retry(call) and outcome.retryable:
            stale += 1  # nothing is wrong with the service: the next connection, at once and at no cost
            continue
        delay = _delay(call, outcome, number - call.earlier - stale, env, started)
        if delay is None:
            call.failed = outcome
            raise outcome.error
        if call.log is not None:
            call.log("retrying in %.3f s after %s", delay, type(outcome.error).__name__)
        yield from sleep(delay)


def _delay(call: Call, failed: Failed, made: int, env: Env, started: float) -> float | None:
    now = env.clock()
    return retry_delay(
        failed,
        retries=call.retries,
        budget=_budget(call),
        made=made,
        elapsed_s=now - started,
        deadline=call.deadline,
        now=now,
        jitter=env.jitter(),
    )


def _may_retry(call: Call) -> bool:
    return call.retries is not None and call.retries.strategy == "backoff"


def _budget(call: Call) -> RetryBudget:
    return (call.retries.budget if call.retries is not None else None) or call.budget


def _attempt(call: Call, hooks: Hooks, env: Env, started: float, number: int) -> Flow[Received | Failed]:
    call.context.attempt = number
    began = env.clock()
    countdown = call.countdown = _countdown(call, env, started, began)
    try:
        key = (yield from call.key.resolve(countdown)) if call.key is not None else None
        authorization = call.key.header(key, call.secrets) if call.key is not None and key is not None else None
        headers = [*call.headers, ("x-llmsdk-retry-count", str(number - 1))] if number > 1 else call.headers
        request = call.build(call.encoded.method, call.encoded.url, headers, authorization, call.content, countdown)
        request = yield from hooks.before_request(call.context, request, countdown)
        if call.log is not None:
            call.log("attempt %d: %s %s", number, call.encoded.method, masked(_address(call.encoded.url), call.secrets))
        response = yield from _send(call, hooks, request, headers, authorization, countdown)
    except TransportFailure as failure:
        _note(call, env, began, error=failure.kind)
        failed = _transport_failed(call, failure, env, started)
        return (yield from _after_error(call, hooks, env, None, failed, countdown, started))
    kept = False
    try:
        status = response.status_code
        _note(call, env, began, status=status)
        if call.log is not None:
            call.log("attempt %d: status %d", number, status)
        outcome = yield from _received(call, hooks, env, response, countdown, started)
        kept = isinstance(outcome, Received) and outcome.body is None
        return outcome
    except GeneratorExit:
        kept = True  # the flow was dropped: nobody performs its effects any more
        raise
    finally:
        if not kept:
            yield from close(response)


def _received(
    call: Call, hooks: Hooks, env: Env, response: Any, countdown: Countdown, started: float
) -> Flow[Received | Failed]:
    """Take a response whose head has arrived."""
    headers = _headers(response)
    meta = _meta(call, env, started, response.status_code, headers)
    if response.status_code >= 300 and response.status_code not in call.expects:
        body = yield from _error_body(response, countdown)
        failed = _status_failed(call, env, response, body, meta)
        readable = call.rebuild(response, body) if hooks.wants_responses else None
        return (yield from _after_error(call, hooks, env, readable, failed, countdown, started))
    if call.encoded.stream:
        changed = yield from _after_success(call, hooks, env, response, countdown, meta)
        if changed is not response:
            if changed.status_code >= 300:
                return _replaced(call, env, started, changed, countdown)
            yield from close(response)
        return Received(changed, changed.status_code, headers, None, meta, countdown)
    try:
        body = yield from read(response, call.max_response_bytes, countdown)
    except TransportFailure as failure:
        error = _body_error(call, failure, meta, env)
        return (yield from _after_error(call, hooks, env, None, Failed(error, False), countdown, started))
    if hooks.wants_responses:
        readable = call.rebuild(response, body)
        changed = yield from _after_success(call, hooks, env, readable, countdown, meta, body)
        return _replaced(call, env, started, changed, countdown)
    meta.elapsed_ms = (env.clock() - started) * 1000  # with the body
    return Received(response, response.status_code, headers, body, meta, countdown)


def _after_success(
    call: Call, hooks: Hooks, env: Env, response: Any, countdown: Countdown, meta: ReplyMeta, body: bytes = b""
) -> Flow[Any]:
    """Pass a response through the hooks; async ones have what is left of the attempt's time."""
    try:
        return (yield from hooks.after_success(call.context, response, countdown))
    except TransportFailure as failure:
        kind = DeadlineExceededError if _deadline_passed(call, env) else APITimeoutError
        meta, text = without_secrets(meta, call.secrets), shown_text(body, call.secrets)
        raise kind(f"the reply came, and its hooks had no answer in time: {failure}", body=text, meta=meta) from None


def _replaced(call: Call, env: Env, started: float, response: Any, countdown: Countdown) -> Received | Failed:
    """Take the response that hooks answered with; its status decides, as that of any other."""
    headers = Headers(response.headers.multi_items())
    meta = _meta(call, env, started, response.status_code, headers)
    if response.status_code >= 300 and response.status_code not in call.expects:
        return _status_failed(call, env, response, response.content[:MAX_ERROR_BODY], meta)
    return Received(response, response.status_code, headers, response.content, meta, countdown)


# ------------------------------------------------------------------ sending


def _countdown(call: Call, env: Env, started: float, now: float) -> Countdown:
    """Make the time limit of an attempt."""
    limit = call.timeout_s
    if call.deadline is not None:
        limit = min(limit, call.deadline - now)
        if limit <= 0:
            raise DeadlineExceededError("deadline_ms passed", meta=_meta(call, env, started))
    config = call.retries
    if config is not None and config.bound_attempts and config.strategy == "backoff":
        left = config.backoff.max_elapsed_time / 1000 - (now - started)
        limit = min(limit, left) if left > 0 else limit  # no time for retries still leaves the first attempt its own
    return Countdown(limit, env.clock)


def _send(
    call: Call,
    hooks: Hooks,
    request: Any,
    headers: list[tuple[str, str]],
    authorization: Secret | None,
    countdown: Countdown,
) -> Flow[Any]:
    """Send a request; 307 and 308 to the same origin are followed, nothing else is (RFC 9110, 15.4).

    Hooks see the followed request as well: what they do to requests must hold for the one that counts.
    """
    redirects = 0
    while True:
        response = yield from send(request, countdown)
        if response.status_code not in (307, 308) or redirects == _MAX_REDIRECTS:
            return response
        redirects += 1
        target = _same_origin_target(str(request.url), response.headers.get("location", ""))
        if target is None:
            return response
        yield from close(response)
        request = call.build(call.encoded.method, target, headers, authorization, call.content, countdown)
        request = yield from hooks.before_request(call.context, request, countdown)


def _same_origin_target(url: str, location: str) -> str | None:
    from urllib.parse import urljoin

    try:
        target = urljoin(url, location)
        is_ours = bool(location) and len(target) <= _MAX_URL and origin(target) == origin(url)
        return target if is_ours else None
    except ValueError:
        return None


def _error_body(response: Any, countdown: Countdown) -> Flow[bytes]:
    """Read an error's body as far as it comes; the status decides the class in any case."""
    countdown.shorten(_ERROR_BODY_WAIT_S)
    try:
        return (yield from read(response, MAX_ERROR_BODY, countdown, truncate=True))
    except TransportFailure as failure:
        return failure.body


# ----------------------------------------------------------------- failures


def _status_failed(call: Call, env: Env, response: Any, body: bytes, meta: ReplyMeta) -> Failed:
    status, headers = response.status_code, meta.headers
    reason = getattr(response, "reason_phrase", "") or ""
    if status < 400:
        text = masked(_redirected(call, status, headers.get("location", "")), call.secrets)
        kept = without_secrets(meta, call.secrets)
        shown = shown_text(body, call.secrets)
        return Failed(SDKDefaultError(text, status_code=status, body=shown, meta=kept), retryable=False)
    error = decode_error(call.provider, status, body, reason=reason, meta=meta, secrets=call.secrets, now=env.now())
    wanted = should_retry_header(headers)
    retryable = _is_retryable(call, error) if wanted is None else wanted
    return Failed(error, retryable, retry_after_from(headers, now=env.now()))


def _redirected(call: Call, status: int, location: str) -> str:
    """Say why a redirect was not followed; queries may hold what gives access, and are left out."""
    if not location:
        return "the server answers with a status of redirects, and does not say where to"
    if status in (307, 308) and (target := _same_origin_target(call.encoded.url, location)):
        return f"the server redirects more than {_MAX_REDIRECTS} times, the last time to {_address(target)}"
    return f"the server redirects to {_address(location)}; only 307 and 308 to the same origin are followed"


def _address(url: str) -> str:
    """Show a URL without credentials, query and fragment."""
    start = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"^([^/]*//)[^/]*@", r"\1", start)[:_MAX_SHOWN_URL]


def _is_retryable(call: Call, error: APIStatusError) -> bool:
    if isinstance(error, RateLimitError) and _is_permanent(error):
        return False
    return call.retries is not None and error.status_code in call.retries.statuses


def _is_permanent(error: APIStatusError) -> bool:
    """Tell a used-up balance from a limit that passes."""
    return any(
        kind is not None and (kind == "insufficient_quota" or kind.startswith("billing"))
        for kind in (error.code, error.type)
    )


def _transport_failed(call: Call, failure: TransportFailure, env: Env, started: float) -> Failed:
    """Judge a failure before the head of a reply."""
    meta = _meta(call, env, started)
    cause = safe_cause(failure.__cause__, call.secrets)
    if failure.kind == "request":
        text = masked(f"the request could not be sent: {failure}", call.secrets)
        return Failed(_caused(ConfigurationError(text), cause), False)
    if failure.kind == "timeout" and _deadline_passed(call, env):
        return Failed(_caused(DeadlineExceededError("deadline_ms passed during an attempt", meta=meta), cause), False)
    error: RemoteError
    if failure.kind == "timeout":
        error = APITimeoutError(f"no reply in time: {failure}", meta=meta)
    else:
        error = APIConnectionError(masked(f"no reply: {failure}", call.secrets), meta=meta)
    allowed = call.retries is not None and call.retries.retry_connection_errors
    retryable = allowed and not failure.began and not _is_untrusted(cause)
    return Failed(_caused(error, cause), retryable, stale=failure.stale)


def _body_error(call: Call, failure: TransportFailure, meta: ReplyMeta, env: Env) -> Exception:
    """Judge a failure inside the body of a reply; it is never tried again, since the server has done its work."""
    meta = without_secrets(meta, call.secrets)
    body = shown_text(failure.body, call.secrets)
    size = f"{len(failure.body)} bytes"
    error: RemoteError
    if failure.kind == "timeout" and _deadline_passed(call, env):
        error = DeadlineExceededError(f"deadline_ms passed inside the reply, after {size}", body=body, meta=meta)
    elif failure.kind == "timeout":
        error = APITimeoutError(f"the reply did not arrive whole in time, only {size} did", body=body, meta=meta)
    elif failure.kind in ("coding", "too large"):
        text = masked(str(failure), call.secrets)
        error = ResponseValidationError(text, status_code=meta.status_code, body=body, meta=meta)
    else:
        text = masked(f"the connection broke inside the reply, after {size}: {failure}", call.secrets)
        error = APIConnectionError(text, body=body, meta=meta)
    return _caused(error, safe_cause(failure.__cause__, call.secrets))


def _after_error(
    call: Call, hooks: Hooks, env: Env, response: Any, failed: Failed, countdown: Countdown, started: float
) -> Flow[Received | Failed]:
    if not hooks:
        return failed
    left = call.timeout_s if call.deadline is None else min(call.timeout_s, call.deadline - env.clock())
    try:
        # A time of its own: that of the attempt may be what has passed.
        response, error = yield from hooks.after_error(call.context, response, failed.error, Countdown(left, env.clock))
    except TransportFailure:
        return failed  # no answer in time: the failure stands
    if error is not None:
        failed.error = error
        return failed
    if response is None:
        raise ConfigurationError("after_error: a hook answered with neither a response nor an error")
    return _replaced(call, env, started, response, countdown)


def _deadline_passed(call: Call, env: Env) -> bool:
    return call.deadline is not None and env.clock() >= call.deadline - 0.002


def _is_untrusted(cause: BaseException | None) -> bool:
    """Tell a certificate that did not verify, which no retry cures."""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _caused(error: Exception, cause: BaseException | None) -> Exception:
    error.__cause__ = cause
    return error


# -------------------------------------------------------------------- notes


def _headers(response: Any) -> Headers:
    """Take a response's headers, whatever client it comes from."""
    headers = response.headers
    if isinstance(headers, Headers):
        return headers
    return Headers(headers.multi_items() if hasattr(headers, "multi_items") else headers)


def _note(call: Call, env: Env, began: float, *, status: int | None = None, error: str | None = None) -> None:
    call.attempts.append(Attempt(call.provider.name, status, error, (env.clock() - began) * 1000))


def _meta(
    call: Call, env: Env, started: float, status: int | None = None, headers: Mapping[str, str] | None = None
) -> ReplyMeta:
    meta = ReplyMeta(
        server=call.provider.name,
        status_code=status,
        attempts=tuple(call.attempts),
        elapsed_ms=(env.clock() - started) * 1000,
        dropped=call.encoded.dropped,
    )
    if headers is not None:
        meta.headers = headers
        meta.request_id = request_id(call.provider, headers)
        meta.read_limits = partial(rate_limit, call.provider.limits)
    return meta
