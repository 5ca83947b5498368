"""`sdk.batch`: sends the requests of a file from here; for batches that the server processes, see `sdk.batches`."""

from __future__ import annotations

from typing import Any, Literal

from ..._call.secrecy import hide
from ...errors import DeadlineExceededError
from ...resources.base import Resource
from ...resources.files import AnyPath
from ..map import Adaptive, outcomes, outcomes_async
from .file_run import FileRun, RunFlags
from .paths import RunPaths
from .progress import Wanted
from .report import BatchReport

OperationName = Literal["chat", "completions", "images", "embeddings"] | str
__all__ = ["BatchReport", "FileBatch"]


class FileBatch(Resource):
    """Send a file of requests from here, and resume it; `sdk.batches` is for batches that the server processes."""

    def run(
        self,
        input: AnyPath,
        output: AnyPath,
        *,
        operation: OperationName = "chat",
        resume: bool = True,
        limit: Adaptive | int | None = None,
        deadline_ms: float | None = None,
        errors: AnyPath | None = None,
        report: AnyPath | None = None,
        progress: Wanted = None,
        strict: bool = False,
        **options: Any,
    ) -> BatchReport:
        """Send every request of a file from here and write each reply as it arrives; run it again to resume.

        A row that is in `output` is not sent again. Rows that failed are written beside it, with their request, and are
        sent again by the next run. A line that is no request fails as well, and stops nothing.

        Args:
            input: JSON lines, each with the parameters of a request and perhaps a `custom_id`, or in the shape of
                OpenAI's batch files; or a table, `.csv` or `.parquet`.
            output: JSON lines; or a table that is written when all rows are through.
            operation: `chat`, `completions`, `images`, `embeddings`, or the id of an operation.
            resume: Whether an output that holds results is resumed; if not, it is refused.
            limit: Requests in flight: found out within an `Adaptive`, or at most this number.
            deadline_ms: Time limit of the run; the next run continues with the rest.
            errors: File of the rows that failed; by default `output` with `.errors.jsonl` behind it.
            report: Where a report is written, as `.json` and as `.html`.
            progress: Whether to show progress on stderr, in logs too; None shows it on terminals, "log" sends it to the
                logger `llmsdk`.
            strict: Whether a single bad line keeps all rows from being sent.
            options: Options of every call, and parameters of rows that do not have them, such as `model`.

        Raises:
            BatchError: A file that cannot be used, read or written; its `report` says what had been done, and stays.
            ConfigurationError: An argument has a wrong value.
            RequestValidationError: A parameter that the operation does not have.
        """
        paths = RunPaths.named(input, output, errors, report)
        flags = RunFlags(resume=resume, strict=strict, progress=progress)
        run = FileRun(self._runner, operation, paths, flags, limit, deadline_ms, hide(options))
        with outcomes(self._runner, run.operation, run.items(), run.settings) as done:
            run.begin(done.load)
            try:
                for outcome in done:
                    run.take(outcome)
            except DeadlineExceededError:
                return run.finish("deadline")
            except BaseException as exc:  # Ctrl-C too: what was answered by then is paid, and is written
                done.close()
                run.give_up(exc, done.drain())
                raise
        return run.finish("complete")

    async def run_async(
        self,
        input: AnyPath,
        output: AnyPath,
        *,
        operation: OperationName = "chat",
        resume: bool = True,
        limit: Adaptive | int | None = None,
        deadline_ms: float | None = None,
        errors: AnyPath | None = None,
        report: AnyPath | None = None,
        progress: Wanted = None,
        strict: bool = False,
        **options: Any,
    ) -> BatchReport:
        """Send every row of a file from here, and write each reply when it comes; as `run`."""
        paths = RunPaths.named(input, output, errors, report)
        flags = RunFlags(resume=resume, strict=strict, progress=progress)
        run = FileRun(self._runner, operation, paths, flags, limit, deadline_ms, hide(options))
        async with outcomes_async(self._runner, run.operation, run.items(), run.settings) as done:
            run.begin(done.load)
            try:
                async for outcome in done:
                    run.take(outcome)
            except DeadlineExceededError:
                return run.finish("deadline")
            except BaseException as exc:
                await done.aclose()
                run.give_up(exc, done.drain())
                raise
        return run.finish("complete")
