"""`sdk.chat`: chat completion."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Required, TypeVar, Unpack, overload

from .._call.preview import Preview
from .._call.secrecy import hide
from .._net.streams import EventStream, EventStreamAsync
from ..models.chat import (
    ChatCommonParams,
    ChatCompletionChunk,
    ChatCompletionParams,
    ChatCompletionRequest,
    ChatCompletionResponse,
)
from ..models.token_counts import TokenCountParams, TokenCountResponse
from ..models.tools import ResponseFormatParam
from ..options import CallOptions
from ..utils.descriptors import IMPORTING
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.chat import COUNT_TOKENS, CREATE_CHAT_COMPLETION
from .signatures import described_by

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from ..structured import ParsedChatCompletion, ParsedEventStream, ParsedEventStreamAsync
    from ..tools import Round, ToolEventStream, ToolEventStreamAsync, ToolLike, ToolRun

T = TypeVar("T")

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[ChatCompletionChunk, ChatCompletionResponse]
StreamAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]


@keywords
class CreateChatArgs(ChatCompletionParams, CallOptions, total=False):
    """What `chat.create` takes."""

    model: Required[str]
    """Id of the model."""


@keywords
class ChatObjectArgs(CallOptions, total=False):
    """What `chat.create` takes with the parameters in one object."""

    chat_completion_request: Required[ChatCompletionRequest]
    """All parameters as one object instead."""
    model: str
    """Id of the model, for an object without one; one that differs is refused."""


# `response_format` is missing here: `parse` has its own, a type of the caller's.
@keywords
class ParseArgs(ChatCommonParams, CallOptions, total=False):
    """What `chat.parse` takes beside `response_format` and `stream`."""

    model: Required[str]
    """Id of the model."""
    max_reasks: int
    """How often to ask again, with what was wrong with the answer; not with `stream`."""


# `tools` are functions here, where `create` takes what goes on the wire.
@keywords
class RunToolsArgs(ChatCommonParams, CallOptions, total=False):
    """What `chat.run_tools` takes beside `stream`."""

    model: Required[str]
    """Id of the model."""
    tools: Required["Sequence[ToolLike]"]
    """Functions, or what `llmsdk.tool` made of them; tools that the server runs go in as dicts."""
    max_rounds: int
    """Most requests to the model; 8 by default."""
    on_error: Literal["reply", "raise"]
    """What a tool's exception, an unknown tool and broken arguments become: a reply to the model, or an exception
    here."""
    on_round: "Callable[[Round], Any] | None"
    """Called with each `Round`: its number, the reply, the results of the tools."""
    response_format: ResponseFormatParam | None
    """Form of the answer: text, JSON, JSON of a schema, or a pattern."""


@keywords
class CountTokensArgs(TokenCountParams, CallOptions, total=False):
    """What `chat.count_tokens` takes."""

    model: Required[str]


class Chat(MappedResource[ChatCompletionRequest, ChatCompletionResponse]):
    """Chat completion."""

    _create = CREATE_CHAT_COMPLETION

    # What `stream` is decides what comes back, in either of the two calling forms: checkers know it from these
    # overloads alone, as the implementation takes and returns anything.
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[CreateChatArgs]) -> ChatCompletionResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateChatArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateChatArgs]
    ) -> ChatCompletionResponse | Stream: ...
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[ChatObjectArgs]) -> ChatCompletionResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ChatObjectArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ChatObjectArgs]
    ) -> ChatCompletionResponse | Stream: ...
    @described_by(CreateChatArgs, ChatObjectArgs, operation=CREATE_CHAT_COMPLETION)
    def create(self, **args: Any) -> Any:
        """Send a conversation and return the model's answer.

        Args:
            model: Id of the model.
            messages: The conversation so far, oldest first: dicts with a `role`, or messages of replies.
            chat_completion_request: All parameters as one object instead.
            temperature: Sampling temperature: 0 picks the most likely token, higher is more random. Together: 0 to 1;
                r9s: 0 to 2.
            top_p: Nucleus sampling: sample from the most likely tokens whose probabilities add up to this, 0 to 1.
            top_k: Sample from this many of the most likely tokens, at least 1.
            min_p: Sample only tokens with at least this probability relative to the most likely one, 0 to 1.
            repetition_penalty: Makes repeated tokens less likely; 1 has no effect.
            presence_penalty: Makes tokens that already occurred less likely, -2 to 2.
            frequency_penalty: Makes tokens less likely the more often they occurred, -2 to 2.
            logit_bias: Token ids (as strings) with the bias added to their logits. Together: -100 to 100.
            stop: Text or texts at which generation stops.
            seed: Random seed, for reproducible sampling.
            stream_options: Options for streams, such as `{"include_usage": True}`.
            safety_model: Model that checks the output. Documented by Together.
            user: Your id of the end user, for the server's abuse monitoring.
            tool_choice: Which tool to call: `none`, `auto`, `required`, or an object that names one.
            parallel_tool_calls: Allow several tool calls in one reply.
            reasoning_effort: How much the model reasons; at some servers also a number of tokens, or a bool.
            reasoning: Whether the model reasons.
            thinking: How the model thinks, an object as the server has it, such as `{"type": "enabled"}`.
            verbosity: How long the answer is. Documented by OpenAI.
            previous_response_id: Id of a stored reply to continue from. Documented by OpenAI.
            max_tokens: Maximum number of tokens to generate, at least 1.
            max_completion_tokens: Maximum number of tokens to generate, including reasoning, at least 1.
            n: Number of answers. Together, r9s: 1 to 128.
            logprobs: Return log probabilities: true or false. Together: the number of alternatives, 0 to 20. r9s: not
                with `stream`.
            top_logprobs: Number of alternatives to return per token, 0 to 20; needs `logprobs`.
            echo: Return the prompt with the reply.
            function_call: Deprecated form of `tool_choice`: `none`, `auto` or an object with the name.
            context_length_exceeded_behavior: If prompt and `max_tokens` exceed the context length: `error` (default),
                or `truncate` to reduce `max_tokens`.
            compliance: Compliance rules, such as `hipaa`. Documented by Together.
            chat_template_kwargs: Arguments of the model's chat template.
            modalities: Kinds of output: `text`, `audio`.
            audio: Voice and format of a spoken answer.
            service_tier: Service tier, such as `auto`, `default` or `flex`.
            store: Store the reply at the server.
            metadata: Labels stored with the reply.
            functions: Deprecated form of `tools`: functions that the model may call.
            prediction: Expected text of the answer, to speed it up. Documented by OpenAI, Mistral, Fireworks and
                Cerebras.
            prompt_cache_key: Groups requests with the same prefix for prompt caching. Documented by OpenAI, xAI and
                others.
            prompt_cache_options: Options of prompt caching, such as `{"mode": "explicit"}`. Documented by OpenAI.
            prompt_cache_retention: Deprecated: how long to cache. Documented by OpenAI.
            safety_identifier: Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI.
            moderation: Check prompt and answer, `{"model": ...}`. Documented by OpenAI.
            web_search_options: Search the web, such as `{"search_context_size": "low"}`. Documented by OpenAI and
                Perplexity.
            tools: Tools that the model may call; kinds other than `function` are Writer's.
            response_format: Format of the answer: text, JSON, JSON Schema, or a pattern.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

        Returns:
            The answer; with `stream=True` an `EventStream` of its chunks.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            APIStatusError: The server refused or failed; the class is that of the status.
            APIConnectionError: No reply, or not all of it.
            ResponseValidationError: The reply is not a chat completion.

        Example:
            >>> sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        """
        return self._runner.call(CREATE_CHAT_COMPLETION, args)

    @overload
    async def create_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[CreateChatArgs]
    ) -> ChatCompletionResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateChatArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateChatArgs]
    ) -> ChatCompletionResponse | StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[ChatObjectArgs]
    ) -> ChatCompletionResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ChatObjectArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ChatObjectArgs]
    ) -> ChatCompletionResponse | StreamAsync: ...
    @described_by(CreateChatArgs, ChatObjectArgs, operation=CREATE_CHAT_COMPLETION)
    async def create_async(self, **args: Any) -> Any:
        """Send a conversation and return the model's answer; see `create`."""
        return await self._runner.call_async(CREATE_CHAT_COMPLETION, args)

    @overload
    def parse(
        self, *, response_format: "type[T] | TypeAdapter[T]", stream: Literal[False] = ..., **args: Unpack[ParseArgs]
    ) -> "ParsedChatCompletion[T]": ...
    @overload
    def parse(
        self,
        *,
        response_format: "type[T] | TypeAdapter[T]",
        stream: Literal[True],
        idle_timeout_ms: float = ...,
        **args: Unpack[ParseArgs],
    ) -> "ParsedEventStream[T]": ...
    @overload
    def parse(
        self,
        *,
        response_format: "type[T] | TypeAdapter[T]",
        stream: bool,
        idle_timeout_ms: float = ...,
        **args: Unpack[ParseArgs],
    ) -> "ParsedChatCompletion[T] | ParsedEventStream[T]": ...
    @described_by(ParseArgs, streams="ParsedChatCompletion[T] | ParsedEventStream[T]")
    def parse(self, *, response_format: Any = None, max_reasks: int = 0, **args: Any) -> Any:
        """Send a conversation and return the answer as a type: a pydantic model, dataclass or TypedDict.

        Args:
            response_format: Class of a pydantic model, a dataclass or a TypedDict; any other type in a `TypeAdapter`.
            max_reasks: How often to ask again, with what was wrong with the answer; not with `stream`.
            args: Parameters of `create`, one by one and without tools, and options of the call. `deadline_ms` bounds
                all requests together.

        Returns:
            The answer with `.parsed`; with `stream=True` a `ParsedEventStream`. `meta.structured` says how the
            server was asked.

        Raises:
            RequestValidationError: `response_format` is no type, or no JSON schema can say it; or as for `create`.
            RefusalError: The model refused to answer.
            IncompleteOutputError: The answer is cut.
            ParseError: The answer does not fit the type.

        Example:
            >>> sdk.chat.parse(model="m", messages=[...], response_format=Greeting)
        """
        # Hidden before the first frame below, whose locals a traceback may show.
        with IMPORTING:
            from ..structured.asking import parse

        return parse(self._runner, response_format, hide(args), max_reasks)

    @overload
    async def parse_async(
        self, *, response_format: "type[T] | TypeAdapter[T]", stream: Literal[False] = ..., **args: Unpack[ParseArgs]
    ) -> "ParsedChatCompletion[T]": ...
    @overload
    async def parse_async(
        self,
        *,
        response_format: "type[T] | TypeAdapter[T]",
        stream: Literal[True],
        idle_timeout_ms: float = ...,
        **args: Unpack[ParseArgs],
    ) -> "ParsedEventStreamAsync[T]": ...
    @overload
    async def parse_async(
        self,
        *,
        response_format: "type[T] | TypeAdapter[T]",
        stream: bool,
        idle_timeout_ms: float = ...,
        **args: Unpack[ParseArgs],
    ) -> "ParsedChatCompletion[T] | ParsedEventStreamAsync[T]": ...
    @described_by(ParseArgs, streams="ParsedChatCompletion[T] | ParsedEventStreamAsync[T]")
    async def parse_async(self, *, response_format: Any = None, max_reasks: int = 0, **args: Any) -> Any:
        """Send a conversation and return the answer as a type; see `parse`."""
        with IMPORTING:
            from ..structured.asking import parse_async

        return await parse_async(self._runner, response_format, hide(args), max_reasks)

    @overload
    def run_tools(self, *, stream: Literal[False] = ..., **args: Unpack[RunToolsArgs]) -> "ToolRun": ...
    @overload
    def run_tools(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[RunToolsArgs]
    ) -> "ToolEventStream": ...
    @overload
    def run_tools(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[RunToolsArgs]
    ) -> "ToolRun | ToolEventStream": ...
    @described_by(RunToolsArgs, streams="ToolRun | ToolEventStream")
    def run_tools(
        self, *, tools: Any = None, max_rounds: int = 8, on_error: Any = "reply", on_round: Any = None, **args: Any
    ) -> Any:
        """Send a conversation, and call your functions for the model until it answers.

        Args:
            tools: Functions, or what `llmsdk.tool` made of them; tools that the server runs go in as dicts.
            max_rounds: Most requests to the model; 8 by default.
            on_error: What a tool's exception, an unknown tool and broken arguments become: a reply to the model, or an
                exception here.
            on_round: Called with each `Round`: its number, the reply, the results of the tools.
            args: Parameters of `create`, one by one, and options of the call. `deadline_ms` bounds all requests
                together. A `tool_choice` that demands a call holds for the first round.

        Returns:
            The last reply with the whole conversation; with `stream=True` a `ToolEventStream` of all rounds.

        Raises:
            RequestValidationError: A function can't be described as a tool; or as for `create`.
            MaxRoundsError: The model still calls tools after `max_rounds`; the conversation is kept.
            ToolCallError: With `on_error="raise"`: an unknown tool, or arguments that do not fit.

        Example:
            >>> sdk.chat.run_tools(model="m", messages=[...], tools=[get_weather])
        """
        # As `parse`: loaded by those alone who use it, and what may hold a key is hidden first.
        with IMPORTING:
            from ..tools.running import run_tools

        return run_tools(self._runner, tools, hide(args), max_rounds, on_error, on_round)

    @overload
    async def run_tools_async(self, *, stream: Literal[False] = ..., **args: Unpack[RunToolsArgs]) -> "ToolRun": ...
    @overload
    async def run_tools_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[RunToolsArgs]
    ) -> "ToolEventStreamAsync": ...
    @overload
    async def run_tools_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[RunToolsArgs]
    ) -> "ToolRun | ToolEventStreamAsync": ...
    @described_by(RunToolsArgs, streams="ToolRun | ToolEventStreamAsync")
    async def run_tools_async(
        self, *, tools: Any = None, max_rounds: int = 8, on_error: Any = "reply", on_round: Any = None, **args: Any
    ) -> Any:
        """Send a conversation, and call your functions for the model until it answers; see `run_tools`."""
        with IMPORTING:
            from ..tools.running import run_tools_async

        return await run_tools_async(self._runner, tools, hide(args), max_rounds, on_error, on_round)

    @described_by(CountTokensArgs, operation=COUNT_TOKENS)
    def count_tokens(self, **args: Unpack[CountTokensArgs]) -> TokenCountResponse:
        """Count the tokens of a conversation without having it answered.

        Args:
            messages: The conversation so far, oldest first: dicts with a `role`, or messages of replies.
            model: Id of the model.
            tool_choice: Which tool to call: `none`, `auto`, `required`, or an object that names one.
            parallel_tool_calls: Allow several tool calls in one reply.
            reasoning_effort: How much the model reasons; at some servers also a number of tokens, or a bool.
            reasoning: Whether the model reasons.
            thinking: How the model thinks, an object as the server has it, such as `{"type": "enabled"}`.
            verbosity: How long the answer is. Documented by OpenAI.
            previous_response_id: Id of a stored reply to continue from. Documented by OpenAI.
            tools: Tools that the model may call; kinds other than `function` are Writer's.
            response_format: Format of the answer: text, JSON, JSON Schema, or a pattern.
            args: Options of the call, see `CallOptions`.

        Returns:
            `input_tokens`: what `usage.prompt_tokens` of the answer would be, as far as the server knows before.

        Raises:
            UnsupportedOperationError: The server cannot count; the error names those that can.
            SDKError: As `create`.

        Example:
            >>> sdk.chat.count_tokens(model="m", messages=[{"role": "user", "content": "Hi"}])
        """
        reply: TokenCountResponse = self._runner.call(COUNT_TOKENS, args)
        return reply

    @described_by(CountTokensArgs, operation=COUNT_TOKENS)
    async def count_tokens_async(self, **args: Unpack[CountTokensArgs]) -> TokenCountResponse:
        """Count the tokens of a conversation without having it answered; as `count_tokens`."""
        reply: TokenCountResponse = await self._runner.call_async(COUNT_TOKENS, args)
        return reply

    @described_by(CreateChatArgs, ChatObjectArgs, operation=CREATE_CHAT_COMPLETION)
    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_CHAT_COMPLETION, args)
