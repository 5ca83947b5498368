"""Folding: the chunks of a stream become the reply that the unstreamed call would have returned."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel

from .common import Logprobs, is_list

ChunkT = TypeVar("ChunkT")
ReplyT = TypeVar("ReplyT")


FIRST_TEXT = "_first_text"
"""Where the dict of a chunk holds the text of the first choice of a server that counts from 1."""


class Accumulator(ABC, Generic[ChunkT, ReplyT]):
    """Takes the chunks of one stream and builds the whole reply from those that have come.

    Attributes:
        is_single: Whether one choice was asked for; some servers give it the number 1.
        whole: The reply, where it came whole in place of a stream.
    """

    is_single = False
    whole: ReplyT | None = None

    @abstractmethod
    def add(self, chunk: ChunkT) -> None:
        """Take the next chunk."""

    @abstractmethod
    def build(self) -> ReplyT:
        """Make the reply of what has come so far; may be called at any time and again."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether everything that was begun has come to its end."""

    @property
    def usage(self) -> Any:
        """The token counts, where they have come."""
        return getattr(self.build(), "usage", None)

    def failed_choice(self) -> Any | None:
        """Give the error object of a choice that failed and never got a finish reason; None if there is none."""
        return None


def keep_last(into: dict[str, Any], values: dict[str, Any] | None) -> None:
    """Put values that are not null over those that came before; a null counts only where nothing came yet."""
    for name, value in (values or {}).items():
        if value is not None or name not in into:
            into[name] = value


def extend(into: dict[str, Any], name: str, value: Any) -> None:
    """Append lists and merge maps of one name over the chunks; of anything else the last stays."""
    known = into.get(name)
    if is_list(value):
        into[name] = [*known, *value] if is_list(known) else value
    elif isinstance(value, dict) and isinstance(known, dict):
        into[name] = {**cast("dict[str, Any]", known), **cast("dict[str, Any]", value)}
    elif value is not None or name not in into:
        into[name] = value


class LogprobsFold:
    """The log probabilities of one choice, put together from all its chunks."""

    def __init__(self) -> None:
        self._lists: dict[str, list[Any]] = {}
        self._others: dict[str, Any] = {}
        self._scalars: list[Any] = []
        self.seen = False

    def add(self, logprobs: Any) -> None:
        """Take what a chunk has: an object, a list of tokens, or the number of one token."""
        self.seen = True
        if isinstance(logprobs, Logprobs):
            fields = {name: getattr(logprobs, name) for name in Logprobs.model_fields}
            for name, value in {**fields, **(logprobs.model_extra or {})}.items():
                # Only what came is kept; what a dialect's mapping filled in came too, though it does not count as set.
                if value is not None or name in logprobs.model_fields_set:
                    self._take(name, value)
        elif is_list(logprobs):
            self._take("content", logprobs)
        elif isinstance(logprobs, BaseModel | dict):
            self._others = dict(cast("dict[str, Any]", logprobs))
        else:
            self._scalars.append(logprobs)

    def _take(self, name: str, value: Any) -> None:
        if is_list(value):
            self._lists.setdefault(name, []).extend(value)
        else:
            extend(self._others, name, value)

    def build(self) -> Any:
        """Give the fields of the whole, or what came in their place; None where there were only nulls."""
        if not self.seen:
            return None
        whole = {**self._others, **{name: list(items) for name, items in self._lists.items()}}
        scalars = self._scalars
        if len(scalars) == 1 and not whole:
            return scalars[0]  # as in the unstreamed reply; several are one per token
        if scalars:
            known = whole.get("token_logprobs")
            whole["token_logprobs"] = [*(known if is_list(known) else ()), *scalars]
        return whole


class HeadFold:
    """The top level of a reply: id and model from the first chunk that has them, the rest from the last."""

    FIRST = ("id", "created", "model", "object", "system_fingerprint")

    def __init__(self, skip: frozenset[str] = frozenset()) -> None:
        self._skip = skip
        self.first: dict[str, Any] = {}
        self.usage: Any = None
        self.extra: dict[str, Any] = {}
        self.warnings: list[Any] | None = None
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
            if value is not None and not self.first.get(name):
                self.first[name] = value
        if chunk.usage is not None:
            self.usage = chunk.usage
        if is_list(chunk.warnings):
            known = self.warnings = self.warnings or []
            known.extend(warning for warning in chunk.warnings if warning not in known)
        self.last_extra = chunk.model_extra
        if chunk.model_extra:
            keep_last(self.extra, {name: value for name, value in chunk.model_extra.items() if name not in self._skip})

    def build(self) -> dict[str, Any]:
        """Give the fields of the reply beside its choices."""
        head = {**self.extra, **self.first}
        if self.usage is not None:
            head["usage"] = self.usage
        if self.warnings is not None:
            head["warnings"] = list(self.warnings)
        return head


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
        self._head = HeadFold(skip)
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
    def finished(self) -> bool:
        """Whether every choice has a finish reason."""
        return bool(self._choices) and all(state.finish_reason for state in self._choices.values())

    def failed_choice(self) -> Any | None:
        """Give the error object of a choice that failed and never got a finish reason."""
        failed = (state.error for state in self._choices.values() if not state.finish_reason)
        return next((error for error in failed if error is not None), None)
