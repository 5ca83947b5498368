"""Job: one run over its files, without the sending: which rows are to be sent, and what becomes of the outcomes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..._call.checks import checked_flag
from ..._call.operation import Operation
from ..._call.request.validate import check_names, known_names
from ...errors import (
    APIStatusError,
    AuthenticationError,
    BatchError,
    ConfigurationError,
    PermissionDeniedError,
    RequestValidationError,
)
from ...options import CALL_OPTIONS
from ...resources.rows.inputs import check_extra, is_table, read_rows
from ...resources.rows.results import failed, failure_of, invalid, is_failure, key_of, succeeded
from ...resources.rows.rows import BatchRow, InvalidRow, row_operation
from ...resources.rows.tables import write_results
from ...utils.files import given_path, write_atomically
from ..map.job import Item
from .journal import Journal
from .progress import showing
from .state import settle, state_of
from .tally import BatchReport, End, Tally

if TYPE_CHECKING:
    from ..._net.runner import Runner
    from ..map.work import Outcome

AnyPath = str | os.PathLike[str]
_REFUSED_AT_FIRST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the caller of a run asks for."""

    input: AnyPath
    output: AnyPath
    operation: str
    resume: bool
    strict: bool
    errors: AnyPath | None
    report: AnyPath | None
    progress: bool | None
    options: Mapping[str, Any]


class Job:
    """Files, counts and the rows that are to be sent; `begin` it, send what `items` gives, `take` outcomes, `finish`.

    Raises:
        ConfigurationError: An argument that cannot be.
        RequestValidationError: A parameter of the run that the operation does not have.
    """

    def __init__(self, runner: Runner, wish: Wish) -> None:
        self.operation: Operation = row_operation(wish.operation)
        self.options = {name: value for name, value in wish.options.items() if name in CALL_OPTIONS}
        self._defaults = {name: value for name, value in wish.options.items() if name not in CALL_OPTIONS}
        self._wish = wish
        self._runner = runner
        self._input = _path(wish.input, "input")
        self.output = _path(wish.output, "output")
        self._journal_path = f"{self.output}.jsonl" if is_table(self.output) else self.output
        self._errors_path = f"{self.output}.errors.jsonl" if wish.errors is None else _path(wish.errors, "errors")
        self._state_path = f"{self._journal_path}.state.json"
        report = "" if wish.report is None else _path(wish.report, "report")
        self._report_base = report.removesuffix(".json").removesuffix(".html")
        checked_flag(wish.resume, "resume")
        checked_flag(wish.strict, "strict")
        if wish.progress is not None:
            checked_flag(wish.progress, "progress")
        where = f"{self.operation.resource}.{self.operation.name}"
        if "stream" in wish.options:
            raise RequestValidationError("stream: replies of a batch come whole; leave it out", param="stream")
        check_names(wish.options, known_names(self.operation.request) - {"stream"} | CALL_OPTIONS, where=where)
        check_extra(self._input, self.output)
        self._state = state_of(runner, self.operation, wish.options)
        # Plain set and dict: 100,000 keys are put in and looked up in 22 ms, at 124 bytes each for a short `custom_id`
        # and 186 for a hash. A hash table made of arrays took 350 ms, at 67 bytes each.
        self._done: set[str] = set()
        self._failures: dict[str, int] = {}  # rows that failed, and how often an error was the answer
        self._errors_start = 0
        self._ended = False
        self._is_let_in = False
        self._refused = 0
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self.tally = Tally(runner.config.prices)

    def begin(self) -> None:
        """Open the files, find out what earlier runs have done, and look at every row before any is sent.

        Raises:
            BatchError: A file that cannot be read or written, is of another run, or has nothing that can be sent.
        """
        self._check_paths()
        if not os.path.exists(self._input):
            raise BatchError(f"{self._input}: there is no such file", path=self._input)
        made = [path for path in (self._journal_path, self._errors_path, self._state_path) if not os.path.lexists(path)]
        with ExitStack() as stack:
            self._journal = stack.enter_context(Journal(self._journal_path))
            # A run that cannot begin leaves no empty files; they go while they are held.
            undo = stack.enter_context(ExitStack())
            undo.callback(_remove, made)
            is_new = self._journal.is_empty
            if not (is_new or self._wish.resume):
                raise BatchError(
                    f"{self._journal_path}: holds results already; resume=True goes on with it, or name another output",
                    path=self._journal_path,
                )
            self._state = settle(self._state_path, self._journal_path, self._state, is_new=is_new)
            self._journal.mend()
            self._errors = stack.enter_context(Journal(self._errors_path))
            self._load()
            self._look_over()
            undo.pop_all()
            stack.enter_context(showing(self.tally, self._wish.progress))
            self._stack = stack.pop_all()

    def items(self) -> Iterator[Item]:
        """Give the rows that are to be sent, each tagged with itself."""
        for row in read_rows(self._input, self.operation):
            if isinstance(row, InvalidRow):
                with self._lock:
                    self._errors.append(invalid(row, self._input))
                    self.tally.unfit()
            elif row.key not in self._done:
                failures = self._failures.get(row.key, 0)
                key = self._state.idempotency_key(row.key, row.params, failures)
                yield Item({**self._defaults, **row.params}, key, row)

    def take(self, outcome: Outcome[Any]) -> None:
        """Write what came of a row, and count it.

        Raises:
            BatchError: It cannot be written.
        """
        with self._lock:  # a sync run reads its rows in another thread
            self._take(outcome.item.tag, outcome.result, outcome)

    def _take(self, row: BatchRow, result: Any, outcome: Outcome[Any]) -> None:
        attempts = outcome.attempts
        if isinstance(result, BaseException):
            failures = self._failures.get(row.key, 0) + isinstance(result, APIStatusError)
            self._errors.append(failed(row, result, attempts=attempts, failures=failures))
            self.tally.failure(result, attempts)
            self._check_key(result)
            return
        self._is_let_in = True
        self._journal.append(succeeded(row, result))
        if row.key in self._failures:
            self._done.add(row.key)  # its line among the failures is out of date
        model = str(row.params.get("model", self._defaults.get("model", "")))
        self.tally.success(result, model, outcome.elapsed_ms, attempts)

    def _check_key(self, error: BaseException) -> None:
        """Stop where the server refuses the key from the first row on: it would refuse all others as well."""
        self._is_let_in |= not isinstance(error, AuthenticationError | PermissionDeniedError)
        self._refused += 1
        if not self._is_let_in and self._refused == _REFUSED_AT_FIRST:
            raise BatchError(
                f"{self._input}: the first {self._refused} rows were refused for their key ({error}); "
                "mend the key and run again",
                path=self._input,
            ) from error

    def finish(self, end: End) -> BatchReport:
        """Bring all to the disk, clean up the failures, write table and report; may be called again.

        Raises:
            BatchError: Something of it cannot be written; what is written stays.
        """
        report = self.report(end)
        if self._ended:
            return report
        self._ended = True
        try:
            self._end(report)
        except BatchError as exc:
            exc.report = report
            raise
        return report

    def _end(self, report: BatchReport) -> None:
        try:
            with self._stack:
                if self._errors_start:
                    self._errors.replace(self._current_failures())
                if os.path.isfile(self._errors_path) and not os.path.getsize(self._errors_path):
                    _remove([self._errors_path])
            if report.end == "complete" and self.output != self._journal_path:
                write_results(self._journal_path, self.output)
        finally:
            if self._report_base:
                self._write_report(report, self._report_base)

    def give_up(self, end: End) -> BatchReport:
        """As `finish`, on the way out with an error: what else goes wrong is not told."""
        with suppress(BatchError):
            return self.finish(end)
        return self.report(end)

    def report(self, end: End) -> BatchReport:
        """Sum up."""
        return self.tally.report(
            end=end,
            operation=self.operation.id,
            server=self._state.server,
            input=self._input,
            output=self.output,
            errors=self._errors_path,
        )

    def _check_paths(self) -> None:
        named = {"input": self._input, "output": self.output, "errors": self._errors_path}
        if self._journal_path != self.output:
            named["the output's lines"] = self._journal_path
        named["the output's side file"] = self._state_path
        base = self._report_base
        if base:
            named |= {"report": f"{base}.json", "the report's page": f"{base}.html"}
        folder = os.path.dirname(base) or "."
        if not os.path.isdir(folder):
            raise BatchError(f"{base}: there is no folder {folder}; make it first", path=base)
        seen: dict[str, str] = {}
        for name, path in named.items():
            real = os.path.realpath(path)
            if real in seen:
                raise BatchError(f"{path}: is {seen[real]} and {name} at once; name another file", path=path)
            seen[real] = name

    def _load(self) -> None:
        """Learn what is done, and what has failed."""
        for number, _, raw in self._journal.read():
            key = key_of(raw)
            if key is None:
                raise BatchError(
                    f"{self._journal_path}: line {number}: is no result of a batch; take the line out, or name another "
                    "output",
                    path=self._journal_path,
                    line=number,
                )
            self._done.add(key)
        for number, offset, raw in self._errors.read():
            if not is_failure(raw):
                raise BatchError(
                    f"{self._errors_path}: line {number}: is no failure of a batch; name another file for errors",
                    path=self._errors_path,
                    line=number,
                )
            if not raw.endswith(b"\n"):
                break
            self._errors_start = offset + len(raw)
            found = failure_of(raw)
            if found is not None:
                self._failures[found[0]] = found[1]
        self._errors.mend()

    def _look_over(self) -> None:
        """Count the rows, and refuse what cannot be meant, before anything is sent."""
        seen: dict[str, int] = {}
        first: InvalidRow | None = None
        bad = 0
        for row in read_rows(self._input, self.operation):
            self.tally.rows += 1
            if isinstance(row, InvalidRow):
                first = first or row
                bad += 1
                continue
            before = seen.setdefault(row.key, row.line)
            if before != row.line:
                raise BatchError(
                    f"{self._input}: line {row.line}: custom_id {row.key[:80]!r} is that of line {before} too; "
                    "give each row its own",
                    path=self._input,
                    line=row.line,
                )
            self.tally.done_before += row.key in self._done
        if first is not None and (self._wish.strict or bad == self.tally.rows):
            more = f" (and {bad - 1:,} more)" if bad > 1 else ""
            raise BatchError(
                f"{self._input}: line {first.line}: {first.problem}{more}; nothing was sent",
                path=self._input,
                line=first.line,
            )

    def _current_failures(self) -> Iterator[bytes]:
        """Give the lines of failures that still hold: of each row the last, none of rows that are done by now."""
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

    def _write_report(self, report: BatchReport, base: str) -> None:
        try:
            write_atomically(f"{base}.json", report.as_json().encode())
            write_atomically(f"{base}.html", report.as_html().encode("utf-8", "replace"))  # it names files
        except OSError as exc:
            raise BatchError(f"{base}: cannot be written: {exc.strerror or exc}", path=base) from exc


def _remove(paths: list[str]) -> None:
    for path in paths:
        with suppress(OSError):
            os.unlink(path)


def _path(value: object, name: str) -> str:
    try:
        given_path(value, name)
    except RequestValidationError as exc:
        raise ConfigurationError(exc.message) from None
    return str.__str__(os.fspath(cast("str | os.PathLike[str]", value)))
