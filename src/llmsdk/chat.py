"""`sdk.chat`: chat completion."""

from typing import Any, Literal, Required, Unpack, overload

from .models.chat import ChatCompletionChunk, ChatCompletionParams, ChatCompletionRequest, ChatCompletionResponse
from .operations.chat import CREATE_CHAT_COMPLETION
from .options import CallOptions
from .preview import Preview
from .resource import Resource, described_by
from .streaming import EventStream, EventStreamAsync

Stream = EventStream[ChatCompletionChunk, ChatCompletionResponse]
StreamAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]


class CreateChatArgs(ChatCompletionParams, CallOptions, total=False):
    """What `chat.create` takes."""

    model: Required[str]


class ChatObjectArgs(CallOptions, total=False):
    """What `chat.create` takes with the parameters in one object."""

    chat_completion_request: Required[ChatCompletionRequest]
    model: str


class Chat(Resource):
    """Chat completion."""

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
    @described_by(CREATE_CHAT_COMPLETION, CreateChatArgs)
    def create(self, **args: Any) -> Any:
        """Answer a conversation.

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
    @described_by(CREATE_CHAT_COMPLETION, CreateChatArgs)
    async def create_async(self, **args: Any) -> Any:
        """Answer a conversation.

        Args:
            args: Parameters of the request, and options of the call; or the parameters as one
                `chat_completion_request`.

        Returns:
            The answer; with `stream=True` an `EventStreamAsync` of its chunks.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            APIStatusError: The server refused or failed; the class is that of the status.
            APIConnectionError: No reply, or not all of it.
            ResponseValidationError: The reply is not a chat completion.

        Example:
            >>> await sdk.chat.create_async(model="m", messages=[{"role": "user", "content": "Hi"}])
        """
        return await self._runner.call_async(CREATE_CHAT_COMPLETION, args)

    def preview(self, **args: Any) -> Preview:
        """Make the request of `create` and send nothing."""
        return self._runner.preview(CREATE_CHAT_COMPLETION, args)
