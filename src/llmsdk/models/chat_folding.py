"""Folding a streamed chat: text, reasoning, tool calls, log probabilities, usage, of several choices."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import Any

from .chat_replies import (
    ChatChunkChoice,
    ChatCompletionChunk,
    ChatCompletionResponse,
    ChatDelta,
    ToolCallDelta,
    new_text,
)
from .common import is_list, text_of
from .folding import FIRST_TEXT, ChoicesAccumulator, LogprobsFold, extend, keep_last
from .messages import ChatMessage, FunctionCall

# What a plain piece of text does not have. Read from the instance's dict, here and in `add`, as attributes of pydantic
# cost several times as much and this is looked at for every chunk.
_rare_of_delta = itemgetter("tool_calls", "reasoning", "reasoning_content", "refusal", "function_call", "graph_data")
_NO_RARE_OF_DELTA = (None,) * 6
_rare_of_choice = itemgetter("finish_reason", "logprobs", "error", "message", "top_logprobs", "seed")
_NO_RARE_OF_CHOICE = (None,) * 6
_LOOSE_PARTS = 512  # pieces of text that are kept apart: a small string takes twice the memory of its text


class _Call:
    """What has come of one call: of a tool, or of a function in the older form."""

    def __init__(self, index: int | None = None) -> None:
        self.index = index
        self.id: Any = None
        self.type: Any = None
        self.name: Any = None
        self.arguments: list[str] | None = None
        self.object: Any = None
        self.extra: dict[str, Any] = {}
        self.function_extra: dict[str, Any] = {}

    def add(self, piece: ToolCallDelta) -> None:
        self.id = self.id or piece.id
        self.type = self.type or piece.type
        keep_last(self.extra, piece.model_extra)
        if isinstance(piece.function, FunctionCall):
            self.add_function(piece.function)

    def add_function(self, function: FunctionCall) -> None:
        self.name = self.name or function.name
        arguments: Any = function.arguments
        if isinstance(arguments, str):
            self.arguments = self.arguments or []
            self.arguments.append(arguments)
        elif arguments is not None:
            self.object = arguments  # some servers send an object in place of JSON text
        keep_last(self.function_extra, function.model_extra)

    def goes_on_with(self, name: Any) -> bool:
        """Whether a piece that repeats the name, without an id or with another, is more of this call, not a new one."""
        if name != self.name or self.object is not None:
            return False
        try:
            json.loads("".join(self.arguments or ()))
        except ValueError:
            return True
        return False

    def function(self) -> dict[str, Any]:
        built = {**self.function_extra, "name": self.name}
        if self.object is not None:
            built["arguments"] = self.object
        elif self.arguments is not None:
            built["arguments"] = "".join(self.arguments)
        return built

    def build(self) -> dict[str, Any]:
        built: dict[str, Any] = {**self.extra, "id": self.id or None, "type": self.type or "function"}
        if self.index is not None:
            built["index"] = self.index
        return {**built, "function": self.function()}


class _Calls:
    """Tells the pieces of tool calls apart: by index, else by id, else by order."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}

    def add(self, pieces: list[ToolCallDelta]) -> None:
        begun: set[int] = set()  # calls that this delta began; a further whole call in it is another one
        for position, piece in enumerate(pieces):
            call = self._find(piece, position, len(pieces), begun)
            if call is None:
                call = _Call(piece.index)
                self._calls.append(call)
                begun.add(id(call))
            if piece.index is not None:
                self._by_index[piece.index] = call
                call.index = piece.index
            if piece.id:
                self._by_id[str(piece.id)] = call
            call.add(piece)

    def _find(self, piece: ToolCallDelta, position: int, count: int, begun: set[int]) -> _Call | None:
        name = piece.function.name if isinstance(piece.function, FunctionCall) else None
        if piece.index is not None:
            known = self._by_index.get(piece.index)
            # Some servers give all calls the index 0, others every piece an id of its own.
            is_other = known is not None and name and piece.id and known.id not in (None, "", piece.id)
            return None if known is not None and is_other and not known.goes_on_with(name) else known
        if piece.id:
            return self._by_id.get(str(piece.id))
        if not self._calls:
            return None
        last = self._calls[-1]
        if name:
            return last if id(last) not in begun and last.goes_on_with(name) else None
        return self._calls[position] if count > 1 and position < len(self._calls) else last

    def build(self) -> list[dict[str, Any]]:
        calls = self._calls
        if all(call.index is not None for call in calls):
            calls = sorted(calls, key=lambda call: call.index or 0)
        return [call.build() for call in calls]


class _Choice:
    """What has come of one choice."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.parts: list[str] = []
        self.most_parts = _LOOSE_PARTS  # and those that are packed
        self.has_list = False  # some content came as a list, be it an empty one
        self.other_parts: list[Any] = []  # of a content that comes as a list: what is no text
        self.texts: dict[str, list[str]] = {}  # reasoning, reasoning_content, refusal
        self.role: Any = None
        self.calls: _Calls | None = None
        self.function_call: _Call | None = None
        self.message: Any = None
        self.message_extra: dict[str, Any] = {}
        self.finish_reason: Any = None
        self.error: Any = None
        self.seed: Any = None
        self.logprobs = LogprobsFold()
        self.extra: dict[str, Any] = {}
        self.last_extra: dict[str, Any] | None = None
        self.last_delta_extra: dict[str, Any] | None = None

    def add(self, choice: ChatChunkChoice) -> None:
        self._add_delta(choice.delta, choice.text)
        self.finish_reason = choice.finish_reason or self.finish_reason
        self.message = self.message if choice.message is None else choice.message
        self.error = self.error if choice.error is None else choice.error
        self.seed = self.seed if choice.seed is None else choice.seed
        if choice.logprobs is not None:
            self.logprobs.add(choice.logprobs)
        if choice.top_logprobs is not None:
            extend(self.extra, "top_logprobs", choice.top_logprobs)
        self.last_extra = choice.model_extra
        keep_last(self.extra, {key: value for key, value in (choice.model_extra or {}).items() if value is not None})

    def pack(self) -> None:
        """Put the loose pieces of text into one; in one step, as another thread may ask for what has come."""
        first = self.most_parts - _LOOSE_PARTS
        self.parts[first:] = ["".join(self.parts[first:])]
        self.most_parts += 1

    def _add_delta(self, delta: ChatDelta, beside: Any) -> None:
        self.role = self.role or delta.role
        content: Any = beside if delta.content is None else delta.content
        if isinstance(content, str):
            # Text beside an empty delta is no content of its own: it stands there on tool calls too.
            if delta.content is not None or content:
                self.parts.append(content)
        elif content is not None:
            self._add_parts(content)
        for name in ("reasoning", "reasoning_content", "refusal"):
            if isinstance(text := getattr(delta, name), str):
                self.texts.setdefault(name, []).append(text)
            elif text is not None:
                self.message_extra[name] = text
        pieces: Any = delta.tool_calls
        if is_list(pieces) and all(isinstance(piece, ToolCallDelta) for piece in pieces):
            self.calls = self.calls or _Calls()
            self.calls.add(pieces)
        elif pieces is not None:
            self.message_extra["tool_calls"] = pieces  # no calls, and kept as they came
        if isinstance(delta.function_call, FunctionCall):
            self.function_call = self.function_call or _Call()
            self.function_call.add_function(delta.function_call)
        if delta.graph_data is not None:
            self.message_extra["graph_data"] = delta.graph_data
        self.last_delta_extra = delta.model_extra
        keep_last(self.message_extra, delta.model_extra)

    def _add_parts(self, content: Any) -> None:
        self.has_list = True
        for part in content if is_list(content) else [content]:
            if text := text_of(part):
                self.parts.append(text)
            else:
                self.other_parts.append(part)

    def _message(self) -> Any:
        text = "".join(self.parts)
        has_calls = self.calls is not None or self.function_call is not None
        if isinstance(self.message, ChatMessage) and not (text or self.other_parts or self.texts or has_calls):
            return self.message
        content: Any = text if self.parts or self.has_list else None
        if self.other_parts:
            content = [*self.other_parts, *([{"type": "text", "text": text}] if text else [])]
        built = {**self.message_extra, "role": self.role or "assistant", "content": content}
        built.update((name, "".join(parts)) for name, parts in self.texts.items())
        if self.calls is not None:
            built["tool_calls"] = self.calls.build()
        if self.function_call is not None:
            built["function_call"] = self.function_call.function()
        return built

    def build(self) -> dict[str, Any]:
        built = {**self.extra, "index": self.index, "message": self._message(), "finish_reason": self.finish_reason}
        if (logprobs := self.logprobs.build()) is not None:
            built["logprobs"] = logprobs
        once = {"seed": self.seed, "error": self.error}
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
                known.parts.append(text)
                if len(known.parts) >= known.most_parts:
                    known.pack()
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
    document = reply.model_dump()
    for choice in document["choices"]:
        choice["delta"] = choice.pop("message", None)
    return ChatCompletionChunk.model_validate({**document, "object": "chat.completion.chunk"})
