"""Where a body ends that nothing but its connection ends: RFC 9112, 8 and 9.8."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from ..effects import TransportFailure

MAX_FILE_BYTES = 16 << 30
"""Of a file that is handed out, or written, piece by piece; no server is to fill a disk."""


def tls_that_ends(response: Any, headers: Mapping[str, str]) -> Any:
    """Find the TLS layer of a body that ends with its connection; None for all others."""
    extensions: dict[str, Any] = getattr(response, "extensions", {})
    is_framed = not extensions.get("http_version", b"HTTP/1.1").startswith(b"HTTP/1")  # HTTP/2 marks every end
    stream = extensions.get("network_stream")
    if stream is None or is_framed or headers.keys() & {"content-length", "transfer-encoding"}:
        return None
    sock = stream.get_extra_info("socket")
    if isinstance(sock, ssl.SSLSocket):
        # Or it would take a cut for an end; now it raises. Type checkers do not know the attribute.
        setattr(sock, "suppress_ragged_eofs", False)  # noqa: B010 - see above
    return stream.get_extra_info("ssl_object")


def check_end(tls: Any, body: bytes = b"") -> None:
    """Refuse a body that ended with its connection, and not in order.

    Args:
        tls: Of `tls_that_ends`.
        body: What has come, for the error.

    Raises:
        TransportFailure: It may be cut.
    """
    if tls is not None and not _has_ended(tls):
        text = "TLS ended without close_notify, so that it may be cut"
        raise TransportFailure("network", text, began=True, body=body)


def _has_ended(tls: Any) -> bool:
    """Ask the TLS layer of an async client, which outlives the connection, whether close_notify has come."""
    if not isinstance(tls, ssl.SSLObject):
        return True
    try:
        return tls.read(1) == b""
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False
