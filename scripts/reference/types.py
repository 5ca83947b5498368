"""Types and fields, as readers see them."""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typing_extensions
from descriptions import texts_of

from llmsdk import hooks
from llmsdk._call.budget import Budget
from llmsdk._call.failover.policy import Failover
from llmsdk._call.prices import Prices
from llmsdk.observers import Observer
from llmsdk.providers import ServerId

from .docstrings import first_line
from .found import home_of, linked
from .markdown import link

# Named as text in the options, since a plain call loads none of them.
_LATE = {"Budget": Budget, "Failover": Failover, "Hook": hooks.Hook, "Observer": Observer, "Prices": Prices}


def type_text(annotation: Any, here: str) -> str:
    """Write a type for readers, with links to the pages of our own."""
    return " \\| ".join(dict.fromkeys(members_of(annotation, here)))


def members_of(annotation: Any, here: str) -> Iterator[str]:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        yield "`None`"
    elif annotation is ServerId:
        yield link("server id", "servers.md", here)
    elif origin is Annotated or origin in (typing_extensions.Required, typing_extensions.NotRequired):
        yield from members_of(args[0], here)
    elif origin in (Union, types.UnionType):
        for member in args:
            yield from members_of(member, here)
    elif origin is Literal:
        yield from (f"`{quoted(value)}`" for value in args)
    elif origin in (list, collections.abc.Sequence):
        yield f"list of {_grouped(args[0], here)}"
    elif origin is collections.abc.Iterable:
        yield f"iterable of {_grouped(args[0], here)}"
    elif origin in (dict, collections.abc.Mapping):
        yield f"dict of {_grouped(args[0], here)} to {_grouped(args[1], here)}"
    elif origin is tuple:
        yield f"({', '.join(type_text(item, here) for item in args)})"
    elif origin is collections.abc.Callable:
        yield "function"
    elif isinstance(annotation, type) and home_of(annotation):
        yield linked(annotation, here)
    else:
        yield f"`{_plain_name(annotation)}`"


def _grouped(annotation: Any, here: str) -> str:
    text = type_text(annotation, here)
    return f"({text})" if "\\|" in text else text


def quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _plain_name(annotation: Any) -> str:
    if annotation is Any:
        return "Any"
    name = getattr(annotation, "__name__", None) or str(annotation)
    arguments = ", ".join(_plain_name(item) for item in get_args(annotation))
    return f"{name}[{arguments}]" if arguments else name


def description_of(kind: type[Any], name: str, annotation: Any) -> str:
    """Find the description of a field: its own, else that of its type."""
    found = texts_of(kind).get(name)
    if found is not None:
        return found
    bare = _bare(annotation)
    if get_origin(bare) is Literal and len(get_args(bare)) == 1:
        return f"Always `{quoted(get_args(bare)[0])}`."
    named = [one for one in _classes(annotation) if home_of(one)]
    return first_line(named[0]) if len(named) == 1 else ""


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        annotation = get_args(annotation)[0]
    return annotation


def _classes(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [kind for member in get_args(annotation) for kind in _classes(member)]


def fields_of(kind: Any) -> dict[str, Any]:
    """Give the fields of a TypedDict with their whole annotations."""
    return typing_extensions.get_type_hints(kind, localns=_LATE, include_extras=True)
