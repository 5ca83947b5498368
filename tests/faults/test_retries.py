"""Retries in real time, with small intervals, as the server sees them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk.utils import BackoffStrategy, RetryBudget, RetryConfig
from support.colours import KEY, Colour
from support.fault_client import ASK, CREATE, client_of
from support.fault_server import (
    DONE,
    EVENTS,
    GOOD_STREAM,
    STREAM_HEAD,
    FaultServer,
    Fin,
    Rst,
    Stall,
    Wait,
    chunk,
    reply,
)

BUSY = reply(b'{"error": {"message": "busy"}}', 503)
SLACK_S = 4.0  # a busy machine may add this much; what is ruled out would take longer


def _quick(**more: Any) -> RetryConfig:
    given = {"max_attempts": 3, **more}
    return RetryConfig("backoff", BackoffStrategy(20, 200, 2, 10_000, jitter="none"), True, **given)


@pytest.fixture(params=["own", "supplied"])
def supplied(request: pytest.FixtureRequest) -> bool:
    return request.param == "supplied"


def _gaps(faults: FaultServer) -> list[float]:
    return [later.at - sooner.at for sooner, later in zip(faults.requests, faults.requests[1:], strict=False)]


# ------------------------------------------------------------------ what is tried again


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 520, 524, 529, 530])
async def test_statuses_that_are_tried_again(colour: Colour, faults: FaultServer, status: int) -> None:
    faults.play(reply(b"{}", status), reply(b"", status))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        res = await client.call(CREATE, **ASK)
    assert res.text == "Hello there"
    assert [attempt.status for attempt in res.meta.attempts] == [status, status, 200]
    assert [attempt.error for attempt in res.meta.attempts] == [None, None, None]
    assert faults.connections == 1, "a small error body is drained, and its connection used again"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422, 451, 501, 505, 531, 302])
async def test_statuses_that_are_not(colour: Colour, faults: FaultServer, status: int) -> None:
    faults.always(reply(b"{}", status))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.APIStatusError):
            await client.call(CREATE, **ASK)
    assert len(faults.requests) == 1


_FAILURES = {
    "fin": (Fin(),),
    "reset": (Rst(),),
    "half-a-status-line": (b"HTT", Fin()),
    "silence": (Stall(),),
}


@pytest.mark.also_trio
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("name", ["fin", "reset", "silence"])
async def test_failures_before_the_first_byte(
    colour: Colour, faults: FaultServer, name: str, streamed: bool, supplied: bool
) -> None:
    faults.play(_FAILURES[name], _FAILURES[name])
    if streamed:
        faults.play(GOOD_STREAM)
    async with client_of(colour, faults, supplied=supplied, retry_config=_quick()) as client:
        # Only silence is to run into the bound; the others must not, however busy the machine is.
        timeout_ms = 600 if name == "silence" else 10_000
        got = await client.call(CREATE, **ASK, stream=streamed, timeout_ms=timeout_ms)
        assert [attempt.status for attempt in got.meta.attempts] == [None, None, 200]
        assert all(attempt.error for attempt in got.meta.attempts[:2])
        if streamed:
            events = [one async for one in got] if colour.is_async else list(got)
            assert len(events) == 3
        else:
            assert got.text == "Hello there"
    assert len(faults.requests) == 3


async def test_no_failures_without_leave(colour: Colour, faults: FaultServer) -> None:
    faults.always((Fin(),))
    config = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 5000), False, max_attempts=3)
    async with client_of(colour, faults, retry_config=config) as client:
        with pytest.raises(errors.APIConnectionError):
            await client.call(CREATE, **ASK)
    assert len(faults.requests) == 1


@pytest.mark.parametrize("how", [Fin(), Rst()], ids=["fin", "reset"])
async def test_nothing_after_the_first_event(colour: Colour, faults: FaultServer, how: Any) -> None:
    faults.always((STREAM_HEAD + chunk(EVENTS[0]), Wait(0.05), how))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.StreamInterruptedError):
            await client.events(CREATE, **ASK)
    assert len(faults.requests) == 1


async def test_an_error_event_is_not_tried_again(colour: Colour, faults: FaultServer) -> None:
    faults.always((STREAM_HEAD + chunk(EVENTS[0] + b'data: {"error": {"code": 503}}\n\n' + DONE) + chunk(b""),))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.events(CREATE, **ASK)
    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"message": "m", "code": "insufficient_quota"}}',
        b'{"error": {"message": "m", "type": "insufficient_quota"}}',
        b'{"error": {"message": "m", "code": "billing_hard_limit_reached"}}',
    ],
)
async def test_permanent_429s(colour: Colour, faults: FaultServer, body: bytes) -> None:
    faults.always(reply(body, 429))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.RateLimitError):
            await client.call(CREATE, **ASK)
    assert len(faults.requests) == 1


@pytest.mark.parametrize(
    "status, value, sends",
    [(503, "false", 1), (400, "true", 3), (400, "TRUE", 3), (400, "maybe", 1), (503, "", 3)],
)
async def test_x_should_retry_wins(colour: Colour, faults: FaultServer, status: int, value: str, sends: int) -> None:
    faults.always(reply(b"{}", status, f"x-should-retry: {value}"))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.APIStatusError):
            await client.call(CREATE, **ASK)
    assert len(faults.requests) == sends


# ------------------------------------------------------------------------------ waits


@pytest.mark.also_trio
async def test_waits_grow(colour: Colour, faults: FaultServer) -> None:
    faults.always(BUSY)
    config = RetryConfig("backoff", BackoffStrategy(50, 150, 2, 10_000, jitter="none"), True, max_attempts=5)
    async with client_of(colour, faults, retry_config=config) as client:
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await client.call(CREATE, **ASK)
    assert len(caught.value.meta.attempts) == 5
    for gap, least in zip(_gaps(faults), [0.05, 0.1, 0.15, 0.15], strict=True):
        assert least <= gap < least + SLACK_S


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


_WAITS = {
    "seconds": ("Retry-After: 1", 0.95),
    "float": ("Retry-After: 0.4", 0.38),
    "zero": ("Retry-After: 0", 0),
    "ms": ("retry-after-ms: 300", 0.28),
    "past": ("Retry-After: Mon, 01 Jan 2001 00:00:00 GMT", 0),
    "negative": ("Retry-After: -30", 0),
    "garbage": ("Retry-After: soon", 0),
    "infinite": ("Retry-After: inf", 0),
    "nan": ("Retry-After: nan", 0),
    "bad-ms": ("retry-after-ms: -30000", 0),
}


@pytest.mark.parametrize("name", _WAITS)
async def test_retry_after(colour: Colour, faults: FaultServer, name: str) -> None:
    header, least = _WAITS[name]
    faults.play(reply(b"{}", 429, header))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert least <= _gaps(faults)[0] < least + SLACK_S


async def test_retry_after_a_date(colour: Colour, faults: FaultServer) -> None:
    faults.play(reply(b"{}", 429, f"Retry-After: {_date(2)}"))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        await client.call(CREATE, **ASK)
    assert 0.5 < _gaps(faults)[0] < 2 + SLACK_S


@pytest.mark.parametrize(
    "header",
    [
        "Retry-After: 61",
        "Retry-After: 99999999999",
        "retry-after-ms: 60001",
        "Retry-After: Fri, 01 Jan 2100 00:00:00 GMT",
    ],
)
async def test_a_long_retry_after_is_raised_at_once(colour: Colour, faults: FaultServer, header: str) -> None:
    faults.always(reply(b"{}", 429, header))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        began = time.monotonic()
        with pytest.raises(errors.RateLimitError) as caught:
            await client.call(CREATE, **ASK)
        assert time.monotonic() - began < SLACK_S
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 60
    assert len(faults.requests) == 1


# ------------------------------------------------------------------------------ bounds


async def test_max_elapsed_time_bounds_the_attempt_under_way(colour: Colour, faults: FaultServer) -> None:
    faults.always((Stall(),))
    config = RetryConfig("backoff", BackoffStrategy(10, 10, 1, 400, jitter="none"), True)
    async with client_of(colour, faults, retry_config=config) as client:
        began = time.monotonic()
        with pytest.raises(errors.APITimeoutError):
            await client.call(CREATE, **ASK)
        assert 0.35 < time.monotonic() - began < 0.4 + SLACK_S


async def test_max_elapsed_time_bounds_the_attempts(colour: Colour, faults: FaultServer) -> None:
    faults.always(BUSY)
    config = RetryConfig(
        "backoff", BackoffStrategy(200, 200, 1, 900, jitter="none"), True, budget=RetryBudget(100, capacity=100)
    )
    async with client_of(colour, faults, retry_config=config) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call(CREATE, **ASK)
    assert 2 <= len(faults.requests) <= 5


async def test_no_wait_that_would_pass_the_deadline(colour: Colour, faults: FaultServer) -> None:
    faults.always(reply(b"{}", 503, "Retry-After: 20"))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        began = time.monotonic()
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call(CREATE, **ASK, deadline_ms=10_000)
        assert time.monotonic() - began < SLACK_S
    assert len(faults.requests) == 1


async def test_the_deadline_bounds_all_attempts(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    faults.play(BUSY, BUSY)
    faults.always((Stall(),))
    async with client_of(colour, faults, supplied=supplied, retry_config=_quick(max_attempts=10)) as client:
        began = time.monotonic()
        with pytest.raises(errors.DeadlineExceededError) as caught:
            await client.call(CREATE, **ASK, deadline_ms=600)
        assert 0.55 < time.monotonic() - began < 0.6 + SLACK_S
    assert len(caught.value.meta.attempts) == 3


# -------------------------------------------------------------------------------- sameness


@pytest.mark.parametrize("streamed", [False, True])
async def test_each_attempt_is_the_same_request(colour: Colour, faults: FaultServer, streamed: bool) -> None:
    faults.play(BUSY, (Fin(),), (Fin(),), BUSY)
    faults.always(GOOD_STREAM if streamed else reply())
    async with client_of(colour, faults, retry_config=_quick(max_attempts=4)) as client:
        if streamed:
            await client.events(CREATE, **ASK)
        else:
            await client.call(CREATE, **ASK)
    assert len(faults.requests) == 5
    assert len({seen.body for seen in faults.requests}) == 1
    assert len({seen.headers["idempotency-key"] for seen in faults.requests}) == 1
    counts = [seen.headers.get("x-llmsdk-retry-count") for seen in faults.requests]
    assert counts == [None, "1", "1", "2", "3"], "what replaces a used connection is no attempt"


async def test_a_function_gives_each_attempt_its_key(colour: Colour, faults: FaultServer) -> None:
    faults.play(BUSY, BUSY)
    given: list[str] = []

    def key() -> str:
        given.append(f"sk-placeholder-{len(given)}")
        return given[-1]

    async with client_of(colour, faults, retry_config=_quick(), api_key=key) as client:
        await client.call(CREATE, **ASK)
    assert [seen.headers["authorization"] for seen in faults.requests] == [
        f"Bearer sk-placeholder-{n}" for n in range(3)
    ]
    assert len(given) == 3


async def test_hooks_run_once_per_attempt(colour: Colour, faults: FaultServer) -> None:
    seen: list[tuple[str, int]] = []

    class Watch:
        def before_request(self, context: Any, request: Any) -> Any:
            seen.append(("before", context.attempt))
            return request

        def after_error(self, context: Any, response: Any, error: Any) -> Any:
            seen.append(("error", context.attempt))
            return response, error

        def after_success(self, context: Any, response: Any) -> Any:
            seen.append(("success", context.attempt))
            return response

    faults.play(BUSY, (Fin(),), (Fin(),))
    async with client_of(colour, faults, retry_config=_quick(), hooks=[Watch()]) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert seen == [("before", 1), ("error", 1), ("before", 2), ("error", 2), ("before", 3), ("success", 3)]


async def test_a_request_that_a_hook_makes_anew_is_sent(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    class Anew:
        def before_request(self, context: Any, request: Any) -> Any:
            # As a caller would: with another timeout, or with none at all.
            more = {"extensions": {"timeout": {"read": 5.0}}} if context.attempt == 1 else {}
            return type(request)("POST", f"{faults.url}/other", json={"attempt": context.attempt}, **more)

    faults.play(BUSY)
    async with client_of(colour, faults, supplied=supplied, retry_config=_quick(), hooks=[Anew()]) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert [(seen.target, seen.json) for seen in faults.requests] == [("/other", {"attempt": n}) for n in (1, 2)]


async def test_a_request_that_a_hook_makes_anew_is_bounded(colour: Colour, faults: FaultServer, supplied: bool) -> None:
    hook = type("Anew", (), {"before_request": lambda self, _, request: type(request)("POST", request.url)})()
    faults.play((Stall(),))
    async with client_of(colour, faults, supplied=supplied, hooks=[hook]) as client:
        with pytest.raises(errors.APITimeoutError):
            await client.call(CREATE, **ASK, timeout_ms=100)


# ---------------------------------------------------------------------------------- storms


async def test_a_dead_service_is_not_stormed(colour: Colour, faults: FaultServer) -> None:
    """200 calls to a port where every connection is reset make at most 300 attempts."""
    faults.greet(Rst())
    config = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)
    async with client_of(colour, faults, retry_config=config) as client:
        for _ in range(200):
            with pytest.raises(errors.APIConnectionError):
                await client.call(CREATE, **ASK)
    assert 200 <= faults.connections <= 300


def test_threads_share_the_budget(faults: FaultServer) -> None:
    faults.always(BUSY)
    config = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=5)
    failed: list[BaseException] = []

    with SDK(server_url=faults.url, api_key=KEY, retry_config=config) as sdk:

        def work() -> None:
            for _ in range(10):
                try:
                    sdk.completions.create(**ASK)
                except errors.SDKError as exc:
                    failed.append(exc)

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(failed) == 200
    assert all(type(exc) is errors.ServiceUnavailableError for exc in failed)
    assert 200 <= len(faults.requests) <= 300


@pytest.mark.parametrize("streamed", [False, True])
async def test_off_is_off(colour: Colour, faults: FaultServer, streamed: bool) -> None:
    faults.always(BUSY)
    async with client_of(colour, faults, retry_config=_quick()) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call(CREATE, **ASK, retries=None, stream=streamed)
        assert len(faults.requests) == 1
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call(CREATE, **ASK, retries=RetryConfig("none", None, False), stream=streamed)  # type: ignore[arg-type,unused-ignore] # no backoff where there is none
        assert len(faults.requests) == 2


async def test_a_large_error_body_is_dropped_with_its_connection(colour: Colour, faults: FaultServer) -> None:
    faults.play(reply(b"x" * 5_000_000, 503))
    async with client_of(colour, faults, retry_config=_quick()) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    assert faults.connections == 2
