"""Dataclasses with shared methods behave as the standard library's do."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from llmsdk.utils import records


@records.dataclass(frozen=True, kw_only=True)
class Frozen:
    name: str
    tags: dict[str, int] = dataclasses.field(default_factory=dict[str, int], compare=False)
    hidden: int = dataclasses.field(default=0, repr=False)


@records.dataclass(frozen=True, slots=True)
class Slotted:
    name: str
    size: int = 1


@records.dataclass
class Loose:
    name: str

    def __repr__(self) -> str:
        return "its own"


def test_fields_print_compare_and_hash_as_declared() -> None:
    one = Frozen(name="a", tags={"x": 1}, hidden=2)
    assert repr(one) == "Frozen(name='a', tags={'x': 1})"
    assert one == Frozen(name="a", hidden=2)
    assert hash(one) == hash(Frozen(name="a", hidden=2))
    assert one != Frozen(name="a")
    assert one.__eq__(Slotted("a")) is NotImplemented
    assert Slotted("a") == Slotted("a", 1) != Slotted("a", 2)


@pytest.mark.parametrize("record", [Frozen(name="a"), Slotted("a")])
def test_a_frozen_record_cannot_be_changed(record: Any) -> None:
    for name in ("name", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=name):
            setattr(record, name, "b")
    with pytest.raises(dataclasses.FrozenInstanceError, match="name"):
        del record.name
    assert record.name == "a"


@pytest.mark.parametrize("record", [Frozen(name="a", hidden=3), Slotted("a", 5), Loose("a")])
def test_records_are_copied_and_pickled(record: Any) -> None:
    assert copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == dataclasses.replace(record) == record


def test_a_record_that_is_not_frozen_has_no_hash_and_keeps_its_own_methods() -> None:
    record = Loose("a")
    record.name = "b"
    assert record == Loose("b")
    assert repr(record) == "its own"
    with pytest.raises(TypeError, match="unhashable"):
        hash(record)
