"""What comes back from a chat: the whole reply and the chunks of a streamed one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ._thoughts import THOUGHTS, reasoning_of, tagged_in
from .common import (
    FIRST_TEXT,
    NOT_SENT,
    Logprobs,
    Loose,
    Model,
    Number,
    Object,
    Objects,
    OrEmpty,
    PromptPart,
    Reply,
    SentText,
    Text,
    Usage,
    Whole,
    is_list,
    shown,
    text_of,
)
from .messages import ChatMessage, FunctionCallDelta, GraphData, ToolCall

FinishReason = Annotated[
    Literal["stop", "eos", "length", "tool_calls", "function_call", "content_filter", "error"] | str | None, Loose()
]


class ChatChoice(Model):
    """One of the answers."""

    # The position in the list stands in where a server numbers nothing.
    index: int | None = None
    """Position among the choices, from 0. Where the server sends none, the position in the list counts."""
    message: Annotated[ChatMessage, OrEmpty(ChatMessage)] = Field(default_factory=ChatMessage)
    """The answer."""
    finish_reason: FinishReason = None
    """Why generation ended, such as `stop`, `length`, `tool_calls` or `content_filter`; None until it has ended."""
    logprobs: Annotated[Logprobs | None, Loose()] = None
    """Log probabilities, if requested."""
    top_logprobs: Any = None
    """Alternatives of each token, where the server sends them outside of `logprobs`."""
    text: Text = None
    """The text of the answer, where the server also sends it outside of `message`."""
    seed: Whole = None
    """Seed that the server used; can exceed 64 bits."""
    native_finish_reason: Text = None
    """The finish reason in the word of the server behind a router."""


class ChatCompletionResponse(Reply):
    """The reply to a chat."""

    id: SentText = NOT_SENT
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: SentText = NOT_SENT
    """Model that answered, in the server's own spelling."""
    # No default, other than in chunks: a reply without choices is no reply, and the error says so.
    choices: list[ChatChoice]
    """The answers; one unless `n` asks for more."""
    usage: Annotated[Usage | None, Loose()] = None
    """Token counts."""
    prompt: Annotated[list[PromptPart] | None, Loose()] = None
    """The prompt, if `echo` asks for it."""
    system_fingerprint: Text = None
    """Identifies the version of the server that ran the model."""
    service_tier: Text = None
    """Processing tier that the server used."""
    warnings: Objects = None
    """Warnings of the server about the request."""
    metadata: Object = None
    """Labels of the request, returned by the server."""

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return text_of(self.choices[0].message.content) if self.choices else ""

    @property
    def reasoning(self) -> str:
        """Reasoning of the first choice, whichever field the server uses."""
        if not self.choices:
            return ""
        found = reasoning_of(self.choices[0].message)
        is_tagged = not found and self._meta is not None and self._meta.tags_reasoning
        return tagged_in(self.text) if is_tagged else found

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Tool calls of the first choice; invalid ones are only in its message."""
        calls: Any = self.choices[0].message.tool_calls if self.choices else None
        return [call for call in calls if isinstance(call, ToolCall)] if is_list(calls) else []

    def _repr_html_(self) -> str:
        html: str = shown().reply_html(self)
        return html


class ToolCallDelta(Model):
    """A piece of a tool call; pieces of one `index` belong together and their `arguments` concatenate."""

    index: int | None = None
    """Position of the call among the calls; pieces of one position belong together."""
    id: Text = None
    """Id of the call, in its first piece."""
    type: Text = None
    """Kind of tool, in the first piece."""
    # Loose: a piece in a shape of its own must not end the stream.
    function: Annotated[FunctionCallDelta | None, Loose()] = None
    """Name of the function, or the next part of its arguments."""


class ChatDelta(Model):
    """The new part of a message."""

    role: Text = None
    """Who speaks, in the first chunk."""
    content: Text = None
    """New text."""
    refusal: Text = None
    """New text of a refusal."""
    reasoning: Text = None
    """New text of reasoning."""
    reasoning_content: Text = None
    """The same as `reasoning`, under the name that other servers use."""
    tool_calls: Annotated[list[ToolCallDelta] | None, Loose()] = None
    """New pieces of tool calls."""
    function_call: Annotated[FunctionCallDelta | None, Loose()] = None
    """Deprecated form of a tool call."""
    graph_data: Annotated[GraphData | None, Loose()] = None
    """What a knowledge graph of Writer found."""
    token_id: Whole = None
    """Id of the token, where the server sends one token per event."""
    blocks: Objects = None
    """New content in the server's own protocol, where it has one."""


class ChatChunkChoice(Model):
    """The new part of one of the answers."""

    index: int | None = None
    """Position among the choices, from 0. Where the server sends none, the position in the list counts."""
    delta: Annotated[ChatDelta, OrEmpty(ChatDelta)] = Field(default_factory=ChatDelta)
    """The new part."""
    finish_reason: FinishReason = None
    """Why generation ended, such as `stop`, `length`, `tool_calls` or `content_filter`; None until it has ended."""
    logprobs: Annotated[Logprobs | None, Loose()] = None
    """Log probabilities of the new tokens, if requested."""
    top_logprobs: Any = None
    """Alternatives of each token, where the server sends them outside of `logprobs`."""
    text: Text = None
    """Together's repetition of the text in `delta`; count it once."""
    seed: Whole = None
    """Seed that the server used; can exceed 64 bits."""
    message: Annotated[ChatMessage | None, Loose()] = None
    """The whole answer, at servers that send it in place of `delta`."""
    error: Any = None
    """Why this answer failed, where it did."""


class ChatCompletionChunk(Model):
    """One event of a streamed chat; `choices` is empty on the one that carries only `usage`."""

    id: SentText = NOT_SENT
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: SentText = NOT_SENT
    """Model that answered, in the server's own spelling."""
    choices: Annotated[list[ChatChunkChoice], OrEmpty(list)] = Field(default_factory=list[ChatChunkChoice])
    """The new parts of the answers; empty in a chunk that only carries `usage`."""
    usage: Annotated[Usage | None, Loose()] = None
    """Token counts, usually in the last chunk."""
    system_fingerprint: Text = None
    """Identifies the version of the server that ran the model."""
    warnings: Objects = None
    """Warnings of the server about the request."""

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
