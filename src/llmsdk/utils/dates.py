"""HTTP-dates, in the three forms that servers send."""

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
