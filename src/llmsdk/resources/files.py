"""`sdk.files`: files that a server keeps."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Unpack, overload

from .._call.download import Tools
from .._call.effects import Flow
from .._call.preview import Preview
from .._call.request.multipart import read_files
from .._call.secrecy import hide
from .._call.transfers import Transfer
from .._net.runner import Runner
from ..errors import RequestValidationError
from ..models.files import FileDeleted, FileList, FileObject, FileRequest, FileUploadRequest
from ..models.images import FileInput
from ..options import CallOptions
from ..utils.files import given_path
from ..utils.keywords import keywords
from ..utils.shapes import described, is_unicode
from .base import Resource
from .operations.files import DELETE_FILE, FILE_CONTENT, LIST_FILES, RETRIEVE_FILE, UPLOAD_FILE
from .signatures import described_by

AnyPath = str | os.PathLike[str]
_UNNAMED = "upload.jsonl"  # of mere bytes, which are the rows of a batch as a rule


@keywords
class ListFilesArgs(CallOptions, total=False):
    """What `files.list` takes."""

    purpose: str
    """List only files of this purpose."""
    limit: int
    """Files on a page, where the server has pages; all pages are read."""


# For the overloads, which say that bytes come back only without a path.
@keywords
class _ContentArgs(CallOptions, total=False):
    allow_private: bool
    """Follow the server to a storage in a private network too."""


class Files(Resource):
    """Files stored by a server."""

    @described_by(CallOptions)
    def upload(
        self,
        file: FileInput | str,
        *,
        purpose: str = "batch",
        file_name: str | None = None,
        allow_private: bool = False,
        **args: Unpack[CallOptions],
    ) -> FileObject:
        """Upload a file unchanged. For rows of a batch, use `batches.create(file=...)`, which adapts them.

        Args:
            file: Its path, its bytes, a file open for reading bytes, or (name, bytes).
            purpose: What it is for; Together's word for `batch` is put in its place.
            file_name: Its name at the server; that of the file by default.
            allow_private: Let a server hand the upload over to a storage in a private network.
            args: Options of the call, see `CallOptions`.

        Raises:
            RequestValidationError: There is no such file, or it cannot be read.
            UnsupportedOperationError: The server keeps no files.
            SDKError: As `chat.create`.
        """
        # Keys in `args` are hidden first: no frame below holds one that a traceback could show.
        plan, flow = _to_upload(self._runner, file, file_name, {"purpose": purpose, **hide(args)}, allow_private)
        return self._runner.transfer(plan, args, flow)

    @described_by(CallOptions)
    async def upload_async(
        self,
        file: FileInput | str,
        *,
        purpose: str = "batch",
        file_name: str | None = None,
        allow_private: bool = False,
        **args: Unpack[CallOptions],
    ) -> FileObject:
        """Upload a file unchanged; see `upload`."""
        plan, flow = _to_upload(self._runner, file, file_name, {"purpose": purpose, **hide(args)}, allow_private)
        return await self._runner.transfer_async(plan, args, flow)

    @described_by(ListFilesArgs, operation=LIST_FILES)
    def list(self, **args: Unpack[ListFilesArgs]) -> FileList:
        """List all files of a server.

        Args:
            purpose: List only files of this purpose.
            limit: Files on a page, where the server has pages; all pages are read.
            args: Options of the call, see `CallOptions`.

        Raises:
            UnsupportedOperationError: The server keeps no files.
            SDKError: As `chat.create`.
        """
        reply: FileList = self._runner.call(LIST_FILES, args)
        return reply

    @described_by(ListFilesArgs, operation=LIST_FILES)
    async def list_async(self, **args: Unpack[ListFilesArgs]) -> FileList:
        """List all files of a server; see `list`."""
        reply: FileList = await self._runner.call_async(LIST_FILES, args)
        return reply

    @described_by(CallOptions)
    def retrieve(self, file_id: str, **args: Unpack[CallOptions]) -> FileObject:
        """Return the description of a file.

        Args:
            file_id: Its id.
            args: Options of the call, see `CallOptions`.

        Raises:
            NotFoundError: There is no such file.
            SDKError: As `chat.create`.
        """
        reply: FileObject = self._runner.call(RETRIEVE_FILE, {"file_id": file_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    async def retrieve_async(self, file_id: str, **args: Unpack[CallOptions]) -> FileObject:
        """Return the description of a file; see `retrieve`."""
        reply: FileObject = await self._runner.call_async(RETRIEVE_FILE, {"file_id": file_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    def delete(self, file_id: str, **args: Unpack[CallOptions]) -> FileDeleted:
        """Delete a file.

        Args:
            file_id: Its id.
            args: Options of the call, see `CallOptions`.

        Raises:
            NotFoundError: There is no such file, or it was deleted by an attempt whose reply was lost.
            SDKError: As `chat.create`.
        """
        reply: FileDeleted = self._runner.call(DELETE_FILE, {"file_id": file_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    async def delete_async(self, file_id: str, **args: Unpack[CallOptions]) -> FileDeleted:
        """Delete a file; see `delete`."""
        reply: FileDeleted = await self._runner.call_async(DELETE_FILE, {"file_id": file_id, **hide(args)})
        return reply

    @overload
    def content(self, file_id: str, to: None = None, **args: Unpack[_ContentArgs]) -> bytes: ...
    @overload
    def content(self, file_id: str, to: AnyPath, **args: Unpack[_ContentArgs]) -> Path: ...
    @described_by(CallOptions)
    def content(
        self, file_id: str, to: AnyPath | None = None, *, allow_private: bool = False, **args: Unpack[CallOptions]
    ) -> bytes | Path:
        """Download a file completely or not at all; the key isn't sent to another host's storage.

        Args:
            file_id: Its id.
            to: Path to write to, piece by piece; without it the bytes come back, within `max_response_bytes`.
            allow_private: Follow the server to a storage in a private network too.
            args: Options of the call, see `CallOptions`.

        Returns:
            The bytes, or the path written.

        Raises:
            NotFoundError: There is no such file.
            OSError: The path cannot be written; nothing half-written stays.
            APIConnectionError: The download was cut.
            ResponseValidationError: The file is too large, or its storage is in a private network.
        """
        plan = Transfer(
            FILE_CONTENT, {"file_id": file_id, **hide(args)}, self._runner.core, allow_private=allow_private
        )
        saved: bytes | Path = self._runner.transfer(plan, args, partial(plan.saving, to=to))
        return saved

    @overload
    async def content_async(self, file_id: str, to: None = None, **args: Unpack[_ContentArgs]) -> bytes: ...
    @overload
    async def content_async(self, file_id: str, to: AnyPath, **args: Unpack[_ContentArgs]) -> Path: ...
    @described_by(CallOptions)
    async def content_async(
        self, file_id: str, to: AnyPath | None = None, *, allow_private: bool = False, **args: Unpack[CallOptions]
    ) -> bytes | Path:
        """Download a file completely or not at all; see `content`."""
        plan = Transfer(
            FILE_CONTENT, {"file_id": file_id, **hide(args)}, self._runner.core, allow_private=allow_private
        )
        saved: bytes | Path = await self._runner.transfer_async(plan, args, partial(plan.saving, to=to))
        return saved

    @described_by(ListFilesArgs, FileRequest, FileUploadRequest)
    def preview(self, **args: Any) -> Preview:
        """Make the request of `list`, with `file_id` of `retrieve`, or with `file` of `upload`, and send nothing."""
        if "file" in args:
            return self._runner.preview(UPLOAD_FILE, {"purpose": "batch", **args})
        return self._runner.preview(RETRIEVE_FILE if "file_id" in args else LIST_FILES, args)


def _to_upload(
    runner: Runner, file: Any, file_name: Any, params: Mapping[str, Any], allow_private: bool
) -> tuple[Transfer, Callable[[Tools], Flow[FileObject]]]:
    # The path is checked here and read by the flow, in a thread where the call is async: a disk may be slow.
    given = _given(file, file_name)
    plan = Transfer(UPLOAD_FILE, {"file": given, **params}, runner.core, allow_private=allow_private)
    return plan, partial(plan.uploading, read=partial(_read, given, file_name))


def _given(file: Any, file_name: Any) -> Any:
    # Here, with the parameter's name: half a character would fail deep inside the form that is sent.
    if file_name is not None and not (isinstance(file_name, str) and is_unicode(file_name)):
        raise RequestValidationError(
            f"file_name: must be a string of valid Unicode or None, got {described(file_name)}", param="file_name"
        )
    return given_path(file, "file") if isinstance(file, str | os.PathLike) else file


def _read(file: FileInput, file_name: str | None) -> tuple[str, Any]:
    name, content = read_files({"file": file}, _UNNAMED)["file"]
    return file_name or name, content
