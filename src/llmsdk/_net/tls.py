"""One TLS context per process."""

from __future__ import annotations

import os
import re
import ssl
from functools import cache

import httpx

from ..errors import ConfigurationError
from ..utils.descriptors import is_lack

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # how OpenSSL finds a certificate in a directory
_MAX_SHOWN = 200


def shared_context() -> ssl.SSLContext:
    """Return the process's TLS context; making one costs far more than a request.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are obeyed, as httpx obeys them.

    Raises:
        ConfigurationError: One of them names no certificates.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


# 17 ms, for the certificates that are read.
@cache
def _context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    try:
        if cert_dir and not cert_file and not any(map(_holds_certificates, cert_dir.split(os.pathsep))):
            raise _refused("SSL_CERT_DIR", cert_dir, "no directory with certificates under their hashes") from None
        if cert_file and not os.path.isfile(cert_file):  # which httpx before 0.28 takes for no variable at all
            raise FileNotFoundError(cert_file)
        return httpx.create_ssl_context()
    except OSError as exc:  # an SSLError is one, too
        if not (cert_file or cert_dir) or is_lack(exc):
            raise
        if cert_file:
            raise _refused("SSL_CERT_FILE", cert_file, "no file of certificates that can be read") from exc
        raise _refused("SSL_CERT_DIR", cert_dir or "", "no directory that can be read") from exc


def _holds_certificates(folder: str) -> bool:
    """Look for certificates where OpenSSL would: in a directory without any, it complains of each server instead."""
    return os.path.isdir(folder) and any(map(_HASHED.fullmatch, os.listdir(folder)))


def _refused(variable: str, path: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{variable} names {path[:_MAX_SHOWN]!r}, which is {what}; correct it or remove it")
