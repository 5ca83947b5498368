"""Uploads: files read once, the form written by httpx."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ...errors import RequestValidationError
from ...utils.shapes import is_list

_UNNAMED = "image.png"
_ACCEPTED = "accepted are bytes, a path, an open binary file, or a (file name, bytes) pair"


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body that is still to be written: its files are read when the call begins."""

    fields: Mapping[str, Any]
    files: Mapping[str, Any]


def write_form(form: Form) -> tuple[bytes, str]:
    """Write a multipart body.

    Returns:
        The body and its content type.

    Raises:
        RequestValidationError: A file cannot be read, or is none.
    """
    import httpx

    parts: list[tuple[str, tuple[str, bytes]]] = []
    for name, value in form.files.items():
        if is_list(value):
            parts += [(f"{name}[]", _file(f"{name}[{index}]", item)) for index, item in enumerate(value)]
        else:
            parts.append((name, _file(name, value)))
    data = {name: _text(value) for name, value in form.fields.items() if value is not None}
    request = httpx.Request("POST", "http://form", data=data, files=parts)
    return request.read(), request.headers["content-type"]


def read_files(files: Mapping[str, Any]) -> dict[str, Any]:
    """Read files that go into more than one form: an open one gives its bytes only once.

    Raises:
        RequestValidationError: A file cannot be read, or is none.
    """
    return {
        name: [_file(f"{name}[{index}]", item) for index, item in enumerate(value)]
        if is_list(value)
        else _file(name, value)
        for name, value in files.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _file(name: str, value: Any) -> tuple[str, bytes]:
    file_name, content = _read(name, value)
    if not content:
        raise RequestValidationError(f"{name}: must be a file, but it is empty", param=name)
    return file_name, content


def _read(name: str, value: Any) -> tuple[str, bytes]:
    try:
        if isinstance(value, bytes | bytearray):
            return _UNNAMED, bytes(value)
        if isinstance(value, str | os.PathLike):
            path = Path(cast("str | os.PathLike[str]", value))
            return path.name, path.read_bytes()
        if isinstance(value, tuple):
            file_name, content = cast("tuple[str, bytes]", value)
            return file_name, content
        if hasattr(value, "read"):
            content = value.read()
            if not isinstance(content, bytes):
                raise RequestValidationError(f"{name}: the file is open in text mode; {_ACCEPTED}", param=name)
            return os.path.basename(str(getattr(value, "name", _UNNAMED))), content
    except (OSError, ValueError, TypeError) as exc:  # a closed file is a ValueError, and a NUL in a path
        if isinstance(exc, RequestValidationError):
            raise
        why = getattr(exc, "strerror", None) or exc
        raise RequestValidationError(f"{name}: cannot be read: {why}; {_ACCEPTED}", param=name) from exc
    raise RequestValidationError(f"{name}: {_ACCEPTED}, got {type(value).__name__}", param=name)
