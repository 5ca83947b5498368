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
from ..models.tools import ResponseFormatParam
from ..options import CallOptions
from .base import MappedResource
from .operations.chat import CREATE_CHAT_COMPLETION
from .signatures import described_by

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from ..structured import ParsedChatCompletion, ParsedEventStream, ParsedEventStreamAsync
    from ..tools import Round, ToolEventStream, ToolEventStreamAsync, ToolLike, ToolRun

T = TypeVar("T")

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[ChatCompletionChunk, ChatCompletionResponse]
StreamAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]


class CreateChatArgs(ChatCompletionParams, CallOptions, total=False):
    """What `chat.create` takes."""

    model: Required[str]


class ChatObjectArgs(CallOptions, total=False):
    """What `chat.create` takes with the parameters in one object."""

    chat_completion_request: Required[ChatCompletionRequest]
    model: str  # for an object without one; one that differs is refused


# `response_format` is missing here: `parse` has its own, a type of the caller's.
class ParseArgs(ChatCommonParams, CallOptions, total=False):
    """What `chat.parse` takes beside `response_format` and `stream`."""

    model: Required[str]
    max_reasks: int


# `tools` are functions here, where `create` takes what goes on the wire.
class RunToolsArgs(ChatCommonParams, CallOptions, total=False):
    """What `chat.run_tools` takes beside `stream`."""

    model: Required[str]
    tools: Required["Sequence[ToolLike]"]
    max_rounds: int
    on_error: Literal["reply", "raise"]
    on_round: "Callable[[Round], Any] | None"
    response_format: ResponseFormatParam | None


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
            args: Parameters of the request, and options of the call; or the parameters as one
                `chat_completion_request`.

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
            max_reasks: How often the model is told what was wrong with its answer and asked again; not with `stream`.
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
            max_rounds: Most requests to the model.
            on_error: What a tool's exception, an unknown tool and broken arguments become: a reply to the model, or
                an exception here.
            on_round: Called with each `Round`: its number, the reply, what the tools gave.
            args: Parameters of `create`, one by one, and options of the call. `deadline_ms` bounds all requests
                together. A `tool_choice` that demands a call holds for the first round.

        Returns:
            The last reply with the whole conversation; with `stream=True` a `ToolEventStream` of all rounds.

        Raises:
            RequestValidationError: A tool cannot be told to a model; or as for `create`.
            MaxRoundsError: The model still calls tools after `max_rounds`; the conversation is kept.
            ToolCallError: With `on_error="raise"`: an unknown tool, or arguments that do not fit.

        Example:
            >>> sdk.chat.run_tools(model="m", messages=[...], tools=[get_weather])
        """
        # As `parse`: loaded by those alone who use it, and what may hold a key hidden at the door.
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
        from ..tools.running import run_tools_async

        return await run_tools_async(self._runner, tools, hide(args), max_rounds, on_error, on_round)

    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_CHAT_COMPLETION, args)
