"""Requests and responses as hooks see them: those of httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from .client import encoded, parsed_url
from .transport import Reply, timeouts


def build_shown(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: bytes | None,
    countdown: Countdown,
) -> httpx.Request:
    """Make a request that hooks can read and change."""
    raw = encoded(headers)
    request = httpx.Request(method, parsed_url(url), headers=raw, content=content, extensions=timeouts(countdown))
    request.headers.encoding = "latin-1"  # for what is added, too
    if authorization is not None:
        request.headers[authorization.header] = authorization.reveal()
    return request


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A reply's body under httpx's response."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        return self._reply.iter_raw()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._reply.aiter_raw()

    def close(self) -> None:
        self._reply.close()

    async def aclose(self) -> None:
        await self._reply.aclose()


def shown(reply: Reply) -> httpx.Response:
    """Make a response that hooks can look at, its body still to come."""
    return httpx.Response(
        reply.status_code,
        headers=reply.headers.multi_items(),
        stream=_Body(reply),
        extensions=reply.extensions,
        request=reply.request,
    )
