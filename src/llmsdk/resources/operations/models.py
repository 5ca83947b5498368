"""The models of a server."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.catalog import ModelInfo, ModelList, ModelListRequest, ModelRequest

LIST_MODELS = Operation(
    id="listModels",
    resource="models",
    name="list",
    example=Example(shows="print([model.id for model in res])"),
    method="GET",
    path="/models",
    request=ModelListRequest,
    query=frozenset({"dedicated"}),
    reply=ModelList,
    traced_as=None,  # no model works here
    content="data",  # may be empty: a local server without a model is no error
)

RETRIEVE_MODEL = Operation(
    id="retrieveModel",
    resource="models",
    name="retrieve",
    example=Example(args=('"embedded-chat"',), shows="print(res.id, res.type)"),
    method="GET",
    path="/models/{model}",
    request=ModelRequest,
    required=frozenset({"model"}),
    reply=ModelInfo,
    traced_as=None,
    content="id",
)
