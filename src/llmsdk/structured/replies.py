"""A chat reply together with the value that it was parsed into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, Self, TypeVar, cast

from pydantic import PrivateAttr

from ..models.chat import ChatCompletionResponse

T = TypeVar("T")


class ParsedChatCompletion(ChatCompletionResponse, Generic[T]):
    """The reply to `chat.parse`: everything of a chat reply, and `parsed`, which is not part of the dump."""

    # Private: a dump of the reply is what the server sent.
    _parsed: Any = PrivateAttr(default=None)
    _reasks: int = PrivateAttr(default=0)

    @property
    def parsed(self) -> T:
        """The answer of the first choice, as the type that was asked for."""
        return cast(T, self._parsed)

    @property
    def reasks(self) -> int:
        """How often the model was asked again before the answer fitted."""
        return self._reasks

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return [*super().__repr_args__(), ("parsed", self._parsed)]

    @classmethod
    def of(cls, reply: ChatCompletionResponse, parsed: Any, reasks: int) -> Self:
        """Attach its parsed value to a reply."""
        # Not validated again: the reply has been, and a copy would lose which fields were set.
        made = cls.model_construct(set(reply.model_fields_set), **reply.__dict__, **(reply.model_extra or {}))
        made._meta = reply.meta
        made._parsed, made._reasks = parsed, reasks
        return made


def with_parsed(reply: ChatCompletionResponse, parsed: T, reasks: int = 0) -> ParsedChatCompletion[T]:
    """Attach its parsed value to a reply, with its type."""
    kind: type[ParsedChatCompletion[T]] = ParsedChatCompletion
    return kind.of(reply, parsed, reasks)
