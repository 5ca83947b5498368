"""A streamed file, written to a path as it comes: whole, or not at all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from ..utils.files import Draft
from .streams import EventStream, EventStreamAsync


def save_stream(begin: Callable[[], EventStream[Any, Any]], path: Path) -> Path:
    """Write the pieces of a stream; what was at the path stays where the stream fails.

    Args:
        begin: Makes the call, which is not paid for where the path cannot be written.

    Raises:
        OSError: The path cannot be written.
        SDKError: As the call and its stream.
    """
    draft = Draft(path)
    try:
        with begin() as stream:
            for event in stream:
                draft.write(event.audio)
        draft.commit()
    finally:
        draft.discard()
    return path


async def save_stream_async(begin: Callable[[], Awaitable[EventStreamAsync[Any, Any]]], path: Path) -> Path:
    """Write the pieces of a stream; as `save_stream`."""
    draft = await run_sync(Draft, path)
    try:
        async with await begin() as stream:
            async for event in stream:
                draft.write(event.audio)  # into the cache of the system, which takes less time than another thread
        await run_sync(draft.commit)
    finally:
        draft.discard()
    return path
