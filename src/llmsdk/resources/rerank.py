"""`sdk.rerank`: documents in the order of how well they answer a query."""

from typing import Any, Required, Unpack

from .._call.preview import Preview
from ..models.rerank import RerankParams, RerankRequest, RerankResponse
from ..options import CallOptions
from .base import MappedResource
from .operations.rerank import CREATE_RERANK
from .signatures import described_by


class CreateRerankArgs(RerankParams, CallOptions, total=False):
    """What `rerank.create` takes."""

    model: Required[str]


class Rerank(MappedResource[RerankRequest, RerankResponse]):
    """Rerank: documents ranked by relevance to a query."""

    _create = CREATE_RERANK

    @described_by(CreateRerankArgs, operation=CREATE_RERANK)
    def create(self, **args: Unpack[CreateRerankArgs]) -> RerankResponse:
        """Rank documents by relevance to a query.

        Args:
            args: Parameters of the request, and options of the call.

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

    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_RERANK, args)
