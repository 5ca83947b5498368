"""One run over its files, without the sending: which rows are sent, and what becomes of the outcomes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from ..._call.checks import checked_flag
from ..._call.request.validate import check_names
from ..._net.runner import Runner
from ...errors import (
    APIStatusError,
    AuthenticationError,
    BatchError,
    BudgetExceededError,
    PermissionDeniedError,
    RequestValidationError,
)
from ...options import CALL_OPTIONS
from ...resources.rows.inputs import read_rows
from ...resources.rows.problems import file_error
from ...resources.rows.results import failed, failure_of, invalid, is_failure, key_of, succeeded
from ...resources.rows.rows import BatchRow, InvalidRow, row_operation
from ...resources.rows.tables import write_results
from ..map import Adaptive, Feedback, Item, Load, Outcome, Settings, as_adaptive
from .counts import RunCounts
from .figures import End
from .journal import Journal
from .paths import RunPaths
from .progress import Wanted, showing
from .report import BatchReport
from .state import settle, state_of

_REFUSED_AT_FIRST = 10  # rows that a bad key may cost; one may be forbidden by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """What a run may do; as the arguments of `sdk.batch.run`."""

    resume: bool
    strict: bool
    progress: Wanted

    def __post_init__(self) -> None:
        checked_flag(self.resume, "resume")
        checked_flag(self.strict, "strict")
        is_word = isinstance(self.progress, str) and self.progress == "log"  # anything else may fail at a comparison
        if self.progress is not None and not is_word:
            checked_flag(self.progress, "progress")


class FileRun:
    """The files and counts of one run: `begin` it, send what `items` gives, `take` the outcomes, `finish`."""

    def __init__(
        self,
        runner: Runner,
        operation: str,
        paths: RunPaths,
        flags: RunFlags,
        limit: Adaptive | int | None,
        deadline_ms: float | None,
        options: Mapping[str, Any],
    ) -> None:
        self.operation = row_operation(operation)
        self.paths = paths
        self._flags = flags
        if "stream" in options:
            raise RequestValidationError("stream: replies of a batch come whole; leave it out", param="stream")
        known = self.operation.parameters - {"stream"} | CALL_OPTIONS
        check_names(options, known, where=f"{self.operation.resource}.{self.operation.name}")
        self._defaults = {name: value for name, value in options.items() if name not in CALL_OPTIONS}
        self._limit = as_adaptive(limit)
        self.settings = Settings(
            limit=self._limit,
            # No more rows are under way than may be in flight, those included whose reply is not written yet: a kill
            # then costs no more than these.
            window=self._limit.max,
            deadline_ms=deadline_ms,
            options={name: value for name, value in options.items() if name in CALL_OPTIONS},
            watch=self._count_attempt,
        )
        self._state = state_of(runner, self.operation, options)
        # Plain set and dict: 100,000 keys are put in and looked up in 22 ms, at 124 bytes each for a short `custom_id`
        # and 186 for a hash. A hash table made of arrays took 350 ms, at 67 bytes each.
        self._done: set[str] = set()
        self._failures: dict[str, int] = {}  # rows that failed, and how often an error was the answer
        self._errors_start = 0  # where the failures of this run begin
        self._has_ended = False
        self._is_over_budget = False
        self._is_let_in = False  # whether the server has taken the key for any row
        self._refused = 0
        self._lock = threading.Lock()  # a sync run reads its rows in another thread than it takes outcomes
        self._stack = ExitStack()
        self.counts = RunCounts(runner.config.prices)

    # -------------------------------------------------------------------- begin

    def begin(self, load: Callable[[], Load]) -> None:
        """Open the files, find out what earlier runs have done, and look at every row before any is sent.

        Args:
            load: Says how the map that sends the rows stands.
        """
        self.counts.load = load
        paths = self.paths
        paths.check()
        made = [path for path in (paths.journal, paths.errors, paths.state) if not os.path.lexists(path)]
        with ExitStack() as stack:
            self._journal = stack.enter_context(Journal(paths.journal, paths.output))
            # A run that cannot begin leaves no empty files; they go while they are held.
            undo = stack.enter_context(ExitStack())
            undo.callback(_remove, made)
            is_new = self._journal.is_empty
            if not (is_new or self._flags.resume):
                problem = "holds results already; resume=True goes on with it, or name another output"
                raise file_error(paths.journal, problem)
            self._state = settle(paths.state, paths.journal, self._state, is_new=is_new)
            self._journal.mend()
            # They have prompts in them: as private as the replies.
            self._errors = stack.enter_context(Journal(paths.errors, paths.journal))
            self._load_results()
            self._load_failures()
            self._look_over()
            undo.pop_all()
            stack.enter_context(showing(self.counts, self._flags.progress))
            self._stack = stack.pop_all()

    def _load_results(self) -> None:
        for number, _, raw in self._journal.read():
            key = key_of(raw)
            if key is None:
                problem = "isn't a result of a batch; remove the line, or name another output"
                raise file_error(self.paths.journal, problem, line=number)
            self._done.add(key)

    def _load_failures(self) -> None:
        for number, offset, raw in self._errors.read():
            if not is_failure(raw):
                problem = "isn't a failure of a batch; name another file for errors"
                raise file_error(self.paths.errors, problem, line=number)
            if not raw.endswith(b"\n"):
                break
            self._errors_start = offset + len(raw)
            found = failure_of(raw)
            if found is not None:
                self._failures[found[0]] = found[1]
        self._errors.mend()

    def _look_over(self) -> None:
        """Count the rows, and refuse input that makes no sense, before anything is sent."""
        path = self.paths.input
        seen: dict[str, int] = {}
        first: InvalidRow | None = None
        bad = 0
        for row in read_rows(path, self.operation):
            self.counts.rows += 1
            if isinstance(row, InvalidRow):
                first = first or row
                bad += 1
                continue
            before = seen.setdefault(row.key, row.line)
            if before != row.line:
                problem = f"custom_id {row.key[:80]!r} is that of line {before} too; use a unique one for each row"
                raise file_error(path, problem, line=row.line)
            self.counts.done_before += row.key in self._done
        if first is not None and (self._flags.strict or bad == self.counts.rows):
            more = f" (and {bad - 1:,} more)" if bad > 1 else ""
            raise file_error(path, f"{first.problem}{more}; nothing was sent", line=first.line)

    # --------------------------------------------------------------------- rows

    def items(self) -> Iterator[Item]:
        """Return the rows that are to be sent, each tagged with itself."""
        for row in read_rows(self.paths.input, self.operation):
            if isinstance(row, InvalidRow):
                with self._lock:
                    self._errors.append(invalid(row, self.paths.input))
                    self.counts.invalid(row)
            elif row.key not in self._done:
                key = self._state.idempotency_key(row.key, row.params, self._failures.get(row.key, 0))
                yield Item({**self._defaults, **row.params}, key, row)

    def take(self, outcome: Outcome[Any]) -> None:
        """Write the outcome of a row, and count it."""
        row: BatchRow = outcome.item.tag
        model = str(row.params.get("model", self._defaults.get("model", "")))
        with self._lock:
            if isinstance(outcome.result, BaseException):
                self._take_failure(row, outcome.result, model, outcome.attempts)
                return
            self._is_let_in = True
            self._journal.append(succeeded(row, outcome.result))
            if row.key in self._failures:
                self._done.add(row.key)  # its line among the failures is out of date
            self.counts.success(outcome.result, model, outcome.elapsed_ms, outcome.attempts)

    def _count_attempt(self, seen: Feedback) -> None:
        self.counts.attempt(seen.status, seen.elapsed_s)

    def _take_failure(self, row: BatchRow, error: BaseException, model: str, attempts: int) -> None:
        if isinstance(error, BudgetExceededError):
            self._stop_for(error)
            return  # neither done nor failed: the next run sends it
        failures = self._failures.get(row.key, 0) + isinstance(error, APIStatusError)
        self._errors.append(failed(row, error, attempts=attempts, failures=failures))
        self.counts.failure(error, row, model, attempts)
        # Where the server refuses the key from the first row on, it would refuse all others as well.
        self._is_let_in |= not isinstance(error, AuthenticationError | PermissionDeniedError)
        self._refused += 1
        if not self._is_let_in and self._refused == _REFUSED_AT_FIRST:
            problem = f"the first {self._refused} rows were refused for their key ({error}); mend the key and run again"
            raise file_error(self.paths.input, problem) from error

    def _stop_for(self, error: BudgetExceededError) -> None:
        """End the run at the first row that the budget has no room for; rows after it are left as they are."""
        if not self._is_over_budget:
            self._is_over_budget = True
            raise file_error(self.paths.input, f"{error}; raise the budget and run again") from error

    # ---------------------------------------------------------------------- end

    def finish(self, end: End) -> BatchReport:
        """Write everything to the disk, clean up the failures, write table and report; may be called again."""
        report = self._report(end)
        if not self._has_ended:
            self._has_ended = True
            try:
                self._end(report)
            except BatchError as exc:
                exc.report = report
                raise
        return report

    def give_up(self, exc: BaseException, left: Iterable[Outcome[Any]]) -> None:
        """End a run that an error stops; the error says what had been done, and further errors are left out.

        Args:
            left: Outcomes that are not written yet.
        """
        with suppress(BatchError):  # the disk is still full
            for outcome in left:
                self.take(outcome)
        end: End = "stopped" if isinstance(exc, Exception) else "interrupted"
        with suppress(BatchError):
            self.finish(end)
        report = self._report(end)
        if isinstance(exc, BatchError) and exc.report is None:
            exc.report = report
        if isinstance(exc, KeyboardInterrupt):
            exc.add_note(f"{report}; run again to go on")

    def _end(self, report: BatchReport) -> None:
        paths = self.paths
        try:
            with self._stack:
                if self._errors_start:
                    self._errors.replace(self._current_failures())
                if os.path.isfile(paths.errors) and not os.path.getsize(paths.errors):
                    _remove([paths.errors])
            if report.end == "complete" and paths.output != paths.journal:
                write_results(paths.journal, paths.output)
        finally:
            if paths.report:
                report.write(paths.report, paths.journal)

    def _current_failures(self) -> Iterator[bytes]:
        """Return the lines of failures that still hold: of each row the last, none of rows that are done by now."""
        last: dict[str, int] = {}  # where in the file it stands
        for _, offset, raw in self._errors.read():
            found = failure_of(raw)
            if found is not None:
                last[found[0]] = offset
        for _, offset, raw in self._errors.read():
            found = failure_of(raw)
            if found is None:
                is_current = offset >= self._errors_start  # a broken line of this run; of others, it may be mended
            else:
                is_current = last[found[0]] == offset and found[0] not in self._done
            if is_current:
                yield raw

    def _report(self, end: End) -> BatchReport:
        return self.counts.report(
            end=end,
            operation=self.operation.id,
            server=self._state.server,
            url=self._state.url,
            limit=self._limit,
            input=self.paths.input,
            output=self.paths.output,
            errors=self.paths.errors,
        )


def _remove(paths: list[str]) -> None:
    for path in paths:
        with suppress(OSError):
            os.unlink(path)
