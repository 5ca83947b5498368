"""Cells of tables: what JSON has no word for, and whole numbers that a gap has made floats."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from llmsdk.models import ChatCompletionRequest, EmbeddingRequest
from llmsdk.resources.rows.cells import as_json, plain, whole_numbers


def same(found: Any, wanted: Any) -> bool:
    """Compare with types, since 3 and 3.0 are equal."""
    return repr(found) == repr(wanted)


@pytest.mark.parametrize(
    "value, wanted",
    [
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
        (time(3, 4), "03:04:00"),
        (Decimal(3), 3),
        (Decimal("3.00"), 3),
        (Decimal("0.5"), 0.5),
        ("é".encode(), "é"),
        (b"\xff", b"\xff"),
        ({"a": None, "b": [{"c": None, "d": date(2026, 1, 2)}]}, {"b": [{"d": "2026-01-02"}]}),
        (True, True),
    ],
)
def test_values_that_json_lacks(value: Any, wanted: Any) -> None:
    assert same(as_json(value), wanted)


@pytest.mark.parametrize("missing", [math.nan, Decimal("nan")])
def test_missing_numbers_are_none(missing: Any) -> None:
    assert plain([missing, {"a": missing}]) == [None, {"a": None}]


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({"max_tokens": 3.0}, {"max_tokens": 3}),
        ({"max_tokens": 3}, {"max_tokens": 3}),
        ({"max_tokens": 3.5}, {"max_tokens": 3.5}),  # refused by the check of the call
        ({"max_tokens": math.inf}, {"max_tokens": math.inf}),
        ({"temperature": 1.0, "seed": 7.0}, {"temperature": 1.0, "seed": 7}),
        ({"logit_bias": {"50256": -100.0}}, {"logit_bias": {"50256": -100.0}}),
        ({"extra_body": {"n": 3.0}}, {"extra_body": {"n": 3.0}}),
        ({"messages": "Hi", "n": 2.0}, {"messages": "Hi", "n": 2}),
    ],
)
def test_whole_numbers_are_whole_where_a_parameter_wants_them(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert same(whole_numbers(given, ChatCompletionRequest), wanted)


def test_whole_numbers_in_lists() -> None:
    assert same(whole_numbers({"input": [[1.0, 2.0], [3.0]]}, EmbeddingRequest), {"input": [[1, 2], [3]]})
    assert same(whole_numbers({"input": [1.0, 2.5]}, EmbeddingRequest), {"input": [1.0, 2.5]})
