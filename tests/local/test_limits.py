"""Limits of the embedded provider: who is let in, what headers say of it, and faults that come by chance."""

from __future__ import annotations

import pytest

from llmsdk.local import LocalServer
from llmsdk.local.faults import Fault
from llmsdk.local.limits import RandomFaults, RateLimit, RateLimiter
from llmsdk.providers import OPENAI
from llmsdk.providers.spec import LimitHeaders

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PATH = "/v1/chat/completions"
LIMIT, LEFT, RESET = "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"


def refusals(limiter: RateLimiter, *times: float) -> list[bool]:
    return [limiter.take(OPENAI.limits, now)[0] for now in times]


def test_a_bucket_holds_a_burst_and_fills_steadily():
    limiter = RateLimiter.of(RateLimit(per_second=10, burst=2))
    assert refusals(limiter, 5.0, 5.0, 5.0, 5.09, 5.11, 5.12) == [False, False, True, True, False, True]
    assert refusals(limiter, 99.0, 99.0, 99.0) == [False, False, True]  # it never holds more than the burst


def test_a_bare_rate_is_a_bucket_of_one_second():
    assert refusals(RateLimiter.of(3), *[1.0] * 4) == [False, False, False, True]
    assert refusals(RateLimiter.of(0.5), 1.0, 1.0, 2.9, 3.0) == [False, True, True, False]


def test_a_window_is_reset_at_its_end():
    limiter = RateLimiter.of(RateLimit(per_second=2, kind="window", window_s=1.5))
    assert refusals(limiter, 0.0, 0.1, 1.4, 1.4) == [False, False, False, True]
    assert refusals(limiter, 1.5, 1.5, 1.5, 2.9, 3.0) == [False, False, False, True, False]
    assert limiter.take(OPENAI.limits, 7.0)[1] == {LIMIT: "3", LEFT: "2", RESET: "0.500"}  # since 6.0


def test_headers_tell_the_truth():
    limiter = RateLimiter.of(RateLimit(per_second=4, burst=2, retry_after=True))
    assert limiter.take(OPENAI.limits, 0.0) == (False, {LIMIT: "2", LEFT: "1", RESET: "0.250"})
    assert limiter.take(OPENAI.limits, 0.0) == (False, {LIMIT: "2", LEFT: "0", RESET: "0.500"})
    assert limiter.take(OPENAI.limits, 0.0) == (True, {LIMIT: "2", LEFT: "0", RESET: "0.500", "retry-after": "0.250"})
    window = RateLimiter.of(RateLimit(per_second=1, kind="window", window_s=2, retry_after=True, headers=False))
    assert [window.take(OPENAI.limits, now) for now in (0.0, 0.5, 1.25)] == [
        (False, {}),
        (False, {}),
        (True, {"retry-after": "0.750"}),
    ]


def test_a_dialect_without_headers_of_limits_gets_none():
    silent = LimitHeaders(requests_limit=(), requests_remaining=(), requests_reset=())
    assert RateLimiter.of(1).take(silent, 0.0) == (False, {})


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan"), True, RateLimit(per_second=0)])
def test_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match=r"^rate_limit: must be a number > 0 of requests per second, got "):
        LocalServer(rate_limit=rate)


@pytest.mark.parametrize("share", [-0.1, 1.1, True, float("nan")])
def test_a_share_that_is_none(share):
    with pytest.raises(ValueError, match=r"^fault_share: must be a number from 0 to 1, got "):
        LocalServer(fault_share=share)


def test_faults_by_chance_are_those_of_the_seed():
    faults = [Fault(status=500), Fault(status=503)]

    def drawn(share: float, seed: int) -> list[int | None]:
        chance = RandomFaults(share, faults, seed)
        return [fault and fault.status for fault in (chance.next() for _ in range(400))]

    some = drawn(0.5, 7)
    assert drawn(0.5, 7) == some != drawn(0.5, 8)
    assert set(some) == {None, 500, 503}
    assert 150 < some.count(None) < 250
    assert set(drawn(1, 7)) == {500, 503}
    assert set(drawn(0, 7)) == {None}
    assert RandomFaults(1, [], 7).next() is None


def test_a_server_refuses_what_is_above_its_rate(call):
    rule = RateLimit(per_second=0.01, burst=2, retry_after=True)
    with LocalServer("openai", rate_limit=rule) as server:
        answers = [call(server, PATH, CHAT) for _ in range(3)]
    assert server.counts == {200: 2, 429: 1}  # only now: each is counted after it was sent
    assert [(answer.status, answer.headers[LIMIT], answer.headers[LEFT]) for answer in answers] == [
        (200, "2", "1"),
        (200, "2", "0"),
        (429, "2", "0"),
    ]
    assert 0 < float(answers[2].headers["retry-after"]) <= 100
    assert answers[2].json["error"]["message"] == "Too many requests."
    assert "retry-after" not in answers[0].headers


def test_a_server_of_faults_by_chance(call):
    with LocalServer("openai", fault_share=1, random_faults=[{"status": 503}], faults=[None]) as server:
        assert [call(server, PATH, CHAT).status for _ in range(3)] == [200, 503, 503]  # the script goes first
        server.always({"status": 500})
        assert call(server, PATH, CHAT).status == 503  # and what is always there comes last
    assert server.counts == {200: 1, 503: 3}
    server.reset()
    assert server.counts == {}
