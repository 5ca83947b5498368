"""Uploads: files read once, the form written by httpx."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic_core import to_json

from ...errors import RequestValidationError
from ...providers.spec import Route
from ...utils.files import suffix_of, type_of
from ...utils.plain import check_name
from ...utils.shapes import is_list, is_object, named
from .form_fields import form_fields, text_of
from .large import LARGE, Body, LargeFile, pieces, read_handle, read_path

URL_ENCODED = "application/x-www-form-urlencoded"
UNNAMED = "image.png"
_ACCEPTED = "expected bytes, a path, an open binary file, or a (file name, bytes) pair"


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """A form that is still to be written: its files are read when the call begins.

    Attributes:
        fields: As `form_fields` makes them.
        unnamed: The name of files that have none, unless their bytes are those of some other kind.
        is_multipart: Whether it is one without a file, too; else it is URL-encoded then.
    """

    fields: Mapping[str, Any]
    files: Mapping[str, Any]
    unnamed: str = UNNAMED
    is_multipart: bool = True


def checked_form(
    fields: Mapping[str, Any], files: Mapping[str, Any], extra: Mapping[str, Any], route: Route, unnamed: str = UNNAMED
) -> Form:
    """Make a form of fields and files; `extra` are the names that came by `extra_body`, for the messages.

    Raises:
        RequestValidationError: A form cannot hold a name or a value.
    """
    _check_files(files)
    is_multipart = bool(files) or route.form_alone == "multipart"
    return Form(form_fields(fields, route, extra), files, unnamed, is_multipart)


def _check_files(files: Mapping[str, Any]) -> None:
    """Refuse what is empty or has no name that a form can hold; what a file is that is still to be read shows later."""
    for name, value in files.items():
        if is_list(value) and value:
            for index, part in enumerate(value):
                _check_file(part, name, index)
        else:
            _check_file(b"" if is_list(value) else value, name)


def _check_file(file: Any, *way: Any) -> None:
    content = file
    if isinstance(file, tuple):
        file_name, content = cast("tuple[Any, Any]", file)
        check_name(file_name, *way)
        if not file_name:
            raise RequestValidationError(f"{named(*way)}: must have a name, but it is empty", param=named(*way))
    if isinstance(content, bytes) and not content:
        raise RequestValidationError(f"{named(*way)}: must be a file, but it is empty", param=named(*way))


class _Written:
    """A form that is written while it is sent, with the files in it."""

    def __init__(self, parts: Iterable[bytes], length: int) -> None:
        self._parts = parts
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return pieces(self._parts)


def write_form(form: Form) -> tuple[Body, str]:
    """Write the body of a form.

    Returns:
        The body, and its content type.

    Raises:
        RequestValidationError: A file cannot be read, or is not a file.
    """
    import httpx

    files: list[tuple[str, Any]] = []
    for name, value in read_files(form.files, form.unnamed).items():
        if is_list(value):
            files += [(f"{name}[]", _typed(*item)) for item in value]
        else:
            files.append((name, _typed(*value)))
    texts: dict[str, list[str]] = {}
    for name, value in form.fields.items():
        for item in value if is_list(value) else [value]:
            if is_object(item):
                files.append((name, (None, to_json(item), "application/json")))
            elif item is not None:  # a form has no null
                texts.setdefault(name, []).append(text_of(item))
    if form.is_multipart and not files:  # which httpx takes for URL-encoded: parts without a file name are plain fields
        files = [(name, (None, text.encode())) for name, listed in texts.items() for text in listed]
        texts = {}
    request = httpx.Request("POST", "http://form", data=texts, files=files)
    content_type: str = request.headers["content-type"]
    length = int(request.headers["content-length"])
    if length <= LARGE:
        return request.read(), content_type
    return _Written(cast("Iterable[bytes]", request.stream), length), content_type


def read_files(files: Mapping[str, Any], unnamed: str = UNNAMED) -> dict[str, Any]:
    """Read files, each into its name and its bytes; large ones are left to be read while they are sent.

    Args:
        unnamed: The name of files that have none, unless their bytes are those of some other kind.

    Raises:
        RequestValidationError: A file cannot be read, or is not a file.
    """
    return {
        name: [_file(f"{name}[{index}]", item, unnamed) for index, item in enumerate(value)]
        if is_list(value)
        else _file(name, value, unnamed)
        for name, value in files.items()
    }


def _typed(name: str, content: Any) -> tuple[str, Any] | tuple[str, Any, str]:
    kind = type_of(name, _head(content))
    return (name, content) if kind is None else (name, content, kind)


def _head(content: bytes | LargeFile) -> bytes:
    return content.head if isinstance(content, LargeFile) else content


def _file(name: str, value: Any, unnamed: str) -> tuple[str, bytes | LargeFile]:
    if isinstance(value, tuple):
        file_name, content = cast("tuple[str, bytes | LargeFile]", value)
    else:
        found, content = _read(name, value)
        path = Path(found or unnamed)
        # Servers judge an upload by the suffix of its name.
        suffix = "" if found and path.suffix else suffix_of(_head(content))
        file_name = str(path.with_suffix(suffix or path.suffix))
    if not len(content):
        raise RequestValidationError(f"{name}: must be a file, but it is empty", param=name)
    return file_name, content


def _read(name: str, value: Any) -> tuple[str, bytes | LargeFile]:
    """Read a file and its name, "" for one that has none, or a number for a name, as temporary files have."""
    try:
        if isinstance(value, bytes | bytearray):
            return "", bytes(value)
        if isinstance(value, str | os.PathLike):
            path = Path(cast("str | os.PathLike[str]", value))
            return path.name, read_path(name, path)
        if hasattr(value, "read"):
            named = getattr(value, "name", None)
            if inspect.iscoroutinefunction(value.read) and hasattr(value, "file"):  # an upload that FastAPI received
                value, named = value.file, getattr(value, "filename", None)
            return os.path.basename(named) if isinstance(named, str) else "", _checked(name, read_handle(name, value))
    except (OSError, ValueError, TypeError) as exc:  # a closed file is a ValueError, and a NUL in a path
        if isinstance(exc, RequestValidationError):
            raise
        why = getattr(exc, "strerror", None) or exc
        raise RequestValidationError(f"{name}: cannot be read: {why}; {_ACCEPTED}", param=name) from exc
    raise RequestValidationError(f"{name}: {_ACCEPTED}, got {type(value).__name__}", param=name)


def _checked(name: str, content: Any) -> bytes | LargeFile:
    if isinstance(content, bytes | LargeFile):
        return content
    problem = f"its read() gives {type(content).__name__}"
    if isinstance(content, str):
        problem = "the file is open in text mode"
    elif inspect.isawaitable(content):
        problem = "its read() is async"
        if inspect.iscoroutine(content):
            content.close()
    raise RequestValidationError(f"{name}: {problem}; {_ACCEPTED}", param=name)
