"""Limits for several windows of time, and balances that are used up."""

from __future__ import annotations

from typing import Any

import pytest

from llmsdk import Provider, RetryConfig, Route
from llmsdk._call.reply.limits import rate_limit
from llmsdk.errors import Limit, RateLimit, RateLimitError
from llmsdk.providers import ErrorPaths, LimitHeaders, LimitWindow
from llmsdk.utils import BackoffStrategy
from support.canned import CannedServer
from support.colours import KEY, Colour

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
WINDOWS = LimitHeaders(
    windows=(
        LimitWindow(of="requests", seconds=86_400, limit="x-day", remaining="x-day-left", reset="x-day-reset"),
        LimitWindow(of="requests", seconds=60, limit="x-minute", remaining="x-minute-left"),
        LimitWindow(of="tokens", seconds=60, remaining="x-tokens-left"),
    )
)
MINE = Provider(
    name="mine",
    servers=("https://mine.example/v1",),
    error=ErrorPaths(spent=frozenset({"nomoremoney"})),
    limits=WINDOWS,
    routes={"createChatCompletion": Route()},
)


def test_every_window_is_kept_and_the_one_that_binds_first_stands_in_front() -> None:
    headers = {"x-day": "1000", "x-day-left": "900", "x-minute": "30", "x-minute-left": "2", "x-tokens-left": "5"}
    found = rate_limit(WINDOWS, headers)
    minute, day = Limit(30.0, 2.0, None, 60.0), Limit(1000.0, 900.0, None, 86_400.0)
    assert found == RateLimit(day, Limit(None, 5.0, None, 60.0), (minute, day), (Limit(None, 5.0, None, 60.0),))
    # 900 in a day are fewer per second than 2 in a minute; 900 in ten seconds are not.
    found = rate_limit(WINDOWS, {**headers, "x-day-reset": "10s"})
    assert found.requests == minute
    assert found.requests_windows == (minute, Limit(1000.0, 900.0, 10.0, 86_400.0))
    assert rate_limit(WINDOWS, {**headers, "x-minute-left": "0"}).requests.window_s == 60.0


def test_windows_that_are_not_stated_are_left_out() -> None:
    assert rate_limit(WINDOWS, {"x-minute-left": "7"}).requests_windows == (Limit(None, 7.0, None, 60.0),)
    assert rate_limit(WINDOWS, {"x-minute-left": "many"}) == RateLimit()
    # Of what is left nothing is known, of the limit it is.
    assert rate_limit(WINDOWS, {"x-day": "1000", "x-minute": "30"}).requests == Limit(30.0, None, None, 60.0)
    one = rate_limit(WINDOWS, {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1s"})
    assert one.requests == Limit(None, 5.0, 1.0)
    assert one.requests_windows == (Limit(None, 5.0, 1.0),)
    both = rate_limit(WINDOWS, {"x-ratelimit-remaining-requests": "5", "x-minute-left": "7"})
    assert both.requests_windows == (Limit(None, 5.0), Limit(None, 7.0, None, 60.0))
    assert both.requests.window_s == 60.0


@pytest.mark.parametrize(
    "error, requests",
    [
        ({"code": "1113"}, 1),
        ({"type": "exceeded_current_quota_error"}, 1),
        ({"type": "Insufficient_Quota"}, 1),
        ({"code": "billing_hard_limit_reached"}, 1),
        ({"code": "no_more_money"}, 1),
        ({"code": "rate_limit_exceeded"}, 2),
        ({"code": 1302, "type": "requests"}, 2),
    ],
)
async def test_a_used_up_balance_is_not_tried_again(
    error: dict[str, Any], requests: int, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(429, {"error": {"message": "No.", **error}})
    again = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1000), True, max_attempts=2)
    async with colour.open(server=MINE, server_url=canned.url, api_key=KEY, retry_config=again) as client:
        with pytest.raises(RateLimitError):
            await client.call("chat.create", **CHAT)
    assert len(canned.requests) == requests
