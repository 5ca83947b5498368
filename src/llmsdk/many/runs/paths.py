"""The files of a run: those that its caller names, and those that it makes beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self, cast

from ...errors import ConfigurationError, RequestValidationError
from ...resources.files import AnyPath
from ...resources.rows.inputs import check_extra, is_table
from ...resources.rows.problems import file_error
from ...utils.files import given_path


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Where a run reads and writes.

    Attributes:
        journal: The lines of results: the output itself, or a file beside it where the output is a table.
        state: The side file, which says what configured the run.
        report: The report's path without its suffix; empty where none is wanted.
    """

    input: str
    output: str
    journal: str
    errors: str
    state: str
    report: str

    @classmethod
    def named(cls, input: AnyPath, output: AnyPath, errors: AnyPath | None, report: AnyPath | None) -> Self:
        """Find the paths of a run."""
        source, target = _path(input, "input"), _path(output, "output")
        # A table cannot grow line by line, nor be resumed: its rows are kept as lines until all are through.
        journal = f"{target}.jsonl" if is_table(target) else target
        base = "" if report is None else _path(report, "report").removesuffix(".json").removesuffix(".html")
        check_extra(source, target)
        failures = f"{target}.errors.jsonl" if errors is None else _path(errors, "errors")
        return cls(source, target, journal, failures, f"{journal}.state.json", base)

    def check(self) -> None:
        """Refuse paths of which one would overwrite another."""
        named = {"input": self.input, "output": self.output, "errors": self.errors}
        if self.journal != self.output:
            named["the output's lines"] = self.journal
        named["the output's side file"] = self.state
        if self.report:
            named |= {"report": f"{self.report}.json", "the report's page": f"{self.report}.html"}
        folder = os.path.dirname(self.report) or "."
        if not os.path.isdir(folder):
            raise file_error(self.report, f"there is no folder {folder}; make it first")
        seen: dict[str, str] = {}
        for name, path in named.items():
            first = seen.setdefault(os.path.realpath(path), name)  # by a link or another spelling too
            if first != name:
                raise file_error(path, f"is {first} and {name} at once; name another file")
        if not os.path.exists(self.input):
            raise file_error(self.input, "there is no such file")


def _path(value: object, name: str) -> str:
    try:
        given_path(value, name)
    except RequestValidationError as exc:
        raise ConfigurationError(exc.message) from None
    return str.__str__(os.fspath(cast("str | os.PathLike[str]", value)))
