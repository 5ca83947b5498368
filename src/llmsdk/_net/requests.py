"""Requests for our own transports, as light as the flow needs them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Self

import anyio
import httpcore
import httpx

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from .._call.request.large import LARGE, Body, in_pieces


class Content:
    """The body of a request, to be sent once; no async generator, which trio warns of where a send breaks off.

    Attributes:
        problem: What kept the body from being read to its end.
    """

    __slots__ = ("_is_large", "_pieces", "problem")

    def __init__(self, body: Body) -> None:
        self._is_large = len(body) > LARGE
        # Without a call, as nearly every body is small.
        self._pieces = iter((body,)) if isinstance(body, bytes) and not self._is_large else in_pieces(body)
        self.problem: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._is_large:  # others have their turn between two reads, and the end of the connection shows
            await anyio.sleep(0)  # noqa: ASYNC115 - sync programs would import anyio.lowlevel for it
        try:
            for piece in self._pieces:
                return piece
        except Exception as exc:
            self.problem = exc
            raise
        raise StopAsyncIteration


# Made in 1.3 us, where httpx's own takes 10: a plain call costs 160 in all.
class OwnRequest:
    """A request for our own transports; hooks are shown httpx's instead."""

    __slots__ = ("content", "countdown", "headers", "method", "target", "url")

    def __init__(
        self,
        method: str,
        url: httpx.URL,
        target: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        content: Body | None,
        countdown: Countdown,
    ) -> None:
        self.method = method
        self.url = url
        self.target = target
        self.headers = headers
        self.content = content
        self.countdown = countdown


# An application calls few URLs, many times; to parse one takes 7 us.
@lru_cache(maxsize=256)
def parsed_url(url: str) -> httpx.URL:
    """Parse a URL."""
    return httpx.URL(url)


@lru_cache(maxsize=256)
def target_of(url: str) -> httpcore.URL:
    """Parse a URL as httpcore takes it."""
    parsed = parsed_url(url)
    return httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)


def encoded(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Encode headers; left to itself, httpx refuses values beyond ASCII."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]


def build_own(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: Body | None,
    countdown: Countdown,
) -> OwnRequest:
    """Make a request for our own transports."""
    parsed = parsed_url(url)
    raw = [(b"host", parsed.netloc), *encoded(headers)]
    if content is not None:
        raw.append((b"content-length", b"%d" % len(content)))
    request = OwnRequest(method, parsed, target_of(url), raw, content, countdown)
    if authorization is not None:
        request.headers.append((authorization.header.encode("ascii"), authorization.reveal().encode("latin-1")))
    return request


def own_of(request: OwnRequest | httpx.Request, countdown: Countdown) -> OwnRequest:
    """Convert a request that hooks have seen; one that a hook made knows nothing of the attempt's time limit."""
    if isinstance(request, OwnRequest):
        return request
    target = target_of(str(request.url))
    return OwnRequest(request.method, request.url, target, request.headers.raw, request.read(), countdown)
