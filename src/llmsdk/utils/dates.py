"""Points in time as servers write them: HTTP-dates, and when a rate limit resets."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_LONGEST_VALUE = 64  # a longer value is no date that anyone meant, and is not worth parsing
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_ZONE = r"(?:GMT|UTC|Z|[+-]0000)"
# IMF-fixdate, the obsolete RFC 850 form, and that of C's asctime().
_DATES = (
    rf"[a-z]{{3}}, *(?P<day>[0-9]{{1,2}}) (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{4}}) {_TIME} {_ZONE}",
    rf"[a-z]{{6,9}}, *(?P<day>[0-9]{{2}})-(?P<month>[a-z]{{3}})-(?P<year>[0-9]{{2}}) {_TIME} {_ZONE}",
    rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) +(?P<day>[0-9]{{1,2}}) {_TIME} (?P<year>[0-9]{{4}})",
)
_NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,18})?"  # nanoseconds of the epoch have 19 digits
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}
_PART = rf"({_NUMBER}) ?(ms|us|\u00b5s|ns|d|h|m|s)"
_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(Z|z|[+-][0-9]{2}:[0-9]{2})?"
_LEAST_EPOCH = 1e8  # seconds: a wait of three years, or a day in 1973; no server means either


def parse_date(value: str, now: datetime) -> datetime | None:
    """Read an HTTP-date; None for what is none.

    Args:
        now: Aware datetime that tells the century of a year of two digits.

    Source: RFC 9110, 5.6.7.
    """
    value = value.strip(" \t")
    if len(value) > _LONGEST_VALUE:
        return None
    for pattern in _DATES:
        found = re.fullmatch(pattern, value, re.IGNORECASE | re.ASCII)
        if found is None or found["month"].lower() not in _MONTHS:
            continue
        month, year = _MONTHS.index(found["month"].lower()) + 1, int(found["year"])
        if len(found["year"]) == 2:
            year += now.year // 100 * 100
            if year > now.year + 50:  # "more than 50 years in the future" stands for the past century
                year -= 100
        second = int(found["second"])
        try:
            moment = datetime(
                year, month, int(found["day"]), int(found["hour"]), int(found["minute"]), min(second, 59), tzinfo=UTC
            )
        except ValueError:
            return None
        if second > 60:
            return None
        try:
            return moment + timedelta(seconds=second - min(second, 59))  # 60 is a leap second
        except OverflowError:
            return moment
    return None


def parse_reset(value: str, now: datetime) -> float | None:
    """Read when a rate limit resets, in whichever form the server says it.

    | form | examples | meaning |
    | --- | --- | --- |
    | a number below 10^8 | `60`, `59.7`, `0` | seconds from now |
    | parts with units | `1m30s`, `59.7s`, `12ms`, `1d 2h` | a duration from now |
    | a number from 10^8 | `1741305600`, `1741305600000` | Unix epoch in seconds; from 10^11 in ms, \u00b5s or ns |
    | RFC 3339 | `2026-02-07T14:39:17Z`, `2026-02-07T14:39:17.5+01:00` | a moment; without an offset in UTC |
    | HTTP-date | `Sat, 07 Feb 2026 14:39:17 GMT` | a moment |

    Args:
        now: Aware datetime that moments are measured from.

    Returns:
        Seconds from now, 0 for a moment that has passed; None for any other text.
    """
    value = value.strip(" \t")
    if len(value) > _LONGEST_VALUE:
        return None
    if re.fullmatch(_NUMBER, value, re.ASCII):
        number = float(value)
        if number < _LEAST_EPOCH:
            return number
        while number >= 1000 * _LEAST_EPOCH:
            number /= 1000
        return max(0.0, number - now.timestamp())
    if re.fullmatch(rf"{_PART}(?: ?{_PART})*", value):
        return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))
    if re.fullmatch(_TIMESTAMP, value):
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:  # the 30th of February
            return None
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    else:
        date = parse_date(value, now)
        if date is None:
            return None
        moment = date
    return max(0.0, (moment - now).total_seconds())
