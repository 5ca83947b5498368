"""`sdk.embeddings`: texts as vectors."""

from typing import TYPE_CHECKING, Any, Required, Unpack

from .models.embeddings import EmbeddingParams, EmbeddingRequest, EmbeddingsResponse
from .operations.embeddings import CREATE_EMBEDDING
from .options import CallOptions
from .preview import Preview
from .resource import Resource, described_by

if TYPE_CHECKING:
    from .bulk import Adaptive, Mapped, MappedAsync, Rows, RowsAsync
    from .errors import SDKError


class CreateEmbeddingArgs(EmbeddingParams, CallOptions, total=False):
    """What `embeddings.create` takes."""

    model: Required[str]


class Embeddings(Resource):
    """Texts as vectors."""

    @described_by(CREATE_EMBEDDING, CreateEmbeddingArgs)
    def create(self, **args: Unpack[CreateEmbeddingArgs]) -> EmbeddingsResponse:
        """Turn texts into vectors.

        Args:
            args: Parameters of the request, and options of the call.

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

    @described_by(CREATE_EMBEDDING, CreateEmbeddingArgs)
    async def create_async(self, **args: Unpack[CreateEmbeddingArgs]) -> EmbeddingsResponse:
        """Turn texts into vectors.

        Args:
            args: Parameters of the request, and options of the call.

        Returns:
            One item of `data` per input; `data[0].embedding` is as the server sent it, `data[0].as_array()` is an
            array of floats in any case.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            SDKError: As `chat.create_async`.

        Example:
            >>> await sdk.embeddings.create_async(model="m", input=["a cat", "a dog"], encoding_format="base64")
        """
        reply: EmbeddingsResponse = await self._runner.call_async(CREATE_EMBEDDING, args)
        return reply

    def map(
        self,
        requests: "Rows[EmbeddingRequest]",
        *,
        limit: "Adaptive | int | None" = None,
        ordered: bool = False,
        window: int = 1000,
        **options: Unpack[CallOptions],
    ) -> "Mapped[tuple[int, EmbeddingsResponse | SDKError]]":
        """Turn many texts into vectors, a request for each item.

        Args:
            requests: Parameters of `create` each, read as fast as they are sent.
            limit: Requests in flight, at most so many, or an `Adaptive`, which is the default.
            ordered: Whether results come in the order of the requests instead of as they are done.
            window: Most requests that are read and not yet handed out: bounds memory and, with `ordered`, reordering.
            options: Options of every call; `deadline_ms` bounds the whole map.

        Returns:
            An iterator of `(index, reply or SDKError)`, one for each request; nothing is raised for one.

        Example:
            >>> for index, reply in sdk.embeddings.map([{"model": "m", "input": ["a cat", "a dog"]}, ...]): ...
        """
        from .bulk import map_rows

        return map_rows(self, CREATE_EMBEDDING, requests, limit=limit, ordered=ordered, window=window, options=options)

    def map_async(
        self,
        requests: "RowsAsync[EmbeddingRequest]",
        *,
        limit: "Adaptive | int | None" = None,
        ordered: bool = False,
        window: int = 1000,
        **options: Unpack[CallOptions],
    ) -> "MappedAsync[tuple[int, EmbeddingsResponse | SDKError]]":
        """Turn many texts into vectors, a request for each item.

        Args:
            requests: Parameters of `create` each, read as fast as they are sent; an async iterable too.
            limit: Requests in flight, at most so many, or an `Adaptive`, which is the default.
            ordered: Whether results come in the order of the requests instead of as they are done.
            window: Most requests that are read and not yet handed out: bounds memory and, with `ordered`, reordering.
            options: Options of every call; `deadline_ms` bounds the whole map.

        Returns:
            An async iterator of `(index, reply or SDKError)`, one for each request; nothing is raised for one.
            It is iterated without `await`.

        Example:
            >>> async for index, reply in sdk.embeddings.map_async([{"model": "m", "input": ["a cat"]}, ...]): ...
        """
        from .bulk import map_rows_async

        return map_rows_async(
            self, CREATE_EMBEDDING, requests, limit=limit, ordered=ordered, window=window, options=options
        )

    def preview(self, **args: Any) -> Preview:
        """Make the request of `create` and send nothing."""
        return self._runner.preview(CREATE_EMBEDDING, args)
