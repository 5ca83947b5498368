"""The log probabilities of one choice, put together from all its chunks."""

from __future__ import annotations

from typing import Any, cast

from pydantic import BaseModel

from ..common import Logprobs, is_list
from .rule import Fold

# Lists with one entry per token, in one order.
_COLUMNS = ("tokens", "token_logprobs", "token_ids", "top_logprobs", "text_offset")


class LogprobsFold:
    """Lists extend, and those that have an entry per token stay in step.

    A chunk that has tokens and lacks one of the lists gets nulls there. A number alone is that of the token that is its
    chunk's text, or, where there is none, of the next tokens that come without numbers.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[Any]] = {}
        self._count = 0  # tokens so far
        self._numbers: list[Any] = []  # that came alone
        self._waiting: list[Any] = []  # of these, those without a token
        self._lists: dict[str, list[Any]] = {}
        self._others = Fold()
        self._is_number = True  # nothing but numbers has come

    def add(self, logprobs: Any, text: str | None = None) -> None:
        """Take what a chunk has: an object, a list of tokens, or the number of one token, whose text is the chunk's."""
        if isinstance(logprobs, Logprobs):
            fields = {name: getattr(logprobs, name) for name in Logprobs.model_fields}
            said = {**fields, **(logprobs.model_extra or {})}
            # Only what came is kept; what a dialect's mapping filled in came too, though it does not count as set.
            came = logprobs.model_fields_set
            self._add_object({name: value for name, value in said.items() if value is not None or name in came})
        elif is_list(logprobs):
            self._add_object({"content": logprobs})
        elif isinstance(logprobs, BaseModel | dict):
            self._add_object(dict(cast("dict[str, Any]", logprobs)))
        else:
            self._numbers.append(logprobs)
            if text:
                self._add_columns({"tokens": [text], "token_logprobs": [logprobs]})
            else:
                self._waiting.append(logprobs)

    def _add_object(self, said: dict[str, Any]) -> None:
        self._is_number = False
        columns = {name: said.pop(name) for name in _COLUMNS if is_list(said.get(name))}
        if columns:
            self._add_columns(columns)
        for name, value in said.items():
            if is_list(value):
                self._lists.setdefault(name, []).extend(value)
            else:
                self._others.add({name: value})

    def _add_columns(self, said: dict[str, list[Any]]) -> None:
        if waiting := self._waiting:
            self._waiting = []
            is_theirs = not said.get("token_logprobs") and len(waiting) <= len(said.get("tokens", ()))
            if is_theirs:
                said["token_logprobs"] = waiting
            else:
                self._add_columns({"token_logprobs": waiting})
        for name, values in said.items():
            column = self._columns.setdefault(name, [])
            if values:  # some servers send an empty list with every token
                column += [None] * (self._count - len(column)) + values
        self._count += max(map(len, said.values()))

    def build(self) -> Any:
        """Return the fields of the whole, or what came in their place; None where there were only nulls."""
        if self._is_number and len(self._numbers) < 2:
            return self._numbers[0] if self._numbers else None  # as in the unstreamed reply; several are one per token
        columns = {name: list(column) for name, column in self._columns.items()}
        count = self._count + len(self._waiting)
        if self._waiting:
            numbers = columns.setdefault("token_logprobs", [])
            numbers += [None] * (self._count - len(numbers)) + self._waiting
        for column in columns.values():
            if column:
                column += [None] * (count - len(column))
        return {**self._others.build(), **{name: list(items) for name, items in self._lists.items()}, **columns}
