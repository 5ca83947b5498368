"""What happened in a loop over tools: results, rounds, and the whole run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import ReplyMeta
from ..models.chat import ChatCompletionResponse

ToolLike: TypeAlias = Callable[..., Any] | Mapping[str, Any]
"""A function, a `Tool` made of one, or, as a dict, a tool that the server runs itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came of one call that the model asked for.

    Attributes:
        id: The call's id, which the reply to the model repeats.
        name: Of the tool, as the model called it.
        arguments: JSON text, as the model wrote it.
        content: What the model is told.
        value: What the function gave back; None where it failed.
        error: What went wrong; None where nothing did.
    """

    id: str | None
    name: str
    arguments: str
    content: str
    value: Any = None
    error: Exception | None = None

    @property
    def message(self) -> dict[str, Any]:
        """The result as one of `messages`."""
        # No `name`: some servers refuse it here, and none needs it.
        told = {"role": "tool", "content": self.content}
        return told if self.id is None else {**told, "tool_call_id": self.id}


@dataclass(frozen=True, slots=True)
class Round:
    """One request to the model, and what the tools that it called gave; `number` counts from 1."""

    number: int
    reply: ChatCompletionResponse
    results: tuple[ToolResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A loop over tools that came to its end.

    Attributes:
        reply: The last reply, which calls no tool.
        messages: The whole conversation, `reply`'s message at its end; ready to be continued.
        rounds: Every round, the last one without results.
    """

    reply: ChatCompletionResponse
    messages: list[Any]
    rounds: tuple[Round, ...]

    @property
    def text(self) -> str:
        """Text of the last reply."""
        return self.reply.text

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the last request."""
        return self.reply.meta

    def _repr_html_(self) -> str:
        return self.reply._repr_html_()  # pyright: ignore[reportPrivateUsage] # a name that notebooks ask for
