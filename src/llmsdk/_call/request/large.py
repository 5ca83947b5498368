"""Bodies too large for memory: files are read while they are sent, anew for each attempt, and left as they were."""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ...errors import RequestValidationError
from ...utils.forks import forkable_lock

LARGE = 1 << 20
"""What is larger is sent in pieces of this size; whole, with the copies on its way, a file of 200 MB took 990 MB."""

_HEAD = 64  # bytes that tell what kind of file it is
_PLAIN = (io.BufferedReader, io.BufferedRandom, io.FileIO, io.BytesIO)  # to go back in others may cost a decompression
_turn: threading.Lock = forkable_lock()  # two calls may read one handle at the same time


class Streamed(Protocol):
    """A body that is read while it is sent; each iteration gives the same bytes."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[bytes]: ...


Body = bytes | Streamed


def whole(body: Body | None) -> bytes | None:
    """Read a body for those who need all of it: hooks, and clients that the user supplied."""
    return body if body is None or isinstance(body, bytes) else b"".join(body)


def in_pieces(body: Body) -> Iterator[bytes]:
    """Iterate a body as it is sent."""
    return pieces((body,)) if isinstance(body, bytes) else iter(body)


def pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join and cut what is sent one after the other: small pieces cost time, and large ones memory."""
    held = bytearray()
    for part in parts:
        for start in range(0, len(part), LARGE):
            held += part[start : start + LARGE]
            if len(held) >= LARGE:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)


class LargeFile:
    """A file from where it stood, in the shape in which forms read files.

    Args:
        name: The parameter, for messages.
        size: How many bytes there are.
        read_at: Reads so many bytes from an offset.
    """

    def __init__(self, name: str, size: int, read_at: Callable[[int, int], bytes]) -> None:
        self._name = name
        self._size = size
        self._read_at = read_at
        self._at = 0
        self._held, self._held_at = b"", 0
        self.head = self._piece(0)[:_HEAD]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return (self._piece(at) for at in range(0, self._size, LARGE))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the place of the next read, from the start or from the end."""
        self._at = offset + (self._size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """Return the place of the next read."""
        return self._at

    def read(self, size: int) -> bytes:
        """Read on; forms ask for 64 KiB, which are cut from a larger piece."""
        if not self._held_at <= self._at < self._held_at + len(self._held):
            self._held, self._held_at = self._piece(self._at), self._at
        start = self._at - self._held_at
        data = self._held[start : start + size]
        self._at += len(data)
        return data

    def _piece(self, at: int) -> bytes:
        size = min(LARGE, self._size - at)
        if size <= 0:
            return b""
        try:
            data = self._read_at(at, size)
        except (OSError, ValueError) as exc:  # a closed file is a ValueError
            self._refuse(f"cannot be read: {getattr(exc, 'strerror', None) or exc}", exc)
        if len(data) != size:
            self._refuse("changed while it was sent")
        return data

    def _refuse(self, problem: str, cause: Exception | None = None) -> NoReturn:
        raise RequestValidationError(f"{self._name}: {problem}", param=self._name) from cause


def read_path(name: str, path: Path) -> bytes | LargeFile:
    """Read a file, or leave a large one to be read while it is sent.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        known = os.fstat(file.fileno())
        if not stat.S_ISREG(known.st_mode) or known.st_size <= LARGE:
            return file.read()

    def read_at(offset: int, size: int) -> bytes:
        # Opened for each piece: an attempt may break off anywhere, and nobody would close it.
        with path.open("rb", buffering=0) as file:
            state = os.fstat(file.fileno())
            if (state.st_ino, state.st_size, state.st_mtime_ns) != (known.st_ino, known.st_size, known.st_mtime_ns):
                return b""
            file.seek(offset)
            return file.read(size)

    return LargeFile(name, known.st_size, read_at)


def read_handle(name: str, file: Any) -> Any:
    """Read an open file from where it stands, and leave it there; what cannot go back is read once and for all.

    Returns:
        What its `read` gives, or a large file to be read while it is sent.

    Raises:
        OSError: It cannot be read.
        ValueError: It is closed.
    """
    if not (hasattr(file, "seekable") and file.seekable()):
        return file.read()
    start: int = file.tell()
    if _is_plain(file):
        with _turn:
            size = file.seek(0, os.SEEK_END) or file.tell()  # a temporary file says nothing before Python 3.11
            file.seek(start)
        if size - start > LARGE:
            return LargeFile(name, size - start, lambda offset, count: _read_at(file, start + offset, count))
    content = file.read()
    file.seek(start)
    return content


def _is_plain(file: Any) -> bool:
    # The wrappers of temporary files are of no common class.
    return isinstance(file, _PLAIN) or type(file).__module__ == "tempfile"


def _read_at(file: Any, offset: int, size: int) -> bytes:
    with _turn:
        before = file.tell()
        file.seek(offset)
        try:
            data: bytes = file.read(size)
        finally:
            file.seek(before)
    return data
