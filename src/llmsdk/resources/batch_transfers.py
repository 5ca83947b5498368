"""What `sdk.batches` sends and fetches: rows up, a wait, results down; planned once for sync and async."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .._call.download import Tools
from .._call.effects import Flow, Invoke
from .._call.request.encode import find_route
from .._call.transfers import Transfer
from .._net.runner import Runner
from ..errors import BatchError, RequestValidationError
from ..models.batches import Batch
from ..models.files import FileObject
from ..models.images import checked_private
from ..options import CALL_OPTIONS
from ..providers.registry import PROVIDERS
from ..utils.files import checked_path, given_path
from .files import AnyPath
from .operations.batches import CREATE_BATCH, RETRIEVE_BATCH
from .operations.files import FILE_CONTENT, UPLOAD_FILE
from .rows.rows import endpoint_of, operation_at, row_operation
from .rows.server import BatchResults, inline_rows, wire_file

DEFAULT_WAIT_MS = 25 * 3_600_000  # a little more than the one window that servers offer
_OF_CREATE_ONLY = frozenset({"extra_body", "extra_query"})  # the upload of the rows has its own body


def checked_endpoint(input_file_id: str | None, file: AnyPath | None, operation: str) -> str:
    """Find the endpoint of a new batch, and refuse one without rows."""
    if (input_file_id is None) == (file is None):
        came = "neither came" if file is None else "both came"
        raise RequestValidationError(f"file: pass either file or input_file_id; {came}", param="file")
    # Asked for also where the rows are at the server already: it does not look into the file to find out.
    return endpoint_of(row_operation(operation))


def to_hand_in(
    runner: Runner, file: AnyPath, operation: str, params: Mapping[str, Any], allow_private: bool
) -> tuple[Transfer | None, Callable[[Tools], Flow[Mapping[str, Any]]]]:
    """Plan how a file of rows gets to the server; what is wrong with the batch itself shows before that.

    Returns:
        The upload, where there is one, and a flow that returns the parameters of the batch that say where its rows are.
    """
    path = given_path(file, "file")
    options = {name: value for name, value in params.items() if name in CALL_OPTIONS - _OF_CREATE_ONLY}
    target = runner.target(options.get("server"), options.get("server_url"))
    rows = find_route(CREATE_BATCH, target.provider, PROVIDERS).rows
    # A file at the server is kept and perhaps paid for: a batch that would be refused here is to cost no upload.
    tried = {"input_file_id": "file"} if rows.inline is None else {} if rows.model is None else {rows.model: "model"}
    runner.preview(CREATE_BATCH, {**params, **tried})
    if rows.inline is not None:
        read_inline = partial(inline_rows, path, row_operation(operation), rows, runner, options)
        return None, partial(_inline, rows.model, params.get("extra_body"), read_inline)
    upload = {"file": path, "purpose": "batch", **options}
    # Rows are read when the upload begins, in a thread where the call is async: a file may take seconds to check.
    plan = Transfer(UPLOAD_FILE, upload, runner.core, allow_private=allow_private)
    read = partial(wire_file, path, row_operation(operation), rows, runner, options)
    return plan, partial(_uploaded, plan, read)


def _inline(
    model_name: str | None, beside: Any, read: Callable[[], tuple[dict[str, Any], str | None]], tools: Tools
) -> Flow[Mapping[str, Any]]:
    fields, model = yield Invoke(tools.thread, (read,))
    # No parameter of the vocabulary: each server has it in a form of its own.
    said: dict[str, Any] = {"extra_body": {**(beside or {}), **fields}}
    return said if model_name is None else {**said, model_name: model}


def _uploaded(plan: Transfer, read: Callable[[], tuple[str, bytes]], tools: Tools) -> Flow[Mapping[str, Any]]:
    file: FileObject = yield from plan.uploading(tools, read)
    return {"input_file_id": file.id}


def checked_id(batch: Any) -> str:
    """Find the id of a batch that is given as itself or as its id."""
    if isinstance(batch, Batch):
        return batch.id
    if not isinstance(batch, str):
        raise RequestValidationError(f"batch: must be a Batch or its id, got {type(batch).__name__}", param="batch")
    return batch


def to_wait(
    runner: Runner, batch: Batch | str, args: Mapping[str, Any], poll_ms: float, max_poll_ms: float
) -> tuple[Transfer, Callable[[Tools], Flow[Batch]]]:
    """Plan the looks at a batch until it is over."""
    # A wait without any bound has to be asked for, by deadline_ms=None.
    params = {"batch_id": checked_id(batch), "deadline_ms": DEFAULT_WAIT_MS, **args}
    plan = Transfer(RETRIEVE_BATCH, params, runner.core)
    return plan, partial(plan.polling, poll_ms=poll_ms, max_poll_ms=max_poll_ms)


def checked_places(to: Any, errors: Any, operation: str | None, allow_private: bool) -> tuple[Path | None, Path | None]:
    """Check the arguments of `fetch` before anything is sent; a download of gigabytes is not to fail at its end."""
    checked_private(allow_private)
    if operation is not None:
        row_operation(operation)
    return None if to is None else checked_path(to, "to"), None if errors is None else checked_path(errors, "errors")


def to_fetch(
    runner: Runner,
    batch: Batch,
    operation: str | None,
    args: Mapping[str, Any],
    places: tuple[Path | None, Path | None],
    allow_private: bool,
) -> tuple[Transfer, Callable[[Tools], Flow[Any]]]:
    """Plan the download of a batch's files, the replies first."""
    # A batch that expired or was cancelled has results too, of the rows that were answered by then.
    file_ids = [file_id for file_id in (batch.output_file_id, batch.error_file_id) if file_id]
    if not file_ids and (not batch.is_over or batch.status == "failed"):
        said = batch.error or batch.errors
        why = said or ("wait for its end" if not batch.is_over else "the server does not say why")
        raise BatchError(f"batch {batch.id} is {batch.status} and has no results: {why}")
    of_rows = operation_at(batch.endpoint) if operation is None else row_operation(operation)
    if of_rows is None:
        raise BatchError(f"operation: the endpoint of batch {batch.id} does not say what its rows were for; name it")
    # Each file is a call of its own; what carries them all has the server and the options.
    carrier = Transfer(RETRIEVE_BATCH, {"batch_id": batch.id, **args}, runner.core)
    plans = [
        Transfer(FILE_CONTENT, {"file_id": file_id, **args}, runner.core, allow_private=allow_private)
        for file_id in file_ids
    ]
    return carrier, partial(_fetching, plans, BatchResults(of_rows, carrier.plan.target.provider), *places)


def _fetching(
    plans: Sequence[Transfer], results: BatchResults, to: Path | None, errors: Path | None, tools: Tools
) -> Flow[BatchResults | Path]:
    # Results may be larger than memory: they go to the disk piece by piece, and are parsed when they are read.
    try:
        for plan in plans:
            yield from plan.downloading(tools, results.add)
            results.end_file()
        if to is None:
            return results
        # In a thread where the call is async: parsing and writing a gigabyte would hold the event loop.
        written: Path = yield Invoke(tools.thread, (results.write, to, errors))
    except BaseException:
        results.close()
        raise
    results.close()
    return written
