"""Signatures of methods that take `**args`: what `help`, notebooks, mocks and `inspect` see.

The parameters stand once, in TypedDicts, which is what type checkers read. Here they become parameters of the method.
That happens when a resource's module is imported; so the text of a type, which takes a hundred times longer than all
the rest, is made when somebody looks at it. The descriptions stand under the fields; scripts/stubs.py copies them into
the docstrings.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ForwardRef, NamedTuple, TypeVar, get_args, get_origin

from typing_inspection.introspection import UNKNOWN, AnnotationSource, inspect_annotation, is_union_origin
from typing_inspection.typing_objects import is_literal

from ..options import CALL_OPTIONS, CallOptions

if TYPE_CHECKING:
    from .._call.operation import Operation

F = TypeVar("F", bound=Callable[..., Any])

STREAM_TEXTS = {
    "stream": "Get a stream of events instead of the whole reply.",
    "idle_timeout_ms": "Streams only: bound of the time without an event; comments and pings don't count. 120,000 by "
    "default.",
}
"""What methods take beside a TypedDict, as their signatures name it."""
OPTIONS, OPTIONS_TEXT = "args", "Options of the call, see `CallOptions`."
"""What the source says of methods that take nothing else; `help` has a line for each."""
# Where a union has a name that a reader can look up.
_NAMED_IN = ("llmsdk.models.", "llmsdk.providers.ids")


class _Left:
    """The default of what may be left out: nothing is sent then."""

    def __repr__(self) -> str:
        return "..."


LEFT_OUT: Any = _Left()


class Shown:
    """An annotation that is written for readers when it is printed."""

    def __init__(self, *annotations: Any) -> None:
        self._annotations = annotations

    def __repr__(self) -> str:
        return " | ".join(dict.fromkeys(part for one in self._annotations for part in _members(one)))


# `typing.` before the name: Jedi would stop at overloads, and sees the function itself.
@typing.overload
def described_by(usual: type[Any], *others: type[Any], operation: Operation | None = None) -> Callable[[F], F]: ...
@typing.overload
def described_by(usual: type[Any], *others: type[Any], streams: str) -> Callable[[F], F]: ...
def described_by(usual: Any, *others: Any, operation: Operation | None = None, streams: str | None = None) -> Any:
    """Show for a method of `**args` the parameters of TypedDicts in its signature.

    Args:
        usual: The TypedDict of its arguments, each marked with `keywords`.
        others: Of a method that takes them in several forms: those of the other forms.
        operation: What the method does: it has the types of the result.
        streams: What a method that is no operation of its own returns, where it streams.
    """
    arguments = (usual, *others)
    # Reversed, so that the usual form has the say where two forms have one name.
    known = {name: kind for one in reversed(arguments) for name, kind in one.__annotations__.items()}
    # In all forms required, or in none: what a mock refuses would be a call that works.
    required = frozenset[str].intersection(*(one.__required_keys__ for one in arguments))

    def decorate(method: Any):  # type: ignore[no-untyped-def] # see below
        if TYPE_CHECKING:
            # Never run, and without annotations, as Jedi would take these for the answer: it follows `**keywords` into
            # calls, and so finds the parameters of the class and those that the method has of its own.
            def call(*args, **keywords):  # type: ignore[no-untyped-def] # pyright: ignore[reportMissingParameterType]
                usual(**keywords)
                return method(*args, **keywords)

            return call  # pyright: ignore[reportUnknownVariableType]
        else:  # noqa: RET505 - behind a `return`, mypy would find it unreachable
            shape = _Shape(known, required, operation, streams, inspect.iscoroutinefunction(method))
            method.__signature__ = _Lazy(partial(shape.signature, inspect.signature(method)))
            if method.__doc__:
                method.__doc__ = _LINE_OF_OPTIONS.sub(_lines_of_options, method.__doc__)
            return method

    return decorate


# From Python 3.13 on, docstrings come without the indentation of the source.
_LINE_OF_OPTIONS = re.compile(rf"^( +){OPTIONS}: {re.escape(OPTIONS_TEXT)}$", re.MULTILINE)


def _lines_of_options(found: re.Match[str]) -> str:
    lines = inspect.cleandoc(CallOptions.__doc__ or "").partition("Args:\n")[2].splitlines()
    return "\n".join(f"{found[1]}{line.removeprefix('    ')}" for line in lines)


class _Lazy(inspect.Signature):
    """A signature that is made when it is looked at.

    Six methods of chat have some sixty parameters each; making these at the import took 1.4 ms, as long
    as a call. `inspect` reads a signature by the members below and takes nothing but a subclass.
    """

    def __init__(self, make: Callable[[], inspect.Signature]) -> None:
        super().__init__()
        self._make = make
        self._made: inspect.Signature | None = None

    @property
    def made(self) -> inspect.Signature:
        """The signature itself."""
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def parameters(self) -> Any:
        return self.made.parameters

    @property
    def return_annotation(self) -> Any:
        return self.made.return_annotation

    def replace(self, **changes: Any) -> Any:
        """Make a plain signature that differs, as for a bound method."""
        return self.made.replace(**changes)


class _Shape(NamedTuple):
    """The parameters that `**args` of one method stands for."""

    known: Mapping[str, Any]
    required: frozenset[str]
    operation: Operation | None
    streams: str | None
    is_async: bool

    def signature(self, own: inspect.Signature) -> inspect.Signature:
        """Put the parameters behind those that the method has of its own."""
        kept = {one.name: one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD}
        shown = [one.replace(annotation=_shown(one.annotation)) for one in kept.values()]
        keywords = {name: _optional(name, Shown(kind)) for name, kind in self.known.items()}
        if self._has_stream:
            keywords["stream"] = _optional("stream", bool, default=False)
            keywords["idle_timeout_ms"] = _optional("idle_timeout_ms", float)
        for name in self._ordered(keywords):
            one = keywords[name]
            if name not in kept:  # else the method types it more narrowly
                shown.append(one.replace(default=one.empty) if name in self.required else one)
        return inspect.Signature(shown, return_annotation=self._returned(own))

    @property
    def _has_stream(self) -> bool:
        return self.streams is not None or (self.operation is not None and self.operation.chunk is not None)

    def _returned(self, own: inspect.Signature) -> Any:
        operation = self.operation
        if self.streams is not None:
            return Shown(self.streams)
        # What is overloaded has Any for an annotation. A coroutine function says what it gives when awaited.
        if operation is None or own.return_annotation not in (Any, "Any"):
            return _shown(own.return_annotation)
        if operation.chunk is None:
            return Shown(operation.reply)
        stream = "EventStreamAsync" if self.is_async else "EventStream"
        return Shown(operation.reply, f"{stream}[{_name(operation.chunk)}, {_name(operation.reply)}]")

    def _ordered(self, names: Iterable[str]) -> list[str]:
        """Put what is required first and what steers the call last, else in the order of the TypedDict."""
        listed = list(names)
        steering = CALL_OPTIONS if CallOptions.__annotations__.keys() <= set(listed) else frozenset[str]()
        return sorted(listed, key=lambda name: (name not in self._first, name in steering))

    @property
    def _first(self) -> frozenset[str]:
        return self.required if self.operation is None else self.required | self.operation.required


def _shown(annotation: Any) -> Any:
    # `inspect` knows "no annotation" by identity.
    return annotation if annotation is inspect.Parameter.empty else Shown(annotation)


def _optional(name: str, annotation: Any, default: Any = LEFT_OUT) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


# ------------------------------------------------------------------ types as text


def _members(annotation: Any) -> Iterator[str]:
    """Write a type, the members of a union each; a name that the models have for it goes first."""
    if isinstance(annotation, str | ForwardRef):
        yield annotation if isinstance(annotation, str) else annotation.__forward_arg__
        return
    if name := _alias(annotation):
        yield name
        return
    # `Required` and `Annotated` are for checkers and the checks: off they come, layer by layer.
    bare = inspect_annotation(annotation, annotation_source=AnnotationSource.ANY).type
    if bare is UNKNOWN:
        yield "Any"
    elif bare is not annotation:
        yield from _members(bare)
    elif is_union_origin(get_origin(bare)):
        for one in get_args(bare):
            yield from _members(one)
    else:
        yield _single(bare)


def _single(kind: Any) -> str:
    if kind is None or kind is type(None):
        return "None"
    if is_literal(get_origin(kind)):
        return f"Literal[{', '.join(map(repr, get_args(kind)))}]"
    arguments = get_args(kind)
    if not arguments:
        return _name(kind)
    if get_origin(kind) is Callable:
        return "Callable"  # with its arguments it would be longer than the rest of the line
    return f"{_name(get_origin(kind))}[{', '.join(map(_joined, arguments))}]"


def _joined(annotation: Any) -> str:
    return "..." if annotation is ... else repr(Shown(annotation))


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", None) or kind)


def _alias(annotation: Any) -> str | None:
    """Find the name that a module has for a union or for literals: these don't know their own."""
    if not (is_literal(get_origin(annotation)) or (get_args(annotation) and _is_union(annotation))):
        return None
    # Sorted: a copy, as other threads import; and the same name in every process.
    for module, found in sorted(sys.modules.items()):
        if module.startswith(_NAMED_IN):
            for name, value in vars(found).items():
                if value is annotation and not name.startswith("_"):
                    return name
    return None


def _is_union(annotation: Any) -> bool:
    bare = inspect_annotation(annotation, annotation_source=AnnotationSource.ANY).type
    return bare is not UNKNOWN and (is_union_origin(get_origin(bare)))
