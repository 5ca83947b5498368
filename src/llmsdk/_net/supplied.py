"""A client that the user supplied: checked, and given the time limits of each attempt."""

from __future__ import annotations

from typing import Any, cast

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from ..errors import ConfigurationError
from ..options import AsyncHttpClient, HttpClient
from .client import encoded
from .network import CONNECT_S


def check_open(client: Any, name: str) -> None:
    """Refuse a client that can send nothing any more.

    Raises:
        ConfigurationError: It is closed.
    """
    if getattr(client, "is_closed", False) is True:
        raise ConfigurationError(f"{name}: is closed; close it after the SDK's last call")


def build_with(
    client: HttpClient | AsyncHttpClient,
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: bytes | None,
    countdown: Countdown,
) -> Any:
    """Make a request with a supplied client, its own defaults and all; its timeouts are ours."""
    raw = encoded(headers)
    extensions = {"timeout": _limits(countdown)}
    request = client.build_request(method, url, headers=raw, content=content, extensions=extensions)
    request.headers.encoding = "latin-1"  # for what is added, too
    if authorization is not None:
        request.headers[authorization.header] = authorization.reveal()
    return request


def _limits(countdown: Countdown) -> dict[str, float]:
    seconds = float(countdown)
    return {"connect": min(CONNECT_S, seconds), "read": seconds, "write": seconds, "pool": seconds}


def bound(request: Any, countdown: Countdown) -> None:
    """Give a request for a supplied client the attempt's time limits, where a hook made it anew and without any."""
    extensions: Any = getattr(request, "extensions", None)
    if isinstance(extensions, dict):
        cast("dict[str, Any]", extensions).setdefault("timeout", _limits(countdown))


def allow(response: Any, countdown: Countdown) -> None:
    """Have a supplied client bound each read of a stream by what a silence may take, which is less than an attempt."""
    timeouts: Any = getattr(getattr(response, "request", None), "extensions", {}).get("timeout")
    if isinstance(timeouts, dict):
        timeouts["read"] = max(0.001, countdown.left())
