"""Clients that the user supplied, as transports: never closed here, and given the time limits of each attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any, Self, cast

import anyio
import httpx

from .._call.countdown import CONNECT_S, Countdown
from .._call.keys import KeyHeader
from .._call.request.large import Body, whole
from ..options import AsyncHttpClient, HttpClient
from .failures import failure_of
from .proxies import proxy_of
from .requests import encoded
from .tls import shared_context

# Connections in a row that their server has left; httpx keeps 20 by itself.
_MAX_RESENT = 32


class _Supplied:
    """What the sync and the async client share."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client_for(self, request: Any) -> Any:
        """Return the client that sends a request."""
        return self._client

    def build(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        authorization: KeyHeader | None,
        content: Body | None,
        countdown: Countdown,
    ) -> Any:
        """Make a request with the client, its own defaults and all; its timeouts are ours."""
        extensions = {"timeout": _limits(countdown)}
        raw = encoded(headers)
        request = self._client.build_request(method, url, headers=raw, content=whole(content), extensions=extensions)
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
        client: HttpClient = self.client_for(request)
        sending = _Sending(request, countdown)
        while True:
            sending.begin(sending.note)
            try:
                return client.send(request, stream=True, follow_redirects=False)
            except Exception as exc:
                sending.judge(exc)

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
        client: AsyncHttpClient = self.client_for(request)
        sending = _Sending(request, countdown)
        while True:
            sending.begin(sending.note_async)
            try:
                with anyio.fail_after(max(0.0, countdown.left())):
                    return await client.send(request, stream=True, follow_redirects=False)
            except Exception as exc:
                sending.judge(exc)


class Watched:
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


class _Sending:
    """One request over a supplied client, which may come upon connections that their server has left.

    httpx does not say whether a connection was used before; its `trace` extension shows that none was opened. A client
    without that extension has its failures judged as those of new connections.
    """

    def __init__(self, request: Any, countdown: Countdown) -> None:
        extensions: Any = getattr(request, "extensions", None)
        self._extensions: dict[str, Any] | None = extensions if isinstance(extensions, dict) else None
        if self._extensions is not None:
            # A request that a hook made anew has no time limits; one with limits of the hook's own keeps them.
            self._extensions.setdefault("timeout", _limits(countdown))
        # What a hook streams has been read, and a trace of its own is not ours to replace.
        self._may_resend = hasattr(request, "_content") and "trace" not in (self._extensions or {})
        self._countdown = countdown
        self._left = _MAX_RESENT
        self._has_sent = self._has_connected = False

    # A new trace for each send: what was seen of the last one says nothing of this one.
    def begin(self, note: Any) -> None:
        """Prepare for a send."""
        self._has_sent = self._has_connected = False
        if self._may_resend and self._extensions is not None:
            self._extensions["trace"] = note

    def note(self, event: str, _: Any) -> None:
        """Take an event of the connection: names are `connection.connect_tcp.started` and the like."""
        self._has_sent = self._has_sent or ".send_request_headers" in event
        self._has_connected = self._has_connected or ".connect_" in event

    async def note_async(self, event: str, info: Any) -> None:
        """Take an event; httpx awaits this one."""
        self.note(event, info)

    def judge(self, exc: Exception) -> None:
        """Raise a failure, unless the request is to be sent again."""
        is_reused = self._may_resend and self._has_sent and not self._has_connected
        failure = failure_of(exc, is_reused=is_reused)
        if failure is None:
            raise exc
        # A reply that is broken had begun.
        has_begun = failure.kind == "protocol" and "disconnected" not in str(failure)
        self._left -= 1
        if not failure.stale or has_begun or self._left < 0 or self._countdown.left() <= 0:
            raise failure from exc


def _limits(countdown: Countdown) -> dict[str, float]:
    seconds = max(0.001, countdown.left())
    return {"connect": min(CONNECT_S, seconds), "read": seconds, "write": seconds, "pool": seconds}


class HttpxClient(SuppliedClient):
    """httpx's own clients, which the SDK uses while httpx is patched; one for each proxy of the environment."""

    def __init__(self, *, is_hooked: bool = False) -> None:
        super().__init__(None)
        self._clients: dict[tuple[str | None, bool], httpx.Client] = {}

    def client_for(self, request: Any) -> Any:
        """Return the client that reaches the host of a request."""
        options = _options(request.url)
        if options not in self._clients:
            proxy, is_tls = options
            self._clients[options] = httpx.Client(
                proxy=proxy, verify=shared_context() if is_tls else False, trust_env=False
            )
        return self._clients[options]

    def close(self) -> None:
        """Close the clients."""
        while self._clients:
            self._clients.popitem()[1].close()


class AsyncHttpxClient(AsyncSuppliedClient):
    """The async twin of `HttpxClient`, in one event loop."""

    def __init__(self, *, is_hooked: bool = False) -> None:
        super().__init__(None)
        self._clients: dict[tuple[str | None, bool], httpx.AsyncClient] = {}

    def client_for(self, request: Any) -> Any:
        """Return the client that reaches the host of a request."""
        options = _options(request.url)
        if options not in self._clients:
            proxy, is_tls = options
            self._clients[options] = httpx.AsyncClient(
                proxy=proxy, verify=shared_context() if is_tls else False, trust_env=False
            )
        return self._clients[options]

    async def aclose(self, *, at_loop_end: bool = False) -> None:
        """Close the clients."""
        while self._clients:
            await self._clients.popitem()[1].aclose()


def _options(url: httpx.URL) -> tuple[str | None, bool]:
    """Return the proxy that leads to a URL, and whether TLS is spoken there."""
    return proxy_of(url.scheme, url.host, url.port), url.scheme == "https"
