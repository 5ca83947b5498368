"""Dataclasses with shared methods behave as the standard library's do."""

import copy
import dataclasses
import inspect
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


@records.dataclass(kw_only=True)
class Made:
    name: str
    tags: list[str] = dataclasses.field(default_factory=list[str])
    label: str = dataclasses.field(default="none", init=False)
    seen: list[str] = dataclasses.field(default_factory=list[str], init=False)

    def __post_init__(self) -> None:
        self.label = f"<{self.name}>"


@records.dataclass
class Empty:
    """Has no field."""


class Below(Loose):
    """Inherits what makes it."""


def test_what_is_left_out_is_made_anew_for_each_record() -> None:
    one, other = Made(name="a"), Made(name="a", tags=["x"])
    one.tags.append("y")
    one.seen.append("z")
    assert (one.tags, other.tags, other.seen, one.label) == (["y"], ["x"], [], "<a>")
    assert Below("b").name == "b"
    assert Below("b") != Loose("b")
    assert Empty() == Empty()


def test_what_makes_a_record_shows_its_fields_before_and_after_the_first() -> None:
    @records.dataclass(frozen=True, slots=True)
    class Fresh:
        name: str
        size: int = 1
        rest: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)

    for _ in range(2):
        assert list(inspect.signature(Fresh).parameters) == ["name", "size", "rest"]
        assert inspect.signature(Fresh).parameters["size"].default == 1
        assert inspect.signature(Fresh).parameters["rest"].kind is inspect.Parameter.KEYWORD_ONLY
        assert Fresh.__init__.__annotations__["size"] is int
        assert Fresh.__init__.__qualname__.endswith("Fresh.__init__")
        assert Fresh("a", rest=(2,)).rest == (2,)


@pytest.mark.parametrize("arguments", [{}, {"name": "a", "other": 1}, {"name": "a", "label": "b"}])
def test_a_record_cannot_be_made_of_what_does_not_fit(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Made(**arguments)
