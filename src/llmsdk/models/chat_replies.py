"""What comes back from a chat: the whole reply and the chunks of a streamed one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ._thoughts import THOUGHTS, reasoning_of, tagged_in
from .common import (
    FIRST_TEXT,
    Logprobs,
    Loose,
    Model,
    Number,
    Object,
    Objects,
    OrEmpty,
    Reply,
    Text,
    Usage,
    Whole,
    is_list,
    text_of,
)
from .completions import PromptPart
from .messages import ChatMessage, FunctionCall, GraphData, ToolCall

FinishReason = Annotated[
    Literal["stop", "eos", "length", "tool_calls", "function_call", "content_filter", "error"] | str | None, Loose()
]


class ChatChoice(Model):
    """One of the answers.

    `finish_reason` says why generation ended, `native_finish_reason` the same in the server's own word. `seed` can
    exceed 64 bits. `error` is set where this answer failed.
    """

    # The position in the list stands in where a server numbers nothing.
    index: int | None = None
    message: Annotated[ChatMessage, OrEmpty(ChatMessage)] = Field(default_factory=ChatMessage)
    finish_reason: FinishReason = None
    logprobs: Annotated[Logprobs | None, Loose()] = None
    top_logprobs: Any = None
    text: Text = None
    seed: Whole = None
    native_finish_reason: Text = None


class ChatCompletionResponse(Reply):
    """The reply to a chat."""

    id: Text = None
    object: Text = None
    created: Number = None
    model: Text = None
    # No default, other than in chunks: a reply without choices is no reply, and the error says so.
    choices: list[ChatChoice]
    usage: Annotated[Usage | None, Loose()] = None
    prompt: Annotated[list[PromptPart] | None, Loose()] = None
    system_fingerprint: Text = None
    service_tier: Text = None
    warnings: Objects = None
    metadata: Object = None

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return text_of(self.choices[0].message.content) if self.choices else ""

    @property
    def reasoning(self) -> str:
        """Reasoning of the first choice, wherever the server puts it; what came stays where it came."""
        if not self.choices:
            return ""
        found = reasoning_of(self.choices[0].message)
        is_tagged = not found and self._meta is not None and self._meta.tags_reasoning
        return tagged_in(self.text) if is_tagged else found

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Tool calls of the first choice; what came in their place and is none stays in its message."""
        calls: Any = self.choices[0].message.tool_calls if self.choices else None
        return [call for call in calls if isinstance(call, ToolCall)] if is_list(calls) else []


class ToolCallDelta(Model):
    """A piece of a tool call; pieces of one `index` belong together and their `arguments` concatenate."""

    index: int | None = None
    id: Text = None
    type: Text = None
    # Loose: a piece in a shape of its own must not end the stream.
    function: Annotated[FunctionCall | None, Loose()] = None


class ChatDelta(Model):
    """The new part of a message."""

    role: Text = None
    content: Text = None
    refusal: Text = None
    reasoning: Text = None
    reasoning_content: Text = None
    tool_calls: Annotated[list[ToolCallDelta] | None, Loose()] = None
    function_call: Annotated[FunctionCall | None, Loose()] = None
    graph_data: Annotated[GraphData | None, Loose()] = None
    token_id: Whole = None
    blocks: Objects = None


class ChatChunkChoice(Model):
    """The new part of one of the answers.

    Together repeats the text of `delta` as `text`; count it once. `error` is set where this answer failed.
    """

    index: int | None = None
    delta: Annotated[ChatDelta, OrEmpty(ChatDelta)] = Field(default_factory=ChatDelta)
    finish_reason: FinishReason = None
    logprobs: Annotated[Logprobs | None, Loose()] = None
    top_logprobs: Any = None
    text: Text = None
    seed: Whole = None
    message: Annotated[ChatMessage | None, Loose()] = None
    error: Any = None


class ChatCompletionChunk(Model):
    """One event of a streamed chat; `choices` is empty on the one that carries only `usage`."""

    id: Text = None
    object: Text = None
    created: Number = None
    model: Text = None
    choices: Annotated[list[ChatChunkChoice], OrEmpty(list)] = Field(default_factory=list[ChatChunkChoice])
    usage: Annotated[Usage | None, Loose()] = None
    system_fingerprint: Text = None
    warnings: Objects = None

    @property
    def text(self) -> str:
        """New text of the first choice."""
        # Servers may put several choices into one chunk, in any order.
        for position, choice in enumerate(self.choices):
            if (position if choice.index is None else choice.index) == 0:
                return new_text(choice)
        # Set by the fold for servers that count from 1; no field, so that dumps and comparisons do not know of it.
        text: str = vars(self).get(FIRST_TEXT, "")
        return text

    @property
    def reasoning(self) -> str:
        """New reasoning of the first choice, wherever the server puts it."""
        for position, choice in enumerate(self.choices):
            if (position if choice.index is None else choice.index) == 0:
                text: str = reasoning_of(choice.delta) or vars(self).get(THOUGHTS, "")
                return text
        return ""


def new_text(choice: ChatChunkChoice) -> str:
    """Read the new text of a choice, once where a server sends it twice."""
    # Text beside the delta is a repetition of it, or all there is.
    content = choice.delta.content
    return text_of(choice.text if content is None else content)
