"""What is as secret as a key: in headers and URLs that callers give, and in the frames of a failed request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from traceback import walk_tb
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

from .auth import Secrets

_SECRET_NAME = re.compile(r"auth|cookie|secret|passw|api[-_]?key|(^|[-_])(key|token)($|[-_])", re.IGNORECASE)
# Their frames hold requests. Frames of the application may be in the same chain, where it calls while it handles an
# exception of its own, and are left as they are.
_HOLDERS = frozenset({"llmsdk", "httpx", "httpcore", "h11", "aiohttp"})
_MIN_PART = 8  # characters of a part of a value that is masked by itself


def is_secret_name(name: str) -> bool:
    """Tell the name of a header or URL parameter whose value is to be masked."""
    return name != "idempotency-key" and _SECRET_NAME.search(name) is not None


def learn(secrets: Secrets, headers: Mapping[str, str], url_params: Mapping[str, Any], url: str) -> None:
    """Learn the values, whole and by their parts, of the names that say that they are secret."""
    for name, value in (*headers.items(), *url_params.items(), *parse_qsl(url.partition("?")[2])):
        if is_secret_name(name):
            text = str(value)
            secrets.add(text)
            for part in re.split(r"[\s;,=]+", text):
                if len(part) >= _MIN_PART:
                    secrets.add(part)


def forget_locals(traceback: TracebackType | None) -> None:
    """Clear the locals of the frames that sent a request, which tools that show tracebacks would show."""
    for frame, _ in walk_tb(traceback):
        if frame.f_globals.get("__name__", "").partition(".")[0] in _HOLDERS:
            with suppress(RuntimeError):  # still at work
                frame.clear()
