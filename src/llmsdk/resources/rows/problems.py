"""Errors of the files of batches: each names the file, the line where there is one, and what to do."""

from __future__ import annotations

from ...errors import BatchError


def file_error(path: str, problem: str, *, line: int | None = None) -> BatchError:
    """Make the error of a file, or of one of its lines."""
    where = "" if line is None else f"line {line}: "
    return BatchError(f"{path}: {where}{problem}", path=path, line=line)


def os_error(path: str, verb: str, exc: OSError, advice: str = "") -> BatchError:
    """Make the error of a file that cannot be `read` or `written`."""
    return file_error(path, f"cannot be {verb}: {exc.strerror or exc}{advice}")
