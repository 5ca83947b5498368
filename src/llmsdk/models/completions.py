"""Text completion: the parameters of a request, the reply, its chunks and how they fold."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Required

from pydantic import Field

from ..utils.keywords import keywords
from ._fold.choices import ChoicesAccumulator
from ._fold.logprobs import LogprobsFold
from ._fold.rule import Fold
from .common import (
    FIRST_TEXT,
    NOT_SENT,
    Listed,
    Logprobs,
    Loose,
    Model,
    Number,
    Objects,
    OrEmpty,
    PromptPart,
    Reply,
    SamplingParams,
    SentText,
    Text,
    Usage,
    Whole,
    shown,
    text_of,
)


@keywords
class CompletionParams(SamplingParams, total=False):
    """Parameters of a text completion, without the model."""

    prompt: Required[str | Annotated[Sequence[str | int | Annotated[Sequence[int], Listed()]], Listed()]]
    """The text to continue. Some servers also accept several texts, the ids of its tokens, or several lists of
    these."""
    max_tokens: int | None
    """Maximum number of tokens to generate, at least 1. Defaults to the server's own limit (Writer: 100)."""
    min_tokens: int | None
    """Minimum number of tokens to generate. Documented by Writer's older API."""
    n: int | None
    """Number of completions. Together: 1 to 128."""
    best_of: int | None
    """Number of completions that the server generates to return the best, at least 1."""
    echo: bool | None
    """Return the prompt with the reply."""
    logprobs: int | None
    """Number of alternatives to return per token, with their log probabilities. Together: 0 to 20."""
    suffix: str | None
    """Text that comes after the generated text."""


class CompletionRequest(CompletionParams, total=False):
    """A request of a text completion."""

    model: str
    """Id of the model; of Writer's older API it goes into the path."""
    stream: bool
    """Stream the reply as events."""


class CustomizationCompletionRequest(CompletionParams, total=False):
    """A request of a text completion from a customized model of Writer."""

    model: str
    """Id of the base model."""
    customization_id: str
    """Id of the customization."""


class CompletionChoice(Model):
    """One of the completions."""

    index: int | None = None
    """Position among the choices, from 0. Where the server sends none, the position in the list counts."""
    text: Text = None
    """The text that continues the prompt; in a stream, the new part of it."""
    finish_reason: Annotated[
        Literal["stop", "eos", "length", "tool_calls", "function_call", "content_filter", "error"] | str | None, Loose()
    ] = None
    """Why generation ended, such as `stop`, `length`, `tool_calls` or `content_filter`; None until it has ended."""
    logprobs: Annotated[Logprobs | None, Loose()] = None
    """Log probabilities, if requested."""
    seed: Whole = None
    """Seed that the server used; can exceed 64 bits."""


class CompletionResponse(Reply):
    """The reply to a text completion."""

    id: SentText = NOT_SENT
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: SentText = NOT_SENT
    """Model that answered, in the server's own spelling."""
    choices: Annotated[list[CompletionChoice], OrEmpty(list)] = Field(default_factory=list[CompletionChoice])
    """The completions; one unless `n` asks for more."""
    usage: Annotated[Usage | None, Loose()] = None
    """Token counts."""
    prompt: Annotated[list[PromptPart] | None, Loose()] = None
    """The prompt, if `echo` asks for it."""
    system_fingerprint: Text = None
    """Identifies the version of the server that ran the model."""
    warnings: Objects = None
    """Warnings of the server about the request."""

    @property
    def text(self) -> str:
        """Text of the first choice."""
        return text_of(self.choices[0].text) if self.choices else ""

    def _repr_html_(self) -> str:
        html: str = shown().reply_html(self)
        return html


# Together repeats the text here.
class CompletionDelta(Model):
    """The same new text as in `text`, in the form of chat."""

    role: Text = None
    """Who speaks; `assistant` in replies."""
    content: Text = None
    """The new text."""
    token_id: Whole = None
    """Id of the token, where the server sends one token per event."""


class CompletionChunkChoice(CompletionChoice):
    """The new part of one of the completions."""

    delta: Annotated[CompletionDelta | None, Loose()] = None
    """The new text again, in the form of chat."""
    error: Any = None
    """Why this completion failed, where it did."""


class CompletionChunk(Model):
    """One event of a streamed text completion."""

    id: SentText = NOT_SENT
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: SentText = NOT_SENT
    """Model that answered, in the server's own spelling."""
    choices: Annotated[list[CompletionChunkChoice], OrEmpty(list)] = Field(default_factory=list[CompletionChunkChoice])
    """The new parts of the completions."""
    usage: Annotated[Usage | None, Loose()] = None
    """Token counts, usually in the last chunk."""
    finish_reason: Text = None
    """Why generation ended, at servers that send it outside of `choices`."""
    seed: Whole = None
    """Seed that the server used; can exceed 64 bits."""
    system_fingerprint: Text = None
    """Identifies the version of the server that ran the model."""
    warnings: Objects = None
    """Warnings of the server about the request."""

    @property
    def text(self) -> str:
        """New text of the first choice."""
        for position, choice in enumerate(self.choices):
            if (position if choice.index is None else choice.index) == 0:
                return _new_text(choice)
        text: str = vars(self).get(FIRST_TEXT, "")
        return text


def _new_text(choice: CompletionChunkChoice) -> str:
    # The other way round than in chat: here `text` is the field, and the delta its repetition.
    text = choice.text
    if text is None and isinstance(choice.delta, CompletionDelta):
        text = choice.delta.content
    return text_of(text)


class _Choice:
    """What has come of one choice."""

    def __init__(self, index: int) -> None:
        self.index = index
        # A choice without an index gets none from the fold either.
        self.has_index = False
        self.parts: list[str] = []
        self.finish_reason: Any = None
        self.seed: Any = None
        self.error: Any = None
        self.logprobs = LogprobsFold()
        self.extra = Fold()

    def add(self, choice: CompletionChunkChoice, chunk: CompletionChunk) -> None:
        self.has_index = self.has_index or choice.index is not None
        self.parts.append(_new_text(choice))
        if reason := choice.finish_reason or chunk.finish_reason:
            self.finish_reason = reason
        seed = chunk.seed if choice.seed is None else choice.seed
        self.seed = self.seed if seed is None else seed
        self.error = self.error if choice.error is None else choice.error
        if choice.logprobs is not None:
            self.logprobs.add(choice.logprobs, _new_text(choice))
        self.extra.add(choice.model_extra)

    def build(self) -> dict[str, Any]:
        built = {**self.extra.build(), "text": "".join(self.parts), "finish_reason": self.finish_reason}
        if self.has_index:
            built["index"] = self.index
        once = {"logprobs": self.logprobs.build(), "seed": self.seed, "error": self.error}
        return {**built, **{name: value for name, value in once.items() if value is not None}}


class CompletionAccumulator(ChoicesAccumulator[CompletionChunk, CompletionResponse, _Choice]):
    """Folds the chunks of a text completion."""

    def __init__(self) -> None:
        super().__init__(frozenset({"token"}))  # which describes its chunk alone

    def add(self, chunk: CompletionChunk) -> None:
        """Take the next chunk."""
        choices = chunk.choices
        # As in chat: nearly every chunk is text and nothing else.
        if self._complete and len(choices) == 1 and chunk.usage is None and chunk.finish_reason is None:
            choice = choices[0]
            known = self._choices.get(choice.index)
            text = choice.text
            if (
                known is not None
                and type(text) is str
                and choice.finish_reason is None
                and choice.logprobs is None
                and choice.error is None
                and chunk.system_fingerprint is None
                and chunk.warnings is None
                and choice.seed is None
                and chunk.seed is None
                and not choice.__pydantic_extra__
                and chunk.__pydantic_extra__ == self._head.last_extra
            ):
                known.parts.append(text)
                return
        self._add_rare(chunk)

    def _add_rare(self, chunk: CompletionChunk) -> None:
        self._head.add(chunk)
        text = chunk.text
        for name, value in (chunk.model_extra or {}).items():
            # A route maps the dialect's field to ours, and what was mapped is not said twice.
            if isinstance(value, str) and value == text:
                self._head.rest.drop(name)  # the dialect's own spelling of the text
        for position, choice in enumerate(chunk.choices):
            index = position if choice.index is None else choice.index
            self._choices.setdefault(index, _Choice(index)).add(choice, chunk)
        # One reason for all choices, on a chunk of its own.
        if not chunk.choices and chunk.finish_reason:
            for state in self._choices.values():
                state.finish_reason = state.finish_reason or chunk.finish_reason
        if self._settle() and chunk.choices and chunk.choices[0].index == 1:
            vars(chunk)[FIRST_TEXT] = _new_text(chunk.choices[0])

    def build(self) -> CompletionResponse:
        """Make the reply of what has come so far."""
        if self.whole is not None:
            return self.whole
        head = self._head.build()
        if isinstance(head.get("object"), str):
            head["object"] = head["object"].removesuffix(".chunk")
        states = sorted(self._choices.values(), key=lambda state: state.index)
        return CompletionResponse.model_validate({**head, "choices": [state.build() for state in states]})


def as_chunk(reply: CompletionResponse) -> CompletionChunk:
    """Make the one chunk that a server should have streamed instead of this reply."""
    return CompletionChunk.model_validate(reply.model_dump())
