"""Files: the paths that callers give, checked, and what is written whole or not at all."""

from __future__ import annotations

import base64
import binascii
import errno
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from ..errors import RequestValidationError
from .shapes import described

_MAX_PATH = 500  # characters of a path in a message
_MAGIC = (
    (rb"\x89PNG\r\n\x1a\n", ".png"),
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"GIF8[79]a", ".gif"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"....ftypavi[fs]", ".avif"),
    (rb"RIFF....WAVE", ".wav"),
    (rb"ID3|\xff[\xf2\xf3\xfa\xfb]", ".mp3"),
    (rb"OggS", ".ogg"),
    (rb"fLaC", ".flac"),
    (rb"....ftypM4A ", ".m4a"),
    (rb"\x1a\x45\xdf\xa3", ".webm"),
)
# Not the standard library's: its types of sound differ from one system to the next.
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".opus": "audio/opus",
    ".aac": "audio/aac",
    ".webm": "audio/webm",
}


def suffix_of(data: bytes) -> str:
    """Name the usual suffix of an image or a sound by its first bytes; "" if the format is not known."""
    return next((suffix for magic, suffix in _MAGIC if re.match(magic, data, re.DOTALL)), "")


def type_of(name: str, data: bytes) -> str | None:
    """Name the type of a file: that of its bytes, else of its suffix; None if neither is an image or a sound."""
    return _TYPES.get(suffix_of(data)) or _TYPES.get(os.path.splitext(name)[1].lower())


def given_path(path: Any, param: str = "path") -> Path:
    """Take a path that a caller gave, whatever is there.

    Raises:
        RequestValidationError: It is none.
    """
    given: Any = path.__fspath__() if hasattr(path, "__fspath__") else path
    if not isinstance(given, str):
        raise _refused(param, f"got {described(path)}; expected the path of a file, as a str or a path object")
    if not given:
        raise _refused(param, "got an empty str; expected the path of a file")
    try:
        is_path = b"\0" not in os.fsencode(given)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise _refused(param, "got a str with a NUL or a lone surrogate; expected the path of a file")
    return Path(str.__str__(given))


def checked_path(path: Any, param: str = "path") -> Path:
    """Refuse what names no file that could be written, before anything is fetched for it.

    Raises:
        RequestValidationError: It is no path, or that of a folder, a device or a pipe, which a file would replace.
    """
    made = given_path(path, param)
    # As it was given: a Path has lost the slash at its end, which says that a folder is meant.
    given = str.__str__(os.fspath(cast("str", path)))
    shown = repr(given[:_MAX_PATH])
    if os.path.isdir(made) or given[-1] in ("/", os.sep):
        raise _refused(param, f"{shown} is a folder; expected the path of a file")
    if os.path.exists(made) and not os.path.isfile(made):
        raise _refused(param, f"{shown} is a device or a pipe; expected the path of a file")
    return made


def _refused(param: str, problem: str) -> RequestValidationError:
    return RequestValidationError(f"{param}: {problem}", param=param)


def open_like(path: str | os.PathLike[str], flags: int, *models: str | os.PathLike[str]) -> int:
    """Open a file, and give one that is new the permissions of the first of `models` that is there.

    Without one it gets those of any new file, 0o666 less the umask.
    """
    found = None if os.path.exists(path) else next(filter(None, map(_stat, models)), None)
    # Private from its first moment: whoever opens it before its mode is set, reads on for ever.
    file = os.open(path, flags | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666 if found is None else 0o600)
    if found is not None:
        mode = found.st_mode & 0o777
        if found.st_gid != os.fstat(file).st_gid:  # on Windows both are 0
            try:
                os.chown(path, -1, found.st_gid)
            except OSError:
                mode &= ~0o070  # what that group may do, the one of this process may not
        os.chmod(path, mode)
    return file


def _stat(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


class Draft:
    """A file in the making, beside the one that it replaces once it is whole; no reader ever sees half of it.

    It has the permissions of what it replaces, or of `like` where there is nothing yet.

    Raises:
        OSError: From every method: it cannot be written; `filename` is the path given.
    """

    def __init__(self, path: str | os.PathLike[str], like: str | os.PathLike[str] | None = None) -> None:
        self._path = os.fspath(path)
        # A link stays a link: the file that it leads to is replaced.
        self._target = Path(os.path.realpath(path))
        self._draft = self._target.with_name(f".{self._target.name[:100]}.{os.urandom(8).hex()}.tmp")
        models = (self._target,) if like is None else (self._target, like)
        with self._named():
            if self._target.exists() and not (self._target.is_file() or self._target.is_dir()):
                raise OSError(errno.EINVAL, "Is a device or a pipe, which a file would replace")
            self.file = os.fdopen(open_like(self._draft, os.O_WRONLY | os.O_EXCL, *models), "wb")

    def write(self, data: bytes) -> None:
        """Add to the draft."""
        with self._named():
            self.file.write(data)

    def commit(self) -> None:
        """Bring the draft to the disk and put it in its place."""
        with self._named():
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            os.replace(self._draft, self._target)

    def discard(self) -> None:
        """Take the draft away; what was there before stays. After `commit` it does nothing."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):
            self._draft.unlink()

    @contextmanager
    def _named(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as exc:
            # The draft's name says nothing to the caller; the class follows from errno.
            raise OSError(exc.errno, exc.strerror, self._path) from exc


def write_atomically(path: str | os.PathLike[str], data: bytes, like: str | os.PathLike[str] | None = None) -> None:
    """Write a file whole or not at all, by way of a `Draft`.

    Raises:
        OSError: It cannot be written; `filename` is the path given, and what was there before stays.
    """
    draft = Draft(path, like)
    try:
        draft.write(data)
        draft.commit()
    finally:
        draft.discard()


def decoded_base64(text: str) -> bytes:
    """Decode an image or a sound in base64, or a data URL.

    Raises:
        ValueError: It is neither.
    """
    head, comma, data = text.partition(",")
    if comma and head[:5].lower() == "data:":
        if not head.lower().endswith(";base64"):
            return unquote_to_bytes(data)
        text = data
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as exc:
        raise ValueError(str(exc)) from None


def write_suffixed(path: Path, data: bytes) -> Path:
    """Write an image or a sound, with the suffix of its format where the path has none; give the path written."""
    if not path.suffix:
        path = checked_path(path.with_name(path.name + suffix_of(data)))
    write_atomically(path, data)
    return path
