"""Records: what they share with frozen dataclasses."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError
from typing import Any, ClassVar

import pytest

from llmsdk.utils.records import Record


class Place(Record):
    name: str
    port: int = 80
    kind: ClassVar[str] = "tcp"


class Other(Record):
    name: str
    port: int = 80


def test_fields_are_given_by_place_or_by_name() -> None:
    one = Place("a", 81)
    assert (one.name, one.port, one.kind) == ("a", 81, "tcp")
    assert one == Place(port=81, name="a") != Place("a")
    assert Place("a").port == 80
    assert repr(one) == "Place(name='a', port=81)"


def test_equal_records_are_one_key_and_classes_differ() -> None:
    assert len({Place("a"), Place("a", 80), Place(name="a")}) == 1
    other: Any = Other("a")
    assert Place("a") != other
    assert hash(Place("a")) != hash(other)


@pytest.mark.parametrize("make", [lambda: Place(), lambda: Place("a", 1, 2), lambda: Place("a", kind="udp")])  # type: ignore[call-arg,misc] # the assertion
def test_wrong_arguments_are_told_with_the_right_ones(make: Any) -> None:
    with pytest.raises(TypeError, match="Place takes name, port"):
        make()


def test_a_record_does_not_change() -> None:
    one = Place("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        one.name = "b"  # type: ignore[misc] # the assertion
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del one.name  # type: ignore[misc] # the assertion


def test_it_travels_and_is_copied() -> None:
    one = Place("a", 81)
    assert pickle.loads(pickle.dumps(one)) == one
    assert copy.copy(one) == copy.deepcopy(one) == one
    assert one.__replace__(port=82) == Place("a", 82)


def test_its_signature_is_that_of_its_fields() -> None:
    assert str(inspect.signature(Place)) == "(name: 'str', port: 'int' = 80)"
    assert list(inspect.signature(Place).parameters) == list(Place.takes) == ["name", "port"]
