"""The mocked network of httpx as a transport of httpx2."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import Any, cast

import httpx
import httpx2
import respx


class Mocked(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers with what a router of respx answers; its failures keep their names, which is what they are known by."""

    def __init__(self, router: respx.MockRouter) -> None:
        self._router = router

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        theirs = self._router.handler(_asked(request, request.read()))
        return _answer(theirs, b"".join(cast("Iterable[bytes]", theirs.stream)))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        theirs = await self._router.async_handler(_asked(request, await request.aread()))
        return _answer(theirs, b"".join([piece async for piece in cast("AsyncIterable[bytes]", theirs.stream)]))


def _asked(request: httpx2.Request, body: bytes) -> httpx.Request:
    given: Any = request
    return httpx.Request(given.method, str(given.url), headers=given.headers.raw, content=body)


def _answer(theirs: httpx.Response, body: bytes) -> httpx2.Response:
    return httpx2.Response(theirs.status_code, headers=theirs.headers.raw, stream=httpx2.ByteStream(body))
