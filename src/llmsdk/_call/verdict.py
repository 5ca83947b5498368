"""What a failed attempt comes to: which error, whether another attempt may cure it, and after how long it is made."""

from __future__ import annotations

import math
import re
import ssl
from datetime import datetime
from functools import partial
from typing import Any

from ..errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    RemoteError,
    ReplyMeta,
    ResponseValidationError,
)
from ..errors.meta import effort_of, where_of
from ..errors.status import SDKDefaultError
from ..providers.spec import Provider
from ..utils.retries import RetryBudget, RetryConfig, next_delay, should_retry_header
from ..utils.secrets import Secrets, masked
from ..utils.urls import same_origin_target, shown_address
from .countdown import CONNECT_S
from .effects import TransportFailure
from .plan import Plan
from .reply.decode import decode_error, safe_cause, shown_text, without_secrets
from .state import Failed

MAX_REDIRECTS = 5


def status_failed(response: Any, body: bytes, plan: Plan, secrets: Secrets, meta: ReplyMeta, now: datetime) -> Failed:
    """Judge a reply whose status is a failure; `meta` holds its headers."""
    status, headers = response.status_code, meta.headers
    if status < 400:  # a redirect that is not followed, or a 304 to what was no conditional request
        text = masked(_redirected(plan, status, headers.get("location", "")), secrets)
        shown, meta = shown_text(body, secrets), without_secrets(meta, secrets)
        return Failed(SDKDefaultError(text, status_code=status, body=shown, meta=meta), retryable=False)
    reason = partial(_reason, response)
    error = decode_error(plan.target.provider, status, body, reason=reason, meta=meta, secrets=secrets, now=now)
    if isinstance(error, AuthenticationError):
        error.key_origin = _key_origin(plan)
    retryable, retries = should_retry_header(headers), plan.limits.retries
    if retryable is None:  # else the server has said it, and knows best
        retryable = (
            retries is not None and status in retries.statuses and not _is_permanent(plan.target.provider, error)
        )
    return Failed(error, retryable, error.retry_after_s)


def _key_origin(plan: Plan) -> str:
    """Say where the key came from that a server refuses: often it is another one than its user thinks."""
    header, key = plan.target.provider.key_header, plan.target.key
    if key is not None:
        return f"the key came from {key.origin}"
    return "the key came from http_headers" if header and header[0] in plan.given else "the SDK sent no key"


# Codes and types of a balance that is spent, letters and digits only, by the pages on errors of OpenAI, Moonshot,
# DashScope, Volcengine, Z.ai (1113) and others, by relays such as one-api, and by reports from the field.
_SPENT = re.compile(
    "insufficient(user|account|organization)?(quota|balance|credits?|funds?)(error)?"
    "|(account|user|credit)?balance(is)?(insufficient|exhausted|toolow|notenough|depleted)"
    "|(out|lack)of(credits?|balance|funds?)|no(credits?|balance|funds?)(left)?|(credits?|funds?)exhausted"
    "|exceeded(your)?currentquota(error)?|paymentrequired|account(in)?(overdue|arrears?)(error)?|arrearage|billing.*|1113"
)


def _reason(response: Any) -> str:
    return getattr(response, "reason_phrase", "") or ""  # HTTP/2 has none, nor have some users' own responses


def _is_permanent(provider: Provider, error: APIStatusError) -> bool:
    """Distinguish a used-up balance from a limit that passes: both are a 429, and waiting cures but one."""
    if error.status_code != 429:
        return False
    kinds = [re.sub(r"[^a-z0-9]", "", (kind or "").lower()) for kind in (error.code, error.type)]
    return any(_SPENT.fullmatch(kind) or kind in provider.error.spent for kind in kinds)


def transport_failed(
    failure: TransportFailure, plan: Plan, secrets: Secrets, meta: ReplyMeta, *, is_over: bool
) -> Failed:
    """Judge a failure before the head of a reply; `is_over` says whether the deadline has passed."""
    cause, retries = safe_cause(failure.__cause__, secrets), plan.limits.retries
    retryable = retries is not None and retries.retry_connection_errors
    # Once the reply has begun, the server has done the work and would do it twice; a certificate stays what it is.
    retryable = retryable and not failure.began and not _is_untrusted(cause)
    error: Exception
    where = f"{masked(where_of(meta), secrets)} {effort_of(meta)}"
    if failure.kind == "request":  # the client itself refuses it, as it would the next time
        error, retryable = ConfigurationError(masked(f"the request could not be sent: {failure}", secrets)), False
    elif failure.kind == "timeout" and is_over:
        text = f"{_deadline(plan)} passed during an attempt: no reply from {where}"
        error, retryable = DeadlineExceededError(text, meta=meta), False
    elif failure.kind == "timeout":
        error = APITimeoutError(_too_late(failure, plan, meta, where), meta=meta)
    else:
        error = APIConnectionError(f"no reply from {where}: {_cause_text(failure, secrets)}", meta=meta)
    error.__cause__ = cause
    return Failed(error, retryable)


def _too_late(failure: TransportFailure, plan: Plan, meta: ReplyMeta, where: str) -> str:
    """Say which limit has passed, and its value."""
    timeout_s, retries = plan.limits.timeout_s, plan.limits.retries
    if "Connect" in type(failure.__cause__).__name__ and timeout_s > CONNECT_S:
        return f"no connection within {CONNECT_S:g} s to {where}"
    limit, most_ms = f"timeout_ms={timeout_s * 1000:g}", math.inf
    if retries is not None and retries.bound_attempts and retries.strategy == "backoff":
        most_ms = retries.backoff.max_elapsed_time
    if meta.elapsed_ms >= most_ms - 2 and meta.attempts[-1].elapsed_ms < timeout_s * 1000 - 2:
        limit = f"max_elapsed_time={most_ms:g} of the retries"  # which bounds the attempt under way too
    # A failure without a cause is one of ours, and says what was waited for.
    return f"no reply within {limit} from {where}" + (f": {failure}" if failure.__cause__ is None else "")


def _deadline(plan: Plan) -> str:
    return f"deadline_ms={(plan.limits.deadline_s or 0) * 1000:g}"


def _cause_text(failure: TransportFailure, secrets: Secrets) -> str:
    """Say why there is no reply; the number of an error means nothing to most readers."""
    text = re.sub(r"^\[Errno -?[0-9]+\] ", "", masked(str(failure), secrets))
    text = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return f"the proxy answered {text}" if "Proxy" in type(failure.__cause__).__name__ else text


def body_failed(failure: TransportFailure, plan: Plan, secrets: Secrets, meta: ReplyMeta, *, is_over: bool) -> Failed:
    """Judge a failure inside the body of a reply; it is never tried again, since the server has done its work."""
    meta, body = without_secrets(meta, secrets), shown_text(failure.body, secrets)
    count, where = len(failure.body), masked(where_of(meta), secrets)
    size = "1 byte" if count == 1 else f"{count} bytes"
    error: RemoteError
    if failure.kind == "timeout" and is_over:
        error = DeadlineExceededError(f"{_deadline(plan)} passed inside the reply, after {size}", body=body, meta=meta)
    elif failure.kind == "timeout":
        limit = f"timeout_ms={plan.limits.timeout_s * 1000:g}"
        text = f"the reply from {where} did not arrive whole within {limit}, only {size} did"
        error = APITimeoutError(text, body=body, meta=meta)
    elif failure.kind in ("coding", "too large"):
        text = masked(str(failure), secrets)
        error = ResponseValidationError(text, status_code=meta.status_code, body=body, meta=meta)
    else:
        text = f"the connection broke inside the reply from {where}, after {size}: {_cause_text(failure, secrets)}"
        error = APIConnectionError(text, body=body, meta=meta)
    error.__cause__ = safe_cause(failure.__cause__, secrets)
    return Failed(error, retryable=False)


def _redirected(plan: Plan, status: int, location: str) -> str:
    """Say why a redirect was not followed; queries may hold what gives access, and are left out."""
    if not location:
        return "the server answers with a status of redirects, and does not say where to"
    if status in (307, 308) and (target := same_origin_target(plan.encoded.url, location)):
        return f"the server redirects more than {MAX_REDIRECTS} times, the last time to {shown_address(target)}"
    return f"the server redirects to {shown_address(location)}; only 307 and 308 to the same origin are followed"


def _is_untrusted(cause: BaseException | None) -> bool:
    """Recognize a certificate that did not verify, which no retry cures."""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def retry_delay(
    failed: Failed,
    *,
    retries: RetryConfig | None,
    budget: RetryBudget,
    made: int,
    elapsed_s: float,
    deadline: float | None,
    now: float,
    jitter: float,
) -> float | None:
    """Decide whether a failed attempt is followed by another one, and after how long.

    It is decided here and nowhere else: for a call, which waits inside its flow, and for the rows of a map, which wait
    outside and leave their place to others meanwhile.

    Args:
        budget: Pays for the retry, once everything else allows it.
        made: Attempts made so far, >= 1.
        elapsed_s: Time since the first of them began.
        deadline: Moment of the clock when everything must be over; a wait that would reach it is not begun.
        jitter: A random value in [0, 1).

    Returns:
        Seconds to wait, >= 0; None where the failure stands.
    """
    if retries is None or not failed.retryable:
        return None
    delay = next_delay(retries, made, elapsed_s, failed.retry_after_s, jitter)
    if delay is None or (deadline is not None and now + delay >= deadline):
        return None
    # Last: a token is spent on a retry that is made, not on one that the deadline forbids.
    return delay if budget.take(now) else None
