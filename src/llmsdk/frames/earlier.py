"""Earlier: the results of runs before this one, by key; local files, and URLs through pyarrow."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from pydantic_core import from_json

from ..errors import ConfigurationError
from ..utils.shapes import is_object
from .columns import is_good

_PARQUET = ".parquet"
_LINES = (".jsonl", ".json", ".ndjson")


class Earlier:
    """The rows that earlier runs have done.

    Args:
        columns: The output's columns by what they hold.
        carry: Whether the results of such rows are kept, to come out again.
    """

    def __init__(self, paths: Iterable[str], keys: Iterable[str], columns: Mapping[str, str], *, carry: bool) -> None:
        self._keys = set(keys)
        self._kept: dict[str, dict[str, Any]] | None = {} if carry else None
        # Without `carry`, two columns say enough: a key takes some 120 bytes, a kept reply kilobytes.
        names = {column: name for name, column in columns.items() if carry or name in ("key", "error_class")}
        for path in paths:
            for found in _rows(path, names):
                if is_good(found):
                    key = str(found["key"])
                    self._keys.add(key)
                    if self._kept is not None:
                        self._kept[key] = found

    def has(self, key: str) -> bool:
        """Whether a row had ended well."""
        return key in self._keys

    def columns(self, key: str) -> dict[str, Any] | None:
        """Return the earlier result of a row; None where it is left out."""
        return None if self._kept is None else self._kept[key]


def files_of(given: str | os.PathLike[str]) -> Iterator[str]:
    """Name the files of a folder, or a file itself; nothing where there is nothing."""
    path = os.fspath(given)
    if "://" in path:
        yield from _files_of_url(path)
    elif os.path.isdir(path):
        for folder, _, names in sorted(os.walk(path)):
            yield from sorted(os.path.join(folder, name) for name in names if _is_result(name))
    elif os.path.exists(path):
        yield path


def _files_of_url(url: str) -> Iterator[str]:
    fs = _arrow("pyarrow.fs", url)
    try:
        system, path = fs.FileSystem.from_uri(url)
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    except NotADirectoryError:
        yield url
        return
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"done: {url}: cannot be read: {str(exc)[:200]}") from exc
    names = sorted(info.path.removeprefix(path).lstrip("/") for info in found if info.is_file)
    if not found and system.get_file_info(path).is_file:
        yield url
    yield from (f"{url.rstrip('/')}/{name}" for name in names if _is_result(name))


def _is_result(path: str) -> bool:
    name = path.rpartition("/")[2]
    # Hidden files and those that Spark and Ray begin with an underscore are notes of theirs, or half written.
    return name.endswith((_PARQUET, *_LINES)) and not name.startswith((".", "_"))


def _arrow(module: str, path: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ConfigurationError(f"done: {path}: needs pyarrow; install llmsdk[batch]") from None


def _rows(path: str, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if path.endswith(_PARQUET):
        return _parquet(path, names)
    if path.endswith(_LINES):
        return _lines(path, names)
    raise ConfigurationError(f"done: {path}: must end in {_PARQUET} or in one of {', '.join(_LINES)}")


def _lines(path: str, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    try:
        with _opened(path) as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    return  # a run that was killed had not written all of it
                value: Any = from_json(raw) if raw.strip() else {}
                if not is_object(value):
                    raise ValueError(f"line {number} is not a JSON object")
                yield {name: value.get(column) for column, name in names.items()}
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"done: {path}: cannot be read: {exc}") from exc


def _opened(path: str) -> Any:
    if "://" not in path:
        return open(path, "rb")
    system, inside = _arrow("pyarrow.fs", path).FileSystem.from_uri(path)
    return io.BufferedReader(system.open_input_stream(inside))


def _parquet(path: str, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    dataset = _arrow("pyarrow.dataset", path)
    try:
        found = dataset.dataset(path, format="parquet")
        for batch in found.to_batches(columns={name: dataset.field(column) for column, name in names.items()}):
            yield from batch.to_pylist()
    except (OSError, ValueError) as exc:  # what pyarrow raises is one of these
        raise ConfigurationError(f"done: {path}: isn't readable output of workers: {str(exc)[:200]}") from exc
