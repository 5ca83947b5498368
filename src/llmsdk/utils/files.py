"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF87a", ".gif"),
    (b"GIF89a", ".gif"),
)


def suffix_of(data: bytes) -> str:
    """Name the usual suffix of an image by its first bytes; "" if the format is not known."""
    for magic, suffix in _MAGIC:
        if data.startswith(magic):
            return suffix
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return ".avif"
    return ""


class Draft:
    """A file in the making, beside the one that it replaces once it is whole; no reader ever sees half of it.

    Raises:
        OSError: From every method: it cannot be written; `filename` is the path given.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        # A link stays a link: the file that it leads to is replaced.
        self._target = Path(os.path.realpath(path))
        self._draft = self._target.with_name(f".{self._target.name[:100]}.{secrets.token_hex(8)}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with self._named():
            # 0o666 less the umask, as of any new file; the tempfile module would make it private.
            self._file = os.fdopen(os.open(self._draft, flags, 0o666), "wb")

    def write(self, data: bytes) -> None:
        """Add to the draft."""
        with self._named():
            self._file.write(data)

    def commit(self) -> None:
        """Bring the draft to the disk and put it in its place."""
        with self._named():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            os.replace(self._draft, self._target)

    def discard(self) -> None:
        """Take the draft away; what was there before stays. After `commit` it does nothing."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._draft.unlink()

    @contextmanager
    def _named(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as exc:
            # The draft's name says nothing to the caller; the class follows from errno.
            raise OSError(exc.errno, exc.strerror, self._path) from exc


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by way of another one in the same folder, so that no reader ever sees half of it.

    Raises:
        OSError: It cannot be written; `filename` is the path given, and what was there before stays.
    """
    draft = Draft(path)
    try:
        draft.write(data)
        draft.commit()
    except BaseException:
        draft.discard()
        raise
