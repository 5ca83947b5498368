"""Fetching a file that a reply points to: no key, http(s) only, bounded, not from private networks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..errors import APIConnectionError, APITimeoutError, ResponseValidationError, SDKError
from ..errors.status import SDKDefaultError, class_for
from ..utils.addresses import is_private
from ..utils.secrets import masked
from ..utils.urls import check_base_url, origin
from .countdown import Countdown
from .effects import Flow, TransportFailure, close, invoke, read, send
from .world import BuildRequest, Env

_MAX_REDIRECTS = 5
_MAX_URL = 1 << 15  # clients refuse URLs of twice that length with errors of their own
Resolve = Callable[[str, int], Any]
"""Answers, or awaits, with the addresses of a host as `getaddrinfo` gives them."""


def fetch(
    url: str,
    *,
    build: BuildRequest,
    resolve: Resolve,
    env: Env,
    home: str,
    allow_private: bool,
    max_bytes: int,
    timeout_s: float,
) -> Flow[bytes]:
    """Fetch a file, following redirects.

    Args:
        home: Base URL of the server that named the file; its own origin is allowed even where it is private.
        allow_private: Whether hosts in private networks are allowed.
        max_bytes: Bound of the file.
        timeout_s: Bound of the whole.

    Raises:
        ResponseValidationError: The URL is not http(s), its host is private, or the file is too large.
        APIConnectionError: No reply, or not all of it.
        APIStatusError: The host answered with an error.
    """
    countdown = Countdown(timeout_s, env.clock)
    for _ in range(_MAX_REDIRECTS + 1):
        check_file_url(url)
        if not allow_private and origin(url) != origin(home):
            yield from refuse_private(url, resolve)
        request = build("GET", url, [("accept", "image/*, */*;q=0.5")], None, None, countdown)
        try:
            response = yield from send(request, countdown)
        except TransportFailure as failure:
            raise failed(failure) from failure.__cause__
        dropped = False
        try:
            if not allow_private and origin(url) != origin(home):
                refuse_private_peer(response)
            location = response.headers.get("location", "")
            if 300 <= response.status_code < 400 and location:
                url = joined(url, location)
                continue
            body = yield from read(response, max_bytes, countdown)
            if response.status_code != 200:
                kind = class_for(response.status_code) if response.status_code >= 400 else SDKDefaultError
                raise kind("the file could not be fetched", status_code=response.status_code)
            return body
        except TransportFailure as failure:
            raise failed(failure) from failure.__cause__
        except GeneratorExit:
            dropped = True  # nobody performs effects any more
            raise
        finally:
            if not dropped:
                yield from close(response)
    raise ResponseValidationError(f"the file's URL redirects more than {_MAX_REDIRECTS} times")


def joined(url: str, location: str) -> str:
    """Read a Location header."""
    try:
        return urljoin(url, location)
    except ValueError:
        raise ResponseValidationError("the file's URL redirects to what is no URL") from None


def check_file_url(url: str) -> None:
    """Refuse what is no http(s) URL."""
    try:
        check_base_url(url.partition("#")[0])
        if len(url) > _MAX_URL:
            raise ValueError(f"url: got a str of {len(url)} characters; accepted are {_MAX_URL}")
    except ValueError as exc:
        raise ResponseValidationError(f"the file's URL cannot be fetched: {exc}") from None


def refuse_private(url: str, resolve: Resolve) -> Flow[None]:
    """Refuse a host whose name leads to a private network."""
    _, host, port = origin(url)
    try:
        found = yield from invoke(resolve, host, port)
    except (OSError, UnicodeError) as exc:
        raise APIConnectionError(f"the file's host {host} is not known") from exc
    for address in {entry[4][0] for entry in found}:
        if is_private(address):
            raise ResponseValidationError(
                f"the file's host {urlsplit(url).hostname} is in a private network; allow_private=True allows it"
            )


def refuse_private_peer(response: Any) -> None:
    """Look at the address that was in fact connected to: names can be resolved twice with two answers."""
    stream = getattr(response, "extensions", {}).get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    if address and is_private(str(address[0])):
        raise ResponseValidationError("the file's host is in a private network; allow_private=True allows it")


def failed(failure: TransportFailure, secrets: Iterable[str] = ()) -> SDKError:
    """Make the error of a file that did not come, or not whole."""
    text = masked(str(failure), secrets)
    if failure.kind == "timeout":
        return APITimeoutError("the file did not arrive in time")
    if failure.kind in ("coding", "too large"):
        return ResponseValidationError(f"the file cannot be read: {text}")
    return APIConnectionError(f"the file could not be fetched: {text}")
