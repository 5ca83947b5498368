"""Opening the stream under an async connection: our own in asyncio, anyio's in trio."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterable
from typing import Any, cast

import anyio
import httpcore

from .._call.countdown import CONNECT_S
from .asyncio_stream import AsyncioStream
from .early import SavingStream
from .loops import token_here


async def open_stream(
    host: str, port: int, seconds: float, local_address: str | None, options: Iterable[Any] | None
) -> tuple[Any, SavingStream | None]:
    """Open httpcore's stream; None beside it where nothing could be put under it.

    Raises:
        httpcore.ConnectError: The host could not be reached.
        httpcore.ConnectTimeout: It took too long.
    """
    # anyio takes a group of tasks to connect, which names with several addresses need: 512 connections opened at once
    # take 6 MB less without. No public way leads to this class; were it gone, only that would be lost.
    as_stream: Any = getattr(sys.modules.get("httpcore._backends.anyio"), "AnyIOStream", None)
    if as_stream is None or options or not (_is_address(host) and _is_here()):
        backend: Any = cast(Any, httpcore).AnyIOBackend()
        stream = await backend.connect_tcp(host, port, seconds, local_address, options)
    else:
        stream = as_stream(await _connected(host, port, seconds, local_address))
    inner: Any = getattr(stream, "_stream", None)
    if inner is None:  # no public way leads here; were this one gone, an answer that comes early could be lost
        return stream, None
    stream._stream = saving = SavingStream(AsyncioStream.over(inner) or inner)
    return stream, saving


async def _connected(host: str, port: int, seconds: float, local_address: str | None) -> AsyncioStream:
    local = None if local_address is None else (local_address, 0)
    try:
        connecting = asyncio.get_running_loop().create_connection(AsyncioStream, host, port, local_addr=local)
        if seconds > CONNECT_S:  # then the line gives up sooner; one scope more takes 1 kB while it connects
            return (await connecting)[1]
        with anyio.fail_after(seconds):
            return (await connecting)[1]
    except TimeoutError as exc:
        raise httpcore.ConnectTimeout(str(exc)) from exc
    except OSError as exc:
        raise httpcore.ConnectError(str(exc)) from exc


def _is_here() -> bool:
    """Whether asyncio runs this; it may run beside trio, too."""
    return isinstance(token_here().native_token, asyncio.AbstractEventLoop)


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
