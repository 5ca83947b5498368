"""The file that only grows: whole lines, one holder, one fsync for many lines."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from llmsdk.errors import BatchError
from llmsdk.many.runs.journal import Journal


def test_lines_are_there_at_once_and_a_torn_one_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with Journal(str(path)) as journal:
        journal.append(b"one\n")
        assert path.read_bytes() == b"one\n"
        journal.append(b"two\n")
        assert [(number, offset, line) for number, offset, line in journal.read()] == [
            (1, 0, b"one\n"),
            (2, 4, b"two\n"),
        ]
        path.unlink()
        with pytest.raises(BatchError, match="cannot be read: No such file"):
            list(journal.read())
    path.write_bytes(b"one\ntw")
    with Journal(str(path)) as journal:
        assert path.read_bytes() == b"one\ntw"
        journal.mend()
        journal.append(b"three\n")
    assert path.read_bytes() == b"one\nthree\n"


@pytest.mark.parametrize("tail", [1, 100, 65_535, 65_536, 200_000])
def test_a_torn_line_of_any_length(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"one\n" + b"x" * tail)
    with Journal(str(path)) as journal:
        journal.mend()
    assert path.read_bytes() == b"one\n"
    path.write_bytes(b"x" * tail)
    with Journal(str(path)) as journal:
        journal.mend()
        assert journal.is_empty


def test_lines_that_come_together_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, calls = threading.Event(), threading.Event(), []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        begun.set()
        assert go.wait(10)

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(str(tmp_path / "out"))
    journal.append(b"first\n")
    assert begun.wait(10)
    for _ in range(50):
        journal.append(b"meanwhile\n")
    go.set()
    journal.close()
    assert len(calls) == 2


def test_a_disk_that_fails_at_fsync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fsync(descriptor: int) -> None:
        failed.set()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(str(tmp_path / "out"))
    journal.append(b"line\n")
    assert failed.wait(10)
    with pytest.raises(BatchError, match="out: cannot be written: Input/output error"):
        journal.close()
    journal.close()


@pytest.mark.parametrize(
    "number, told",
    [
        (errno.EROFS, "Read-only file system; name an output that can be written"),
        (errno.EACCES, "Permission denied; name an output that can be written"),
        (errno.EDQUOT, "make room, and run again: rows that are written stay done"),
    ],
)
def test_a_path_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str) -> None:
    def refused(*args: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(BatchError, match=f"out: cannot be written: .*{told}"):
        Journal(str(tmp_path / "out"))


def test_a_file_that_is_put_aside_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    really: Any = os.open
    opened: list[int] = []

    def open_slowly(*args: Any) -> int:
        descriptor: int = really(*args)
        if not opened:
            path.unlink()  # by the run that had held it
        opened.append(descriptor)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_slowly)
        journal = Journal(str(path))
    journal.append(b"line\n")
    journal.close()
    assert len(opened) == 2
    assert path.read_bytes() == b"line\n"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    with Journal(str(path)) as journal:
        journal.append(b"a\n")
        journal.append(b"b\n")
        with monkeypatch.context() as patch:

            def replace(*names: str) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            patch.setattr(os, "replace", replace)
            with pytest.raises(BatchError, match="No space left"):
                journal.replace(iter([b"b\n"]))
        assert path.read_bytes() == b"a\nb\n"
        assert os.listdir(tmp_path) == ["out"]
        journal.replace(iter([b"b\n"]))
    assert path.read_bytes() == b"b\n"
