"""Embeddings."""

from __future__ import annotations

from ..._call.operation import Operation
from ...models.embeddings import EmbeddingRequest, EmbeddingsResponse

CREATE_EMBEDDING = Operation(
    id="createEmbedding",
    resource="embeddings",
    name="create",
    summary="Turn texts into vectors.",
    path="/embeddings",
    request=EmbeddingRequest,
    required=frozenset({"model", "input"}),
    reply=EmbeddingsResponse,
    traced_as="embeddings",
    content="data",
)
