"""Clients that the user supplied, as transports: never closed here, and given the time limits of each attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Self, cast

import anyio

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from ..options import AsyncHttpClient, HttpClient
from .failures import failure_of
from .network import CONNECT_S
from .requests import encoded


class _Supplied:
    """What the sync and the async client share."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def build(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        authorization: KeyHeader | None,
        content: bytes | None,
        countdown: Countdown,
    ) -> Any:
        """Make a request with the client, its own defaults and all; its timeouts are ours."""
        extensions = {"timeout": _limits(countdown)}
        raw = encoded(headers)
        request = self._client.build_request(method, url, headers=raw, content=content, extensions=extensions)
        request.headers.encoding = "latin-1"  # for what is added, too
        if authorization is not None:
            request.headers[authorization.header] = authorization.reveal()
        return request


class SuppliedClient(_Supplied):
    """A sync client that the user supplied."""

    def interrupt(self, _: Collection[Countdown]) -> None:
        """Do nothing: what the client waits for cannot be reached."""

    def close(self) -> None:
        """Leave the client open: it is its owner's."""

    def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request."""
        _bound(request, countdown)
        try:
            return cast(HttpClient, self._client).send(request, stream=True, follow_redirects=False)
        except Exception as exc:
            if (failure := failure_of(exc)) is None:
                raise
            raise failure from exc

    def pieces(self, response: Any, countdown: Countdown) -> Iterator[bytes]:
        """Iterate a body; each read is bounded by what a silence may take, which is less than an attempt."""
        timeouts: Any = getattr(getattr(response, "request", None), "extensions", {}).get("timeout")
        if isinstance(timeouts, dict):
            timeouts["read"] = max(0.001, countdown.left())
        return cast("Iterator[bytes]", response.iter_raw())


class AsyncSuppliedClient(_Supplied):
    """An async client that the user supplied; it is watched, since its own timeouts bound single reads only."""

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Leave the client open: it is its owner's."""

    async def send(self, request: Any, countdown: Countdown) -> Any:
        """Send a request."""
        _bound(request, countdown)
        try:
            with anyio.fail_after(max(0.0, countdown.left())):
                return await cast(AsyncHttpClient, self._client).send(request, stream=True, follow_redirects=False)
        except Exception as exc:
            if (failure := failure_of(exc)) is None:
                raise
            raise failure from exc

    def pieces(self, response: Any, countdown: Countdown) -> AsyncIterator[bytes]:
        """Iterate a body."""
        return _Watched(response.aiter_raw(), countdown)


class _Watched:
    """The pieces of a body, each within what the countdown leaves."""

    def __init__(self, pieces: AsyncIterator[bytes], countdown: Countdown) -> None:
        self._pieces = pieces
        self._countdown = countdown

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with anyio.fail_after(max(0.0, self._countdown.left())):
            return await anext(self._pieces)

    @property
    def ag_running(self) -> bool:
        """Whether a task waits for the next piece, named as async generators name it."""
        return getattr(self._pieces, "ag_running", False)


def _limits(countdown: Countdown) -> dict[str, float]:
    seconds = max(0.001, countdown.left())
    return {"connect": min(CONNECT_S, seconds), "read": seconds, "write": seconds, "pool": seconds}


def _bound(request: Any, countdown: Countdown) -> None:
    """Give a request the attempt's time limits, where a hook made it anew and without any."""
    extensions: Any = getattr(request, "extensions", None)
    if isinstance(extensions, dict):
        cast("dict[str, Any]", extensions).setdefault("timeout", _limits(countdown))
