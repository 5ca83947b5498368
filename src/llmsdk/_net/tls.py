"""One TLS context per process."""

from __future__ import annotations

import os
import ssl
from functools import cache


def shared_context() -> ssl.SSLContext:
    """Answer with the process's TLS context; making one costs far more than a request.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are obeyed, as httpx obeys them.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()
