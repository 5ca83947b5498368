"""Files that a server keeps: the parameters of their calls, and how the server describes them."""

from collections.abc import Iterator
from typing import Annotated, Literal, Required

from pydantic import Field
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from .common import Flag, Listing, Number, OrEmpty, Reply, Text, Whole
from .images import CheckedFile


@keywords
class FileUploadRequest(TypedDict, total=False):
    """Parameters of an upload."""

    file: Required[CheckedFile]
    """The file: bytes, a path object, an open file, or (name, bytes)."""
    purpose: Required[Literal["batch", "fine-tune"] | str]
    """What it is for. Together's word for `batch`, `batch-api`, is put in its place."""
    file_name: str
    """Its name; that of the file by default."""
    file_type: str
    """Its format, such as `jsonl`; by the name's suffix by default."""


@keywords
class FileListRequest(TypedDict, total=False):
    """Parameters of the list of files."""

    purpose: str
    """List only files of this purpose."""
    limit: int
    """Files on a page, where the server has pages; all pages are read."""


@keywords
class FileRequest(TypedDict, total=False):
    """Parameters of a call about one file."""

    file_id: Required[str]
    """Id of the file."""


class FileObject(Reply):
    """A file, as its server describes it; which fields are set depends on the server."""

    # Required: nothing can be asked of a file without it.
    id: str
    """Id of the file."""
    object: Text = None
    """Kind of object, in the server's own word."""
    bytes: Whole = None
    """Size of the file."""
    created_at: Number = None
    """Seconds since 1970 when it was uploaded."""
    expires_at: Number = None
    """Seconds since 1970 when the server deletes it, where it does."""
    filename: Text = None
    """Name of the file."""
    purpose: Text = None
    """What it is for."""
    status: Text = None
    """Whether the server has processed it, in its own word."""


class FileList(Listing):
    """The files of a server; iterate over it."""

    data: Annotated[list[FileObject], OrEmpty(list)] = Field(default_factory=list[FileObject])
    """The files."""

    def __iter__(self) -> Iterator[FileObject]:  # type: ignore[override]  # the base yields fields, which nobody wants
        return iter(self.data)


class FileDeleted(Reply):
    """The result of deleting a file."""

    id: str
    """Id of the file."""
    object: Text = None
    """Kind of object, in the server's own word."""
    deleted: Flag = None
    """Whether it was deleted."""
