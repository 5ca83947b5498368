"""The clients under the drivers: our own transports, or a client that the user supplied."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import httpx

from .._core.auth import Secret
from .._core.countdown import Countdown
from ..errors import ConfigurationError
from ..utils.urls import is_loopback
from .network import CONNECT_S
from .protocols import AsyncHttpClient, HttpClient


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Parse a URL; an application calls few of them, many times."""
    return httpx.URL(url)


def refuse_offline(url: Any) -> None:
    """Refuse to leave this machine where `LLMSDK_OFFLINE=1` says so.

    Raises:
        ConfigurationError: The host of the URL is not loopback.
    """
    if os.environ.get("LLMSDK_OFFLINE") == "1" and not is_loopback(url.host):
        raise ConfigurationError(f"LLMSDK_OFFLINE=1 is set, so nothing is sent to {url.host}; only loopback is allowed")


def build_own(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: Secret | None,
    content: bytes | None,
    countdown: Countdown,
) -> httpx.Request:
    """Make a request for our own transport, which asks the countdown at every step."""
    timeouts = {"connect": countdown, "read": countdown, "write": countdown, "pool": countdown}
    request = httpx.Request(method, _parsed(url), headers=headers, content=content, extensions={"timeout": timeouts})
    if authorization is not None:
        request.headers["authorization"] = authorization.reveal()
    return request


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
    request = client.build_request(method, url, headers=headers, content=content, extensions={"timeout": timeouts})
    if authorization is not None:
        request.headers["authorization"] = authorization.reveal()
    return request


def rebuild(response: Any, body: bytes) -> Any:
    """Make a response that hooks can read, of one whose body we have read and decoded."""
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
    ]
    request = getattr(response, "request", None)
    return type(response)(response.status_code, headers=headers, content=body, request=request)
