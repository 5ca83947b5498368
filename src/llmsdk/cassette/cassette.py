"""Cassette: a file of recorded exchanges behind the clients of an SDK."""

from __future__ import annotations

import os
from typing import Self

from ..options import AsyncHttpClient, HttpClient
from .players import AsyncPlayer, SyncPlayer
from .tape import Mode, Tape


class Cassette(Tape):
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
        super().__init__(path, mode, realtime=realtime)
        self._players: list[SyncPlayer | AsyncPlayer] = []

    def client(self, client: HttpClient | None = None) -> HttpClient:
        """Make the client for `SDK(client=...)`.

        Args:
            client: Sends where nothing is recorded, and is not closed here; an `httpx.Client` of our own by default.
        """
        player = SyncPlayer(self, client)
        self._players.append(player)
        return player

    def async_client(self, client: AsyncHttpClient | None = None) -> AsyncHttpClient:
        """Make the client for `SDK(async_client=...)`; it works in any number of event loops.

        Args:
            client: Sends where nothing is recorded, and is not closed here; an `httpx.AsyncClient` of our own by
                default.
        """
        player = AsyncPlayer(self, client)  # kept, for what it opens is closed with the cassette
        self._players.append(player)
        return player

    def close(self) -> None:
        """Close what was opened; a reply still on its way is written as far as it came. May be called again."""
        self.end()
        for player in self._players:
            if isinstance(player, SyncPlayer):
                player.close()

    async def aclose(self) -> None:
        """Close what was opened, sync and async; may be called again."""
        self.close()
        for player in self._players:
            if isinstance(player, AsyncPlayer):
                await player.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()
