"""`sdk.batches`: batches that the server processes itself; for a file sent from here, see `sdk.batch`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, overload

from .._call.preview import Preview
from .._call.secrecy import hide
from ..models.batches import Batch, BatchCreateRequest, BatchList, BatchRequest
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import Resource
from .batch_transfers import checked_endpoint, checked_id, checked_places, to_fetch, to_hand_in, to_wait
from .files import AnyPath
from .operations.batches import CANCEL_BATCH, CREATE_BATCH, LIST_BATCHES, RETRIEVE_BATCH
from .rows.rows import endpoint_of, row_operation
from .rows.server import BatchResults
from .signatures import described_by


@keywords
class CreateBatchArgs(CallOptions, total=False):
    """What `batches.create` takes beside the rows."""

    metadata: Mapping[str, str]
    """Your own notes, up to 16 pairs. OpenAI only."""
    output_expires_after: Mapping[str, Any]
    """When the files of results are deleted. OpenAI only."""
    priority: int
    """Precedence among your batches. Together only."""
    model_id: str
    """Model of the rows. Together only."""


@keywords
class ListBatchesArgs(CallOptions, total=False):
    """What `batches.list` takes."""

    limit: int
    """Batches on a page, where the server has pages; all pages are read."""


# Two, since `errors` means something with a path alone: without one, checkers refuse it.
@keywords
class _FetchArgs(CallOptions, total=False):
    operation: str | None
    """What the rows were for; by default what the batch's endpoint says."""
    allow_private: bool
    """Follow the server to a storage in a private network too."""


@keywords
class _FetchToArgs(_FetchArgs, total=False):
    errors: AnyPath | None
    """File of the failures, where there are any; by default `to` with `.errors.jsonl` behind it."""


class ServerBatches(Resource):
    """Batches that the server processes itself; `sdk.batch` sends a file of requests from here."""

    @described_by(CreateBatchArgs, operation=CREATE_BATCH)
    def create(
        self,
        *,
        input_file_id: str | None = None,
        file: AnyPath | None = None,
        operation: str = "chat",
        completion_window: str = "24h",
        allow_private: bool = False,
        **args: Unpack[CreateBatchArgs],
    ) -> Batch:
        """Start a batch from a file of requests, local or uploaded before.

        Args:
            input_file_id: Id of the uploaded file with the rows.
            file: A file of rows as `batch.run` takes them, or OpenAI's batch lines; every row is checked, rewritten to
                the server's form and uploaded, or sent with the batch (Anthropic).
            operation: What the rows are for: `chat`, `completions`, `embeddings`, `images`, `moderations`, …
            completion_window: How long the batch may take; servers know `24h` only.
            allow_private: Let a server hand the upload over to a storage in a private network.
            metadata: Your own notes, up to 16 pairs. OpenAI only.
            output_expires_after: When the files of results are deleted. OpenAI only.
            priority: Precedence among your batches. Together only.
            model_id: Model of the rows. Together only.
            args: Options of the call, see `CallOptions`.

        Raises:
            BatchError: A row is wrong, named with file and line; nothing was sent.
            UnsupportedOperationError: The server has no batches.
            SDKError: As `chat.create`.
        """
        endpoint = checked_endpoint(input_file_id, file, operation)
        params = {
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            **hide(args),
        }
        # Two calls: where the batch can't be started, the uploaded file stays at the server.
        if file is not None:
            plan, flow = to_hand_in(self._runner, file, operation, params, allow_private)
            params |= self._runner.transfer(plan, {}, flow)
        reply: Batch = self._runner.call(CREATE_BATCH, params)
        return reply

    @described_by(CreateBatchArgs, operation=CREATE_BATCH)
    async def create_async(
        self,
        *,
        input_file_id: str | None = None,
        file: AnyPath | None = None,
        operation: str = "chat",
        completion_window: str = "24h",
        allow_private: bool = False,
        **args: Unpack[CreateBatchArgs],
    ) -> Batch:
        """Start a batch from a file of requests; see `create`."""
        endpoint = checked_endpoint(input_file_id, file, operation)
        params = {
            "input_file_id": input_file_id,
            "endpoint": endpoint,
            "completion_window": completion_window,
            **hide(args),
        }
        if file is not None:
            plan, flow = to_hand_in(self._runner, file, operation, params, allow_private)
            params |= await self._runner.transfer_async(plan, {}, flow)
        reply: Batch = await self._runner.call_async(CREATE_BATCH, params)
        return reply

    @described_by(CallOptions)
    def retrieve(self, batch_id: str, **args: Unpack[CallOptions]) -> Batch:
        """Return the state of a batch.

        Args:
            batch_id: Its id.
            args: Options of the call, see `CallOptions`.

        Raises:
            NotFoundError: There is no such batch.
            SDKError: As `chat.create`.
        """
        reply: Batch = self._runner.call(RETRIEVE_BATCH, {"batch_id": batch_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    async def retrieve_async(self, batch_id: str, **args: Unpack[CallOptions]) -> Batch:
        """Return the state of a batch; see `retrieve`."""
        reply: Batch = await self._runner.call_async(RETRIEVE_BATCH, {"batch_id": batch_id, **hide(args)})
        return reply

    @described_by(ListBatchesArgs, operation=LIST_BATCHES)
    def list(self, **args: Unpack[ListBatchesArgs]) -> BatchList:
        """List all batches of a server.

        Args:
            limit: Batches on a page, where the server has pages; all pages are read.
            args: Options of the call, see `CallOptions`.

        Raises:
            UnsupportedOperationError: The server has no batches.
            SDKError: As `chat.create`.
        """
        reply: BatchList = self._runner.call(LIST_BATCHES, args)
        return reply

    @described_by(ListBatchesArgs, operation=LIST_BATCHES)
    async def list_async(self, **args: Unpack[ListBatchesArgs]) -> BatchList:
        """List all batches of a server; see `list`."""
        reply: BatchList = await self._runner.call_async(LIST_BATCHES, args)
        return reply

    @described_by(CallOptions)
    def cancel(self, batch_id: str, **args: Unpack[CallOptions]) -> Batch:
        """Cancel a batch. Rows that were answered by then are billed, and can be fetched once it is `cancelled`.

        Args:
            batch_id: Its id.
            args: Options of the call, see `CallOptions`.

        Raises:
            NotFoundError: There is no such batch.
            APIStatusError: The server does not stop it, since it is over, for one.
        """
        reply: Batch = self._runner.call(CANCEL_BATCH, {"batch_id": batch_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    async def cancel_async(self, batch_id: str, **args: Unpack[CallOptions]) -> Batch:
        """Cancel a batch; see `cancel`."""
        reply: Batch = await self._runner.call_async(CANCEL_BATCH, {"batch_id": batch_id, **hide(args)})
        return reply

    @described_by(CallOptions)
    def wait(
        self, batch: Batch | str, *, poll_ms: float = 2_000, max_poll_ms: float = 60_000, **args: Unpack[CallOptions]
    ) -> Batch:
        """Wait until a batch is `completed`, `failed`, `expired` or `cancelled`.

        `deadline_ms` bounds the whole wait, 25 hours by default.

        Args:
            batch: It, or its id.
            poll_ms: Wait before the second look; every further one is half as long again.
            max_poll_ms: The longest wait between two looks.
            args: Options of the call, see `CallOptions`.

        Returns:
            The batch as it was last; look at its `status`.

        Raises:
            DeadlineExceededError: It was not over in time; it continues at the server.
            SDKError: As `chat.create`; failures that may pass are overlooked up to five times in a row.
        """
        plan, flow = to_wait(self._runner, batch, hide(args), poll_ms, max_poll_ms)
        return self._runner.transfer(plan, {}, flow)

    @described_by(CallOptions)
    async def wait_async(
        self, batch: Batch | str, *, poll_ms: float = 2_000, max_poll_ms: float = 60_000, **args: Unpack[CallOptions]
    ) -> Batch:
        """Wait until a batch is over; see `wait`."""
        plan, flow = to_wait(self._runner, batch, hide(args), poll_ms, max_poll_ms)
        return await self._runner.transfer_async(plan, {}, flow)

    @overload
    def fetch(self, batch: Batch | str, to: None = None, **args: Unpack[_FetchArgs]) -> BatchResults: ...
    @overload
    def fetch(self, batch: Batch | str, to: AnyPath, **args: Unpack[_FetchToArgs]) -> Path: ...
    @described_by(CallOptions)
    def fetch(
        self,
        batch: Batch | str,
        to: AnyPath | None = None,
        *,
        errors: AnyPath | None = None,
        operation: str | None = None,
        allow_private: bool = False,
        **args: Unpack[CallOptions],
    ) -> BatchResults | Path:
        """Download the results of a batch: replies and failures.

        Args:
            batch: It, or its id.
            to: File to write the replies to, in the lines of `batch.run`; without it they come back to be iterated.
            errors: File of the failures, where there are any; by default `to` with `.errors.jsonl` behind it.
            operation: What the rows were for; by default what the batch's endpoint says.
            allow_private: Follow the server to a storage in a private network too.
            args: Options of the call, see `CallOptions`.

        Returns:
            Pairs of `custom_id` and reply or error to iterate over, or the path written.

        Raises:
            BatchError: The batch is not over, or has failed as a whole; the message says why.
            OSError: A file cannot be written; nothing half-written stays.
            SDKError: As `files.content`.
        """
        places = checked_places(to, errors, operation, allow_private)
        if not isinstance(batch, Batch):
            batch = self.retrieve(checked_id(batch), **hide(args))
        plan, flow = to_fetch(self._runner, batch, operation, hide(args), places, allow_private)
        results: BatchResults | Path = self._runner.transfer(plan, {}, flow)
        return results

    @overload
    async def fetch_async(self, batch: Batch | str, to: None = None, **args: Unpack[_FetchArgs]) -> BatchResults: ...
    @overload
    async def fetch_async(self, batch: Batch | str, to: AnyPath, **args: Unpack[_FetchToArgs]) -> Path: ...
    @described_by(CallOptions)
    async def fetch_async(
        self,
        batch: Batch | str,
        to: AnyPath | None = None,
        *,
        errors: AnyPath | None = None,
        operation: str | None = None,
        allow_private: bool = False,
        **args: Unpack[CallOptions],
    ) -> BatchResults | Path:
        """Download the results of a batch; see `fetch`. The results are for a plain `for`."""
        places = checked_places(to, errors, operation, allow_private)
        if not isinstance(batch, Batch):
            batch = await self.retrieve_async(checked_id(batch), **hide(args))
        plan, flow = to_fetch(self._runner, batch, operation, hide(args), places, allow_private)
        results: BatchResults | Path = await self._runner.transfer_async(plan, {}, flow)
        return results

    @described_by(ListBatchesArgs, CreateBatchArgs, BatchCreateRequest, BatchRequest)
    def preview(self, **args: Any) -> Preview:
        """Make the request of `list`, with `batch_id` `retrieve`, with `input_file_id` `create`, and send nothing."""
        if "input_file_id" in args:  # of a file here there is nothing to show: its id comes with the upload
            operation = row_operation(args.pop("operation", "chat"))
            return self._runner.preview(
                CREATE_BATCH, {"endpoint": endpoint_of(operation), "completion_window": "24h", **args}
            )
        return self._runner.preview(RETRIEVE_BATCH if "batch_id" in args else LIST_BATCHES, args)
