"""What the drivers need of a client that the user supplies."""

from __future__ import annotations

from typing import Any, Protocol


class HttpClient(Protocol):
    """What a supplied sync client has to have; `httpx.Client` and `httpx2.Client` do."""

    def build_request(
        self, method: str, url: str, *, headers: Any = ..., content: Any = ..., extensions: Any = ...
    ) -> Any:
        """Make a request; `extensions` holds the timeouts."""
        ...

    def send(self, request: Any, *, stream: bool = ..., follow_redirects: bool = ...) -> Any:
        """Send a request, with `stream=True`: the body is left unread."""
        ...

    def close(self) -> None:
        """Close connections; the SDK never calls it."""
        ...


class AsyncHttpClient(Protocol):
    """What a supplied async client has to have; `httpx.AsyncClient` and `httpx2.AsyncClient` do."""

    def build_request(
        self, method: str, url: str, *, headers: Any = ..., content: Any = ..., extensions: Any = ...
    ) -> Any:
        """Make a request; `extensions` holds the timeouts."""
        ...

    async def send(self, request: Any, *, stream: bool = ..., follow_redirects: bool = ...) -> Any:
        """Send a request, with `stream=True`: the body is left unread."""
        ...

    async def aclose(self) -> None:
        """Close connections; the SDK never calls it."""
        ...
