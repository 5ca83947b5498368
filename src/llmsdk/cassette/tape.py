"""The file of a cassette: its exchanges, found by the requests that they answer, and written one line at a time."""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..errors import CassetteError, RequestValidationError
from ..utils.files import given_path, write_atomically
from ..utils.shapes import described, quoted
from .asked import Asked, differences, named
from .lines import Exchange, read_line, write_line

Mode = Literal["auto", "record", "replay"]
MODES = ("auto", "record", "replay")
Finish = Callable[[str], None]


class Tape:
    """A file of recorded exchanges, one JSON line each."""

    def __init__(self, path: str | os.PathLike[str], mode: Mode = "auto", *, realtime: bool = False) -> None:
        given: Any = mode
        flag: Any = realtime
        if not isinstance(given, str) or given not in MODES:
            raise CassetteError(f"mode: must be one of {', '.join(MODES)}, got {quoted(given)}")
        if not isinstance(flag, bool):
            raise CassetteError(f"realtime: must be a bool, got {described(realtime)}")
        try:
            self.path = given_path(path)
        except RequestValidationError as exc:
            raise CassetteError(exc.message) from None
        self.mode = mode
        self.realtime = realtime
        self._lock = threading.Lock()
        self._recorded = [] if mode == "record" else self._load()
        self._waiting: dict[str, deque[Exchange]] = defaultdict(deque)
        for exchange in self._recorded:
            self._waiting[exchange.asked.key].append(exchange)
        self._count = len(self._recorded)
        self._open: dict[Finish, None] = {}  # in order; a set has none
        self._closed = False

    @property
    def unused(self) -> int:
        """How many recordings have not been replayed."""
        with self._lock:
            return sum(len(waiting) for waiting in self._waiting.values())

    def find(self, asked: Asked) -> Exchange | None:
        """Take the next recording of a request; None where it has to be sent."""
        with self._lock:
            if self._closed:
                raise CassetteError(f"{self.path}: the cassette is closed; keep calls inside its `with` block")
            waiting = self._waiting.get(asked.key)
            if waiting:
                return waiting.popleft()  # equal requests get their replies in the order of the recording
            if self.mode != "replay":
                return None
        raise CassetteError(f"{self.path}: {self._unmatched(asked)}; record it with mode='auto'")

    def begin(self, finish: Finish) -> None:
        """Note a reply that is being recorded; `finish` writes what of it has come."""
        with self._lock:
            self._open[finish] = None

    def add(self, exchange: Exchange, finish: Finish) -> None:
        """Write an exchange, as one line at the end of the file."""
        line = write_line(exchange)
        with self._lock:
            self._open.pop(finish, None)
            try:
                if self._count == 0:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._count == 0 and self.mode == "record":
                    write_atomically(self.path, line)  # what was there stays until there is something better
                else:
                    _append(self.path, line)
            except OSError as exc:
                raise CassetteError(f"{self.path}: cannot be written: {exc.strerror or exc}") from exc
            self._count += 1

    def end(self) -> None:
        """Take no more requests, and write what has come of replies that are still on their way."""
        with self._lock:
            self._closed = True
            left = list(self._open)  # a copy: finishing takes the lock, and takes them out
        for finish in left:
            finish("closed")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}, {self.mode}, {self._count} recorded>"

    def _load(self) -> list[Exchange]:
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            if self.mode == "replay":
                raise CassetteError(f"{self.path}: there is no such cassette; record it with mode='auto'") from None
            return []
        except OSError as exc:
            raise CassetteError(f"{self.path}: cannot be read: {exc.strerror or exc}") from None
        found: list[Exchange] = []
        for number, raw in enumerate(lines, 1):
            if not raw.strip():
                continue
            try:
                found.append(read_line(raw, number))
            except ValueError as exc:
                raise CassetteError(
                    f"{self.path}: line {number} is broken: {exc}; delete the line, or record anew with mode='record'"
                ) from None
        return found

    def _unmatched(self, asked: Asked) -> str:
        wanted = f"no recording of {asked.method} {asked.url}"
        equal = [exchange.line for exchange in self._recorded if exchange.asked.key == asked.key]
        if equal:
            return f"{wanted} is left: it is recorded {len(equal)} times, and all of them have been replayed"
        if not self._recorded:
            return f"{wanted}: the cassette is empty"
        rated = ((differences(exchange.asked, asked), exchange) for exchange in self._recorded)
        found, nearest = min(rated, key=lambda pair: (*_rank(pair[1].asked, asked), len(pair[0])))
        return f"{wanted}; the nearest is line {nearest.line}, which differs in {named(found)}"


def _rank(old: Asked, new: Asked) -> tuple[bool, bool]:
    return old.method != new.method, old.url != new.url


def _append(path: Path, line: bytes) -> None:
    """Append a line in one write; what a full disk leaves of it is taken back."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.lseek(descriptor, size - 1, os.SEEK_SET) and os.read(descriptor, 1) != b"\n":
            line = b"\n" + line  # an editor has eaten the last line's end
        if os.write(descriptor, line) != len(line):  # appended at once, so that lines of two processes do not mix
            os.ftruncate(descriptor, size)
            raise OSError("the disk is full")
    finally:
        os.close(descriptor)
