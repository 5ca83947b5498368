"""JSONPaths over decoded JSON: values found, set and copied. Paths are constants of ours, never user input.

`jsonpath-python` finds what takes a search: `$..name`, filters, slices. Members, indexes and `[*]` are walked here: a
path costs 0.3 us in place of 2.2 us, some sixty of them are tried on an error body, and importing the package costs
27 ms, which a process that never searches does not pay (`python benchmarks/jsonpaths.py`). Setting and copying along a
path the package does not have.
"""

from __future__ import annotations

import re
import warnings
from copy import copy as shallow_copy
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Steps: TypeAlias = "tuple[str | int, ...]"


class _Missing(Enum):
    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


class _Any(Enum):
    ANY = "*"


MISSING: Final = _Missing.MISSING
_ANY: Final = _Any.ANY

_STEP = r"\.?([A-Za-z_][A-Za-z0-9_\-]*)|\[([0-9]+)\]|\['([^'\\]+)'\]|(\[\*\])"


@lru_cache(maxsize=1024)
def _compile(path: str) -> tuple[str | int | _Any, ...] | None:
    """Split a path of members, indexes and `[*]` into steps; None if it holds anything else."""
    position = 2 if path.startswith("$.") and not path.startswith("$..") else path.startswith("$")
    steps: list[str | int | _Any] = []
    step = re.compile(_STEP)  # compiled where it is first used: most calls map nothing
    while position < len(path):
        found = step.match(path, position)
        if found is None:
            return None
        member, index, quoted, _ = found.groups()
        steps.append(member or quoted or (_ANY if index is None else int(index)))
        position = found.end()
    return tuple(steps)


@lru_cache(maxsize=256)
def _compile_rich(path: str) -> Any:
    # By name: it has no types.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it asks for names that Python 3.12 calls deprecated
        package = import_module("jsonpath")
    return package.JSONPath(path)


def find(path: str, document: object) -> list[Any]:
    """List what a path finds, in document order; nothing where the document has another shape."""
    steps = _compile(path)
    if steps is not None:
        return [value for _, value in _walk(document, steps)]
    if not isinstance(document, (dict, list)):
        return []
    # A parsed path keeps its results in itself: threads, and a caller who changes the list, each need a copy.
    parsed = shallow_copy(_compile_rich(path))
    try:
        return cast("list[Any]", parsed.parse(document))
    except Exception:  # the package's errors share no class; a document that cannot be searched has no such value
        return []


def first(path: str, document: Any) -> Any:
    """Return the first value that a path finds, or MISSING."""
    steps = _compile(path)
    if steps is None or _ANY in steps:
        found = find(path, document)
        return found[0] if found else MISSING
    value = document
    for step in steps:
        if value.__class__ is dict:
            value = value.get(step, MISSING)
        elif value.__class__ is list and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def firsts(groups: Iterable[Iterable[str]], document: Any) -> list[list[Any]]:
    """Return the first value that each path of some groups finds, or MISSING."""
    return [[first(path, document) for path in paths] for paths in groups]


def assign(document: object, path: str, value: object) -> list[Steps]:
    """Set the value at a path of members and indexes, making the containers that are absent.

    Args:
        document: Changed in place. What is there already is never replaced by a container; lists that are too short
            are filled with null.

    Returns:
        Every place that was not there before, outermost first, the value's own last if it is new; nothing if the
        document's shape has no room for the value, which then is unchanged.
    """
    steps = _definite(path)
    made = _assign(document, steps, value)
    return [] if made is None else [steps[:length] for length in range(made, len(steps) + 1)]


def copy(document: object, source: str, target: str) -> list[Steps]:
    """Copy every value found at `source` to `target` where nothing is there yet.

    Args:
        document: Changed in place; the value itself is shared, not duplicated.
        source: Members, indexes and `[*]`.
        target: The same number of `[*]`, which take the indexes that were found.

    Returns:
        For each value copied, the outermost place that was made for it: deleting these undoes the copy.
    """
    origin, goal = _compile(source), _compile(target)
    if origin is None or goal is None or origin.count(_ANY) != goal.count(_ANY):
        raise ValueError(f"paths {source!r} and {target!r} do not pair up")
    made: list[Steps] = []
    for indexes, value in list(_walk(document, origin)):
        remaining = iter(indexes)
        steps = tuple(next(remaining) if step is _ANY else step for step in goal)
        if not any(True for _ in _walk(document, steps)):
            length = _assign(document, steps, value)
            if length is not None:
                made.append(steps[:length])
    return made


def move(document: Any, source: str, target: str) -> Any:
    """Move every value found at `source` to `target`, as `copy` does, and delete the containers that this empties.

    Args:
        document: Changed in place.
        source: Members, indexes and `[*]`; items that a `[*]` stands for stay, empty or not.
        target: As in `copy`; or `$`, which makes the first value found the document.

    Returns:
        The document.
    """
    if not _compile(target):
        found = first(source, document)
        return document if found is MISSING else found
    if copy(document, source, target):
        _delete(document, _compile(source) or ())
    return document


def _delete(value: Any, steps: tuple[str | int | _Any, ...]) -> None:
    """Delete the values at the steps, and what is empty then on the way to them."""
    step, *rest = steps
    if step is _ANY:
        for item in _items(value):
            _delete(item, tuple(rest))
        return
    inner = _child(value, step)
    if inner is not MISSING and rest:
        _delete(inner, tuple(rest))
    if inner is not MISSING and not (rest and inner):
        del value[step]


def _definite(path: str) -> Steps:
    steps = _compile(path)
    if not steps or _ANY in steps:
        raise ValueError(f"path {path!r} does not name one place")
    return cast("Steps", steps)


def _child(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return cast("dict[str, Any]", value).get(step, MISSING) if isinstance(value, dict) else MISSING
    return _items(value)[step] if step < len(_items(value)) else MISSING


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType] - JSON is untyped


def _walk(value: Any, steps: tuple[str | int | _Any, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield each value at the steps, with the indexes that the wildcards stood for."""
    for position, step in enumerate(steps):
        if step is _ANY:
            for index, item in enumerate(_items(value)):
                for deeper, found in _walk(item, steps[position + 1 :]):
                    yield (index, *deeper), found
            return
        value = _child(value, step)
        if value is MISSING:
            return
    yield (), value


def _assign(document: Any, steps: Steps, value: object) -> int | None:
    """Set the value; give the number of steps to the outermost new place (one too many if none is), or None."""
    parent: Any = document
    depth = 0
    while depth < len(steps) - 1 and (inner := _child(parent, steps[depth])) is not MISSING:
        parent = inner
        depth += 1
    last = steps[depth]
    if not isinstance(parent, dict if isinstance(last, str) else list):
        return None
    is_new = _child(parent, steps[depth]) is MISSING
    for step in reversed(steps[depth + 1 :]):
        value = {step: value} if isinstance(step, str) else [*[None] * step, value]
    place = cast("Any", parent)
    if is_new and isinstance(last, int):
        place.extend([None] * (last + 1 - len(place)))
    place[last] = value
    return depth + 1 if is_new else len(steps) + 1
