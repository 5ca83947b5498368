"""Folding a streamed chat: text, reasoning, tool calls, log probabilities, usage, of several choices."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from ..utils.shapes import is_object
from ._fold.calls import Call, Calls
from ._fold.choices import ChoicesAccumulator
from ._fold.logprobs import LogprobsFold
from ._fold.rule import Fold, Pieces, says_the_same
from .chat_replies import (
    ChatChunkChoice,
    ChatCompletionChunk,
    ChatCompletionResponse,
    ChatDelta,
    ToolCallDelta,
    new_text,
)
from .common import FIRST_TEXT, is_list, text_of
from .messages import ChatMessage, FunctionCallDelta, GraphData

# What a plain piece of text does not have. Read from the instance's dict, here and in `add`, as attributes of pydantic
# cost several times as much and this is looked at for every chunk.
_rare_of_delta = itemgetter(
    "tool_calls", "reasoning", "reasoning_content", "refusal", "function_call", "graph_data", "blocks"
)
_NO_RARE_OF_DELTA = (None,) * 7
_rare_of_choice = itemgetter("finish_reason", "logprobs", "error", "message", "top_logprobs", "seed")
_NO_RARE_OF_CHOICE = (None,) * 6


class _Content:
    """The content of a message, which comes as text, as parts, or as both.

    Parts add up by the rule of `rule.py`, text being a part of type `text`. Thoughts stand in front, as in unstreamed
    replies, and content that is nothing but text is a string.
    """

    def __init__(self) -> None:
        self.text = Pieces()  # since the last part
        self._parts = Fold()
        self._has_parts = False

    def add(self, content: Any) -> None:
        """Take a text, a part, or a list of parts."""
        if isinstance(content, str):
            self.text.add(content)
            return
        self._has_parts = True
        for part in content if is_list(content) else [content]:
            if isinstance(part, str):
                self.text.add(part)
            else:
                self._parts.extend("parts", [*_text_part(self.text), part])
                self.text = Pieces()

    def build(self) -> Any:
        """Make the content; None where none has come."""
        text = str(self.text)
        parts: list[Any] = self._parts.build().get("parts", [])
        if not self._has_parts:
            return text if self.text.parts else None
        whole = Fold()
        # Texts that a thought stood between are one text again.
        whole.extend("parts", [part for part in parts if _is_thought(part)])
        whole.extend("parts", [*(part for part in parts if not _is_thought(part)), *_text_part(self.text)])
        built: list[Any] = whole.build().get("parts", [])
        is_text = all(is_object(part) and part.keys() == {"type", "text"} for part in built)
        return "".join(text_of(part) for part in built) if is_text else built


def _text_part(text: Pieces) -> list[Any]:
    return [{"type": "text", "text": str(text)}] if any(text.parts) else []


def _is_thought(part: Any) -> bool:
    return is_object(part) and part.get("type") in {"thinking", "redacted_thinking", "reasoning"}


class _Choice:
    """What has come of one choice."""

    role: Any = None
    calls: Calls | None = None
    function_call: Call | None = None
    message: Any = None
    graph_data: Fold | None = None
    blocks: list[Any] | None = None
    logprobs: LogprobsFold | None = None
    finish_reason: Any = None
    error: Any = None
    seed: Any = None
    # Set where a chunk that has the same beside its text says nothing new.
    last_extra: dict[str, Any] | None = None
    last_delta_extra: dict[str, Any] | None = None

    def __init__(self, index: int) -> None:
        self.index = index
        self.content = _Content()
        self.texts: dict[str, Pieces] = {}  # reasoning, reasoning_content, refusal
        self.message_extra = Fold()
        self.extra = Fold()

    def add(self, choice: ChatChunkChoice) -> None:
        self._add_delta(choice.delta, choice.text)
        self.finish_reason = choice.finish_reason or self.finish_reason
        self.message = self.message if choice.message is None else choice.message
        self.error = self.error if choice.error is None else choice.error
        self.seed = self.seed if choice.seed is None else choice.seed
        if choice.logprobs is not None:
            self.logprobs = self.logprobs or LogprobsFold()
            self.logprobs.add(choice.logprobs, new_text(choice))
        if choice.top_logprobs is not None:
            self.extra.add({"top_logprobs": choice.top_logprobs})
        if extra := choice.model_extra:
            self.extra.add({name: value for name, value in extra.items() if value is not None})
            self.last_extra = extra if says_the_same(extra) else None

    def _add_delta(self, delta: ChatDelta, beside: Any) -> None:
        self.role = self.role or delta.role
        content: Any = beside if delta.content is None else delta.content
        # Text beside an empty delta is no content of its own: it stands there on tool calls too.
        if content is not None and (content or delta.content is not None):
            self.content.add(content)
        # Kept under the name that it came under: what goes back to a server must be what it knows.
        for name in ("reasoning", "reasoning_content", "refusal"):
            if isinstance(text := getattr(delta, name), str):
                self.texts.setdefault(name, Pieces()).add(text)
            elif text is not None:
                self.message_extra.add({name: text})
        pieces: Any = delta.tool_calls
        # Anything else in their place says nothing that could be called, and is kept for whoever can read it.
        if is_list(pieces) and all(isinstance(piece, ToolCallDelta) for piece in pieces):
            self.calls = self.calls or Calls()
            self.calls.add(pieces)
        elif pieces is not None:
            self.message_extra.add({"tool_calls": pieces})  # no calls, and kept as they came
        if isinstance(delta.function_call, FunctionCallDelta):
            self.function_call = self.function_call or Call()
            self.function_call.add_function(delta.function_call)
        graph_data: Any = delta.graph_data
        if isinstance(graph_data, GraphData):
            self.graph_data = self.graph_data or Fold(is_state=True)
            self.graph_data.add(graph_data.model_dump(exclude_unset=True))
        elif graph_data is not None:
            self.message_extra.add({"graph_data": graph_data})
        if delta.blocks is not None:
            self.blocks = [*(self.blocks or ()), *delta.blocks]  # each is whole, and goes back as it came
        if extra := delta.model_extra:
            self.message_extra.add(extra)
            self.last_delta_extra = extra if says_the_same(extra) else None

    def _message(self) -> Any:
        content = self.content.build()
        has_calls = self.calls is not None or self.function_call is not None
        # Some servers put the whole message beside an empty delta into the last chunk.
        if isinstance(self.message, ChatMessage) and not (content or self.texts or has_calls):
            return self.message
        built = {**self.message_extra.build(), "role": self.role or "assistant", "content": content}
        built.update((name, str(text)) for name, text in self.texts.items())
        if self.blocks is not None and self.finish_reason:
            built["blocks"] = self.blocks
        elif self.blocks is not None:
            # Sent back, blocks go before everything else: of a message that was cut they are not all that came.
            built.pop("blocks_of", None)
        if self.graph_data is not None:
            built["graph_data"] = self.graph_data.build()
        if self.calls is not None:
            built["tool_calls"] = self.calls.build()
        if self.function_call is not None:
            built["function_call"] = self.function_call.function()
        return built

    def build(self) -> dict[str, Any]:
        built = {
            **self.extra.build(),
            "index": self.index,
            "message": self._message(),
            "finish_reason": self.finish_reason,
        }
        logprobs = self.logprobs and self.logprobs.build()
        once = {"logprobs": logprobs, "seed": self.seed, "error": self.error}
        return {**built, **{name: value for name, value in once.items() if value is not None}}


class ChatAccumulator(ChoicesAccumulator[ChatCompletionChunk, ChatCompletionResponse, _Choice]):
    """Folds the chunks of a chat."""

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Take the next chunk."""
        head = chunk.__dict__
        choices = head["choices"]
        # The plain case, a piece of text and nothing new beside it, is nearly every chunk there is.
        if self._complete and len(choices) == 1 and head["usage"] is None:
            choice = choices[0]
            beside = choice.__dict__
            known = self._choices.get(beside["index"])
            delta = beside["delta"]
            fields = delta.__dict__
            text = fields["content"]
            if (
                known is not None
                and type(text) is str
                and _rare_of_delta(fields) == _NO_RARE_OF_DELTA
                and _rare_of_choice(beside) == _NO_RARE_OF_CHOICE
                and head["warnings"] is None
                and (head["system_fingerprint"] is None or "system_fingerprint" in self._head.first)
                and (not (extra := delta.__pydantic_extra__) or extra == known.last_delta_extra)
                and (not (extra := choice.__pydantic_extra__) or extra == known.last_extra)
                and (not (extra := chunk.__pydantic_extra__) or extra == self._head.last_extra)
            ):
                (pieces := known.content.text).parts.append(text)
                if len(pieces.parts) >= pieces.most:
                    pieces.pack()
                return
        self._add_rare(chunk)

    def _add_rare(self, chunk: ChatCompletionChunk) -> None:
        self._head.add(chunk)
        for position, choice in enumerate(chunk.choices):
            index = position if choice.index is None else choice.index
            self._choices.setdefault(index, _Choice(index)).add(choice)
        if self._settle() and chunk.choices and chunk.choices[0].index == 1:
            vars(chunk)[FIRST_TEXT] = new_text(chunk.choices[0])

    def build(self) -> ChatCompletionResponse:
        """Make the reply of what has come so far."""
        if self.whole is not None:
            return self.whole
        states = sorted(self._choices.values(), key=lambda state: state.index)
        whole = {**self._head.build(), "object": "chat.completion", "choices": [state.build() for state in states]}
        return ChatCompletionResponse.model_validate(whole)


def as_chunk(reply: ChatCompletionResponse) -> ChatCompletionChunk:
    """Make the one chunk that a server should have streamed instead of this reply."""
    # A copy: the reply stays what the server sent, and `final` is that one.
    document = reply.model_dump()
    for choice in document["choices"]:
        choice["delta"] = choice.pop("message", None)
    return ChatCompletionChunk.model_validate({**document, "object": "chat.completion.chunk"})
