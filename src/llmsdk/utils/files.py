"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
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


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file by way of another one in the same folder, so that no reader ever sees half of it.

    Raises:
        OSError: It cannot be written; `filename` is the path given, and what was there before stays.
    """
    # A link stays a link: the file that it leads to is replaced.
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        _write(draft, data)
        os.replace(draft, target)
    except BaseException as exc:
        with suppress(OSError):
            draft.unlink()
        if isinstance(exc, OSError):
            # The draft's name says nothing to the caller; the class follows from errno.
            raise OSError(exc.errno, exc.strerror, os.fspath(path)) from exc
        raise


def _write(draft: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    # 0o666 less the umask, as of any new file; the tempfile module would make it private.
    with os.fdopen(os.open(draft, flags, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
