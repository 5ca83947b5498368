"""What clients raise, in our words; recognised by class name, so that every client of httpx's family fits."""

from __future__ import annotations

import os
import socket
from typing import Any

from .._call.effects import FailureKind, TransportFailure
from ..utils.descriptors import is_lack

_KINDS: dict[str, FailureKind] = {
    "TimeoutException": "timeout",
    "ConnectTimeout": "timeout",
    "ReadTimeout": "timeout",
    "WriteTimeout": "timeout",
    "PoolTimeout": "timeout",
    "TimeoutError": "timeout",
    "ConnectError": "connect",
    "ProxyError": "connect",
    "gaierror": "connect",
    "ConnectionRefusedError": "connect",
    "NetworkError": "network",
    "ReadError": "network",
    "WriteError": "network",
    "CloseError": "network",
    "BrokenResourceError": "network",
    "ClosedResourceError": "network",
    "EndOfStream": "network",
    "OSError": "network",
    # aiohttp's
    "ClientConnectorError": "connect",
    "ClientSSLError": "connect",
    "ServerDisconnectedError": "network",
    "ClientHttpProxyError": "connect",
    "ClientPayloadError": "protocol",
    "ClientResponseError": "protocol",
    "ClientError": "network",
    "RemoteProtocolError": "protocol",
    "TooManyRedirects": "protocol",
    "DecodingError": "coding",
    "LocalProtocolError": "request",
    "UnsupportedProtocol": "request",
    "InvalidURL": "protocol",  # our own URLs are checked before: this one is a redirect's
    "UnicodeError": "request",
}


def failure_of(
    exc: BaseException, *, began: bool = False, is_reused: bool = False, body: bytes = b""
) -> TransportFailure | None:
    """Make a failure of a client's exception; None for what is no failure of transport.

    Args:
        began: Whether a byte of the reply had arrived.
        is_reused: Whether the connection had carried another reply before.
        body: What had been read.
    """
    if isinstance(exc, TransportFailure):
        return exc
    kind: FailureKind | None = next(filter(None, (_KINDS.get(cls.__name__) for cls in type(exc).__mro__)), None)
    if kind is None:
        return None
    began = began or bool(body) or type(exc).__name__ == "InvalidURL"
    stale = is_reused and not began and kind in ("network", "protocol")
    text = _reason(exc) if kind == "connect" else str(exc).strip() or type(exc).__name__
    failure = TransportFailure(kind, text, began=began, stale=stale, body=body)
    failure.__cause__ = exc
    return failure


def _reason(exc: BaseException) -> str:
    """Find why there is no connection: anyio says only that all attempts failed, and its causes say why."""
    found: BaseException | None = exc
    while found is not None and not (isinstance(found, OSError) and found.errno):
        causes: Any = getattr(found, "exceptions", None)  # of an exception group
        found = causes[0] if causes else found.__cause__
    if isinstance(found, socket.gaierror):
        found = _lack() or found  # the resolver opens files, and does not say that it could not
    if isinstance(found, OSError) and found.errno and "Connect call failed" in str(found):
        return os.strerror(found.errno)  # asyncio repeats the address in its place
    return str(found or exc).strip() or type(exc).__name__


def _lack() -> OSError | None:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as exc:
        return OSError(exc.errno, exc.strerror) if is_lack(exc) else None
    return None
