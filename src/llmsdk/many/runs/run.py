"""`sdk.batch`: a file of requests in, a file of replies out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ...errors import BatchError, DeadlineExceededError
from ...resources.base import Resource
from ..map import Adaptive, Outcome, Settings, outcomes, outcomes_async
from .job import AnyPath, Job, Wish
from .tally import BatchReport, End

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OperationName = Literal["chat", "completions", "images", "embeddings"] | str
__all__ = ["Batch", "BatchReport"]


class Batch(Resource):
    """Many requests from a file, their replies into a file."""

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
        progress: bool | None = None,
        strict: bool = False,
        **options: Any,
    ) -> BatchReport:
        """Send every row of a file, and write each reply when it comes; run again, it goes on where it was.

        A row that is in `output` is not sent again. Rows that failed are beside it, with their request, and are sent
        again by the next run. A line that is no request fails as well, and stops nothing.

        Args:
            input: JSON lines, each with the parameters of a request and perhaps a `custom_id`, or in the shape of
                OpenAI's batch files; or a table, `.csv` or `.parquet`.
            output: JSON lines; or a table that is written when all rows are through.
            operation: `chat`, `completions`, `images`, `embeddings`, or the id of an operation.
            resume: Whether an output that holds results is gone on with; if not, it is refused.
            limit: Requests in flight: found out within an `Adaptive`, or at most this number.
            deadline_ms: Bound of the run; rows that it leaves are for the next one.
            errors: File of the rows that failed; by default `output` with `.errors.jsonl` behind it.
            report: Where a report is written, as `.json` and as `.html`.
            progress: Whether to show on stderr how it goes; None shows it on terminals.
            strict: Whether a single bad line keeps all rows from being sent.
            options: Options of every call, and parameters of rows that do not have them, such as `model`.

        Raises:
            BatchError: A file that cannot be used, read or written; `report` tells what had been done, and stays.
            ConfigurationError: An argument that cannot be.
            RequestValidationError: A parameter that the operation does not have.
        """
        wish = _wish(locals())
        job = Job(self._runner, wish)
        end: End = "complete"
        with outcomes(self, job.operation, job.items(), _settings(job, limit, deadline_ms)) as done:
            job.begin()
            try:
                for outcome in done:
                    job.take(outcome)
            except DeadlineExceededError:
                end = "deadline"
            except BaseException as exc:
                done.close()
                _give_up(job, exc, done.drain())
                raise
        return job.finish(end)

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
        progress: bool | None = None,
        strict: bool = False,
        **options: Any,
    ) -> BatchReport:
        """Send every row of a file, and write each reply when it comes; run again, it goes on where it was.

        A row that is in `output` is not sent again. Rows that failed are beside it, with their request, and are sent
        again by the next run. A line that is no request fails as well, and stops nothing.

        Args:
            input: JSON lines, each with the parameters of a request and perhaps a `custom_id`, or in the shape of
                OpenAI's batch files; or a table, `.csv` or `.parquet`.
            output: JSON lines; or a table that is written when all rows are through.
            operation: `chat`, `completions`, `images`, `embeddings`, or the id of an operation.
            resume: Whether an output that holds results is gone on with; if not, it is refused.
            limit: Requests in flight: found out within an `Adaptive`, or at most this number.
            deadline_ms: Bound of the run; rows that it leaves are for the next one.
            errors: File of the rows that failed; by default `output` with `.errors.jsonl` behind it.
            report: Where a report is written, as `.json` and as `.html`.
            progress: Whether to show on stderr how it goes; None shows it on terminals.
            strict: Whether a single bad line keeps all rows from being sent.
            options: Options of every call, and parameters of rows that do not have them, such as `model`.

        Raises:
            BatchError: A file that cannot be used, read or written; `report` tells what had been done, and stays.
            ConfigurationError: An argument that cannot be.
            RequestValidationError: A parameter that the operation does not have.
        """
        wish = _wish(locals())
        job = Job(self._runner, wish)
        end: End = "complete"
        async with outcomes_async(self, job.operation, job.items(), _settings(job, limit, deadline_ms)) as done:
            job.begin()
            try:
                async for outcome in done:
                    job.take(outcome)
            except DeadlineExceededError:
                end = "deadline"
            except BaseException as exc:
                await done.aclose()
                _give_up(job, exc, done.drain())
                raise
        return job.finish(end)


def _wish(given: Mapping[str, Any]) -> Wish:
    return Wish(**{name: given[name] for name in Wish.__annotations__})


def _settings(job: Job, limit: Adaptive | int | None, deadline_ms: float | None) -> Settings:
    limit = Adaptive() if limit is None else limit
    # No more rows are under way than may be in flight, those included whose reply is not written yet: a kill then
    # costs no more than these.
    window = limit.max if isinstance(limit, Adaptive) else limit
    return Settings(limit=limit, window=window, deadline_ms=deadline_ms, options=job.options)


def _give_up(job: Job, exc: BaseException, left: Iterable[Outcome[Any]]) -> None:
    """End a job on the way out with an error; one of files tells what had been done.

    Args:
        left: What was done and not written yet.
    """
    with suppress(BatchError):  # the disk is still full
        for outcome in left:
            job.take(outcome)
    report = job.give_up("stopped" if isinstance(exc, Exception) else "interrupted")
    if isinstance(exc, BatchError) and exc.report is None:
        exc.report = report
    if isinstance(exc, KeyboardInterrupt):
        exc.add_note(f"{report}; run again to go on")
