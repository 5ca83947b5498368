"""When a rate limit resets, in every form that servers write."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsdk.utils.dates import parse_reset

NOW = datetime(2026, 2, 7, 14, 39, 7, tzinfo=UTC)
SOON = int(NOW.timestamp()) + 10


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("0", 0.0),
        (" 2s ", 2.0),
        ("86399", 86399.0),
        ("2592000", 2592000.0),  # a month
        ("1s", 1.0),
        ("59.7s", 59.7),
        ("1m30s", 90.0),
        ("6m0s", 360.0),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400.0),
        ("1d 2h", 93600.0),
        ("7us", 7e-6),
        ("7\u00b5s", 7e-6),
        ("5ns", 5e-9),
        (f"{SOON}", 10.0),
        (f"{SOON}.25", 10.25),
        (f"{SOON}000", 10.0),
        (f"{SOON}250", 10.25),
        (f"{SOON}000000", 10.0),
        (f"{SOON}000000000", 10.0),
        ("1741305600", 0.0),  # long ago
        ("1741305600000", 0.0),
        ("2026-02-07T14:39:17Z", 10.0),
        ("2026-02-07t14:39:17z", 10.0),
        ("2026-02-07 14:39:17", 10.0),
        ("2026-02-07T14:39:17.5Z", 10.5),
        ("2026-02-07T14:39:17.123456789+00:00", 10.123456),
        ("2026-02-07T15:39:17+01:00", 10.0),
        ("2026-02-07T09:09:17-05:30", 10.0),
        ("2025-02-07T14:39:17Z", 0.0),
        ("Sat, 07 Feb 2026 14:39:17 GMT", 10.0),
        ("Fri, 06 Feb 2026 14:39:17 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("-1s", None),
        ("+5", None),
        ("1x", None),
        ("1s later", None),
        ("later 1s", None),
        ("s", None),
        ("1m30", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("\u0663", None),
        ("9" * 400, None),
        ("2026-02-30T14:39:17Z", None),
        ("2026-02-07T14:39:17+99:00", None),
        ("2026-02-07", None),
        ("14:39:17", None),
    ],
)
def test_every_form_of_a_reset(text: str, seconds: float | None) -> None:
    assert parse_reset(text, NOW) == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@given(wait=st.floats(0, 1e7), zone=st.integers(-23, 23))
def test_one_moment_reads_alike_in_every_form(wait: float, zone: int) -> None:
    moment = NOW + timedelta(seconds=round(wait))
    seconds = float(round(wait))
    epoch = int(moment.timestamp())
    texts = [f"{seconds:.1f}", f"{seconds:.0f}s", f"{epoch}", f"{epoch}000", f"{epoch}000000000"]
    texts += [moment.astimezone(timezone(timedelta(hours=zone))).isoformat(), f"{moment:%a, %d %b %Y %H:%M:%S} GMT"]
    assert [parse_reset(text, NOW) for text in texts] == [pytest.approx(seconds, abs=1e-3)] * len(texts)


@given(days=st.integers(0, 99), hours=st.integers(0, 23), minutes=st.integers(0, 59), ms=st.integers(0, 59_999))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, ms: int) -> None:
    text = f"{days}d{hours}h{minutes}m{ms / 1000:.3f}s"
    assert parse_reset(text, NOW) == pytest.approx(days * 86400 + hours * 3600 + minutes * 60 + ms / 1000)


@given(st.text(alphabet="0123456789.:-+TZtz dhmsun\u00b5\u0660Febat,GMT", max_size=40) | st.text(max_size=80))
def test_no_text_fails_or_gives_a_wait_below_zero(text: str) -> None:
    seconds = parse_reset(text, NOW)
    assert seconds is None or 0 <= seconds < 1e12
