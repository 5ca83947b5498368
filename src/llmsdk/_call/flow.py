"""One way through a call: attempts, waits, hooks, closing of responses; it yields effects and does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import APITimeoutError, Attempt, ConfigurationError, DeadlineExceededError, RemoteError, ReplyMeta
from ..hooks import HookContext
from ..utils.headers import Headers
from ..utils.log import logger
from ..utils.secrets import Secret, masked
from ..utils.urls import same_origin_target, shown_address, shown_origin
from .countdown import Countdown
from .effects import Close, Flow, Read, Send, Sleep, TransportFailure
from .paging import Pages
from .plan import Plan
from .reply.decode import MAX_ERROR_BODY, shown_text, without_secrets
from .reply.limits import rate_limit
from .reply.reading import end_of, is_streamed, read_reply
from .request.multipart import Form, write_form
from .state import CallState, Failed, Received
from .verdict import MAX_REDIRECTS, body_failed, retry_delay, status_failed, transport_failed
from .world import Driver, Env

if TYPE_CHECKING:
    from .request.large import Body

_ERROR_BODY_WAIT_S = 5.0  # the status is known by then; a body that stalls is not worth a caller's timeout
_SLACK_S = 0.002  # by which a timer may fire ahead of the deadline that it was set for


@dataclass(slots=True, eq=False, repr=False)
class _Run:
    """One exchange under way: who is asked and what is known, and what its attempts have in common."""

    plan: Plan
    state: CallState
    driver: Driver
    env: Env
    started: float
    deadline: float | None
    headers: list[tuple[str, str]]
    content: Body | None
    context: HookContext
    countdown: Countdown = field(init=False)  # that of the attempt under way


def run_call(plan: Plan, state: CallState, driver: Driver, env: Env) -> Flow[Any]:
    """Make a call: the reply, or of a stream the `Progress` in which its headers leave it."""
    provider = plan.target.provider
    if dropped := plan.encoded.dropped:
        logger.warning("server %r does not take %s; dropped", provider.name, ", ".join(dropped))
    if state.observed is not None:
        state.observed.at_server(provider.name, plan.target.base_url, plan.model)
    received = [(yield from exchange(plan, state, driver, env))]
    # A hook may have replaced a stream's response by one whose body is there: what was asked for decides, not that.
    if plan.encoded.stream or is_streamed(plan, received[0]):
        # Streams are one of the four things that a plain call does not load.
        from .stream.beginning import begin_stream, fold_reply

        begin = begin_stream if plan.encoded.stream else fold_reply
        return begin(plan, state, received[0])
    if plan.route.page is not None:
        pages = Pages(plan, plan.route.page, state.secrets)
        while (further := pages.after(received[-1])) is not None:
            received.append((yield from exchange(further, state, driver, env)))
    if plan.operation.own is not None:
        return plan.operation.own.read(plan, state, received)
    return read_reply(plan, state, received)


def exchange(plan: Plan, state: CallState, driver: Driver, env: Env) -> Flow[Received]:
    """Send a call until it succeeds or may not be tried again.

    Raises:
        SDKError: The last attempt's failure, or that the deadline passed.
    """
    run = _begun(plan, state, driver, env)
    retries = plan.limits.retries
    # A policy with a budget of its own leaves that of the SDK alone, for better and for worse.
    budget = (None if retries is None else retries.budget) or plan.limits.budget
    if plan.terms is not None:
        yield from plan.terms.hold(plan.encoded.body, plan.limits, state, env.clock)
    number = state.earlier  # a caller who waits between its attempts counts on through all of them
    while True:
        number += 1
        outcome = yield from _attempt(run, number)
        if isinstance(outcome, Received):
            budget.success()
            return outcome
        if state.held is not None:
            state.held.fail(outcome.error, state)
        now = env.clock()
        delay = retry_delay(
            outcome,
            retries=None if state.is_abandoned else retries,
            budget=budget,
            made=number - state.earlier,
            elapsed_s=now - run.started,
            deadline=run.deadline,
            now=now,
            jitter=env.jitter(),
        )
        if delay is None:
            state.failed = outcome  # with the verdict, which the error alone does not tell
            if isinstance(outcome.error, RemoteError) and outcome.error.meta is not None:
                outcome.error.meta.proxy = _proxy(run)
            raise outcome.error
        if plan.terms is not None:
            plan.terms.hold_again(plan.encoded.body, state, outcome.error)
        if plan.log is not None:
            plan.log("retrying in %.3f s after %s", delay, type(outcome.error).__name__)
        yield Sleep(delay)


def _begun(plan: Plan, state: CallState, driver: Driver, env: Env) -> _Run:
    state.failed = None
    state.secrets.learn(plan.given, plan.url_params, plan.encoded.url)
    if plan.target.key is not None and isinstance(plan.target.key.value, Secret):
        state.secrets.add(plan.target.key.value)  # what a function gives is learnt when it is asked
    headers, body = list(plan.headers), plan.encoded.body
    if isinstance(body, Form):
        # Read here and not while planning: files take their time.
        body, content_type = write_form(body)
        headers.append(("content-type", content_type))
    if plan.is_keyed:
        # The same on every attempt, so that a server can tell a repetition from a second order.
        headers.append(("idempotency-key", state.idempotency_key))
    if state.observed is not None:
        known = {name for name, _ in headers}  # an observer adds to a request, and replaces nothing in it
        headers += [pair for pair in state.observed.headers().items() if pair[0] not in known]
    target, deadline_s, now = plan.target, plan.limits.deadline_s, env.clock()
    return _Run(
        plan=plan,
        state=state,
        driver=driver,
        env=env,
        started=now,
        deadline=None if deadline_s is None else state.started + deadline_s,
        headers=headers,
        content=body,
        context=HookContext(plan.operation.id, target.provider.name, target.base_url, state=state.hook_state),
    )


def _attempt(run: _Run, number: int) -> Flow[Received | Failed]:
    plan, env = run.plan, run.env
    run.context.attempt = number
    began = env.clock()
    run.countdown = run.state.countdown = _countdown(run, began)
    try:
        response = yield from _send(run, number)
    except TransportFailure as failure:
        run.state.attempts.append(Attempt(plan.target.provider.name, None, failure.kind, (env.clock() - began) * 1000))
        meta = _meta(run)
        meta.proxy = _proxy(run)
        failed = transport_failed(failure, plan, run.state.secrets, meta, is_over=_is_over(run))
        return (yield from _after_error(run, None, failed))
    is_kept = False  # else it is closed before anybody waits: a body read whole leaves its connection to the retry
    try:
        status = response.status_code
        run.state.attempts.append(Attempt(plan.target.provider.name, status, None, (env.clock() - began) * 1000))
        if plan.log is not None:
            plan.log("attempt %d: status %d", number, status)
        outcome = yield from _received(run, response)
        is_kept = isinstance(outcome, Received) and outcome.body is None
        return outcome
    except GeneratorExit:
        is_kept = True  # the flow was dropped: nobody performs its effects any more
        raise
    finally:
        if not is_kept:
            yield Close(response)


def _received(run: _Run, response: Any) -> Flow[Received | Failed]:
    """Take a response whose head has arrived."""
    plan, hooks, countdown = run.plan, run.plan.hooks, run.countdown
    status, headers = response.status_code, _headers(response)
    meta = _meta(run, status, headers)
    if status >= 300 and status not in plan.expects:
        body = yield from _error_body(response, countdown)
        failed = status_failed(response, body, plan, run.state.secrets, meta, run.env.now())
        readable = run.driver.rebuild(response, body) if hooks.wants_responses else None
        return (yield from _after_error(run, readable, failed))
    if plan.encoded.stream:
        # Hooks see it with its body still to come: to read it for them would make it no stream.
        changed = yield from _after_success(run, response, meta)
        if changed is not response:
            if changed.status_code >= 300:
                return _replaced(run, changed)
            yield Close(response)
        return Received(changed, changed.status_code, headers, None, meta, countdown)
    try:
        check_end = end_of(response, headers) if plan.operation.is_bare else None  # JSON shows by itself that it is cut
        body = yield Read(response, plan.limits.max_response_bytes, countdown)
        if check_end is not None:
            check_end(body)
    except TransportFailure as failure:
        failed = body_failed(failure, plan, run.state.secrets, meta, is_over=_is_over(run))
        return (yield from _after_error(run, None, failed))
    if hooks.wants_responses:
        changed = yield from _after_success(run, run.driver.rebuild(response, body), meta, body)
        return _replaced(run, changed)
    meta.elapsed_ms = (run.env.clock() - run.started) * 1000  # with the body
    return Received(response, status, headers, body, meta, countdown)


# ------------------------------------------------------------------ sending


def _countdown(run: _Run, now: float) -> Countdown:
    """Make the time limit of an attempt."""
    limits = run.plan.limits
    limit = limits.timeout_s
    if run.deadline is not None:
        limit = min(limit, run.deadline - now)
        if limit <= 0:
            deadline_ms = (limits.deadline_s or 0) * 1000
            raise DeadlineExceededError(f"deadline_ms={deadline_ms:g} passed before an attempt", meta=_meta(run))
    retries = limits.retries
    if retries is not None and retries.bound_attempts and retries.strategy == "backoff":
        left = retries.backoff.max_elapsed_time / 1000 - (now - run.started)
        limit = min(limit, left) if left > 0 else limit  # no time for retries still leaves the first attempt its own
    return Countdown(limit, run.env.clock)


def _send(run: _Run, number: int) -> Flow[Any]:
    """Send a request; 307 and 308 to the same origin are followed, nothing else is (RFC 9110, 15.4).

    Hooks see the followed request as well: what they do to requests must hold for the one that counts.
    """
    plan, countdown, secrets = run.plan, run.countdown, run.state.secrets
    encoded, source = plan.encoded, plan.target.key
    authorization = None if source is None else source.header or (yield from source.ask(secrets, countdown))
    # Told from the second attempt on, so that first ones, which are nearly all, carry nothing for it.
    headers = [*run.headers, ("x-llmsdk-retry-count", str(number - 1))] if number > 1 else run.headers
    url, redirects = encoded.url, 0
    while True:
        request = run.driver.build(encoded.method, url, headers, authorization, run.content, countdown)
        if plan.hooks.before:
            request = yield from plan.hooks.before_request(run.context, request, countdown)
        if plan.log is not None and not redirects:
            plan.log("attempt %d: %s %s", number, encoded.method, masked(shown_address(url), secrets))
        response: Any = yield Send(request, countdown)
        if response.status_code not in (307, 308) or redirects == MAX_REDIRECTS:
            return response
        redirects += 1
        # From where the request in fact went: a hook may have sent it elsewhere.
        target = same_origin_target(str(request.url), response.headers.get("location", ""))
        if target is None:
            return response
        yield Close(response)
        url = target


def _error_body(response: Any, countdown: Countdown) -> Flow[bytes]:
    """Read an error's body as far as it comes; the status decides the class in any case."""
    countdown.shorten(_ERROR_BODY_WAIT_S)
    try:
        body: bytes = yield Read(response, MAX_ERROR_BODY, countdown, truncate=True)
    except TransportFailure as failure:
        return failure.body
    return body


# -------------------------------------------------------------------- hooks


def _after_success(run: _Run, response: Any, meta: ReplyMeta, body: bytes = b"") -> Flow[Any]:
    """Pass a response through the hooks; async ones have what is left of the attempt's time."""
    try:
        return (yield from run.plan.hooks.after_success(run.context, response, run.countdown))
    except TransportFailure as failure:
        kind = DeadlineExceededError if _is_over(run) else APITimeoutError
        text, meta = shown_text(body, run.state.secrets), without_secrets(meta, run.state.secrets)
        raise kind(f"the reply came, and its hooks had no answer in time: {failure}", body=text, meta=meta) from None


def _after_error(run: _Run, response: Any, failed: Failed) -> Flow[Received | Failed]:
    """Pass a failure through the hooks, which may return another one, or a response after all."""
    if not run.plan.hooks.error:
        return failed
    left = run.plan.limits.timeout_s
    if run.deadline is not None:
        left = min(left, run.deadline - run.env.clock())
    # A time of its own: that of the attempt may be what has passed.
    countdown = Countdown(left, run.env.clock)
    try:
        response, error = yield from run.plan.hooks.after_error(run.context, response, failed.error, countdown)
    except TransportFailure:
        return failed  # no answer in time: the failure stands
    if error is not None:
        failed.error = error
        return failed
    if response is None:
        raise ConfigurationError("after_error: a hook answered with neither a response nor an error")
    return _replaced(run, response)


def _replaced(run: _Run, response: Any) -> Received | Failed:
    """Take the response that hooks answered with; its status decides, as that of any other."""
    status, headers = response.status_code, Headers(response.headers.multi_items())
    meta = _meta(run, status, headers)
    if status >= 300 and status not in run.plan.expects:
        body = response.content[:MAX_ERROR_BODY]
        return status_failed(response, body, run.plan, run.state.secrets, meta, run.env.now())
    return Received(response, status, headers, response.content, meta, run.countdown)


# -------------------------------------------------------------------- facts


def _is_over(run: _Run) -> bool:
    return run.deadline is not None and run.env.clock() >= run.deadline - _SLACK_S


def _proxy(run: _Run) -> str:
    """Name the proxy that led to the server, without its password; "" where there was none."""
    return shown_origin(run.driver.proxy_for(run.plan.encoded.url) or "")


def _headers(response: Any) -> Headers:
    """Take a response's headers, whatever client it comes from."""
    headers = response.headers
    if isinstance(headers, Headers):
        return headers
    return Headers(headers.multi_items() if hasattr(headers, "multi_items") else headers)


def _meta(run: _Run, status: int | None = None, headers: Mapping[str, str] | None = None) -> ReplyMeta:
    provider = run.plan.target.provider
    meta = ReplyMeta(
        server=provider.name,
        status_code=status,
        attempts=tuple(run.state.attempts),
        elapsed_ms=(run.env.clock() - run.started) * 1000,
        dropped=run.plan.encoded.dropped,
        origin=shown_origin(run.plan.encoded.url),  # of a file it may be another than the server's
        tags_reasoning=run.plan.route.turns is not None and run.plan.route.turns.tagged,
    )
    if headers is not None:
        meta.headers = headers
        for name in provider.request_id:
            if value := headers.get(name):
                meta.request_id = value
                break
        # Read when somebody asks: many look-ups, and dates to be read, for what few callers look at.
        meta.read_limits = partial(rate_limit, provider.limits)
    return meta
