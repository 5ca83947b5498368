"""What clients raise, in our words; recognised by class name, so that every client of httpx's family fits."""

from __future__ import annotations

from .._call.effects import FailureKind, TransportFailure

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
    text = str(exc).strip() or type(exc).__name__
    failure = TransportFailure(kind, text, began=began, stale=stale, body=body)
    failure.__cause__ = exc
    return failure
