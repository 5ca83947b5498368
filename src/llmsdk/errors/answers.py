"""Errors about what a model says: the reply came whole, and cannot be used as it was asked for."""

# Not `from __future__ import annotations`: signatures of named tuples would show ForwardRef('str').

from collections.abc import Sequence
from copy import copy, deepcopy
from typing import Any, NamedTuple, Self

from .base import RemoteError
from .meta import ReplyMeta

_SENT = ("messages", "rounds")  # pickles leave out what was sent, for none holds prompt text; copies share it


class Problem(NamedTuple):
    """One thing that is wrong with an answer.

    Attributes:
        place: A path such as `items[0].price`; a name that only the answer knows is written `*`.
        kind: Pydantic's name of the error, such as `missing` or `int_parsing`, or `json_invalid`.
    """

    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}" if self.place else self.kind


class AnswerError(RemoteError):
    """The answer of the model can't be used; the reply is kept.

    Attributes:
        reply: The whole reply.
        text: What the model wrote where the answer was expected.
    """

    def __init__(self, message: str, *, reply: Any, text: str = "", meta: ReplyMeta | None = None) -> None:
        super().__init__(message, meta=meta)
        self.reply = reply
        self.text = text

    def __reduce__(self) -> tuple[Any, ...]:
        # Emptied, not left out: the attributes are there after a pickle as before.
        restore, (kind, text, state) = super().__reduce__()
        return restore, (kind, text, {name: type(value)() if name in _SENT else value for name, value in state.items()})

    def __copy__(self) -> Self:
        restore, known = self.__reduce__()
        return self._shared(restore(*known))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        restore, known = self.__reduce__()
        return self._shared(restore(*deepcopy(known, memo)))

    def _shared(self, other: Self) -> Self:
        # Containers of their own, as the caller may change a copy; the messages inside are shared.
        vars(other).update((name, copy(value)) for name, value in vars(self).items() if name in _SENT)
        return other


class RefusalError(AnswerError):
    """The model refused to answer, or a content filter stopped its answer; `text` is the refusal, if there is one."""


class IncompleteOutputError(AnswerError):
    """The answer ends before its JSON does, most often because `max_tokens` was reached."""


class ParseError(AnswerError):
    """The answer isn't JSON, or doesn't match the requested type.

    Attributes:
        problems: What is wrong with the answer, and where.
    """

    def __init__(
        self,
        message: str,
        *,
        reply: Any,
        text: str = "",
        problems: Sequence[Problem] = (),
        meta: ReplyMeta | None = None,
    ) -> None:
        super().__init__(message, reply=reply, text=text, meta=meta)
        self.problems = tuple(problems)


class ToolCallError(AnswerError):
    """The model called an unknown tool, or with invalid arguments; raised with `on_error="raise"`.

    Attributes:
        tool: Name of the tool, None where there is no such one.
        problems: What is wrong with the arguments.
        messages: The conversation up to the reply that holds the call; empty once it was pickled.
    """

    def __init__(
        self,
        message: str,
        *,
        reply: Any = None,
        tool: str | None = None,
        problems: Sequence[Problem] = (),
        messages: Sequence[Any] = (),
        meta: ReplyMeta | None = None,
    ) -> None:
        super().__init__(message, reply=reply, meta=meta)
        self.tool = tool
        self.problems = tuple(problems)
        # A list of its own: the loop goes on with the one that it was given.
        self.messages = list(messages)


class MaxRoundsError(AnswerError):
    """The model still called tools after `max_rounds` rounds; the calls of the last reply were not run.

    Attributes:
        messages: The whole conversation, the last reply at its end; empty once it was pickled.
        rounds: The rounds that were gone through; empty once it was pickled.
    """

    def __init__(
        self,
        message: str,
        *,
        reply: Any,
        text: str = "",
        messages: Sequence[Any] = (),
        rounds: Sequence[Any] = (),
        meta: ReplyMeta | None = None,
    ) -> None:
        super().__init__(message, reply=reply, text=text, meta=meta)
        self.messages = list(messages)
        self.rounds = tuple(rounds)
