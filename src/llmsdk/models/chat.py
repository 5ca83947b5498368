"""Chat: the parameters of a request, and by re-export what comes back and how it folds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Required

from typing_extensions import TypedDict

from ..utils.keywords import keywords
from . import chat_folding
from .chat_folding import ChatAccumulator
from .chat_replies import (
    ChatChoice,
    ChatChunkChoice,
    ChatCompletionChunk,
    ChatCompletionResponse,
    ChatDelta,
    ToolCallDelta,
)
from .common import Listed, SamplingParams
from .messages import MessageItem, TextPart
from .tools import FunctionDefinition, NamedFunction, ResponseFormatParam, ToolChoiceParam, ToolParam

if TYPE_CHECKING:
    from ..utils.plain import AsParam

    ToolItem = ToolParam | AsParam
else:
    ToolItem = ToolParam  # what it stands for is there before the types are checked

__all__ = [
    "AudioParam",
    "ChatAccumulator",
    "ChatChoice",
    "ChatChunkChoice",
    "ChatCompletionChunk",
    "ChatCompletionParams",
    "ChatCompletionRequest",
    "ChatCompletionResponse",
    "ChatDelta",
    "PredictionParam",
    "ReasoningParam",
    "ToolCallDelta",
]

as_chunk = chat_folding.as_chunk


class AudioParam(TypedDict, total=False):
    """The voice and format of a spoken answer."""

    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"] | str
    """Name of the voice."""
    format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | str
    """Format of the recording."""


class PredictionParam(TypedDict, total=False):
    """Text that most of the answer repeats, such as a file before a small change."""

    type: Literal["content"] | str
    """`content`."""
    content: Required[str | Annotated[Sequence[TextPart], Listed()]]
    """The known text."""


class ReasoningParam(TypedDict, total=False):
    """Whether and how a model reasons before it answers."""

    enabled: bool | None
    """Let the model reason."""
    effort: Literal["low", "medium", "high"] | str | None
    """How much it reasons."""


@keywords
class ChatInputParams(TypedDict, total=False):
    """What a model reads, without the forms that `parse` and `run_tools` set themselves."""

    messages: Required[Annotated[Iterable[MessageItem], Listed()]]
    """The conversation so far, oldest first: dicts with a `role`, or messages of replies."""
    tool_choice: ToolChoiceParam | None
    """Which tool to call: `none`, `auto`, `required`, or an object that names one."""
    parallel_tool_calls: bool | None
    """Allow several tool calls in one reply."""
    reasoning_effort: Literal["low", "medium", "high"] | str | int | bool | None
    """How much the model reasons; at some servers also a number of tokens, or a bool."""
    reasoning: ReasoningParam | None
    """Whether the model reasons."""
    thinking: Mapping[str, Any] | None
    """How the model thinks, an object as the server has it, such as `{"type": "enabled"}`."""
    verbosity: Literal["low", "medium", "high"] | str | None
    """How long the answer is. Documented by OpenAI."""
    previous_response_id: str | None
    """Id of a stored reply to continue from. Documented by OpenAI."""


@keywords
class ChatCommonParams(SamplingParams, ChatInputParams, total=False):
    """Parameters of a chat without those that `parse` and `run_tools` set themselves."""

    max_tokens: int | None
    """Maximum number of tokens to generate, at least 1."""
    max_completion_tokens: int | None
    """Maximum number of tokens to generate, including reasoning, at least 1."""
    n: int | None
    """Number of answers. Together, r9s: 1 to 128."""
    logprobs: bool | int | None
    """Return log probabilities: true or false. Together: the number
    of alternatives, 0 to 20. r9s: not with `stream`."""
    top_logprobs: int | None
    """Number of alternatives to return per token, 0 to 20; needs `logprobs`."""
    echo: bool | None
    """Return the prompt with the reply."""
    function_call: Literal["none", "auto"] | str | NamedFunction | None
    """Deprecated form of `tool_choice`: `none`, `auto` or an object with the name."""
    context_length_exceeded_behavior: Literal["truncate", "error"] | str | None
    """If prompt and `max_tokens` exceed the context length: `error` (default), or `truncate` to reduce `max_tokens`."""
    compliance: Literal["hipaa"] | str | None
    """Compliance rules, such as `hipaa`. Documented by Together."""
    chat_template_kwargs: Mapping[str, Any] | None
    """Arguments of the model's chat template."""
    modalities: Annotated[Sequence[Literal["text", "audio"] | str], Listed()] | None
    """Kinds of output: `text`, `audio`."""
    audio: AudioParam | None
    """Voice and format of a spoken answer."""
    service_tier: Literal["auto", "default"] | str | None
    """Service tier, such as `auto`, `default` or `flex`."""
    store: bool | None
    """Store the reply at the server."""
    metadata: Mapping[str, Any] | None
    """Labels stored with the reply."""
    functions: Annotated[Sequence[FunctionDefinition], Listed()] | None
    """Deprecated form of `tools`: functions that the model may call."""
    prediction: PredictionParam | None
    """Expected text of the answer, to speed it up. Documented by OpenAI, Mistral, Fireworks and Cerebras."""
    prompt_cache_key: str | None
    """Groups requests with the same prefix for prompt caching. Documented by OpenAI, xAI and others."""
    prompt_cache_options: Mapping[str, Any] | None
    """Options of prompt caching, such as `{"mode": "explicit"}`. Documented by OpenAI."""
    prompt_cache_retention: Literal["in_memory", "24h"] | str | None
    """Deprecated: how long to cache. Documented by OpenAI."""
    safety_identifier: str | None
    """Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI."""
    moderation: Mapping[str, Any] | None
    """Check prompt and answer, `{"model": ...}`. Documented by OpenAI."""
    web_search_options: Mapping[str, Any] | None
    """Search the web, such as `{"search_context_size": "low"}`. Documented by OpenAI and Perplexity."""


@keywords
class ChatFormParams(TypedDict, total=False):
    """What forms an answer can have."""

    tools: Annotated[Iterable[ToolItem], Listed()] | None
    """Tools that the model may call; kinds other than `function` are Writer's."""
    response_format: ResponseFormatParam | None
    """Format of the answer: text, JSON, JSON Schema, or a pattern."""


@keywords
class ChatCompletionParams(ChatCommonParams, ChatFormParams, total=False):
    """Parameters of a chat, without the model."""


class ChatCompletionRequest(ChatCompletionParams, total=False):
    """A request of a chat."""

    model: str
    """Id of the model."""
    stream: bool
    """Stream the reply as events."""
