"""Requests for our own transports, and what may not be sent."""

from __future__ import annotations

import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

import httpcore
import httpx

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from ..errors import ConfigurationError
from ..utils.urls import is_loopback
from .transport import OwnRequest, Reply, target_of

if TYPE_CHECKING:
    from .._call.world import BuildRequest
    from ..options import AsyncHttpClient, HttpClient


def refuse_offline(host: str) -> None:
    """Refuse to leave this machine where `LLMSDK_OFFLINE=1` says so, even for the address of a host.

    Raises:
        ConfigurationError: The host is not loopback.
    """
    if os.environ.get("LLMSDK_OFFLINE") == "1" and not is_loopback(host):
        raise ConfigurationError(f"LLMSDK_OFFLINE=1 is set, so nothing is sent to {host}; only loopback is allowed")


def refuse_closed(is_closed: bool) -> None:
    """Refuse to open anew what nobody would close any more.

    Raises:
        ConfigurationError: The SDK is closed.
    """
    if is_closed:
        raise ConfigurationError("the SDK was closed while this call was under way, so it is not tried again")


@lru_cache(maxsize=256)
def parsed_url(url: str) -> httpx.URL:
    """Parse a URL; an application calls few of them, many times."""
    return httpx.URL(url)


@lru_cache(maxsize=256)
def _place(url: str) -> tuple[httpx.URL, httpcore.URL, tuple[bytes, bytes]]:
    """Where a request of our own goes, in the two forms that are needed, and the header that says so."""
    parsed = parsed_url(url)
    return parsed, target_of(url), (b"host", parsed.netloc)


def encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Write headers as they are sent; left to itself, httpx takes no value beyond ASCII."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]


def builder(client: HttpClient | AsyncHttpClient | None, *, is_hooked: bool) -> BuildRequest:
    """Choose what makes requests: those of a supplied client are its own, and hooks get those of httpx."""
    if client is not None:
        from .supplied import build_with

        return partial(build_with, client)
    if is_hooked:
        from .hooked import build_shown

        return build_shown
    return build_own


def build_own(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: bytes | None,
    countdown: Countdown,
) -> OwnRequest:
    """Make a request for our own transports, which ask the countdown at every step."""
    parsed, target, host = _place(url)
    raw = [host, *encoded(headers)]
    if content is not None:
        raw.append((b"content-length", b"%d" % len(content)))
    request = OwnRequest(method, parsed, target, raw, content, countdown)
    if authorization is not None:
        request.headers.append((authorization.header.encode("ascii"), authorization.reveal().encode("latin-1")))
    return request


def own_of(request: OwnRequest | httpx.Request, countdown: Countdown) -> OwnRequest:
    """Make what our transports take; one that a hook made anew knows nothing of the attempt's time."""
    if isinstance(request, OwnRequest):
        return request
    target = target_of(str(request.url))
    return OwnRequest(request.method, request.url, target, request.headers.raw, request.read(), countdown)


def rebuild(response: Any, body: bytes) -> Any:
    """Make a response that hooks can read, of one whose body we have read and decoded."""
    kind = httpx.Response if isinstance(response, Reply) else cast(Any, type)(response)
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    return kind(response.status_code, headers=headers, content=body, request=getattr(response, "request", None))
