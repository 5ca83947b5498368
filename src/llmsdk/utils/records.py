"""Dataclasses that are cheap to define.

The standard library compiles the methods of each dataclass where it is defined, which was more than half of what
importing this package cost. Here all classes share their methods but `__init__`, which is compiled when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, repr=True, slots=False, kw_only=False):
        """Make a dataclass: the part of the standard library's decorator that is used here."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, repr=repr, slots=slots, kw_only=kw_only)
        from dataclasses import dataclass as standard

        names = ["__repr__"] if repr else []
        names += ["__eq__", "__hash__"] if eq else []
        names += ["__setattr__", "__delattr__"] if frozen else []
        own = vars(cls)
        made = standard(cls, init=False, eq=False, repr=False, slots=slots, kw_only=kw_only)
        made.__init__ = _Init(made)
        for name in names:
            if name not in own:
                setattr(made, name, None if name == "__hash__" and not frozen else _SHARED[name])
        return made


class _Init:
    """Stands where `__init__` will be, and puts it there when anybody asks for it."""

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls

    def __get__(self, record: Any, _: type[Any]) -> Any:
        init = self._cls.__init__ = _written_init(self._cls)
        return init if record is None else init.__get__(record)


def _written_init(cls: type[Any]) -> Callable[..., None]:
    """Compile what sets the fields of a class to its arguments."""
    fields: list[Field[Any]] = [*cls.__dataclass_fields__.values()]
    known: dict[str, Any] = {"_left_out": MISSING}
    lines = [line for field in fields for line in _lines(field, known)]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    given = [field for field in fields if field.init]
    named = [_parameter(field) for field in given if field.kw_only]
    parameters = ["self", *(_parameter(field) for field in given if not field.kw_only)]
    parameters += ["*", *named] if named else []
    head = f"def __init__({', '.join(parameters)}):"
    exec("\n ".join([head, *(lines or ["pass"])]), known)  # noqa: S102 # of names of our own fields, as dataclasses do
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {**{field.name: field.type for field in given}, "return": None}
    return init


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=_default_{field.name}"
    return field.name if field.default_factory is MISSING else f"{field.name}=_left_out"


def _lines(field: Field[Any], known: dict[str, Any]) -> Iterator[str]:
    """Write what sets one field; `known` learns what the lines and the parameter refer to."""
    name = field.name
    value = name if field.init else f"_default_{name}"
    if field.default is not MISSING:
        known[f"_default_{name}"] = field.default
    elif field.default_factory is not MISSING:
        known[f"_make_{name}"] = field.default_factory
        value = f"_make_{name}() if {name} is _left_out else {name}" if field.init else f"_make_{name}()"
    yield f"self.{name} = {value}"


def _compared(record: Any) -> tuple[Any, ...]:
    fields = record.__dataclass_fields__.values()
    return tuple(getattr(record, field.name) for field in fields if field.compare)


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _set_once(self: Any, name: str, value: Any) -> None:
    """Let `__init__` and unpickling fill a frozen record, and nobody change it."""
    is_set = name in self.__dict__ if hasattr(self, "__dict__") else hasattr(self, name)
    if is_set or name not in self.__dataclass_fields__:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _refuse_to_delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


_SHARED = {
    "__repr__": _repr,
    "__eq__": _eq,
    "__hash__": _hash,
    "__setattr__": _set_once,
    "__delattr__": _refuse_to_delete,
}
