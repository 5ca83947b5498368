"""Embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._call.operation import Example, Operation
from ...models.embeddings import EmbeddingRequest, EmbeddingsResponse
from ...utils.shapes import is_listed


def _inputs(params: Mapping[str, Any]) -> int:
    """Count the inputs: a text is one, and so is a list of token ids."""
    # Servers that skip an input they dislike shift the rest: a reply of fewer vectors must not pass.
    given = params.get("input")
    return len(given) if is_listed(given) and given and not isinstance(given[0], int) else 1


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
    results=_inputs,
    is_blank=lambda vector: not vector.embedding,
)
