"""What the request loop tells of a failure: text, cause, meta; and the replies that hooks put in place of others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from call.flowkit import KEY, NOW, URL, Clock, Player, Turn, build, env_of, failure, make_call, play, reply
from llmsdk import errors
from llmsdk._call.effects import Close, Read, TransportFailure
from llmsdk._call.reply.decode import MAX_ERROR_BODY
from llmsdk._call.state import CallState, Received
from llmsdk.errors import Attempt, Limit
from llmsdk.errors.status import SDKDefaultError
from llmsdk.hooks import HookContext
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

OWN = RetryConfig("backoff", BackoffStrategy(100, 1_000, 2, 10_000), True)
LIMITS = {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "2"}


def broken(kind: Any, text: str = "cut", cause: BaseException | None = None, **more: Any) -> TransportFailure:
    made = TransportFailure(kind, text, began=True, **more)
    made.__cause__ = cause
    return made


def told(result: Any, kind: type[Exception], text: str) -> Any:
    assert type(result) is kind, repr(result)
    assert result.message == text
    return result


def check_meta(
    meta: Any, *, status: int | None, elapsed_ms: float, attempts: list[tuple[int | None, str | None]]
) -> None:
    assert (meta.server, meta.status_code) == ("together", status)
    assert meta.elapsed_ms == pytest.approx(elapsed_ms)
    assert [(one.server, one.status, one.error) for one in meta.attempts] == [("together", *one) for one in attempts]


WHERE = "https://api.together.xyz (server 'together')"


# -------------------------------------------------------- before the reply


@pytest.mark.parametrize(
    "kind, error, text",
    [
        ("timeout", errors.APITimeoutError, f"no reply within timeout_ms=600000 from {WHERE} after 1 attempt in 2.0 s"),
        ("connect", errors.APIConnectionError, f"no reply from {WHERE} after 1 attempt in 2.0 s: broken"),
        ("network", errors.APIConnectionError, f"no reply from {WHERE} after 1 attempt in 2.0 s: broken"),
        ("protocol", errors.APIConnectionError, f"no reply from {WHERE} after 1 attempt in 2.0 s: broken"),
    ],
)
def test_no_reply(kind: Any, error: type[Exception], text: str) -> None:
    cause = OSError("cause")
    turn = failure(kind, takes_s=2)
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = cause
    _, result = play(turn, retries=None, dropped=("echo",))
    assert told(result, error, text).__cause__ is cause
    check_meta(result.meta, status=None, elapsed_ms=2000, attempts=[(None, kind)])
    assert result.meta.dropped == ("echo",)


def test_a_connection_that_takes_too_long() -> None:
    turn = failure("timeout", takes_s=5)
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = httpx.ConnectTimeout("late")
    _, result = play(turn, retries=None)
    told(result, errors.APITimeoutError, f"no connection within 5 s to {WHERE} after 1 attempt in 5.0 s")


def test_a_deadline_that_passes_during_an_attempt() -> None:
    cause = OSError("cause")
    turn = failure("timeout", takes_s=5)
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = cause
    _, result = play(turn, clock=Clock(), deadline_in=5)
    text = f"deadline_ms=5000 passed during an attempt: no reply from {WHERE} after 1 attempt in 5.0 s"
    told(result, errors.DeadlineExceededError, text)
    assert result.__cause__ is cause
    check_meta(result.meta, status=None, elapsed_ms=5000, attempts=[(None, "timeout")])


def test_a_deadline_that_has_passed_before_an_attempt() -> None:
    _, result = play(clock=Clock(), deadline_in=0)
    told(result, errors.DeadlineExceededError, "deadline_ms=0 passed before an attempt")
    check_meta(result.meta, status=None, elapsed_ms=0, attempts=[])


def test_a_timeout_two_milliseconds_before_the_deadline_is_the_deadlines() -> None:
    exactly = 105 - 0.002 - Clock().now
    for takes_s, kind in (
        (4.99, errors.APITimeoutError),
        (exactly, errors.DeadlineExceededError),
        (4.999, errors.DeadlineExceededError),
    ):
        _, result = play(failure("timeout", takes_s=takes_s), clock=Clock(), deadline_in=5, retries=None)
        assert type(result) is kind


def test_a_request_that_cannot_be_sent() -> None:
    turn = failure("request", "bad header")
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = cause = ValueError("bad")
    _, result = play(turn)
    assert told(result, errors.ConfigurationError, "the request could not be sent: bad header").__cause__ is cause


def test_a_cause_that_quotes_the_key_is_dropped() -> None:
    turn = failure("network")
    assert isinstance(turn.outcome, TransportFailure)
    turn.outcome.__cause__ = OSError(f"saw {KEY}")
    _, result = play(turn, retries=None)
    text = f"no reply from {WHERE} after 1 attempt in 0 ms: broken"
    assert told(result, errors.APIConnectionError, text).__cause__ is None


def test_a_hook_that_turns_retries_on_for_what_may_not_be_retried_is_not_there() -> None:
    player, result = play(failure("request"), failure("request"), retries=OWN)
    assert type(result) is errors.ConfigurationError
    assert player.names() == ["send"]


# -------------------------------------------------------- inside the reply


def test_a_reply_that_is_late() -> None:
    cause = OSError("cause")
    turn = reply(
        200,
        body=broken("timeout", cause=cause, body=b"12\xff"),
        takes_s=1,
        reading_s=2,
        headers={"x-request-id": "r-1"},
    )
    _, result = play(turn)
    text = f"the reply from {WHERE} did not arrive whole within timeout_ms=600000, only 3 bytes did"
    told(result, errors.APITimeoutError, text)
    assert result.body == "12\ufffd"
    assert result.__cause__ is cause
    assert result.request_id == "r-1"
    check_meta(result.meta, status=200, elapsed_ms=1000, attempts=[(200, None)])


def test_a_deadline_inside_the_reply() -> None:
    cause = OSError("cause")
    turn = reply(200, body=broken("timeout", cause=cause, body=b"12\xff"), reading_s=3, headers={"x-request-id": "r-1"})
    _, result = play(turn, clock=Clock(), deadline_in=3)
    told(result, errors.DeadlineExceededError, "deadline_ms=3000 passed inside the reply, after 3 bytes")
    assert result.body == "12\ufffd"
    assert result.__cause__ is cause
    assert result.request_id == "r-1"


@pytest.mark.parametrize("kind", ["coding", "too large"])
def test_a_reply_that_cannot_be_read(kind: Any) -> None:
    cause = ValueError("cause")
    body = b"abc \xff " + KEY.encode()
    turn = reply(200, body=broken(kind, f"bad {KEY}", cause, body=body), headers={"x-request-id": "r-1"})
    _, result = play(turn)
    told(result, errors.ResponseValidationError, "bad ***")
    assert (result.status_code, result.body, result.request_id) == (200, "abc \ufffd ***", "r-1")
    assert result.__cause__ is cause
    quoting = broken(kind, cause=ValueError(f"saw {KEY}"), body=b"a" * (MAX_ERROR_BODY + 1))
    _, result = play(reply(200, body=quoting))
    assert told(result, errors.ResponseValidationError, "cut").__cause__ is None
    assert result.body == "a" * MAX_ERROR_BODY


@pytest.mark.parametrize("kind", ["network", "protocol"])
def test_a_reply_that_breaks(kind: Any) -> None:
    cause = OSError("cause")
    turn = reply(200, body=broken(kind, f"reset {KEY}", cause, body=b"12345"), headers={"x-request-id": "r-1"})
    _, result = play(turn)
    told(
        result,
        errors.APIConnectionError,
        f"the connection broke inside the reply from {WHERE}, after 5 bytes: reset ***",
    )
    assert result.body == "12345"
    assert result.__cause__ is cause
    assert result.request_id == "r-1"
    quoting = broken(kind, cause=OSError(f"saw {KEY}"))
    _, result = play(reply(200, body=quoting))
    told(result, errors.APIConnectionError, f"the connection broke inside the reply from {WHERE}, after 0 bytes: cut")
    assert result.__cause__ is None


def test_a_key_in_the_headers_of_a_reply_that_breaks_is_masked() -> None:
    _, result = play(reply(200, body=broken("network"), headers={"x-echo": KEY}))
    assert result.headers["x-echo"] == "***"


# ------------------------------------------------------------- by its status


def test_an_error_of_a_status() -> None:
    headers = {"x-request-id": "r-1", "retry-after": "Mon, 04 May 2026 12:00:09 GMT", **LIMITS}
    turn = reply(401, b'{"error": {"message": "no ' + KEY.encode() + b'"}}', takes_s=1, reading_s=1, headers=headers)
    turn.outcome.extensions["reason_phrase"] = b"Nope"  # type: ignore[union-attr]  # it is a response
    _, result = play(turn)
    told(result, errors.AuthenticationError, "no ***")
    assert (result.request_id, result.retry_after_s) == ("r-1", 9.0)
    assert result.meta.rate_limit.requests == Limit(10.0, 9.0, 2.0)
    check_meta(result.meta, status=401, elapsed_ms=1000, attempts=[(401, None)])


def test_an_error_without_a_body_has_the_reason_of_its_status_line() -> None:
    turn = Turn(httpx.Response(418, extensions={"reason_phrase": b"Short And Stout"}))
    _, result = play(turn)
    assert result.message == "Short And Stout"

    class Bare:
        status_code = 418

        def __init__(self) -> None:
            self.headers: dict[str, str] = {}

    flow = make_call().exchange(env_of(Clock()))
    next(flow)
    assert isinstance(flow.send(Bare()), Read)
    assert isinstance(flow.send(b""), Close)
    with pytest.raises(errors.APIStatusError) as caught:
        flow.send(None)
    assert caught.value.message == "HTTP status 418"


ONLY = "only 307 and 308 to the same origin are followed"


@pytest.mark.parametrize(
    "status, location, text",
    [
        (302, "https://other.example/x", f"the server redirects to https://other.example/x; {ONLY}"),
        (307, "https://other.example/x", f"the server redirects to https://other.example/x; {ONLY}"),
        (302, "https://me:pw@other.example/x@y?k=1#f", f"the server redirects to https://other.example/x@y; {ONLY}"),
        (302, f"/x/{KEY}?k={KEY}", f"the server redirects to /x/***; {ONLY}"),
        (302, "/" + "x" * 600, f"the server redirects to /{'x' * 499}; {ONLY}"),
        (302, "", "the server answers with a status of redirects, and does not say where to"),
        (304, None, "the server answers with a status of redirects, and does not say where to"),
    ],
)
def test_a_redirect_that_is_not_followed(status: int, location: str | None, text: str) -> None:
    headers = {"x-request-id": "r-1"} | ({} if location is None else {"location": location})
    player, result = play(reply(status, b"\xff" + KEY.encode(), headers=headers), reply(200))
    told(result, errors.SDKDefaultError, text)
    assert (result.status_code, result.body, result.request_id) == (status, "\ufffd***", "r-1")
    assert KEY not in repr(dict(result.headers))
    assert player.names() == ["send", "read", "close"]


@pytest.mark.parametrize("status", [307, 308])
def test_redirects_in_a_circle(status: int) -> None:
    turns = [reply(status, headers={"location": "/again?k=1"}) for _ in range(6)]
    _, result = play(*turns)
    address = "https://api.together.xyz/again"
    told(result, errors.SDKDefaultError, f"the server redirects more than 5 times, the last time to {address}")


def test_a_redirect_that_is_expected_is_a_reply() -> None:
    _, result = play(reply(302, b"moved", headers={"location": "/x"}), expects=(302,))
    assert isinstance(result, Received)
    assert (result.status, result.body, result.headers["location"]) == (302, b"moved", "/x")
    _, result = play(reply(303), expects=(302,))
    assert isinstance(result, errors.SDKDefaultError)


def test_an_error_body_is_read_up_to_its_bound_and_cut() -> None:
    player, _ = play(reply(500, b"x" * (MAX_ERROR_BODY + 5)), retries=None)
    assert (player.reads[0].max_bytes, player.reads[0].truncate) == (MAX_ERROR_BODY, True)
    player, _ = play(reply(200), max_response_bytes=77)
    assert (player.reads[0].max_bytes, player.reads[0].truncate) == (77, False)


# ------------------------------------------------------------------ attempts


def test_what_every_send_says() -> None:
    player, result = play(reply(503), reply(503), reply(200))
    assert isinstance(result, Received)
    counts = [request.headers.get("x-llmsdk-retry-count") for request in player.requests]
    assert counts == [None, "1", "2"]
    assert {request.method for request in player.requests} == {"POST"}
    assert {str(request.url) for request in player.requests} == {URL}


def test_a_caller_that_waits_by_itself_goes_on_counting() -> None:
    clock, contexts = Clock(), []

    class Seen:
        def before_request(self, context: Any, request: Any) -> None:
            contexts.append(context.attempt)

    call = make_call(clock=clock, earlier=2, hooks=[Seen()])
    player = Player([reply(503), reply(503), reply(503)], clock)
    with pytest.raises(errors.ServiceUnavailableError) as caught:
        player.run(call.exchange(env_of(clock)))
    assert contexts == [3, 4, 5]
    assert [request.headers["x-llmsdk-retry-count"] for request in player.requests] == ["2", "3", "4"]
    assert call.state.failed is not None
    assert call.state.failed.error is caught.value
    assert call.state.failed.retryable
    assert player.waits == [0.5, 1.0]


def test_the_countdown_of_the_attempt_under_way_is_known() -> None:
    clock = Clock()
    call = make_call(clock=clock, timeout_s=4)
    player = Player([reply(503), reply(200)], clock)
    player.run(call.exchange(env_of(clock)))
    assert call.state.countdown is player.sends[1].countdown is player.reads[1].countdown
    assert player.sends[0].countdown is player.reads[0].countdown
    assert call.state.countdown is not player.sends[0].countdown


def test_a_send_behind_a_redirect_has_the_same_countdown() -> None:
    seen: list[Any] = []

    def noting(*args: Any) -> httpx.Request:
        seen.append(args[-1])
        return build(*args)

    player, _ = play(reply(307, headers={"location": "/b"}), reply(200), build=noting)
    assert seen[0] is seen[1] is player.sends[0].countdown is player.sends[1].countdown


def test_what_a_function_is_waited_for_counts_as_time_of_its_attempt() -> None:
    class Sees:
        def before_request(self, context: Any, request: httpx.Request) -> None:
            pass

    player, _ = play(
        reply(307, headers={"location": "/b"}), reply(503), reply(200), key=lambda: KEY, hooks=[Sees()], clock=Clock()
    )
    assert [name for name in player.names() if name in ("invoke", "send", "sleep")] == [
        *("invoke", "invoke", "send", "invoke", "send", "sleep"),
        *("invoke", "invoke", "send"),
    ]
    first, _, second = player.sends
    assert [effect.countdown for effect in player.invokes[:3]] == [first.countdown] * 3
    assert [effect.countdown for effect in player.invokes[3:]] == [second.countdown] * 2
    assert first.countdown is not second.countdown


def test_hooks_see_the_request_behind_a_redirect_too() -> None:
    class Marks:
        def before_request(self, context: Any, request: httpx.Request) -> None:
            request.headers["x-mark"] = str(context.attempt)

    player, _ = play(reply(307, headers={"location": "/b"}), reply(200), hooks=[Marks()])
    assert [request.headers["x-mark"] for request in player.requests] == ["1", "1"]


def test_a_redirect_relative_to_where_a_hook_has_sent_the_request() -> None:
    class Moves:
        def before_request(self, context: Any, request: httpx.Request) -> httpx.Request:
            return httpx.Request("POST", "https://proxy.example/v1", headers=request.headers)

    player, result = play(reply(307, headers={"location": "https://api.together.xyz/b"}), hooks=[Moves()])
    assert isinstance(result, errors.SDKDefaultError)
    assert len(player.requests) == 1


@pytest.mark.parametrize("room, followed", [(0, True), (1, False)])
def test_a_redirect_to_a_url_as_long_as_any_is_followed(room: int, followed: bool) -> None:
    base = "https://api.together.xyz/"
    location = base + "x" * ((1 << 15) - len(base) + room)
    player, result = play(reply(307, headers={"location": location}), reply(200))
    assert len(player.requests) == (2 if followed else 1)
    assert isinstance(result, Received) is followed


def test_a_wait_ends_before_the_deadline_not_at_it() -> None:
    for deadline_in, sends in ((0.5, 1), (0.501, 2)):
        player, _ = play(reply(503), reply(200), clock=Clock(), deadline_in=deadline_in)
        assert len(player.requests) == sends


def test_waits_count_from_the_first_attempt() -> None:
    player, result = play(reply(503, takes_s=9.8), reply(503), retries=OWN)
    assert isinstance(result, errors.ServiceUnavailableError)
    assert len(player.requests) == 2
    player, _ = play(reply(503, takes_s=9.95), retries=OWN)
    assert len(player.requests) == 1


def test_no_time_for_retries_leaves_the_first_attempt_its_own() -> None:
    none = RetryConfig("backoff", BackoffStrategy(100, 1_000, 2, 0), True)
    player, _ = play(reply(200), retries=none, timeout_s=7)
    assert player.limits[0] == 7.0
    player, _ = play(reply(200), retries=OWN, timeout_s=7)
    assert player.limits[0] == 7.0


def test_a_budget_that_is_empty_costs_no_other_its_tokens() -> None:
    shared = RetryBudget(initial=5, per_second=0, per_success=0)
    play(reply(400), budget=shared)
    assert shared.tokens == 5
    play(reply(503), reply(200), budget=shared)
    assert shared.tokens == 4


# --------------------------------------------------------- replies of hooks


class Answers:
    """Hooks that put `response` in place of what came."""

    def __init__(self, response: httpx.Response, *, error: Exception | None = None) -> None:
        self.response = response
        self.error = error
        self.seen: list[Any] = []

    def after_success(self, context: Any, response: httpx.Response) -> httpx.Response:
        self.seen.append(response)
        return self.response

    def after_error(self, context: Any, response: Any, error: Any) -> tuple[Any, Any]:
        self.seen.append((response, error))
        return self.response, self.error


def test_a_hook_answers_a_success_with_a_reply_of_its_own() -> None:
    own = httpx.Response(201, headers=[("x-request-id", "own"), *LIMITS.items()], content=b"own")
    hook = Answers(own)
    player, result = play(reply(200, b"theirs", takes_s=1, reading_s=2), hooks=[hook])
    assert isinstance(result, Received)
    assert hook.seen[0].content == b"theirs"
    assert (result.response, result.status, result.body) == (own, 201, b"own")
    assert result.headers.multi_items()[0] == ("x-request-id", "own")
    assert result.countdown is player.sends[0].countdown
    check_meta(result.meta, status=201, elapsed_ms=3000, attempts=[(200, None)])
    assert result.meta.request_id == "own"
    assert result.meta.rate_limit.requests == Limit(10.0, 9.0, 2.0)


def test_a_hook_answers_a_success_with_a_failure() -> None:
    own = httpx.Response(404, headers={"x-request-id": "own"}, content=b"n" * (MAX_ERROR_BODY + 9))
    _, result = play(reply(200), hooks=[Answers(own)])
    assert type(result) is errors.NotFoundError
    assert (result.request_id, result.body) == ("own", "n" * MAX_ERROR_BODY)
    again = Answers(httpx.Response(503, headers={"retry-after": "3"}))
    player, result = play(reply(200), reply(200), reply(200), hooks=[again])
    assert type(result) is errors.ServiceUnavailableError
    assert player.waits == [3.0, 3.0]


def test_a_hook_answers_with_a_redirect_that_is_expected() -> None:
    for status, kind in ((302, Received), (300, errors.SDKDefaultError), (299, Received)):
        _, result = play(reply(200), hooks=[Answers(httpx.Response(status))], expects=(302,))
        assert type(result) is kind


@pytest.mark.parametrize("turn", [reply(500, b"oops"), failure("connect"), reply(200, body=broken("network"))])
def test_a_hook_answers_a_failure_with_a_reply(turn: Turn) -> None:
    own = httpx.Response(200, content=b"own")
    hook = Answers(own)
    player, result = play(turn, hooks=[hook], retries=None)
    assert isinstance(result, Received)
    assert (result.response, result.status, result.body) == (own, 200, b"own")
    assert result.countdown is player.sends[0].countdown
    assert result.meta.server == "together"
    response, error = hook.seen[0]
    assert isinstance(error, errors.RemoteError)
    if isinstance(turn.outcome, httpx.Response) and turn.outcome.status_code == 500:
        assert (response.status_code, response.content) == (500, b"oops")
    else:
        assert response is None


def test_a_hook_answers_a_failure_with_another() -> None:
    class Own(Exception):
        pass

    own = Own("own")
    player, result = play(reply(503), reply(503), reply(503), hooks=[Answers(httpx.Response(200), error=own)])
    assert result is own
    assert len(player.requests) == 3


def test_a_hook_that_answers_with_nothing_at_all() -> None:
    class Blank:
        def after_error(self, context: Any, response: Any, error: Any) -> tuple[None, None]:
            return None, None

    _, result = play(reply(503), hooks=[Blank()])
    told(result, errors.ConfigurationError, "after_error: a hook answered with neither a response nor an error")


def test_a_hook_that_only_sees_requests_costs_no_copy_of_the_reply() -> None:
    class Sees:
        def before_request(self, context: Any, request: Any) -> None:
            pass

    def refuse(*_: Any) -> Any:
        raise AssertionError("nobody looks at responses")

    player, result = play(reply(200), hooks=[Sees()], rebuild=refuse)
    assert result.response is player.opened[0]
    _, result = play(reply(404), hooks=[Sees()], rebuild=refuse)
    assert type(result) is errors.NotFoundError


def test_a_hook_puts_another_stream_in_place() -> None:
    own = httpx.Response(203, headers={"x-own": "1"})
    player, result = play(reply(200, headers={"x-request-id": "r-1"}), stream=True, hooks=[Answers(own)])
    assert (result.response, result.status, result.body) == (own, 203, None)
    assert result.countdown is player.sends[0].countdown
    assert result.meta.request_id == "r-1"
    player.check_closed()
    player, result = play(reply(200), stream=True, hooks=[type("Same", (), {"after_success": lambda *_: None})()])
    assert player.names() == ["send", "invoke"]
    assert result.response is player.opened[0]


@pytest.mark.parametrize("status, kind", [(300, SDKDefaultError), (404, errors.NotFoundError), (302, Received)])
def test_a_hook_answers_a_stream_with_what_is_none(status: int, kind: type[Any]) -> None:
    own = httpx.Response(status, headers={"x-request-id": "own"}, content=b"own")
    player, result = play(reply(200, takes_s=2), stream=True, hooks=[Answers(own)], expects=(302,), retries=None)
    assert type(result) is kind
    check_meta(result.meta, status=status, elapsed_ms=2000, attempts=[(200, None)])
    assert result.meta.request_id == "own"
    if isinstance(result, Received):
        assert (result.response, result.body, result.countdown) == (own, b"own", player.sends[0].countdown)
    else:
        assert result.body == "own"
    player.check_closed()


@pytest.mark.parametrize(
    "name, answer, line",
    [
        ("before_request", "text", "must answer with a request of the client in use, got str"),
        ("before_request", SimpleNamespace(url=URL), "must answer with a request of the client in use, got {kind}"),
        ("after_success", SimpleNamespace(headers=1), "must answer with a response of the client in use, got {kind}"),
        ("after_success", (), "must answer with a response of the client in use, got tuple"),
        ("after_error", (5, None), "must answer with a response of the client in use, got int"),
        ("after_error", [None, None], "must answer with (response or None, error or None) or with None, got list"),
        ("after_error", (None,), "must answer with (response or None, error or None) or with None, got tuple"),
        ("after_error", (None, "e"), "must answer with (response or None, error or None) or with None, got tuple"),
        (
            "after_error",
            (None, ValueError(), 3),
            "must answer with (response or None, error or None) or with None, got tuple",
        ),
    ],
)
def test_what_a_hook_may_not_answer_with_is_named(name: str, answer: Any, line: str) -> None:
    hook = type("Own", (), {name: lambda *_: answer})()
    _, result = play(reply(404 if name == "after_error" else 200), hooks=[hook])
    told(result, errors.ConfigurationError, f"{name}: {line.format(kind=type(answer).__name__)}")


# ---------------------------------------------------------------------- log


def test_the_log_of_a_call_that_does_not_come_through() -> None:
    lines: list[str] = []
    clock = Clock()
    play(
        failure("connect"),
        reply(404),
        log=lambda *line: lines.append(line[0] % line[1:]),
        clock=clock,
    )
    assert lines == [
        f"attempt 1: POST {URL}",
        "retrying in 0.500 s after APIConnectionError",
        f"attempt 2: POST {URL}",
        "attempt 2: status 404",
    ]


def test_attempts_are_timed_one_by_one() -> None:
    call_attempts: list[Attempt] = []
    play(failure("connect", takes_s=1.5), reply(200, takes_s=0.25), attempts=call_attempts)
    assert [(one.error, one.status, one.elapsed_ms) for one in call_attempts] == [
        ("connect", None, 1500.0),
        (None, 200, 250.0),
    ]


def test_calls_share_nothing() -> None:
    one, other = CallState(0.0), CallState(0.0)
    assert one.attempts is not other.attempts
    assert one.secrets is not other.secrets
    assert one.hook_state is not other.hook_state
    assert one.idempotency_key != other.idempotency_key
    assert (one.earlier, one.failed, one.countdown, one.is_abandoned) == (0, None, None, False)
    plan = make_call().plan
    assert (plan.log, plan.expects) == (None, ())


def test_the_time_of_day_decides_what_a_date_means() -> None:
    player, _ = play(reply(429, headers={"retry-after": "Mon, 04 May 2026 12:00:05 GMT"}), reply(200))
    assert player.waits == [5.0]
    assert NOW.hour == 12


# -------------------------------------------------------------------- edges


def test_every_hook_is_told_which_call_it_is_about() -> None:
    seen: list[Any] = []

    class Sees:
        def before_request(self, context: Any, request: Any) -> None:
            seen.append(context)

        def after_success(self, context: Any, response: Any) -> None:
            seen.append(context)

        def after_error(self, context: Any, response: Any, error: Any) -> None:
            seen.append(context)

    for status, stream in ((200, False), (200, True), (404, False)):
        seen.clear()
        play(reply(status), stream=stream, hooks=[Sees()], base_url=URL)
        assert len(seen) == 2
        assert seen[0] is seen[1]
        assert seen[0] == HookContext("createChatCompletion", "together", URL, attempt=1)


@pytest.mark.parametrize("stream", [False, True])
def test_headers_that_come_twice_are_told_twice(stream: bool) -> None:
    pairs = [("x-own", "1"), ("x-other", "2"), ("x-own", "3")]
    player, result = play(Turn(httpx.Response(200, headers=pairs), b"{}"), stream=stream)
    assert result.headers.multi_items() == result.meta.headers.multi_items() == pairs
    assert result.countdown is player.sends[0].countdown


def test_a_redirect_that_does_not_say_where_to_is_not_followed() -> None:
    player, result = play(reply(307), reply(200))
    told(result, SDKDefaultError, "the server answers with a status of redirects, and does not say where to")
    assert len(player.requests) == 1


def test_tokens_come_back_while_a_call_waits() -> None:
    steady = BackoffStrategy(2_000, 2_000, 1, 60_000, jitter="none")
    for per_second, sends in ((1, 4), (0, 2)):
        budget = RetryBudget(initial=1, per_second=per_second, per_success=0, capacity=1)
        retries = RetryConfig("backoff", steady, True, max_attempts=4, budget=budget)
        player, _ = play(*[reply(503)] * 4, clock=Clock(), retries=retries)
        assert len(player.requests) == sends


@pytest.mark.parametrize("early_s, kind", [(0.0021, errors.APITimeoutError), (0.0019, errors.DeadlineExceededError)])
def test_no_attempt_is_made_in_the_last_moment_before_the_deadline(early_s: float, kind: type[Exception]) -> None:
    player, result = play(
        failure("timeout", takes_s=5 - early_s), reply(200), clock=Clock(), deadline_in=5, retries=None
    )
    assert type(result) is kind
    player, result = play(failure("timeout", takes_s=4.9999), reply(200), clock=Clock(), deadline_in=5, jitter=0.0)
    assert type(result) is errors.DeadlineExceededError
    assert len(player.requests) == 1


# ---------------------------------------------------------------- hooks without an answer in time


def _silent(*_: Any) -> Any:
    raise TransportFailure("timeout", "still at work")


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_hook_without_answer_in_time_does_not_hold_up_the_reply(stream: bool, is_late: bool) -> None:
    clock = Clock()
    hook = type("Silent", (), {"after_success": _silent})()
    echo = reply(200, f"echo {KEY}".encode(), headers={"x-echo": KEY}, takes_s=2)
    player, error = play(echo, hooks=[hook], stream=stream, clock=clock, deadline_in=2 if is_late else 3)
    assert type(error) is (errors.DeadlineExceededError if is_late else errors.APITimeoutError)
    assert str(error) == "the reply came, and its hooks had no answer in time: still at work"
    assert error.body == ("" if stream else "echo ***")
    assert (error.meta.status_code, error.headers["x-echo"]) == (200, "***")
    assert error.__cause__ is None
    assert error.__suppress_context__
    assert player.invokes[0].countdown is player.sends[0].countdown
    assert player.names().count("send") == 1
    player.check_closed()


@pytest.mark.parametrize("deadline, bound", [(None, 9), (5, 3), (50, 9)])
def test_a_hook_without_answer_in_time_leaves_the_failure_as_it_is(deadline: float | None, bound: float) -> None:
    clock = Clock()
    hook = type("Silent", (), {"after_error": _silent})()
    player, error = play(reply(400, takes_s=2), hooks=[hook], clock=clock, timeout_s=9, deadline_in=deadline)
    assert type(error) is errors.BadRequestError
    (invoke,) = player.invokes
    assert invoke.countdown is not None
    assert invoke.countdown is not player.sends[0].countdown
    assert invoke.countdown.left() == bound
    player, received = play(reply(503), reply(200), hooks=[hook])
    assert isinstance(received, Received)
