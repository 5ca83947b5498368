"""Whether httpx is patched: by mocks and recorders of users' tests, or by an instrumentation of their application."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import httpcore
import httpx

_genuine: tuple[Any, ...] | None = None  # what stands there unpatched, once that was seen


def is_patched() -> bool:
    """Return whether a function is replaced through which httpx's clients send.

    Our own connections do not pass there, so that a mock would be looked past, and the request leave with its key.
    """
    global _genuine  # noqa: PLW0603 - every call asks, and a look at each function would cost ten times as much
    found = (
        getattr(httpx.Client, "send", None),
        getattr(httpx.AsyncClient, "send", None),
        getattr(httpx.Client, "_send_single_request", FunctionType),
        getattr(httpx.AsyncClient, "_send_single_request", FunctionType),
        getattr(httpx.Client, "_transport_for_url", FunctionType),
        getattr(httpx.AsyncClient, "_transport_for_url", FunctionType),
        getattr(httpx.HTTPTransport, "handle_request", None),
        getattr(httpx.AsyncHTTPTransport, "handle_async_request", None),
        getattr(httpcore.ConnectionPool, "handle_request", None),
        getattr(httpcore.AsyncConnectionPool, "handle_async_request", None),
    )
    if found == _genuine:  # the same functions: tuples compare what they hold by identity first
        return False
    if not all(map(_is_own, found)):
        return True
    _genuine = found
    return False


def _is_own(function: Any) -> bool:
    """Recognize the genuine functions by the module that they see: wrappers copy names, and this they cannot."""
    if function is FunctionType:
        return True  # a private one that this httpx has not
    return type(function) is FunctionType and str(function.__globals__.get("__name__")).startswith(
        ("httpx.", "httpcore.")
    )
