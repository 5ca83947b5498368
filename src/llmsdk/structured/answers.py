"""JSON that a model wrote: where it stands in a text, and how it is read as a type."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from ..errors import Problem
from ..utils.shapes import is_list, is_object
from .schemas import place_of

# What chat templates leave at the end of a text: </s>, <|im_end|>, <|eot_id|>, <end_of_turn>, <eos>.
_END_MARKS = re.compile(r"(?:\s*(?:</s>|<\|[\w-]{1,40}\|>|<end_of_turn>|<eos>))+\s*\Z")
# Thoughts in front of an answer, one after the other; some servers drop the first tag.
# Mistral's models write theirs in square brackets.
_TAG = r"(?:think|thinking|thought|reasoning)[>\]]"
_THOUGHTS = re.compile(rf".*?[<\[]/{_TAG}(?:\s*[<\[]{_TAG}.*?[<\[]/{_TAG})*", re.DOTALL | re.IGNORECASE)
_OPEN_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*[\w+-]*[ \t]*\n?", re.MULTILINE)
_FENCED = re.compile(rf"{_OPEN_FENCE.pattern}(.*?)\n?[ \t]*(?:```|~~~)[ \t]*$", re.DOTALL | re.MULTILINE)


class AnswerProblems(Exception):
    """What is wrong with what a model wrote; `told` may quote it, and goes to the model alone."""

    def __init__(self, problems: Sequence[Problem], told: str = "", *, is_cut: bool = False) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = list(problems)
        self.told = told or str(self)
        self.is_cut = is_cut


def found_json(text: str) -> tuple[str, Any]:
    """Find the JSON of an answer, and parse it.

    It is the whole text, without a byte order mark and end marks; else what follows the model's thoughts; else the one
    fenced block there.

    Raises:
        AnswerProblems: There is none.
    """
    for candidate in _candidates(text):
        try:
            return candidate, from_json(candidate)
        except ValueError:
            continue
    rest = _without_thoughts(_bare(text))
    is_cut = any(map(_is_cut, (_bare(text), rest, _OPEN_FENCE.sub("", rest, count=1))))
    raise AnswerProblems([Problem("", "json_invalid")], is_cut=is_cut)


def partial_json(text: str) -> Any:
    """Parse as much of a JSON text as has come; None where that is nothing yet. Never raises."""
    text = text.removeprefix("\ufeff")
    rest = _without_thoughts(text)
    fence = _OPEN_FENCE.search(rest)
    for candidate in (text, rest, *([re.split("```|~~~", rest[fence.end() :], maxsplit=1)[0]] if fence else ())):
        try:
            return from_json(candidate, allow_partial="trailing-strings")
        except ValueError:
            continue
    return None


def _candidates(text: str) -> Iterator[str]:
    text = _bare(text)
    rest = _without_thoughts(text)
    yield text
    yield rest
    blocks: list[str] = _FENCED.findall(rest)
    if len(blocks) == 1:
        yield blocks[0]
    elif not blocks and (fence := _OPEN_FENCE.match(rest.lstrip())):
        yield rest.lstrip()[fence.end() :]  # nothing closes it, and the JSON may be whole


def _bare(text: str) -> str:
    return _END_MARKS.sub("", text.removeprefix("\ufeff"))


def _without_thoughts(text: str) -> str:
    found = _THOUGHTS.match(text)
    return text[found.end() :] if found else text


def _is_cut(text: str) -> bool:
    """Recognize JSON that lacks its end only; with more behind its end it is whole, and wrong."""
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    try:
        json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return True
    return False


# ---------------------------------------------------------------- as a type


def validated(adapter: TypeAdapter[Any], text: str, data: Any, known: frozenset[str], *, whole: str) -> Any:
    """Read JSON as a type; a null where the type takes none stands for what may be left out, as in strict mode.

    Args:
        data: The same, parsed.
        known: Names that may stand in an error: those of the type, not those of the answer.
        whole: What the model is told of a problem that is about all of it.

    Raises:
        AnswerProblems: It does not fit.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as exc:
        first = exc
    pruned = _without_nulls(first, data)
    if pruned is None:
        raise _problems(first, data, known, whole)
    try:
        return adapter.validate_json(to_json(pruned))
    except ValidationError as exc:
        raise _problems(exc, pruned, known, whole) from None


def _problems(exc: ValidationError, data: Any, known: frozenset[str], whole: str) -> AnswerProblems:
    errors = exc.errors(include_url=False, include_context=False, include_input=False)
    problems = [Problem(place_of(error["loc"], data, known), error["type"]) for error in errors]
    told = [f"{problem.place or whole}: {error['msg']}" for problem, error in zip(problems, errors, strict=True)]
    return AnswerProblems(list(dict.fromkeys(problems)), "; ".join(dict.fromkeys(told)))


def _without_nulls(exc: ValidationError, data: Any) -> Any:
    """Leave out the nulls that were refused; None where there were none."""
    places = [error["loc"] for error in exc.errors(include_url=False, include_context=False) if error["input"] is None]
    pruned = json.loads(to_json(data))
    dropped = [_drop_null(pruned, place) for place in places]
    return pruned if any(dropped) else None


def _drop_null(data: Any, place: tuple[str | int, ...]) -> bool:
    """Delete the deepest null of a place, whose steps may name branches of a union too."""
    holder: Any = None
    name: Any = None
    for step in place:
        if is_object(data) and step in data:
            holder, name, data = data, step, data[str(step)]
        elif is_list(data) and isinstance(step, int) and step < len(data):
            holder, name, data = None, None, data[step]
    if data is None and is_object(holder):
        del holder[name]
        return True
    return False
