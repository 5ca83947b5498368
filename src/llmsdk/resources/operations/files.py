"""Files stored by a server."""

from __future__ import annotations

from functools import partial

from ..._call.operation import Example, Operation
from ...models.files import FileDeleted, FileList, FileListRequest, FileObject, FileRequest, FileUploadRequest

_ROWS = """b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}\\n'"""
# No traces of their own: what is traced is the work of a model, and here none works.
_operation = partial(Operation, resource="files", content="id", is_stored=True, traced_as=None)
_kept = partial(Example, args=("file.id",), needs='file = sdk.files.upload(b"rows")')
_one = partial(_operation, path="/files/{file_id}", request=FileRequest, required=frozenset({"file_id"}))

UPLOAD_FILE = _operation(
    id="uploadFile",
    name="upload",
    example=Example(args=(_ROWS, 'file_name="rows.jsonl"'), shows="print(res.id, res.filename, res.bytes)"),
    path="/files",
    request=FileUploadRequest,
    required=frozenset({"file", "purpose"}),
    # Together takes the name and the type of the file as parameters, others from the form.
    files=frozenset({"file"}),
    reply=FileObject,
)

LIST_FILES = _operation(
    id="listFiles",
    name="list",
    example=Example(shows="print(len(res))"),
    method="GET",
    path="/files",
    request=FileListRequest,
    query=frozenset({"purpose", "limit"}),
    reply=FileList,
    content="data",
)

RETRIEVE_FILE = _one(
    id="retrieveFile",
    name="retrieve",
    example=_kept(shows="print(res.filename)"),
    method="GET",
    reply=FileObject,
)

DELETE_FILE = _one(
    id="deleteFile",
    name="delete",
    example=_kept(shows="print(res.deleted)"),
    method="DELETE",
    reply=FileDeleted,
)

FILE_CONTENT = _one(
    id="fileContent",
    name="content",
    example=_kept(shows="print(len(res))"),
    method="GET",
    path="/files/{file_id}/content",
    reply=bytes,
)
