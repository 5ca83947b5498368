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
from typing import Any, Self

from ...errors import BatchError

# Not on Windows: two runs on one output are not told apart there.
_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None
_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)


class Journal:
    """A file of JSON lines, held by one run.

    A line is in the file when `append` returns: what a kill can cost is what had not been appended. Against the loss of
    power, a thread calls fsync as often as the disk allows; lines that come meanwhile share the next one.

    Args:
        path: The file; it is made where it is missing, and otherwise left as it is until `mend`.

    Raises:
        BatchError: It cannot be written, or another run holds it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.torn_bytes = 0
        self._trouble: OSError | None = None
        self._is_dirty = self._is_closing = False
        self._changed = threading.Condition()
        self._syncer: threading.Thread | None = None
        try:
            self._open()
        except OSError as exc:
            raise _failed(path, exc) from exc

    def mend(self) -> None:
        """Cut off a last line without its end: the kill came while it was written, and its row is not done."""
        size = os.fstat(self._file).st_size
        end, step = size, 1 << 16
        with open(self.path, "rb") as file:
            while end > 0:
                start = max(0, end - step)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
        self.torn_bytes = size - end
        if self.torn_bytes:
            self._cut(end)

    def append(self, line: bytes) -> None:
        """Write a line, which ends in a newline, whole or not at all.

        Raises:
            BatchError: The disk is full, or fails; this or an earlier line may not be on it.
        """
        if self._trouble is not None:
            raise _failed(self.path, self._trouble)
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as exc:
            self._trouble = exc
            self._cut(size)
            raise _failed(self.path, exc) from exc
        if self._syncer is None:
            self._syncer = threading.Thread(target=self._sync, name="llmsdk-batch-sync", daemon=True)
            self._syncer.start()
        with self._changed:
            self._is_dirty = True
            self._changed.notify()

    def read(self) -> Iterator[tuple[int, int, bytes]]:
        """Give what is in the file: line number, offset and line."""
        offset, size = 0, os.fstat(self._file).st_size  # a device has no size, and may be read for ever
        with open(self.path, "rb") as file:
            for number in itertools.count(1):
                line = file.readline() if offset < size else b""
                if not line:
                    return
                yield number, offset, line
                offset += len(line)

    def replace(self, lines: Iterator[bytes]) -> None:
        """Write the file anew by way of another one; what is held is then the new file, and may not be appended to.

        Raises:
            BatchError: The disk is full, or fails; the file is then as it was.
        """
        target = os.path.realpath(self.path)
        draft = f"{target}.tmp"
        try:
            with open(draft, "wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, target)
        except OSError as exc:
            with suppress(OSError):
                os.unlink(draft)
            raise _failed(self.path, exc) from exc

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in the file."""
        return os.fstat(self._file).st_size == 0

    def close(self) -> None:
        """Bring all to the disk and let go of the file; may be called again.

        Raises:
            BatchError: The disk fails.
        """
        if self._is_closing:
            return
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._syncer is not None:
            self._syncer.join()
        os.close(self._file)
        if self._trouble is not None:
            raise _failed(self.path, self._trouble)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _open(self) -> None:
        while True:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
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
                raise BatchError(
                    f"{self.path}: another run is writing it; wait for its end, or name another output", path=self.path
                ) from None
            # A file system without locks: it cannot be told.

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


def _failed(path: str, exc: OSError) -> BatchError:
    said = exc.strerror or str(exc)
    advice = {
        errno.ENOSPC: "; make room, and run again: rows that are written stay done",
        errno.EDQUOT: "; make room, and run again: rows that are written stay done",
        errno.EFBIG: "; the file has reached the bound of this process; rows that are written stay done",
        errno.EROFS: "; name an output that can be written",
        errno.EACCES: "; name an output that can be written",
        errno.ENOENT: "; make its folder first",
    }.get(exc.errno or 0, "")
    return BatchError(f"{path}: cannot be written: {said}{advice}", path=path)
