"""Dataclasses that are cheap to define.

Before Python 3.13 a dataclass compiles each of its methods by itself, which was more than half of what importing this
package cost. Here only `__init__` is compiled, and all classes share the other methods.
"""

from __future__ import annotations

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
        made = standard(cls, eq=False, repr=False, slots=slots, kw_only=kw_only)
        for name in names:
            if name not in own:
                setattr(made, name, None if name == "__hash__" and not frozen else _SHARED[name])
        return made


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
