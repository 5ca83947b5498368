"""Rate limits, as the headers of a reply state them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ...errors import Limit, RateLimit
from ...providers.spec import LimitHeaders
from ...utils.dates import parse_date, parse_reset

_NO_LIMITS = RateLimit()


def rate_limit(names: LimitHeaders, headers: Mapping[str, str]) -> RateLimit:
    """Read the rate limits; parts that are absent or unreadable are None."""
    if names.all.isdisjoint(headers):
        return _NO_LIMITS
    # A reset that is a moment is one of the server's clock: measured from its own date, ours may be wrong.
    now = datetime.now(UTC)
    now = parse_date(headers.get("date") or "", now) or now
    requests = _limit(headers, now, names.requests_limit, names.requests_remaining, names.requests_reset)
    tokens = _limit(headers, now, names.tokens_limit, names.tokens_remaining, names.tokens_reset)
    images = _limit(headers, now, names.images_limit, names.images_remaining, names.images_reset)
    if not names.windows:
        return RateLimit(requests, tokens, images=images)
    # A limit beside the windows is one of its own.
    found = {
        "requests": [one for one in (requests,) if one != Limit()],
        "tokens": [one for one in (tokens,) if one != Limit()],
    }
    for one in sorted(names.windows, key=lambda one: one.seconds):
        stated = _limit(headers, now, *((name,) if name else () for name in (one.limit, one.remaining, one.reset)))
        if stated != Limit():
            found[one.of].append(Limit(stated.limit, stated.remaining, stated.reset_s, float(one.seconds)))
    return RateLimit(
        _binding(found["requests"]),
        _binding(found["tokens"]),
        tuple(found["requests"]),
        tuple(found["tokens"]),
        images,
    )


def _binding(limits: list[Limit]) -> Limit:
    """Find the limit that leaves the least per second until it resets, which its window bounds."""

    def rate(one: Limit) -> float:
        seconds = one.window_s if one.reset_s is None else one.reset_s
        return math.inf if one.remaining is None else one.remaining / max(1.0, seconds or 0.0)

    return min(limits, key=rate, default=Limit())


def _limit(
    headers: Mapping[str, str], now: datetime, limit: Iterable[str], remaining: Iterable[str], reset: Iterable[str]
) -> Limit:
    return Limit(
        limit=_number(_first_header(headers, limit)),
        remaining=_number(_first_header(headers, remaining)),
        reset_s=parse_reset(_first_header(headers, reset) or "", now),
    )


def _first_header(headers: Mapping[str, str], names: Iterable[str]) -> str | None:
    for name in names:
        if value := headers.get(name):
            return value
    return None


def _number(text: str | None) -> float | None:
    if text and re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", text.strip()):
        return float(text)
    return None
