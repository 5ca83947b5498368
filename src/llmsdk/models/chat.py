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
from .messages import MessageItem
from .tools import NamedFunction, ResponseFormatParam, ToolChoiceParam, ToolParam

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
        int | None, Field(description="Most tokens to generate, reasoning included, at least 1. r9s only.")
    ]
    n: Annotated[int | None, Field(description="How many answers to make. Together and r9s: 1 to 128.")]
    logprobs: Annotated[
        bool | int | None,
        Field(
            description="Log probabilities of the tokens. Together: how many alternatives, 0 to 20; Writer, r9s and "
            "OpenAI: true or false (r9s not with `stream`)."
        ),
    ]
    top_logprobs: Annotated[
        int | None, Field(description="How many alternatives to give per token, 0 to 20; needs `logprobs`. r9s only.")
    ]
    echo: Annotated[bool | None, Field(description="Give the prompt back with the reply. Together only.")]
    tool_choice: Annotated[
        ToolChoiceParam | None,
        Field(description="Which tool to call: `none`, `auto`, `required`, or an object that names one."),
    ]
    parallel_tool_calls: Annotated[bool | None, Field(description="Allow several tool calls at once. r9s only.")]
    function_call: Annotated[
        Literal["none", "auto"] | str | NamedFunction | None,
        Field(description="Older form of `tool_choice`: `none`, `auto` or an object with the name. Together only."),
    ]
    reasoning_effort: Annotated[
        Literal["low", "medium", "high"] | str | None, Field(description="How much the model reasons.")
    ]
    reasoning: Annotated[ReasoningParam | None, Field(description="Whether the model reasons. Together only.")]
    thinking: Annotated[
        Mapping[str, Any] | None,
        Field(description='How the model thinks, an object as the server has it, such as `{"type": "enabled"}`.'),
    ]
    context_length_exceeded_behavior: Annotated[
        Literal["truncate", "error"] | str | None,
        Field(
            description="When prompt and `max_tokens` are too long: `error` (default), or `truncate` to lower "
            "`max_tokens`. Together only."
        ),
    ]
    compliance: Annotated[Literal["hipaa"] | str | None, Field(description="Rules to comply with. Together only.")]
    chat_template_kwargs: Annotated[
        Mapping[str, Any] | None, Field(description="Arguments of the model's chat template. Together only.")
    ]
    modalities: Annotated[
        Annotated[Sequence[Literal["text", "audio"] | str], Listed()] | None,
        Field(description="Kinds of output: `text`, `audio`. r9s only."),
    ]
    audio: Annotated[AudioParam | None, Field(description="Voice and format of a spoken answer. r9s only.")]
    service_tier: Annotated[Literal["auto", "default"] | str | None, Field(description="Class of service. r9s only.")]
    store: Annotated[bool | None, Field(description="Let the server keep the reply. r9s only.")]
    metadata: Annotated[Mapping[str, Any] | None, Field(description="Labels kept with the reply. r9s only.")]


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
