"""Requests and responses as hooks see them: those of httpx."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx

from .._call.countdown import Countdown
from .._call.keys import KeyHeader
from .._call.request.large import Body, whole
from ..errors import ConfigurationError
from .requests import encoded, parsed_url


def build_shown(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    authorization: KeyHeader | None,
    content: Body | None,
    countdown: Countdown,
) -> httpx.Request:
    """Make a request that hooks can read and change."""
    request = httpx.Request(method, parsed_url(url), headers=encoded(headers), content=whole(content))
    request.headers.encoding = "latin-1"  # for what is added, too
    if authorization is not None:
        request.headers[authorization.header] = authorization.reveal()
    return request


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a reply of our own under httpx's response."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def __iter__(self) -> Iterator[bytes]:
        return cast("Iterator[bytes]", self.reply.iter_raw())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return cast("AsyncIterator[bytes]", self.reply.aiter_raw())

    def close(self) -> None:
        self.reply.close()

    async def aclose(self) -> None:
        await self.reply.aclose()


def show(reply: Any) -> httpx.Response:
    """Make a response that hooks can look at, its body still to come, of a reply of our own."""
    return httpx.Response(
        reply.status_code,
        headers=reply.headers.multi_items(),
        stream=_Body(reply),
        extensions=reply.extensions,
        request=reply.request,
    )


# Hooks may hold a response of httpx in their hands, while the driver has to let go of the reply beneath it.
def reply_under(response: Any) -> Any:
    """Return the reply of our own that a response stands for; it may be one itself, or a supplied client's."""
    body = getattr(response, "stream", None)
    return body.reply if isinstance(body, _Body) else response


def content_of(response: Any) -> bytes:
    """Return the body of a response that a hook has read; it is decoded.

    Raises:
        ConfigurationError: The hook has not kept it.
    """
    try:
        return cast(bytes, response.content)
    except RuntimeError:  # as httpx's ResponseNotRead is one
        raise ConfigurationError(
            "hooks: one of the SDK's, or of the client's, has iterated the body of a reply, which comes only once; "
            "read() keeps it"
        ) from None


def rebuild(response: Any, body: bytes) -> Any:
    """Make a response that hooks can read, of one whose body we have read and decoded."""
    kind: Any = getattr(response, "shown_as", cast(Any, type)(response))
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")  # the body is decoded
    ]
    return kind(response.status_code, headers=headers, content=body, request=getattr(response, "request", None))
