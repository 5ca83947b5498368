"""`sdk.completions`: text completion."""

from typing import Annotated, Any, Literal, Required, Unpack, overload

from typing_extensions import Doc

from .._call.preview import Preview
from .._net.streams import EventStream, EventStreamAsync
from ..models.completions import CompletionChunk, CompletionParams, CompletionRequest, CompletionResponse
from ..options import CallOptions
from .base import MappedResource
from .operations.completions import CREATE_COMPLETION, CREATE_MODEL_CUSTOMIZATION_COMPLETION
from .signatures import described_by

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[CompletionChunk, CompletionResponse]
StreamAsync = EventStreamAsync[CompletionChunk, CompletionResponse]


class CreateCompletionArgs(CompletionParams, CallOptions, total=False):
    """What `completions.create` takes."""

    model: Required[str]


class CompletionObjectArgs(CallOptions, total=False):
    """What `completions.create` takes with the parameters in one object."""

    completion_request: Required[CompletionRequest]
    model: str
    # The name in the paths of an older API, whose users gave it beside the object.
    model_id: Annotated[str, Doc("Another name of `model`.")]


class CreateCustomizationCompletionArgs(CompletionParams, CallOptions, total=False):
    """What `completions.create_model_customization_completion` takes."""

    model: str
    model_id: Annotated[str, Doc("Another name of `model`.")]
    customization_id: Required[str]


class CustomizationCompletionObjectArgs(CallOptions, total=False):
    """What `completions.create_model_customization_completion` takes with the parameters in one object."""

    completion_request: Required[CompletionRequest]
    model: str
    model_id: Annotated[str, Doc("Another name of `model`.")]
    customization_id: Required[str]


class Completions(MappedResource[CompletionRequest, CompletionResponse]):
    """Text completion."""

    _create = CREATE_COMPLETION

    # What `stream` is decides what comes back, in either of the two calling forms: checkers know it from these
    # overloads alone, as the implementation takes and returns anything.
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[CreateCompletionArgs]) -> CompletionResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateCompletionArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateCompletionArgs]
    ) -> CompletionResponse | Stream: ...
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[CompletionObjectArgs]) -> CompletionResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CompletionObjectArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CompletionObjectArgs]
    ) -> CompletionResponse | Stream: ...
    @described_by(CreateCompletionArgs, CompletionObjectArgs, operation=CREATE_COMPLETION)
    def create(self, **args: Any) -> Any:
        """Complete a text prompt.

        Args:
            args: Parameters of the request, and options of the call; or the parameters as one `completion_request`.

        Returns:
            The completion; with `stream=True` an `EventStream` of its chunks.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            APIStatusError: The server refused or failed; the class is that of the status.
            APIConnectionError: No reply, or not all of it.
            ResponseValidationError: The reply is not a completion.

        Example:
            >>> sdk.completions.create(model="m", prompt="Once upon a time", max_tokens=50)
        """
        return self._runner.call(CREATE_COMPLETION, args)

    @overload
    async def create_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[CreateCompletionArgs]
    ) -> CompletionResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateCompletionArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateCompletionArgs]
    ) -> CompletionResponse | StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[CompletionObjectArgs]
    ) -> CompletionResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CompletionObjectArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CompletionObjectArgs]
    ) -> CompletionResponse | StreamAsync: ...
    @described_by(CreateCompletionArgs, CompletionObjectArgs, operation=CREATE_COMPLETION)
    async def create_async(self, **args: Any) -> Any:
        """Complete a text prompt; see `create`."""
        return await self._runner.call_async(CREATE_COMPLETION, args)

    @overload
    def create_model_customization_completion(
        self, **args: Unpack[CreateCustomizationCompletionArgs]
    ) -> CompletionResponse: ...
    @overload
    def create_model_customization_completion(
        self, **args: Unpack[CustomizationCompletionObjectArgs]
    ) -> CompletionResponse: ...
    @described_by(
        CreateCustomizationCompletionArgs,
        CustomizationCompletionObjectArgs,
        operation=CREATE_MODEL_CUSTOMIZATION_COMPLETION,
    )
    def create_model_customization_completion(self, **args: Any) -> Any:
        """Complete a text prompt with a customized model of Writer.

        Args:
            args: Parameters of the request, and options of the call; or the parameters as one `completion_request`.

        Returns:
            The completion.

        Raises:
            SDKError: As `create`.
        """
        return self._runner.call(CREATE_MODEL_CUSTOMIZATION_COMPLETION, args)

    @overload
    async def create_model_customization_completion_async(
        self, **args: Unpack[CreateCustomizationCompletionArgs]
    ) -> CompletionResponse: ...
    @overload
    async def create_model_customization_completion_async(
        self, **args: Unpack[CustomizationCompletionObjectArgs]
    ) -> CompletionResponse: ...
    @described_by(
        CreateCustomizationCompletionArgs,
        CustomizationCompletionObjectArgs,
        operation=CREATE_MODEL_CUSTOMIZATION_COMPLETION,
    )
    async def create_model_customization_completion_async(self, **args: Any) -> Any:
        """Complete a text prompt with a customized model of Writer; see `create_model_customization_completion`."""
        return await self._runner.call_async(CREATE_MODEL_CUSTOMIZATION_COMPLETION, args)

    def preview(self, **args: Any) -> Preview:
        """Make the request of `create`, or with `customization_id` of the other method, and send nothing."""
        operation = CREATE_MODEL_CUSTOMIZATION_COMPLETION if "customization_id" in args else CREATE_COMPLETION
        return self._runner.preview(operation, args)
