"""`sdk.rerank`: documents in the order of how well they answer a query."""

from typing import Any, Required, Unpack

from .._call.preview import Preview
from ..models.rerank import RerankParams, RerankRequest, RerankResponse
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.rerank import CREATE_RERANK
from .signatures import described_by


@keywords
class CreateRerankArgs(RerankParams, CallOptions, total=False):
    """What `rerank.create` takes."""

    model: Required[str]
    """Id of the model."""


class Rerank(MappedResource[RerankRequest, RerankResponse]):
    """Rerank: documents ranked by relevance to a query."""

    _create = CREATE_RERANK

    @described_by(CreateRerankArgs, operation=CREATE_RERANK)
    def create(self, **args: Unpack[CreateRerankArgs]) -> RerankResponse:
        """Rank documents by relevance to a query.

        Args:
            query: What the documents are compared with; for models that see, `{"content": [...]}` with parts as in a
                chat.
            documents: The documents: texts, or objects of named fields or `{"content": [...]}` for models that read
                these.
            model: Id of the model.
            top_n: Return only this many results, the best first; all where unset.
            return_documents: Return the documents with the results.
            rank_fields: Fields of object documents to compare, in order of importance.
            max_tokens_per_doc: Cut longer documents to this many tokens.
            instruction: What makes a document relevant, for models that follow it.
            relevant_spans: Whether to mark the relevant parts of documents, and how.
            priority: Lower numbers are served first where servers are busy.
            args: Options of the call, see `CallOptions`.

        Returns:
            `results`, best first; `results[0].index` is the place among the documents sent.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.rerank.create(model="m", query="red boat", documents=["A blue car.", "A red boat."])
        """
        reply: RerankResponse = self._runner.call(CREATE_RERANK, args)
        return reply

    @described_by(CreateRerankArgs, operation=CREATE_RERANK)
    async def create_async(self, **args: Unpack[CreateRerankArgs]) -> RerankResponse:
        """Rank documents by relevance to a query; see `create`."""
        reply: RerankResponse = await self._runner.call_async(CREATE_RERANK, args)
        return reply

    @described_by(CreateRerankArgs, operation=CREATE_RERANK)
    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_RERANK, args)
