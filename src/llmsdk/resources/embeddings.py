"""`sdk.embeddings`: texts as vectors."""

from typing import Any, Required, Unpack

from .._call.preview import Preview
from ..models.embeddings import EmbeddingParams, EmbeddingRequest, EmbeddingsResponse
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.embeddings import CREATE_EMBEDDING
from .signatures import described_by


@keywords
class CreateEmbeddingArgs(EmbeddingParams, CallOptions, total=False):
    """What `embeddings.create` takes."""

    model: Required[str]
    """Id of the model."""


class Embeddings(MappedResource[EmbeddingRequest, EmbeddingsResponse]):
    """Embeddings: texts as vectors."""

    # No form with one object: that is for the three families that a generated client had it for.
    _create = CREATE_EMBEDDING

    @described_by(CreateEmbeddingArgs, operation=CREATE_EMBEDDING)
    def create(self, **args: Unpack[CreateEmbeddingArgs]) -> EmbeddingsResponse:
        """Return embeddings (vectors) of texts.

        Args:
            input: A text or a list of texts; token ids instead of texts where the server takes them.
            model: Id of the model.
            dimensions: Length of the vectors, for models that can shorten them.
            encoding_format: Get lists of numbers (`float`), or the same in `base64`: a third of the bytes.
            input_type: What the texts are, such as `query` or `passage`, for models that tell these apart. Some
                OpenAI-compatible servers.
            user: Your id of the end user, for the server's abuse monitoring.
            args: Options of the call, see `CallOptions`.

        Returns:
            One item of `data` per input; `data[0].embedding` is as the server sent it, `data[0].as_array()` is an
            array of floats in any case.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.embeddings.create(model="m", input=["a cat", "a dog"], encoding_format="base64")
        """
        reply: EmbeddingsResponse = self._runner.call(CREATE_EMBEDDING, args)
        return reply

    @described_by(CreateEmbeddingArgs, operation=CREATE_EMBEDDING)
    async def create_async(self, **args: Unpack[CreateEmbeddingArgs]) -> EmbeddingsResponse:
        """Return embeddings (vectors) of texts; see `create`."""
        reply: EmbeddingsResponse = await self._runner.call_async(CREATE_EMBEDDING, args)
        return reply

    @described_by(CreateEmbeddingArgs, operation=CREATE_EMBEDDING)
    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_EMBEDDING, args)
