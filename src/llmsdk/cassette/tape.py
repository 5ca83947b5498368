"""Cassette: a file of recorded exchanges, and the clients that record to it and play from it."""

from __future__ import annotations

import os
import threading
from collections import defaultdict, deque
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import CassetteError, RequestValidationError
from ..utils.files import given_path, write_atomically
from ..utils.shapes import described, quoted
from .asked import Asked, differences, named
from .lines import Exchange, read_line, write_line

if TYPE_CHECKING:
    from ..options import AsyncHttpClient, HttpClient
    from .players import Recorder

Mode = Literal["auto", "record", "replay"]
MODES = ("auto", "record", "replay")


class Cassette:
    """A file of recorded exchanges, one JSON line each, behind the clients of an SDK; a context manager.

    A request is matched by method, URL and body, equal ones in the order in which they were recorded. Headers are not
    matched and not written. Keys, cookies and what else names a secret are taken out before a line is written, also
    where the server echoes them; prompts and replies stay, for requests are matched by them: look at a cassette before
    you share it. A request that got no reply at all is not recorded.

    Args:
        path: The file; folders above it are made when the first exchange is written.
        mode: `auto` replays what is recorded and records the rest; `record` writes the file anew; `replay` never sends.
        realtime: Whether replies take the time they took, instead of none.

    Raises:
        CassetteError: The file cannot be read, has a broken line, or is missing where `mode` is `replay`.

    Example:
        >>> with Cassette("tape.jsonl") as tape, SDK(client=tape.client(), async_client=tape.async_client()) as sdk:
        ...     sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    """

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
        self._open: dict[int, Recorder] = {}
        self._players: list[object] = []
        self._closed = False

    def client(self, client: HttpClient | None = None) -> HttpClient:
        """Make the client for `SDK(client=...)`.

        Args:
            client: Sends where nothing is recorded, and is not closed here; an `httpx.Client` of our own by default.
        """
        from .players import SyncPlayer

        player = SyncPlayer(self, client)
        self._players.append(player)
        return player

    def async_client(self, client: AsyncHttpClient | None = None) -> AsyncHttpClient:
        """Make the client for `SDK(async_client=...)`; it works in any number of event loops.

        Args:
            client: Sends where nothing is recorded, and is not closed here; an `httpx.AsyncClient` of our own by
                default.
        """
        from .players import AsyncPlayer

        player = AsyncPlayer(self, client)
        self._players.append(player)
        return player

    @property
    def unused(self) -> int:
        """How many recordings have not been replayed."""
        with self._lock:
            return sum(len(waiting) for waiting in self._waiting.values())

    def find(self, asked: Asked) -> Exchange | None:
        """Take the next recording of a request; None where it has to be sent.

        Raises:
            CassetteError: There is none, and `mode` is `replay`; or the cassette is closed.
        """
        with self._lock:
            if self._closed:
                raise CassetteError(f"{self.path}: the cassette is closed; keep calls inside its `with` block")
            waiting = self._waiting.get(asked.key)
            if waiting:
                return waiting.popleft()
            if self.mode != "replay":
                return None
        raise CassetteError(f"{self.path}: {self._unmatched(asked)}; record it with mode='auto'")

    def begin(self, recorder: Recorder) -> None:
        """Learn of a reply that is being recorded."""
        with self._lock:
            self._open[id(recorder)] = recorder

    def add(self, recorder: Recorder, exchange: Exchange) -> None:
        """Write an exchange, as one line at the end of the file.

        Raises:
            CassetteError: The file cannot be written.
        """
        line = write_line(exchange)
        with self._lock:
            self._open.pop(id(recorder), None)
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

    def close(self) -> None:
        """Close what was opened; a reply still on its way is written as far as it came. May be called again."""
        with self._lock:
            self._closed = True
            left = list(self._open.values())
        for recorder in left:
            recorder.finish("closed")
        for player in self._players:
            close = getattr(player, "close", None)
            if close is not None:
                close()

    async def aclose(self) -> None:
        """Close what was opened, of both colours; may be called again."""
        self.close()
        for player in self._players:
            close = getattr(player, "aclose", None)
            if close is not None:
                await close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Cassette {str(self.path)!r}, {self.mode}, {self._count} recorded>"

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
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, size)
            raise OSError("the disk is full")
    finally:
        os.close(descriptor)
