"""Chat: the parameters of a request, and by re-export what comes back and how it folds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required

from pydantic import Field
from typing_extensions import TypedDict

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

    voice: Annotated[
        Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"] | str, Field(description="Name of the voice.")
    ]
    format: Annotated[
        Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | str, Field(description="Format of the recording.")
    ]


class PredictionParam(TypedDict, total=False):
    """What most of the answer will be, such as a file before a small change."""

    type: Annotated[Literal["content"] | str, Field(description="`content`.")]
    content: Required[Annotated[str | Annotated[Sequence[TextPart], Listed()], Field(description="The known text.")]]


class ReasoningParam(TypedDict, total=False):
    """Whether and how a model reasons before it answers."""

    enabled: Annotated[bool | None, Field(description="Let the model reason.")]
    effort: Annotated[Literal["low", "medium", "high"] | str | None, Field(description="How much it reasons.")]


class ChatCommonParams(SamplingParams, total=False):
    """Parameters of a chat without those that `parse` and `run_tools` set themselves."""

    messages: Required[
        Annotated[
            Sequence[MessageItem],
            Listed(),
            Field(description="The conversation so far, oldest first: dicts with a `role`, or messages of replies."),
        ]
    ]
    max_tokens: Annotated[int | None, Field(description="Most tokens to generate, at least 1.")]
    max_completion_tokens: Annotated[
        int | None, Field(description="Most tokens to generate, reasoning included, at least 1.")
    ]
    n: Annotated[int | None, Field(description="How many answers to make. Together, r9s: 1 to 128.")]
    logprobs: Annotated[
        bool | int | None,
        Field(
            description="Log probabilities of the tokens: true or false; Together: how many alternatives, 0 to 20; r9s "
            "not with `stream`."
        ),
    ]
    top_logprobs: Annotated[
        int | None, Field(description="How many alternatives to give per token, 0 to 20; needs `logprobs`.")
    ]
    echo: Annotated[bool | None, Field(description="Give the prompt back with the reply.")]
    tool_choice: Annotated[
        ToolChoiceParam | None,
        Field(description="Which tool to call: `none`, `auto`, `required`, or an object that names one."),
    ]
    parallel_tool_calls: Annotated[bool | None, Field(description="Allow several tool calls at once.")]
    function_call: Annotated[
        Literal["none", "auto"] | str | NamedFunction | None,
        Field(description="Older form of `tool_choice`: `none`, `auto` or an object with the name."),
    ]
    reasoning_effort: Annotated[
        Literal["low", "medium", "high"] | str | int | bool | None,
        Field(description="How much the model reasons; on some servers also a number of tokens, or whether at all."),
    ]
    reasoning: Annotated[ReasoningParam | None, Field(description="Whether the model reasons.")]
    thinking: Annotated[
        Mapping[str, Any] | None,
        Field(description='How the model thinks, an object as the server has it, such as `{"type": "enabled"}`.'),
    ]
    context_length_exceeded_behavior: Annotated[
        Literal["truncate", "error"] | str | None,
        Field(
            description="When prompt and `max_tokens` are too long: `error` (default), or `truncate` to lower "
            "`max_tokens`."
        ),
    ]
    compliance: Annotated[
        Literal["hipaa"] | str | None, Field(description="Rules to comply with. Documented by Together.")
    ]
    chat_template_kwargs: Annotated[
        Mapping[str, Any] | None, Field(description="Arguments of the model's chat template.")
    ]
    modalities: Annotated[
        Annotated[Sequence[Literal["text", "audio"] | str], Listed()] | None,
        Field(description="Kinds of output: `text`, `audio`."),
    ]
    audio: Annotated[AudioParam | None, Field(description="Voice and format of a spoken answer.")]
    service_tier: Annotated[Literal["auto", "default"] | str | None, Field(description="Class of service.")]
    store: Annotated[bool | None, Field(description="Let the server keep the reply.")]
    metadata: Annotated[Mapping[str, Any] | None, Field(description="Labels kept with the reply.")]
    functions: Annotated[
        Annotated[Sequence[FunctionDefinition], Listed()] | None,
        Field(description="Older form of `tools`: functions that the model may call."),
    ]
    verbosity: Annotated[
        Literal["low", "medium", "high"] | str | None,
        Field(description="How long the answer is. Documented by OpenAI."),
    ]
    prediction: Annotated[
        PredictionParam | None,
        Field(description="Most of the answer, for speed. Documented by OpenAI, Mistral, Fireworks and Cerebras."),
    ]
    prompt_cache_key: Annotated[
        str | None,
        Field(description="Groups requests of one beginning, for the cache. Documented by OpenAI, xAI and others."),
    ]
    prompt_cache_options: Annotated[
        Mapping[str, Any] | None,
        Field(description='How to cache, such as `{"mode": "explicit"}`. Documented by OpenAI.'),
    ]
    prompt_cache_retention: Annotated[
        Literal["in_memory", "24h"] | str | None,
        Field(description="Older way to say how long to cache. Documented by OpenAI."),
    ]
    safety_identifier: Annotated[
        str | None, Field(description="Your own id of the end user, hashed, for abuse checks. Documented by OpenAI.")
    ]
    moderation: Annotated[
        Mapping[str, Any] | None, Field(description='Check prompt and answer, `{"model": ...}`. Documented by OpenAI.')
    ]
    web_search_options: Annotated[
        Mapping[str, Any] | None,
        Field(
            description='Search the web, such as `{"search_context_size": "low"}`. Documented by OpenAI and Perplexity.'
        ),
    ]


class ChatCompletionParams(ChatCommonParams, total=False):
    """Parameters of a chat, without the model."""

    tools: Annotated[
        Annotated[Sequence[ToolParam], Listed()] | None,
        Field(description="Tools that the model may call; kinds other than `function` are Writer's."),
    ]
    response_format: Annotated[
        ResponseFormatParam | None, Field(description="Form of the answer: text, JSON, JSON of a schema, or a pattern.")
    ]


class ChatCompletionRequest(ChatCompletionParams, total=False):
    """A request of a chat."""

    model: Annotated[str, Field(description="Id of the model.")]
    stream: Annotated[bool, Field(description="Stream the reply as events.")]
