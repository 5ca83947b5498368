"""Batches that a server processes itself."""

from __future__ import annotations

from functools import partial

from ..._call.operation import Example, Operation
from ...models.batches import Batch, BatchCreateRequest, BatchList, BatchListRequest, BatchRequest

_WRITTEN = """Path("rows.jsonl").write_bytes(b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}\\n')"""
# Stored at one server: no failover takes them over, and they cost no tokens by themselves.
_operation = partial(Operation, resource="batches", content="id", is_stored=True, traced_as=None)
_begun = partial(Example, args=("batch.id",), needs=f'{_WRITTEN}\nbatch = sdk.batches.create(file="rows.jsonl")')
_one = partial(_operation, path="/batches/{batch_id}", request=BatchRequest, required=frozenset({"batch_id"}))

CREATE_BATCH = _operation(
    id="createBatch",
    name="create",
    example=Example(args=('file="rows.jsonl"',), shows="print(res.id, res.status)", needs=_WRITTEN),
    path="/batches",
    request=BatchCreateRequest,
    required=frozenset({"input_file_id", "endpoint"}),
    reply=Batch,
)

LIST_BATCHES = _operation(
    id="listBatches",
    name="list",
    example=Example(shows="print(len(res))"),
    method="GET",
    path="/batches",
    request=BatchListRequest,
    query=frozenset({"limit"}),
    reply=BatchList,
    content="data",
)

RETRIEVE_BATCH = _one(
    id="retrieveBatch",
    name="retrieve",
    example=_begun(shows="print(res.status)"),
    method="GET",
    reply=Batch,
)

CANCEL_BATCH = _one(
    id="cancelBatch",
    name="cancel",
    example=_begun(shows="print(res.status)"),
    path="/batches/{batch_id}/cancel",
    reply=Batch,
)
