"""Embeddings."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.embeddings import EmbeddingRequest, EmbeddingsResponse

CREATE_EMBEDDING = Operation(
    id="createEmbedding",
    resource="embeddings",
    name="create",
    example=Example(
        args=('model="embedded-embedding"', 'input=["a cat", "a dog"]'),
        shows="for item in res.data:\n    print(item.index, len(item.as_array()))",
    ),
    path="/embeddings",
    request=EmbeddingRequest,
    required=frozenset({"model", "input"}),
    reply=EmbeddingsResponse,
    traced_as="embeddings",
    content="data",
)
