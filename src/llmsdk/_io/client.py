"""The clients under the drivers: our own transports, or a client that the user supplied."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Any, cast

import httpx

from .._core.auth import Secret
from .._core.countdown import Countdown
from ..errors import ConfigurationError
from ..utils.urls import is_loopback
from .network import CONNECT_S
from .protocols import AsyncHttpClient, HttpClient
from .transport import OwnRequest, Reply, target_of, timeouts


def refuse_offline(url: Any) -> None:
    """Refuse to leave this machine where `LLMSDK_OFFLINE=1` says so.

    Raises:
        ConfigurationError: The host of the URL is not loopback.
    """
    if os.environ.get("LLMSDK_OFFLINE") == "1" and not is_loopback(url.host):
        raise ConfigurationError(f"LLMSDK_OFFLINE=1 is set, so nothing is sent to {url.host}; only loopback is allowed")


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Parse a URL; an application calls few of them, many times."""
    return httpx.URL(url)


def _encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Write headers as they are sent; left to itself, httpx takes no value beyond ASCII."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]


def build_own(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: Secret | None,
    content: bytes | None,
    countdown: Countdown,
) -> OwnRequest:
    """Make a request for our own transports, which ask the countdown at every step."""
    parsed = _parsed(url)
    raw = [(b"host", parsed.netloc), *_encoded(headers)]
    if content is not None:
        raw.append((b"content-length", b"%d" % len(content)))
    request = OwnRequest(method, parsed, target_of(url), raw, content, countdown)
    if authorization is not None:
        request.headers.append((b"authorization", authorization.reveal().encode("latin-1")))
    return request


def build_shown(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: Secret | None,
    content: bytes | None,
    countdown: Countdown,
) -> httpx.Request:
    """Make a request that hooks can read and change."""
    raw = _encoded(headers)
    request = httpx.Request(method, _parsed(url), headers=raw, content=content, extensions=timeouts(countdown))
    request.headers.encoding = "latin-1"  # for what is added, too
    if authorization is not None:
        request.headers["authorization"] = authorization.reveal()
    return request


def own_of(request: OwnRequest | httpx.Request) -> OwnRequest:
    """Make what our transports take."""
    if isinstance(request, OwnRequest):
        return request
    countdown: Countdown = request.extensions["timeout"]["read"]
    target = target_of(str(request.url))
    return OwnRequest(request.method, request.url, target, request.headers.raw, request.read(), countdown)


def build_with(
    client: HttpClient | AsyncHttpClient,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: Secret | None,
    content: bytes | None,
    countdown: Countdown,
) -> Any:
    """Make a request with a supplied client, its own defaults and all; its timeouts are ours."""
    timeouts = {
        "connect": min(CONNECT_S, float(countdown)),
        "read": float(countdown),
        "write": float(countdown),
        "pool": float(countdown),
    }
    raw = _encoded(headers)
    request = client.build_request(method, url, headers=raw, content=content, extensions={"timeout": timeouts})
    request.headers.encoding = "latin-1"  # for what is added, too
    if authorization is not None:
        request.headers["authorization"] = authorization.reveal()
    return request


def rebuild(response: Any, body: bytes) -> Any:
    """Make a response that hooks can read, of one whose body we have read and decoded."""
    kind = httpx.Response if isinstance(response, Reply) else cast(Any, type)(response)
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return kind(response.status_code, headers=headers, content=body, request=getattr(response, "request", None))


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply's body under httpx's response."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        return self._reply.iter_raw()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reply.aiter_raw()

    def close(self) -> None:
        self._reply.close()

    async def aclose(self) -> None:
        await self._reply.aclose()


def shown(reply: Reply) -> httpx.Response:
    """Make a response that hooks can look at, its body still to come."""
    return httpx.Response(
        reply.status_code,
        headers=reply.headers.multi_items(),
        stream=_Body(reply),
        extensions=reply.extensions,
        request=reply.request,
    )
