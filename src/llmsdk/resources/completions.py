"""`sdk.completions`: text completion."""

from typing import Any, Literal, Required, Unpack, overload

from .._call.preview import Preview
from .._net.streams import EventStream, EventStreamAsync
from ..models.completions import CompletionChunk, CompletionParams, CompletionRequest, CompletionResponse
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.completions import CREATE_COMPLETION, CREATE_MODEL_CUSTOMIZATION_COMPLETION
from .signatures import described_by

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[CompletionChunk, CompletionResponse]
StreamAsync = EventStreamAsync[CompletionChunk, CompletionResponse]


@keywords
class CreateCompletionArgs(CompletionParams, CallOptions, total=False):
    """What `completions.create` takes."""

    model: Required[str]
    """Id of the model; of Writer's older API it goes into the path."""


@keywords
class CompletionObjectArgs(CallOptions, total=False):
    """What `completions.create` takes with the parameters in one object."""

    completion_request: Required[CompletionRequest]
    """All parameters as one object instead."""
    model: str
    """Id of the model, for an object without one; one that differs is refused."""
    # The name in the paths of an older API, whose users gave it beside the object.
    model_id: str
    """Another name of `model`."""


@keywords
class CreateCustomizationCompletionArgs(CompletionParams, CallOptions, total=False):
    """What `completions.create_model_customization_completion` takes."""

    model: str
    """Id of the base model."""
    model_id: str
    """Another name of `model`."""
    customization_id: Required[str]
    """Id of the customization."""


@keywords
class CustomizationCompletionObjectArgs(CallOptions, total=False):
    """What `completions.create_model_customization_completion` takes with the parameters in one object."""

    completion_request: Required[CompletionRequest]
    """All parameters as one object instead."""
    model: str
    """Id of the base model."""
    model_id: str
    """Another name of `model`."""
    customization_id: Required[str]
    """Id of the customization."""


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
            model: Id of the model; of Writer's older API it goes into the path.
            prompt: The text to continue. Some servers also accept several texts, the ids of its tokens, or several
                lists of these.
            completion_request: All parameters as one object instead.
            model_id: Another name of `model`.
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
            max_tokens: Maximum number of tokens to generate, at least 1. Defaults to the server's own limit (Writer:
                100).
            min_tokens: Minimum number of tokens to generate. Documented by Writer's older API.
            n: Number of completions. Together: 1 to 128.
            best_of: Number of completions that the server generates to return the best, at least 1.
            echo: Return the prompt with the reply.
            logprobs: Number of alternatives to return per token, with their log probabilities. Together: 0 to 20.
            suffix: Text that comes after the generated text.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

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
            model: Id of the base model.
            customization_id: Id of the customization.
            prompt: The text to continue. Some servers also accept several texts, the ids of its tokens, or several
                lists of these.
            completion_request: All parameters as one object instead.
            model_id: Another name of `model`.
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
            max_tokens: Maximum number of tokens to generate, at least 1. Defaults to the server's own limit (Writer:
                100).
            min_tokens: Minimum number of tokens to generate. Documented by Writer's older API.
            n: Number of completions. Together: 1 to 128.
            best_of: Number of completions that the server generates to return the best, at least 1.
            echo: Return the prompt with the reply.
            logprobs: Number of alternatives to return per token, with their log probabilities. Together: 0 to 20.
            suffix: Text that comes after the generated text.
            args: Options of the call, see `CallOptions`.

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

    @described_by(
        CreateCompletionArgs, CompletionObjectArgs, CreateCustomizationCompletionArgs, operation=CREATE_COMPLETION
    )
    def preview(self, **args: Any) -> Preview:
        """Make the request of `create`, or with `customization_id` of the other method, and send nothing."""
        operation = CREATE_MODEL_CUSTOMIZATION_COMPLETION if "customization_id" in args else CREATE_COMPLETION
        return self._runner.preview(operation, args)
