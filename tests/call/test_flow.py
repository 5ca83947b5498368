"""The request loop, driven by hand: order of effects, closing, retries, redirects, keys, deadlines, what is noted."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest

from call.flowkit import KEY, NOW, URL, Clock, Player, Turn, env_of, failure, make_call, play, reply
from llmsdk import errors
from llmsdk._call.effects import Close, Read, Send, Sleep, TransportFailure
from llmsdk._call.keys import KeySource
from llmsdk._call.state import Received
from llmsdk._call.world import Env
from llmsdk.providers import PROVIDERS
from llmsdk.utils.headers import Headers
from llmsdk.utils.retries import DEFAULT_RETRY, RETRYABLE_STATUSES, BackoffStrategy, RetryBudget, RetryConfig
from llmsdk.utils.secrets import Secret

OWN = RetryConfig("backoff", BackoffStrategy(100, 1_000, 2, 10_000), True)


def raised(result: Any, kind: type[Exception]) -> Any:
    assert type(result) is kind, repr(result)
    return result


# ------------------------------------------------------------------ by hand


def test_a_busy_server_is_asked_again_after_the_wait_it_names() -> None:
    busy = httpx.Response(429, headers={"retry-after": "7"})
    fine = httpx.Response(200)
    flow = make_call().exchange(Env(clock=lambda: 0.0, jitter=lambda: 1.0))
    first = next(flow)
    assert isinstance(first, Send)
    assert first.request.method == "POST"
    assert str(first.request.url) == URL
    effect = flow.send(busy)
    assert isinstance(effect, Read)
    assert effect.response is busy
    assert effect.truncate
    assert flow.send(b'{"error": {"message": "slow down"}}') == Close(busy)
    assert flow.send(None) == Sleep(7.0)
    second = flow.send(None)
    assert isinstance(second, Send)
    assert second.request is not first.request
    effect = flow.send(fine)
    assert isinstance(effect, Read)
    assert not effect.truncate
    assert flow.send(b"{}") == Close(fine)
    with pytest.raises(StopIteration) as stop:
        flow.send(None)
    assert isinstance(stop.value.value, Received)
    assert stop.value.value.body == b"{}"


def test_a_stream_is_handed_on_open() -> None:
    player, result = play(reply(200, headers={"content-type": "text/event-stream"}), stream=True)
    assert player.steps == [("send", 200)]
    assert result.body is None
    player.check_closed(but=[result.response])


def test_an_error_where_a_stream_was_asked_is_read_and_closed() -> None:
    player, result = play(reply(401, b'{"error": {"message": "no"}}'), stream=True)
    raised(result, errors.AuthenticationError)
    assert player.names() == ["send", "read", "close"]


# ------------------------------------------------------------------ closing


@pytest.mark.parametrize("thrown", [KeyboardInterrupt(), SystemExit(), MemoryError()], ids=repr)
@pytest.mark.parametrize("status", [200, 429, 302])
def test_whatever_is_thrown_into_a_read_closes_the_reply(thrown: BaseException, status: int) -> None:
    player, result = play(reply(status, body=thrown))
    assert result is thrown
    assert player.names() == ["send", "read", "close"]
    player.check_closed()


def test_a_flow_that_is_dropped_asks_for_nothing_more() -> None:
    flow = make_call().exchange(env_of(Clock()))
    next(flow)
    flow.send(httpx.Response(200))
    flow.close()
    player, result = play(reply(200, body=GeneratorExit()))
    assert isinstance(result, GeneratorExit)
    assert player.names() == ["send", "read"]


@pytest.mark.parametrize("thrown", [KeyboardInterrupt(), MemoryError()], ids=repr)
def test_whatever_is_thrown_into_a_send_or_a_wait_ends_the_call(thrown: BaseException) -> None:
    player, result = play(Turn(thrown))
    assert result is thrown
    assert player.names() == ["send"]
    player, result = play(reply(503), raise_on={"sleep": thrown})
    assert result is thrown
    assert player.names() == ["send", "read", "close", "sleep"]


def test_an_exception_in_the_close_reaches_the_caller() -> None:
    flow = make_call().exchange(env_of(Clock()))
    next(flow)
    fine = httpx.Response(200)
    flow.send(fine)
    assert flow.send(b"{}") == Close(fine)
    with pytest.raises(KeyboardInterrupt):
        flow.throw(KeyboardInterrupt())


def test_a_reply_that_breaks_is_closed_and_never_tried_again() -> None:
    cause = OSError("reset")
    broken = TransportFailure("network", "reset by peer", began=True, body=b'{"cho')
    broken.__cause__ = cause
    player, result = play(reply(200, body=broken))
    error = raised(result, errors.APIConnectionError)
    assert error.__cause__ is cause
    assert "5 bytes" in error.message
    assert error.meta.status_code == 200
    assert player.names() == ["send", "read", "close"]


@pytest.mark.parametrize("kind", ["coding", "too large"])
def test_a_reply_that_cannot_be_decoded_or_kept_is_a_validation_error(kind: Any) -> None:
    broken = TransportFailure(kind, "the reply is bad", began=True, body=f"abc {KEY}".encode())
    player, result = play(reply(200, body=broken))
    error = raised(result, errors.ResponseValidationError)
    assert (error.message, error.status_code, error.body) == ("the reply is bad", 200, "abc ***")
    player.check_closed()


def test_a_reply_that_drips_too_long_is_a_timeout() -> None:
    _, result = play(reply(200, body=TransportFailure("timeout", "slow", began=True)))
    assert raised(result, errors.APITimeoutError).meta.status_code == 200
    clock = Clock()
    _, result = play(
        reply(200, body=TransportFailure("timeout", "slow", began=True), reading_s=3), clock=clock, deadline_in=3
    )
    raised(result, errors.DeadlineExceededError)


@pytest.mark.parametrize("kind", ["network", "timeout", "coding", "protocol"])
def test_an_error_body_that_breaks_keeps_the_class_of_its_status(kind: Any) -> None:
    broken = TransportFailure(kind, "cut", began=True, body=b'{"error": {"mess')
    player, result = play(reply(403, body=broken))
    error = raised(result, errors.PermissionDeniedError)
    assert error.body == '{"error": {"mess'
    player.check_closed()


def test_an_error_body_may_take_five_seconds_at_the_most() -> None:
    player, _ = play(reply(400))
    assert player.reads[0].countdown.left() == pytest.approx(5.0)
    player, _ = play(reply(400), timeout_s=2.0)
    assert player.reads[0].countdown.left() == pytest.approx(2.0)


# ------------------------------------------------------------------ retries


@pytest.mark.parametrize("status", sorted({*range(400, 600, 7), *RETRYABLE_STATUSES, 400, 401, 404, 418, 501, 505}))
def test_statuses_that_are_retried(status: int) -> None:
    player, result = play(*[reply(status)] * 1, reply(200))
    worth = {408, 409, 429, 500, 502, 503, 504, *range(520, 531)}
    assert player.names().count("send") == (2 if status in worth else 1)
    assert isinstance(result, Received if status in worth else errors.APIStatusError)
    player.check_closed()


def test_by_default_three_attempts_with_growing_waits() -> None:
    player, result = play(reply(500), reply(502), reply(503), jitter=1.0)
    error = raised(result, errors.ServiceUnavailableError)
    assert player.waits == [0.5, 1.0]
    assert [(one.server, one.status, one.error) for one in error.meta.attempts] == [
        ("together", 500, None),
        ("together", 502, None),
        ("together", 503, None),
    ]
    player.check_closed()


def test_retries_none_is_one_attempt() -> None:
    for turn in (reply(503), failure("connect"), failure("network")):
        player, result = play(turn, retries=None)
        assert player.names().count("send") == 1
        assert isinstance(result, errors.RemoteError)


def test_strategy_none_is_one_attempt_and_has_no_time_bound_of_its_own() -> None:
    config = RetryConfig("none", BackoffStrategy(100, 1_000, 2, 1_000), True)
    player, result = play(reply(503), retries=config)
    raised(result, errors.ServiceUnavailableError)
    assert player.names().count("send") == 1
    assert player.limits[0] == 600.0


@pytest.mark.parametrize(
    "headers, waits",
    [
        ({"retry-after": "7"}, [7.0]),
        ({"retry-after": "0.25"}, [0.5]),
        ({"retry-after": "60"}, [60.0]),
        ({"retry-after-ms": "1500"}, [1.5]),
        ({"retry-after-ms": "1500", "retry-after": "9"}, [1.5]),
        ({"retry-after-ms": "x", "retry-after": "9"}, [9.0]),
        ({"retry-after": "Mon, 04 May 2026 12:00:05 GMT"}, [5.0]),
        ({"retry-after": "Mon, 04 May 2026 11:00:00 GMT"}, [0.5]),
        ({"retry-after": "-5"}, [0.5]),
        ({"retry-after": "soon"}, [0.5]),
        ({"retry-after": "nan"}, [0.5]),
        ({"retry-after": ""}, [0.5]),
        ({"retry-after": "61"}, None),
        ({"retry-after-ms": "60001"}, None),
        ({"retry-after": "9" * 30}, None),
        ({"retry-after": "Mon, 04 May 2026 12:01:01 GMT"}, None),
    ],
)
def test_retry_after_is_a_least_wait_up_to_its_bound(headers: dict[str, str], waits: list[float] | None) -> None:
    config = RetryConfig("backoff", BackoffStrategy(500, 8_000, 2, 10**9), True)
    player, result = play(reply(429, headers=headers), reply(200), retries=config)
    assert player.waits == (waits or [])
    if waits is None:
        error = raised(result, errors.RateLimitError)
        assert error.retry_after_s is not None
        assert error.retry_after_s > 60


def test_max_retry_after_ms_can_be_moved() -> None:
    config = RetryConfig("backoff", BackoffStrategy(0, 0, 1, 10**9), True, max_retry_after_ms=1_000)
    player, result = play(reply(429, headers={"retry-after": "2"}), retries=config)
    assert raised(result, errors.RateLimitError).retry_after_s == 2.0
    assert player.waits == []


def test_retry_after_on_an_error_that_is_not_retried_is_told_and_not_obeyed() -> None:
    player, result = play(reply(400, headers={"retry-after": "2"}))
    assert raised(result, errors.BadRequestError).retry_after_s == 2.0
    assert player.waits == []


@pytest.mark.parametrize(
    "status, word, sends", [(400, "true", 2), (400, " True ", 2), (503, "false", 1), (503, "FALSE", 1), (503, "?", 2)]
)
def test_x_should_retry_wins(status: int, word: str, sends: int) -> None:
    player, _ = play(reply(status, headers={"x-should-retry": word}), reply(200))
    assert player.names().count("send") == sends


def test_x_should_retry_does_not_turn_retries_on() -> None:
    player, result = play(reply(503, headers={"x-should-retry": "true"}), retries=None)
    raised(result, errors.ServiceUnavailableError)
    assert player.names().count("send") == 1


@pytest.mark.parametrize(
    "body, sends",
    [
        (b'{"error": {"code": "insufficient_quota"}}', 1),
        (b'{"error": {"type": "insufficient_quota", "code": null}}', 1),
        (b'{"error": {"code": "billing_hard_limit_reached"}}', 1),
        (b'{"error": {"type": "billing_not_active"}}', 1),
        (b'{"error": {"code": "rate_limit_exceeded"}}', 2),
        (b"slow down", 2),
    ],
)
def test_a_permanent_429_is_not_retried(body: bytes, sends: int) -> None:
    player, _ = play(reply(429, body), reply(200))
    assert player.names().count("send") == sends


def test_the_words_of_a_permanent_429_mean_nothing_under_another_status() -> None:
    player, _ = play(reply(503, b'{"error": {"code": "insufficient_quota"}}'), reply(200))
    assert player.names().count("send") == 2


def test_own_statuses() -> None:
    config = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1_000), True, status_codes=["4XX", 501])
    for status, sends in ((418, 2), (501, 2), (503, 1)):
        player, _ = play(reply(status), reply(200), retries=config)
        assert player.names().count("send") == sends


@pytest.mark.parametrize("kind", ["connect", "network", "protocol", "timeout"])
def test_no_reply_is_retried_where_connection_errors_are(kind: Any) -> None:
    kinds = {"timeout": errors.APITimeoutError}
    player, result = play(failure(kind), failure(kind), failure(kind))
    error = raised(result, kinds.get(kind, errors.APIConnectionError))
    assert [one.error for one in error.meta.attempts] == [kind] * 3
    assert all(one.status is None for one in error.meta.attempts)
    assert player.names() == ["send", "sleep", "send", "sleep", "send"]
    config = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1_000), False)
    player, _ = play(failure(kind), retries=config)
    assert player.names() == ["send"]


@pytest.mark.parametrize("kind", ["network", "protocol", "timeout"])
def test_nothing_is_retried_once_a_byte_of_the_reply_has_come(kind: Any) -> None:
    player, result = play(failure(kind, began=True))
    assert isinstance(result, errors.APIConnectionError)
    assert player.names() == ["send"]


def test_what_cannot_be_sent_at_all_is_the_callers_mistake() -> None:
    player, result = play(failure("request", "bad header"))
    assert "bad header" in raised(result, errors.ConfigurationError).message
    assert player.names() == ["send"]


def test_a_certificate_that_does_not_verify_is_not_retried() -> None:
    untrusted = ssl.SSLCertVerificationError("self-signed")
    middle = OSError("connect")
    middle.__context__ = untrusted
    turn = failure("connect")
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = middle
    player, result = play(turn)
    assert raised(result, errors.APIConnectionError).__cause__ is middle
    assert player.names() == ["send"]
    turn = failure("connect")
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = ssl.SSLError("handshake")
    player, _ = play(turn, reply(200))
    assert player.names().count("send") == 2


def test_a_key_in_the_text_of_a_failure_is_masked() -> None:
    _, result = play(failure("network", f"bad reply: {KEY}"), retries=None)
    assert KEY not in str(raised(result, errors.APIConnectionError))
    broken = TransportFailure("network", f"cut at {KEY}", began=True)
    _, result = play(reply(200, body=broken))
    assert KEY not in str(raised(result, errors.APIConnectionError))


# --------------------------------------------------------------- kept alive


# ------------------------------------------------------------------- budget


def test_an_empty_budget_ends_the_retries() -> None:
    budget = RetryBudget(initial=1, per_second=0, per_success=0)
    player, result = play(reply(500), reply(500), reply(500), budget=budget)
    raised(result, errors.InternalServerError)
    assert player.names().count("send") == 2


def test_a_budget_of_the_config_is_used_and_credited_instead() -> None:
    own, shared = RetryBudget(initial=1, per_second=0, per_success=0.5), RetryBudget(initial=0)
    config = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1_000), True, budget=own)
    player, result = play(reply(500), reply(200), retries=config, budget=shared)
    assert isinstance(result, Received)
    assert player.names().count("send") == 2
    assert own.tokens == pytest.approx(0.5)
    assert shared.tokens == 0.0


def test_a_success_credits_the_budget_and_a_failure_does_not() -> None:
    budget = RetryBudget(initial=0)
    play(reply(200), budget=budget)
    assert budget.tokens == pytest.approx(0.1)
    play(reply(400), budget=budget)
    assert budget.tokens == pytest.approx(0.1)
    play(reply(200), budget=budget, retries=None, stream=True)
    assert budget.tokens == pytest.approx(0.2)


def test_a_dead_service_is_not_stormed() -> None:
    budget, clock, sends = RetryBudget(), Clock(), 0
    for _ in range(200):
        player, _ = play(*[reply(503)] * 3, budget=budget, clock=clock, jitter=0.0)
        sends += len(player.requests)
    assert sends <= 300


# --------------------------------------------------------- deadline and time


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    player, result = play(clock=Clock(), deadline_in=0)
    error = raised(result, errors.DeadlineExceededError)
    assert error.meta.attempts == ()
    assert player.steps == []


def test_the_deadline_bounds_each_attempt() -> None:
    clock = Clock()
    player, _ = play(reply(503, takes_s=1), reply(200), clock=clock, deadline_in=5, timeout_s=4)
    assert player.limits == pytest.approx([4.0, 3.5])


def test_a_timeout_at_the_deadline_says_so_and_is_not_retried() -> None:
    clock = Clock()
    player, result = play(failure("timeout", takes_s=5), clock=clock, deadline_in=5)
    raised(result, errors.DeadlineExceededError)
    assert player.names() == ["send"]


def test_no_wait_reaches_beyond_the_deadline() -> None:
    clock = Clock()
    player, result = play(reply(503, headers={"retry-after": "5"}), clock=clock, deadline_in=5)
    raised(result, errors.ServiceUnavailableError)
    assert player.waits == []
    player, result = play(reply(503, headers={"retry-after": "4"}), reply(200), clock=clock, deadline_in=5)
    assert isinstance(result, Received)


def test_max_elapsed_time_of_an_own_config_bounds_the_attempt_under_way() -> None:
    player, result = play(reply(503, takes_s=4), failure("timeout", takes_s=5.9), retries=OWN)
    raised(result, errors.APITimeoutError)
    assert player.limits == pytest.approx([10.0, 5.9])


def test_the_default_config_does_not_cut_a_slow_attempt() -> None:
    player, _ = play(reply(200), retries=DEFAULT_RETRY)
    assert player.limits[0] == 600.0


def test_attempts_of_an_own_config_are_bounded_by_time_alone() -> None:
    player, result = play(*[reply(503, takes_s=0.5)] * 30, retries=OWN)
    raised(result, errors.ServiceUnavailableError)
    assert 3 < len(player.requests) < 12
    assert player.clock.now - 100.0 < 10.5
    assert max(player.waits) == 1.0


@pytest.mark.parametrize("jitter, wait", [(0.0, 0.0), (0.25, 0.125), (0.999, 0.4995)])
def test_jitter_is_full_by_default(jitter: float, wait: float) -> None:
    player, _ = play(reply(503), reply(200), jitter=jitter)
    assert player.waits == pytest.approx([wait])


# ---------------------------------------------------------- what every attempt carries


def test_every_attempt_carries_the_same_body_and_idempotency_key() -> None:
    player, _ = play(reply(503), failure("network"), reply(200))
    assert {request.content for request in player.requests} == {b'{"model":"m"}'}
    assert {request.headers["idempotency-key"] for request in player.requests} == {"one-key"}
    assert [request.headers.get("x-llmsdk-retry-count") for request in player.requests] == [None, "1", "2"]
    assert [request.headers["authorization"] for request in player.requests] == [f"Bearer {KEY}"] * 3


def test_a_key_function_is_asked_before_every_attempt() -> None:
    keys = iter(["sk-placeholder-1", "sk-placeholder-2"])
    player, _ = play(reply(503), reply(200), key=lambda: next(keys))
    assert player.names() == ["invoke", "send", "read", "close", "sleep", "invoke", "send", "read", "close"]
    sent = [request.headers["authorization"] for request in player.requests]
    assert sent == ["Bearer sk-placeholder-1", "Bearer sk-placeholder-2"]


def test_every_key_that_was_used_is_masked() -> None:
    keys = iter(["sk-placeholder-one", "sk-placeholder-two"])
    body = b"neither sk-placeholder-one nor sk-placeholder-two"
    _, result = play(reply(503), reply(400, body), key=lambda: next(keys))
    assert raised(result, errors.BadRequestError).body == "neither *** nor ***"


def test_an_exception_in_a_key_function_reaches_the_caller_unchanged() -> None:
    problem = RuntimeError("vault is closed")

    def key() -> str:
        raise problem

    player, result = play(key=key)
    assert result is problem
    assert player.names() == ["invoke"]


@pytest.mark.parametrize("bad", ["", "  ", "a\nb", "a\x00b", "ключ", None, 5, b"abc", " padded "])
def test_a_bad_key_of_a_function_is_refused_before_it_is_sent(bad: Any) -> None:
    player, result = play(key=lambda: bad)
    error = raised(result, errors.ConfigurationError)
    assert "api_key" in error.message
    assert player.names() == ["invoke"]


def test_without_a_key_no_authorization_is_sent() -> None:
    player, _ = play(reply(200), key=None)
    assert "authorization" not in player.requests[0].headers


def test_a_bare_key_goes_as_it_is() -> None:
    player, _ = play(reply(200), key=KeySource(Secret(KEY)))
    assert player.requests[0].headers["authorization"] == KEY


def test_an_authorization_header_of_the_callers_own_is_masked_with_and_without_its_scheme() -> None:
    _, result = play(reply(401, f"bad token {KEY}".encode()), key=KeySource(Secret(f"Bearer {KEY}")))
    assert raised(result, errors.AuthenticationError).message == "bad token ***"


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "location", ["/v2/chat", "https://api.together.xyz/v2/chat", "https://API.together.xyz:443/v2/chat"]
)
def test_a_redirect_to_the_same_origin_is_followed_with_everything(status: int, location: str) -> None:
    player, result = play(reply(status, headers={"location": location}), reply(200))
    assert isinstance(result, Received)
    assert player.steps == [("send", status), ("close", status), ("send", 200), ("read", 200), ("close", 200)]
    second = player.requests[1]
    assert (second.method, second.content, second.url.path) == ("POST", b'{"model":"m"}', "/v2/chat")
    assert second.headers["authorization"] == f"Bearer {KEY}"
    assert second.headers["idempotency-key"] == "one-key"
    player.check_closed()


@pytest.mark.parametrize(
    "status, location",
    [
        (301, "/v2"),
        (302, "/v2"),
        (303, "/v2"),
        (307, "https://other.example/v1"),
        (307, "http://api.together.xyz/v1"),
        (307, "https://api.together.xyz:8443/v1"),
        (308, "https://api.together.xyz.other.example/"),
        (307, ""),
        (307, "https://[bad"),
        (307, "https://api.together.xyz:99999/"),
        (308, "//other.example/x"),
        (308, "mailto:someone"),
        (307, "/" + "x" * 70_000),
    ],
)
def test_any_other_redirect_is_an_error_and_sends_the_key_nowhere(status: int, location: str) -> None:
    player, result = play(reply(status, b"moved", headers={"location": location}))
    error = raised(result, errors.SDKDefaultError)
    assert error.status_code == status
    assert "redirect" in error.message
    assert error.body == "moved"
    assert len(player.requests) == 1
    player.check_closed()


def test_a_redirect_that_shows_the_key_is_masked() -> None:
    _, result = play(reply(302, KEY.encode(), headers={"location": f"https://other.example/?k={KEY}"}))
    error = raised(result, errors.SDKDefaultError)
    assert KEY not in str(error)
    assert KEY not in error.body


def test_a_circle_of_redirects_ends() -> None:
    player, result = play(*[reply(307, headers={"location": "/again"}) for _ in range(20)])
    raised(result, errors.SDKDefaultError)
    assert len(player.requests) == 6
    player.check_closed()


@pytest.mark.parametrize(
    "status, location, text",
    [
        (
            307,
            "/again?token=t0ken#x",
            "the server redirects more than 5 times, the last time to https://api.together.xyz/again",
        ),
        (302, "/v2?token=t0ken", "redirects to /v2; only"),
        (302, "https://user:t0ken@other.example/v2?t0ken", "redirects to https://other.example/v2; only"),
        (307, "//user:t0ken@other.example/v2#t0ken", "redirects to //other.example/v2; only"),
        (308, "https://other.example/" + "x" * 5000, "only 307 and 308 to the same origin are followed"),
        (307, "", "a status of redirects, and does not say where to"),
    ],
)
def test_a_redirect_that_is_not_followed_says_why(status: int, location: str, text: str) -> None:
    _, result = play(*[reply(status, headers={"location": location}) for _ in range(6)])
    error = raised(result, errors.SDKDefaultError)
    assert text in error.message
    assert "t0ken" not in error.message
    assert len(error.message) < 700


def test_a_failure_behind_a_redirect_is_one_of_the_same_attempt() -> None:
    turns = (reply(307, headers={"location": "/b"}), failure("network"), reply(200))
    player, result = play(*turns)
    assert isinstance(result, Received)
    assert [one.error for one in result.meta.attempts] == ["network", None]
    assert player.requests[2].url == URL
    player.check_closed()


# --------------------------------------------------------------- what is noted


def test_meta_of_a_reply() -> None:
    headers = {"x-request-id": "r-1", "x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"}
    _, result = play(
        reply(503, takes_s=1, reading_s=1), reply(200, headers=headers, takes_s=2, reading_s=3), dropped=("echo",)
    )
    meta = result.meta
    assert (meta.server, meta.status_code, meta.request_id, meta.dropped) == ("together", 200, "r-1", ("echo",))
    assert meta.rate_limit.requests == errors.Limit(10.0, 9.0, 2.0)
    assert meta.headers["X-Request-ID"] == "r-1"
    assert [(one.status, one.elapsed_ms) for one in meta.attempts] == [(503, 1000.0), (200, 2000.0)]
    assert meta.elapsed_ms == pytest.approx(1000 + 1000 + 500 + 2000 + 3000)


def test_elapsed_time_of_a_stream_ends_with_its_headers() -> None:
    _, result = play(reply(200, takes_s=2, reading_s=9), stream=True)
    assert result.meta.elapsed_ms == pytest.approx(2000)


def test_repeated_headers_are_kept() -> None:
    turn = Turn(httpx.Response(200, headers=[("via", "a"), ("via", "b")]), b"{}")
    _, result = play(turn)
    assert result.headers["via"] == "a, b"


def test_a_client_with_plain_headers_will_do() -> None:
    class Plain:
        status_code = 200

        def __init__(self, headers: Any) -> None:
            self.headers = headers

    for headers in ({"x-request-id": "r-2"}, Headers({"X-Request-Id": "r-2"})):
        assert _meta_of(Plain(headers)).request_id == "r-2"


def _meta_of(response: Any) -> Any:
    flow = make_call().exchange(env_of(Clock()))
    next(flow)
    effect = flow.send(response)
    assert isinstance(effect, Read)
    flow.send(b"{}")
    with pytest.raises(StopIteration) as stop:
        flow.send(None)
    return stop.value.value.meta


def test_a_key_that_a_header_echoes_is_masked_in_the_error() -> None:
    headers = {"x-echo": f"Bearer {KEY}", "x-request-id": f"id-{KEY}", "x-other": "kept"}
    _, result = play(reply(401, headers=headers))
    error = raised(result, errors.AuthenticationError)
    assert KEY not in repr(dict(error.headers))
    assert KEY not in str(error)
    assert error.headers["x-other"] == "kept"


def test_the_log_says_what_happens_and_shows_neither_key_nor_prompt() -> None:
    lines: list[str] = []
    play(
        reply(503, KEY.encode()),
        reply(200, b'{"answer": 1}'),
        url=f"{URL}?api-key=sk-placeholder-of-a-gateway",
        log=lambda text, *args: lines.append(text % args),
        content=b'{"prompt":"a secret plan"}',
    )
    assert lines == [
        f"attempt 1: POST {URL}",
        "attempt 1: status 503",
        "retrying in 0.500 s after ServiceUnavailableError",
        f"attempt 2: POST {URL}",
        "attempt 2: status 200",
    ]


def test_the_time_of_day_is_utc_unless_given() -> None:
    env = Env(clock=Clock(), jitter=lambda: 0.0)
    assert env.now().tzinfo is NOW.tzinfo


def test_a_call_shows_no_key() -> None:
    assert KEY not in repr(make_call())
    assert KEY not in repr((make_call().plan, make_call().state))


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 500, 502, 503, 504, 507, 529]
)
def test_the_class_is_that_of_the_status(provider: Any, stream: bool, status: int) -> None:
    player, result = play(
        reply(status, b"<html>", headers={"content-type": "text/html"}), provider=provider, stream=stream, retries=None
    )
    kind = errors.APIStatusError.statuses.get(status, errors.SDKDefaultError)
    assert raised(result, kind).status_code == status
    assert result.server == provider.name
    assert player.names() == ["send", "read", "close"]


def test_a_player_without_a_turn_left_fails_loudly() -> None:
    with pytest.raises(IndexError):
        Player([]).run(make_call().exchange(env_of(Clock())))
