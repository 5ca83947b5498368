"""Records: classes of named values that do not change, and that cost little to define.

The standard library compiles the methods of each frozen dataclass where the class stands, which takes 0.4 to 0.8 ms.
The thirty that a first call passes were two thirds of what importing this package took. Records share their methods.
One takes 2 us to make: they are for what a process makes once. What every call makes is a named tuple or a dataclass.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from inspect import Parameter, Signature, get_annotations
from typing import Any, ClassVar, NoReturn, Self, dataclass_transform


class _Signature:
    """The signature of a class, made when somebody asks for it."""

    def __get__(self, record: object, kind: type[Record]) -> Signature:
        kinds = get_annotations(kind)
        return Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=getattr(kind, name, Parameter.empty),
                    annotation=kinds[name],
                )
                for name in kind.takes
            ]
        )


@dataclass_transform(frozen_default=True)
class Record:
    """Fields, given by place or by name, with the defaults that the class states; equality, and a form for readers."""

    takes: ClassVar[tuple[str, ...]] = ()
    __signature__: ClassVar[Any] = _Signature()

    def __init_subclass__(cls) -> None:
        own = get_annotations(cls).items()
        cls.takes = tuple(name for name, kind in own if not str(kind).startswith("ClassVar"))

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self.takes
        given = {**dict(zip(names, values, strict=False)), **named}
        # A default is an attribute of the class, and so the record's own as long as it has no other.
        lacking = [name for name in names if name not in given and not hasattr(type(self), name)]
        if lacking or len(values) > len(names) or not given.keys() <= {*names}:
            needed = f", and needs {', '.join(map(repr, lacking))}" if lacking else ""
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'no arguments'}{needed}")
        vars(self).update(given)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.takes)

    def __replace__(self, **changes: Any) -> Self:
        """Make another one that differs in some fields; `copy.replace` calls it, from Python 3.13 on."""
        return type(self)(**{**dict(zip(self.takes, self._values(), strict=True)), **changes})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values()))

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __repr__(self) -> str:
        shown = (f"{name}={value!r}" for name, value in zip(self.takes, self._values(), strict=True))
        return f"{type(self).__name__}({', '.join(shown)})"
