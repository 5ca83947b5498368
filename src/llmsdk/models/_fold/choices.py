"""What folding a chat and folding a text completion have in common: a head, and choices that finish or fail."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from ..common import is_list
from ..folding import Accumulator, ChunkT, ReplyT
from .rule import Fold, says_the_same

_OF_ONE_CHUNK = frozenset({"obfuscation"})  # OpenAI's random filler, which hides the length of a token


class HeadFold:
    """The top level of a reply: id and model from the first chunk that has them, the rest by the rule of `rule.py`.

    Args:
        skip: Names that describe their chunk alone.
    """

    __slots__ = ("_skip", "first", "last_extra", "rest", "usage")
    FIRST = ("id", "created", "model", "object", "system_fingerprint")

    def __init__(self, skip: frozenset[str]) -> None:
        self._skip = skip
        self.first: dict[str, Any] = {}
        self.usage: Any = None
        self.rest = Fold(is_state=True)
        self.last_extra: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Whether later chunks can no longer change id, model and time."""
        first = self.first
        return bool(first.get("id") and first.get("model") and first.get("created"))

    def add(self, chunk: Any) -> None:
        """Take the top level of a chunk."""
        for name in self.FIRST:
            value = getattr(chunk, name)
            # Some servers begin with an empty id, and some give every chunk an id of its own.
            if value is not None and not self.first.get(name):
                self.first[name] = value
        if chunk.usage is not None:
            self._add_usage(chunk.usage)
        if is_list(chunk.warnings):
            self.rest.extend("warnings", chunk.warnings)
        self.last_extra = chunk.model_extra if says_the_same(chunk.model_extra, is_state=True) else None
        if chunk.model_extra:
            self.rest.add({name: value for name, value in chunk.model_extra.items() if name not in self._skip})

    def _add_usage(self, usage: Any) -> None:
        """Keep the newest counts, and of older ones what the newest do not say."""
        known = self.usage
        if isinstance(known, BaseModel) and isinstance(usage, BaseModel) and _said(known) - _said(usage):
            counts = Fold(is_state=True)
            for one in (known, usage):
                counts.add(one.model_dump(exclude_unset=True))
            self.usage = type(usage).model_validate(counts.build())
        else:
            self.usage = usage

    def build(self) -> dict[str, Any]:
        """Return the fields of the reply beside its choices."""
        head = {**self.rest.build(), **self.first}
        return head if self.usage is None else {**head, "usage": self.usage}


def _said(counts: BaseModel) -> set[str]:
    return {name for name, value in {**vars(counts), **(counts.model_extra or {})}.items() if value is not None}


class _ChoiceState(Protocol):
    """What has come of one choice."""

    finish_reason: Any
    error: Any


ChoiceT = TypeVar("ChoiceT", bound=_ChoiceState)


class ChoicesAccumulator(Accumulator[ChunkT, ReplyT], Generic[ChunkT, ReplyT, ChoiceT]):
    """What folding a chat and folding a text completion have in common: a head, and choices that finish or fail.

    Args:
        skip: Names of the head that describe their chunk alone.
    """

    def __init__(self, skip: frozenset[str] = frozenset()) -> None:
        self._head = HeadFold(skip | _OF_ONE_CHUNK if skip else _OF_ONE_CHUNK)
        self._choices: dict[int | None, ChoiceT] = {}
        self._complete = False  # whether a chunk of nothing but text may take the short way

    def _settle(self) -> bool:
        """Note what a chunk has completed; whether the one choice has the number 1, which no short way may pass by."""
        is_shifted = self.is_single and 1 in self._choices and 0 not in self._choices
        self._complete = self._head.complete and not is_shifted
        return is_shifted

    @property
    def usage(self) -> Any:
        """The token counts, where they have come."""
        return self._head.usage

    @property
    def is_empty(self) -> bool:
        """Whether no choice has come."""
        return not self._choices and self.whole is None

    @property
    def finished(self) -> bool:
        """Whether every choice has a finish reason."""
        return bool(self._choices) and all(state.finish_reason for state in self._choices.values())

    def failed_choice(self) -> Any | None:
        """Return the error object of a choice that failed and never got a finish reason; `error` is none of a model."""
        failed = (state.error for state in self._choices.values() if state.finish_reason in (None, "", "error"))
        return next((error for error in failed if error is not None), None)
