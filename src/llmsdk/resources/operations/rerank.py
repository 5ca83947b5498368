"""Rerank."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.rerank import RerankRequest, RerankResponse

CREATE_RERANK = Operation(
    id="createRerank",
    resource="rerank",
    name="create",
    example=Example(
        args=('model="embedded-rerank"', 'query="red boat"', 'documents=["A blue car.", "A red boat."]', "top_n=1"),
        shows="for result in res.results:\n    print(result.index, result.relevance_score)",
    ),
    path="/rerank",
    request=RerankRequest,
    required=frozenset({"model", "query", "documents"}),
    reply=RerankResponse,
    # OpenTelemetry's conventions of 2026 have no name for it; they allow one of our own.
    traced_as="rerank",
    content="results",
    results=1,  # `top_n` and thresholds of the server leave fewer than there are documents
)
