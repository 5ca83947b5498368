"""Hooks: order, how often, what they may change, exceptions in them; on the flow, without network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from call.flowkit import KEY, Clock, env_of, failure, make_call, play, reply
from llmsdk import SDK, errors
from llmsdk._call.effects import Invoke, TransportFailure
from llmsdk._call.hooks import Hooks
from llmsdk._call.state import Received
from llmsdk.hooks import HookContext


@dataclass
class Spy:
    """Notes each call of its methods."""

    name: str
    seen: list[Any] = field(default_factory=list)

    def before_request(self, ctx: HookContext, request: httpx.Request) -> httpx.Request:
        self.seen.append((self.name, "before", ctx.attempt))
        request.headers[f"x-{self.name}"] = str(ctx.attempt)
        return request

    def after_success(self, ctx: HookContext, response: httpx.Response) -> httpx.Response:
        self.seen.append((self.name, "success", response.status_code))
        return response

    def after_error(self, ctx: HookContext, response: Any, error: Any) -> tuple[Any, Any]:
        status = None if response is None else response.status_code
        self.seen.append((self.name, "error", status, type(error).__name__))
        return response, error


def only(name: str, function: Any) -> object:
    """Make a hook of one method."""
    return type("Hook", (), {name: staticmethod(function)})()


def test_order_is_as_given_before_and_reversed_after() -> None:
    seen: list[Any] = []
    player, _ = play(reply(503), failure("network"), reply(200), hooks=[Spy("a", seen), Spy("b", seen)])
    assert seen == [
        ("a", "before", 1),
        ("b", "before", 1),
        ("b", "error", 503, "ServiceUnavailableError"),
        ("a", "error", 503, "ServiceUnavailableError"),
        ("a", "before", 2),
        ("b", "before", 2),
        ("b", "error", None, "APIConnectionError"),
        ("a", "error", None, "APIConnectionError"),
        ("a", "before", 3),
        ("b", "before", 3),
        ("b", "success", 200),
        ("a", "success", 200),
    ]
    assert [request.headers["x-a"] for request in player.requests] == ["1", "2", "3"]
    assert len({id(request) for request in player.requests}) == 3
    player.check_closed()


def test_a_hook_reads_the_body_of_a_reply_and_of_an_error() -> None:
    bodies: list[bytes] = []

    def success(ctx: HookContext, response: httpx.Response) -> None:
        bodies.append(response.content)

    def error(ctx: HookContext, response: httpx.Response, exc: Exception) -> None:
        bodies.append(response.content)
        assert response.request is not None

    hooks = [only("after_success", success), only("after_error", error)]
    packed = {"content-encoding": "gzip", "content-length": "3"}
    busy, fine = reply(503, b"busy", headers=packed), reply(200, b'{"a": 1}', headers=packed)
    _, result = play(busy, fine, hooks=hooks)
    assert bodies == [b"busy", b'{"a": 1}']
    assert result.body == b'{"a": 1}'


def test_the_context_tells_the_call_and_keeps_state() -> None:
    seen: list[Any] = []

    def before(ctx: HookContext, request: Any) -> None:
        ctx.state["count"] = ctx.state.get("count", 0) + 1
        seen.append((ctx.operation_id, ctx.server, ctx.base_url, ctx.attempt, dict(ctx.state)))

    play(reply(503), reply(200), hooks=[only("before_request", before)])
    where = ("createChatCompletion", "together", "https://api.together.xyz/v1")
    assert seen == [(*where, 1, {"count": 1}), (*where, 2, {"count": 2})]


def test_a_request_that_a_hook_makes_anew_is_the_one_sent() -> None:
    other = httpx.Request("POST", "https://api.together.xyz/v1/other", content=b"x")
    player, _ = play(reply(200), hooks=[only("before_request", lambda ctx, request: other)])
    assert player.requests == [other]


def test_what_a_hook_did_to_a_request_holds_behind_a_redirect() -> None:
    turns = (reply(307, headers={"location": "/b"}), reply(200))
    player, _ = play(*turns, hooks=[Spy("a")])
    assert [request.headers.get("x-a") for request in player.requests] == ["1", "1"]
    assert player.requests[1].headers["host"] == "api.together.xyz"
    assert player.requests[1].content == b'{"model":"m"}'


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_a_hook_makes_anew_is_the_one_taken(stream: bool) -> None:
    other = httpx.Response(200, headers={"x-request-id": "other"}, content=b'{"b": 2}')
    player, result = play(reply(200, b'{"a": 1}'), hooks=[only("after_success", lambda ctx, r: other)], stream=stream)
    assert result.response is other
    if stream:
        assert result.body is None
    else:
        assert result.body == b'{"b": 2}'
        assert result.meta.request_id == "other"
        player.check_closed()


def test_a_stream_is_shown_unread() -> None:
    seen: list[Any] = []
    turn = reply(200)
    _, result = play(turn, hooks=[only("after_success", lambda ctx, response: seen.append(response))], stream=True)
    assert seen == [turn.outcome]
    assert result.response is turn.outcome


def test_after_error_turns_an_error_into_a_reply() -> None:
    def fallback(ctx: HookContext, response: Any, error: Exception) -> tuple[Any, None]:
        return httpx.Response(200, content=b'{"fallback": true}'), None

    for turn in (reply(400, b"no"), failure("network"), reply(200, TransportFailure("network", "cut", began=True))):
        player, result = play(turn, hooks=[only("after_error", fallback)])
        assert isinstance(result, Received)
        assert result.body == b'{"fallback": true}'
        player.check_closed()


def test_after_error_replaces_the_error() -> None:
    class Ours(Exception):
        pass

    ours = Ours("ours")
    player, result = play(reply(400), hooks=[only("after_error", lambda ctx, response, error: (response, ours))])
    assert result is ours
    player.check_closed()


def test_a_replaced_error_is_retried_like_the_one_it_stands_for() -> None:
    ours = RuntimeError("ours")
    hooks = [only("after_error", lambda ctx, response, error: (response, ours))]
    _, result = play(reply(503), reply(200), hooks=hooks)
    assert isinstance(result, Received)
    _, result = play(reply(503), reply(503), reply(503), hooks=hooks)
    assert result is ours


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["after_success", "after_error"])
def test_the_status_of_a_response_that_a_hook_gives_decides(name: str, stream: bool) -> None:
    refused = httpx.Response(403, content=b'{"error": {"message": "not for you"}}')
    answer: Any = refused if name == "after_success" else (refused, None)
    turn = reply(200) if name == "after_success" else reply(400)
    player, result = play(turn, hooks=[only(name, lambda *args: answer)], stream=stream)
    assert type(result) is errors.PermissionDeniedError
    assert result.message == "not for you"
    player.check_closed()


def test_hooks_that_answer_none_change_nothing() -> None:
    nothing = [only(name, lambda *args: None) for name in ("before_request", "after_success", "after_error")]
    _, result = play(reply(503), reply(200), hooks=nothing)
    assert isinstance(result, Received)
    _, result = play(reply(400), hooks=nothing)
    assert type(result) is errors.BadRequestError


def test_neither_response_nor_error_is_a_mistake() -> None:
    player, result = play(reply(400), hooks=[only("after_error", lambda *args: (None, None))])
    assert type(result) is errors.ConfigurationError
    assert "after_error" in result.message
    player.check_closed()


@pytest.mark.parametrize(
    "answer", [httpx.Response(200), (1, 2, 3), [None, None], (None, "error"), 5, (None,)], ids=repr
)
def test_an_answer_that_is_no_pair_is_a_mistake(answer: Any) -> None:
    player, result = play(reply(400), hooks=[only("after_error", lambda *args: answer)])
    assert type(result) is errors.ConfigurationError
    assert "after_error" in result.message
    player.check_closed()


@pytest.mark.parametrize("answer", ["text", {"url": "/"}, 5, object()], ids=["str", "dict", "int", "object"])
@pytest.mark.parametrize("name", ["before_request", "after_success", "after_error"])
def test_an_answer_that_is_no_request_or_response_is_a_mistake(name: str, answer: Any) -> None:
    given = (answer, None) if name == "after_error" else answer
    turn = reply(400) if name == "after_error" else reply(200)
    player, result = play(turn, hooks=[only(name, lambda *args: given)])
    assert type(result) is errors.ConfigurationError
    assert result.message.startswith(f"{name}: must answer with")
    assert type(answer).__name__ in result.message
    player.check_closed()


@pytest.mark.parametrize("name", ["before_request", "after_success", "after_error"])
@pytest.mark.parametrize(
    "problem", [ValueError("mine"), KeyboardInterrupt(), errors.RateLimitError("m", status_code=429)]
)
def test_an_exception_in_a_hook_reaches_the_caller_unchanged(name: str, problem: BaseException) -> None:
    def hook(*args: Any) -> Any:
        raise problem

    turn = reply(503) if name == "after_error" else reply(200)
    player, result = play(turn, hooks=[only(name, hook)])
    assert result is problem
    assert problem.__cause__ is None
    assert len(player.requests) == (0 if name == "before_request" else 1)
    player.check_closed()


def test_an_exception_in_a_hook_of_a_stream_closes_it() -> None:
    def hook(*args: Any) -> Any:
        raise ValueError("mine")

    player, result = play(reply(200), hooks=[only("after_success", hook)], stream=True)
    assert isinstance(result, ValueError)
    player.check_closed()


def test_a_hook_sees_the_key_only_in_the_request() -> None:
    flow = make_call(hooks=[Spy("a")]).exchange(env_of(Clock()))
    effect = next(flow)
    assert isinstance(effect, Invoke)
    ctx, request = effect.args
    assert KEY not in repr(ctx)
    assert KEY not in repr(request)
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_sdk_init_may_change_the_configuration() -> None:
    seen: list[Any] = []
    hooks = Hooks(
        [only("sdk_init", lambda config: seen.append(("a", config))), only("sdk_init", lambda c: seen.append("b"))]
    )
    hooks.init("config")
    assert seen == [("a", "config"), "b"]
    assert not hooks.wants_responses


def test_an_async_sdk_init_is_refused() -> None:
    async def init(config: Any) -> None: ...

    with pytest.raises(errors.ConfigurationError, match=r"sdk_init: .*async"):
        SDK(api_key=KEY, hooks=[only("sdk_init", init)])


def test_sdk_init_runs_once_per_sdk() -> None:
    seen: list[Any] = []
    with SDK(api_key=KEY, hooks=[only("sdk_init", seen.append)]):
        pass
    assert len(seen) == 1


@pytest.mark.parametrize("hook", [object(), "before_request", lambda: None, type("H", (), {"before_request": 5})()])
def test_what_has_no_hook_method_is_refused(hook: object) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"hooks: .* before_request, after_success, after_error"):
        Hooks([hook])


def test_no_hooks_are_falsy_and_async_ones_are_known() -> None:
    assert not Hooks()
    assert Hooks([Spy("a")])
    assert not Hooks([Spy("a")]).has_async

    class Waits:
        async def after_error(self, *args: Any) -> None: ...

    assert Hooks([Spy("a"), Waits()]).has_async
    assert Hooks([Waits()]).wants_responses
