"""The flow that asks one server after the other, driven by hand: order, cool-downs, the deadline, its story."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import pytest

from call.flowkit import Clock, Made, Player, Turn, env_of, failure, make_call, reply
from llmsdk import errors
from llmsdk._call.effects import Close, Read, Send
from llmsdk._call.failover.cooldowns import LONGEST_COOLDOWN_S, Cooldowns
from llmsdk._call.failover.flow import covers, first_that_answers
from llmsdk._call.failover.policy import DEFAULT_ON, NEVER, Failover
from llmsdk._call.plan import Plan
from llmsdk.providers import PROVIDERS
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

ON = Failover(["together"]).statuses
TWICE = RetryConfig("backoff", BackoffStrategy(100, 1_000, 2, 10_000, jitter="none"), True, max_attempts=2)


def calls_of(clock: Clock, *names: str, **call: Any) -> list[Made]:
    """Make the call at each server, its attempts written into one list as the runner has them."""
    attempts: list[errors.Attempt] = []
    given = {"retries": None, "budget": RetryBudget(), **call}
    urls = {name: f"https://{name}.test/v1" for name in names}
    return [
        make_call(provider=PROVIDERS[name], url=f"{url}/chat", base_url=url, clock=clock, attempts=attempts, **given)
        for name, url in urls.items()
    ]


def first_of(
    calls: list[Made],
    clock: Clock,
    *,
    cooldowns: Cooldowns | None = None,
    on: Any = ON,
    deadline: float | None = None,
    instead: dict[str, Any] | None = None,
) -> Any:
    """Make the flow that asks the servers of some calls; `instead` has other flows for some of them."""

    def ask(plan: Plan) -> Any:
        name = plan.target.provider.name
        if instead is not None and name in instead:
            return instead[name]()
        return next(one for one in calls if one.plan is plan).exchange(env_of(clock))

    plans = [one.plan for one in calls]
    return first_that_answers(
        plans, ask, on=on, cooldowns=cooldowns or Cooldowns(), env=env_of(clock), deadline=deadline
    )


def play_servers(
    *turns: Turn,
    servers: tuple[str, ...] = ("together", "r9s"),
    cooldowns: Cooldowns | None = None,
    clock: Clock | None = None,
    deadline_in: float | None = None,
    on: Any = ON,
    **call: Any,
) -> tuple[Player, Any]:
    clock = clock or Clock()
    deadline = None if deadline_in is None else clock() + deadline_in
    player = Player(list(turns), clock)
    calls = calls_of(clock, *servers, deadline_in=deadline_in, **call)
    try:
        result = player.run(first_of(calls, clock, cooldowns=cooldowns, on=on, deadline=deadline))
    except errors.SDKError as exc:
        result = exc
    player.check_closed()
    return player, result


def hosts(player: Player) -> list[str]:
    return [request.url.host.removesuffix(".test") for request in player.requests]


def test_by_hand_a_busy_server_is_left_for_the_next() -> None:
    clock = Clock()
    busy, fine = httpx.Response(503), httpx.Response(200)
    flow = first_of(calls_of(clock, "together", "r9s"), clock)
    first = next(flow)
    assert isinstance(first, Send)
    assert first.request.url.host == "together.test"
    assert isinstance(flow.send(busy), Read)
    assert flow.send(b"{}") == Close(busy)
    second = flow.send(None)
    assert isinstance(second, Send)
    assert second.request.url.host == "r9s.test"
    assert isinstance(flow.send(fine), Read)
    assert flow.send(b"{}") == Close(fine)
    with pytest.raises(StopIteration) as stop:
        flow.send(None)
    received = stop.value.value
    assert received.meta.server == "r9s"
    assert [(one.server, one.status) for one in received.meta.attempts] == [("together", 503), ("r9s", 200)]


def test_a_server_that_answers_is_the_last_that_is_asked() -> None:
    player, result = play_servers(reply(200))
    assert hosts(player) == ["together"]
    assert result.meta.server == "together"


@pytest.mark.parametrize("status", [408, 429, *(500, 502, 503, 504, 529)])
def test_statuses_that_another_server_may_cure(status: int) -> None:
    player, result = play_servers(reply(status), reply(200))
    assert hosts(player) == ["together", "r9s"]
    assert result.meta.server == "r9s"


@pytest.mark.parametrize("status", [*sorted(NEVER), 302, 402, 409, 413, 418])
def test_statuses_that_none_would_cure(status: int) -> None:
    player, result = play_servers(reply(status), reply(200))
    assert hosts(player) == ["together"]
    assert result.status_code == status
    assert result.earlier == ()


@pytest.mark.parametrize("kind", ["connect", "network", "protocol", "timeout"])
def test_no_reply_is_left_for_the_next(kind: Any) -> None:
    player, result = play_servers(failure(kind), reply(200))
    assert hosts(player) == ["together", "r9s"]
    assert [one.error is None for one in result.meta.attempts] == [False, True]


def test_what_to_go_on_after_is_the_callers_choice() -> None:
    on = Failover(["together"], on=[409, "timeout"]).statuses
    assert hosts(
        play_servers(reply(409), failure("timeout"), reply(200), servers=("together", "r9s", "writer"), on=on)[0]
    ) == [
        "together",
        "r9s",
        "writer",
    ]
    for other in (reply(503), reply(429), failure("network")):
        assert hosts(play_servers(other, reply(200), on=on)[0]) == ["together"]


def test_a_used_up_balance_is_not_retried_but_another_server_is_asked() -> None:
    body = b'{"error": {"message": "pay", "code": "insufficient_quota"}}'
    player, result = play_servers(reply(429, body), reply(200), retries=TWICE)
    assert hosts(player) == ["together", "r9s"]
    assert player.waits == []
    assert result.meta.server == "r9s"


def test_each_server_has_its_own_retries_and_all_pay_from_one_budget() -> None:
    budget = RetryBudget(initial=1, per_second=0)
    player, result = play_servers(reply(500), reply(500), reply(503), retries=TWICE, budget=budget)
    assert hosts(player) == ["together", "together", "r9s"]  # the second retry would have cost a token too many
    assert player.waits == [0.1]
    assert isinstance(result, errors.ServiceUnavailableError)
    assert budget.tokens == 0


def test_the_error_tells_the_whole_story() -> None:
    cooldowns = Cooldowns()
    clock = Clock()
    cooldowns.start(("openai", "https://openai.test/v1"), 30, clock())
    player, error = play_servers(
        reply(500, b'{"error": {"message": "first"}}'),
        failure("network", "cut"),
        reply(401),
        cooldowns=cooldowns,
        clock=clock,
        servers=("together", "r9s", "openai", "local"),
    )
    assert hosts(player) == ["together", "r9s", "local"]
    assert type(error) is errors.AuthenticationError
    assert [type(one) for one in error.earlier] == [errors.InternalServerError, errors.APIConnectionError]
    assert [one.server for one in error.earlier] == ["together", "r9s"]
    assert [(one.server, one.status) for one in error.meta.attempts] == [
        ("together", 500),
        ("r9s", None),
        ("local", 401),
    ]
    assert error.__notes__ == [
        "failover: before this, server 'together' failed with InternalServerError: 500: first",
        (
            "failover: before this, server 'r9s' failed with APIConnectionError: no reply from https://r9s.test "
            "(server 'r9s') after 1 attempt in 0 ms: cut"
        ),
        "failover: server 'openai' was not asked, it wants to be left alone for 30.0 s",
    ]
    again = pickle.loads(pickle.dumps(error))
    assert again.__notes__ == error.__notes__
    assert [str(one) for one in again.earlier] == [str(one) for one in error.earlier]


def test_the_last_error_is_raised_where_all_fail() -> None:
    player, error = play_servers(reply(500), reply(502))
    assert hosts(player) == ["together", "r9s"]
    assert isinstance(error, errors.BadGatewayError)
    assert [one.status for one in error.meta.attempts] == [500, 502]
    assert len(error.earlier) == 1


# -------------------------------------------------------------- cool-downs


def test_a_server_is_left_alone_for_the_time_it_asks() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    assert hosts(
        play_servers(reply(429, headers={"retry-after": "10"}), reply(200), cooldowns=cooldowns, clock=clock)[0]
    ) == [
        "together",
        "r9s",
    ]
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["r9s"]
    clock.now += 9.9
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["r9s"]
    clock.now += 0.2
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["together"]


def test_where_all_cool_down_the_one_that_is_free_soonest_is_asked() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    play_servers(
        reply(429, headers={"retry-after": "20"}),
        reply(503, headers={"retry-after": "5"}),
        cooldowns=cooldowns,
        clock=clock,
    )
    player, result = play_servers(reply(200), cooldowns=cooldowns, clock=clock)
    assert hosts(player) == ["r9s"]
    assert result.meta.server == "r9s"
    # It fails again: the other one is still to be left alone, and is not asked against its word.
    player, error = play_servers(reply(500), cooldowns=cooldowns, clock=clock)
    assert hosts(player) == ["r9s"]
    assert error.__notes__ == ["failover: server 'together' was not asked, it wants to be left alone for 20.0 s"]


def test_a_failure_without_retry_after_starts_no_cooldown() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    play_servers(reply(500), reply(200), cooldowns=cooldowns, clock=clock)
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["together"]


def test_an_error_that_is_the_requests_own_starts_no_cooldown() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    play_servers(reply(400, headers={"retry-after": "60"}), cooldowns=cooldowns, clock=clock)
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["together"]


def test_no_header_shuts_a_server_out_for_ever() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    server = ("together", "https://together.test/v1")
    cooldowns.start(server, 1e12, clock())
    assert cooldowns.left(server, clock()) == LONGEST_COOLDOWN_S
    cooldowns.start(server, 1.0, clock())
    assert cooldowns.left(server, clock()) == LONGEST_COOLDOWN_S


def test_the_same_server_at_another_url_is_another() -> None:
    cooldowns, clock = Cooldowns(), Clock()
    cooldowns.start(("together", "https://elsewhere.test/v1"), 60, clock())
    assert hosts(play_servers(reply(200), cooldowns=cooldowns, clock=clock)[0]) == ["together"]


# ------------------------------------------------------------ the deadline


def test_one_deadline_bounds_all_servers() -> None:
    player, error = play_servers(
        reply(503, takes_s=2.0),
        failure("timeout", takes_s=1.0),
        reply(200),
        deadline_in=3.0,
        servers=("together", "r9s", "local"),
    )
    assert hosts(player) == ["together", "r9s"]
    assert type(error) is errors.DeadlineExceededError
    assert [type(one) for one in error.earlier] == [errors.ServiceUnavailableError]
    assert player.limits[1] == pytest.approx(1.0)
    assert error.meta.elapsed_ms == pytest.approx(3000)


def test_no_server_is_asked_after_the_deadline() -> None:
    player, error = play_servers(reply(503, takes_s=3.0), reply(200), deadline_in=3.0)
    assert hosts(player) == ["together"]
    assert isinstance(error, errors.ServiceUnavailableError | errors.DeadlineExceededError)


def test_time_counts_over_all_servers() -> None:
    _, result = play_servers(reply(503, takes_s=2.0), reply(200, takes_s=1.0))
    assert result.meta.elapsed_ms == pytest.approx(3000)


# --------------------------------------------------------------- judgement


def test_an_error_in_a_good_reply_counts_by_what_it_says() -> None:
    def stated(status: int) -> errors.APIStatusError:
        return errors.SDKDefaultError("x", status_code=status)

    assert covers(ON, stated(200))  # of a kind that nobody knows: the server has failed
    assert covers(ON, stated(529))
    assert not covers(ON, stated(400))
    assert not covers(ON, errors.ResponseValidationError("HTML", status_code=200))
    assert not covers(ON, errors.DeadlineExceededError("over"))
    assert covers(ON, errors.StreamInterruptedError("cut", reason="connection"))
    assert covers(ON, errors.StreamTimeoutError("silent"))
    assert not covers(frozenset({"connection"}), errors.StreamTimeoutError("silent"))
    assert 429 in DEFAULT_ON


@pytest.mark.parametrize("thrown", [KeyboardInterrupt(), RuntimeError("a hook's own")], ids=repr)
def test_what_is_no_failure_of_a_server_goes_straight_through(thrown: BaseException) -> None:
    clock = Clock()
    player = Player([reply(200, body=thrown), reply(200)], clock)
    with pytest.raises(type(thrown)):
        player.run(first_of(calls_of(clock, "together", "r9s"), clock))
    assert hosts(player) == ["together"]
    player.check_closed()


def test_an_error_that_knows_nothing_of_its_call_still_leads_to_the_next_server() -> None:
    clock = Clock()
    bare = errors.APIConnectionError("no reply")

    def fails() -> Any:
        raise bare
        yield

    player = Player([reply(200)], clock)
    result = player.run(first_of(calls_of(clock, "together", "r9s"), clock, instead={"together": fails}))
    assert result.status == 200
    assert hosts(player) == ["r9s"]
