"""Journal: a file that only grows, a whole line at a time, and that outlives a kill at any moment."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO, Self

from ...errors import BatchError
from ...resources.rows.problems import file_error, os_error
from ...utils.files import Draft, open_like

# Not on Windows: there two runs may write one output.
_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None
_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)
_MAKE_ROOM = "; make room, and run again: rows that are written stay done"
_ADVICE = {
    errno.ENOSPC: _MAKE_ROOM,
    errno.EDQUOT: _MAKE_ROOM,
    errno.EFBIG: "; the file has reached the bound of this process; rows that are written stay done",
    errno.EROFS: "; name an output that can be written",
    errno.EACCES: "; name an output that can be written",
    errno.ENOENT: "; make its folder first",
}


class Journal:
    """A file of JSON lines, held by one run.

    A line is in the file when `append` returns, by one `write` to the kernel: a kill costs what had not been appended.
    Against the loss of power, a thread calls fsync as often as the disk allows, since a call of its own for each line
    would bound a run to the some hundred that a disk does per second; lines that come meanwhile share the next one.

    Args:
        path: The file; it is made where it is missing, and otherwise left as it is until `mend`.
        like: Files whose permissions one that is made gets, from the first that is there.
    """

    def __init__(self, path: str, *like: str) -> None:
        self.path = path
        self._like = like
        self._trouble: OSError | None = None
        self._is_dirty = self._is_closing = False
        self._changed = threading.Condition()
        self._syncer: threading.Thread | None = None
        try:
            self._open()
        except OSError as exc:
            raise self._error(exc) from exc

    def mend(self) -> None:
        """Cut off a last line without its end: the kill came while it was written, and its row is not done."""
        # From the end: a file of gigabytes is not read for its last line.
        size = os.fstat(self._file).st_size
        end, step = size, 1 << 16
        with self._to_read() as file:
            while end > 0:
                start = max(0, end - step)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
        if end < size:
            self._cut(end)

    def append(self, line: bytes) -> None:
        """Write a line, which ends in a newline, whole or not at all."""
        if self._trouble is not None:
            raise self._error(self._trouble)
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as exc:
            # Nothing more is written after a failure: a line behind half of one would make the file unreadable.
            self._trouble = exc
            self._cut(size)
            raise self._error(exc) from exc
        if self._syncer is None:
            self._syncer = threading.Thread(target=self._sync, name="llmsdk-batch-sync", daemon=True)
            self._syncer.start()
        with self._changed:
            self._is_dirty = True
            self._changed.notify()

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Return what is in the file: line number, offset and line."""
        offset, size = 0, os.fstat(self._file).st_size  # a device has no size, and may be read for ever
        with self._to_read() as file:
            for number in itertools.count(1):
                line = file.readline() if offset < size else b""
                if not line:
                    return
                yield number, offset, line
                offset += len(line)

    def replace(self, lines: Iterator[bytes]) -> None:
        """Replace the file as a whole; no line may be appended afterwards."""
        try:
            draft = Draft(self.path)
            try:
                for line in lines:
                    draft.write(line)
                draft.commit()
            finally:
                draft.discard()
        except OSError as exc:
            raise self._error(exc) from exc

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in the file."""
        return os.fstat(self._file).st_size == 0

    def close(self) -> None:
        """Write everything to the disk and close the file; may be called again."""
        if self._is_closing:
            return
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._syncer is not None:
            self._syncer.join()
        os.close(self._file)
        if self._trouble is not None:
            raise self._error(self._trouble)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open(self) -> None:
        while True:
            # O_APPEND: a writer that does not know of the lock, such as an editor, costs no line of ours.
            self._file = open_like(self.path, os.O_RDWR | os.O_APPEND, *self._like)
            try:
                self._hold()
                if self._is_in_place():
                    return
            except BaseException:
                os.close(self._file)
                raise
            os.close(self._file)

    def _is_in_place(self) -> bool:
        """Whether the path still leads to the file: who held it before may have put another one there."""
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file), os.stat(self.path))
        return False

    def _hold(self) -> None:
        if _fcntl is None:
            return
        try:
            _fcntl.flock(self._file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno in _BUSY:
                problem = "another run is writing it; wait for its end, or name another output"
                raise file_error(self.path, problem) from None
            # Else a file system without locks, on which two runs may write one output.

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError as exc:
            self._trouble = self._trouble or exc

    def _sync(self) -> None:
        while True:
            with self._changed:
                while not self._is_dirty and not self._is_closing:
                    self._changed.wait()
                if not self._is_dirty:
                    return
                self._is_dirty = False
            try:
                os.fsync(self._file)
            except OSError as exc:
                if exc.errno != errno.EINVAL:  # a pipe or a device, which keeps nothing
                    self._trouble = exc

    def _to_read(self) -> BinaryIO:
        try:
            return open(self.path, "rb")
        except OSError as exc:
            raise os_error(self.path, "read", exc) from exc

    def _error(self, exc: OSError) -> BatchError:
        return os_error(self.path, "written", exc, _ADVICE.get(exc.errno or 0, ""))
