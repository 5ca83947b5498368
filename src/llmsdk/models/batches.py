"""Batches that a server processes itself: the parameters of their calls, and how the server describes them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Required, Self, TypeAlias

from pydantic import Field, PrivateAttr, model_validator
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from .common import Listing, Loose, Model, Number, Object, OrEmpty, Reply, Text, Whole

BatchStatus: TypeAlias = (
    Literal["validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"]
    | str
)
"""Status of a batch, always in lower case; a server may have values of its own."""

# Of the statuses that are known; a word of a server's own goes on being asked about.
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})


@keywords
class BatchCreateRequest(TypedDict, total=False):
    """Parameters of a new batch."""

    input_file_id: Required[str]
    """Id of the uploaded file with the rows."""
    endpoint: Required[str]
    """Where the rows go, such as `/v1/chat/completions`."""
    completion_window: str
    """How long the batch may take; servers know `24h` only."""
    metadata: Mapping[str, str]
    """Your own notes, up to 16 pairs. Documented by OpenAI."""
    output_expires_after: Mapping[str, Any]
    """When the files of results are deleted. Documented by OpenAI."""
    priority: int
    """Precedence among your batches. Documented by Together."""
    model_id: str
    """Model of the rows. Documented by Together."""


@keywords
class BatchListRequest(TypedDict, total=False):
    """Parameters of the list of batches."""

    limit: int
    """Batches on a page, where the server has pages; all pages are read."""


@keywords
class BatchRequest(TypedDict, total=False):
    """Parameters of a call about one batch."""

    batch_id: Required[str]
    """Id of the batch."""


class BatchCounts(Model):
    """Numbers of rows: all, answered, failed."""

    total: Whole = None
    """Rows of the batch."""
    completed: Whole = None
    """Rows answered."""
    failed: Whole = None
    """Rows that failed."""


class Batch(Reply):
    """A batch, as its server describes it; which fields are set depends on the server."""

    # Required: nothing can be asked of a batch without it.
    id: str
    """Id of the batch."""
    object: Text = None
    """Kind of object, in the server's own word."""
    status: Annotated[BatchStatus | None, Loose()] = None
    """Status of the batch; see `BatchStatus`."""
    endpoint: Text = None
    """Where its rows go."""
    input_file_id: Text = None
    """Id of the file with the rows."""
    output_file_id: Text = None
    """Id of the file with the answers, once there is one."""
    error_file_id: Text = None
    """Id of the file with the failures, if there are any."""
    completion_window: Text = None
    """How long the batch may take."""
    request_counts: Annotated[BatchCounts | None, Loose()] = None
    """Rows in all, answered and failed. Documented by OpenAI."""
    progress: Number = None
    """Progress in percent. Documented by Together."""
    model_id: Text = None
    """Model of the rows. Documented by Together."""
    created_at: Annotated[int | float | str | None, Loose()] = None
    """When it was created: seconds since 1970, or a text in ISO 8601 (Together)."""
    completed_at: Annotated[int | float | str | None, Loose()] = None
    """When it was completed, in the same form."""
    expires_at: Annotated[int | float | str | None, Loose()] = None
    """When it expires, in the same form."""
    job_deadline: Text = None
    """When it expires, as Together calls it."""
    file_size_bytes: Whole = None
    """Size of the file with the rows."""
    error: Text = None
    """Why the batch failed as a whole. Documented by Together."""
    errors: Object = None
    """Why the batch failed as a whole, as a list in an object. Documented by OpenAI."""
    metadata: Object = None
    """Your own notes."""
    warning: Text = None
    """A warning of the server."""

    _wire_status: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _in_lower_case(self) -> Self:
        if isinstance(self.status, str):
            self._wire_status = self.status
            if not self.status.islower():
                self.status = self.status.lower()
        return self

    @property
    def wire_status(self) -> str | None:
        """The status in the server's own spelling."""
        return self._wire_status

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen: `completed`, `failed`, `expired` or `cancelled`."""
        return self.status in _OVER


class BatchList(Listing):
    """The batches of a server; iterate over it."""

    data: Annotated[list[Batch], OrEmpty(list)] = Field(default_factory=list[Batch])
    """The batches."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # the base yields fields, which nobody wants
        return iter(self.data)
