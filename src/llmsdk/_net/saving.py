"""A streamed file, written to a path as it comes: whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from ..utils.files import Draft
from .streams import EventStream, EventStreamAsync


def save_stream(stream: EventStream[Any, Any], path: Path) -> Path:
    """Write the pieces of a stream; what was at the path stays where the stream fails.

    Raises:
        OSError: The path cannot be written.
        RemoteError: As the stream.
    """
    with stream:
        draft = Draft(path)
        try:
            for event in stream:
                draft.write(event.audio)
            draft.commit()
        finally:
            draft.discard()
    return path


async def save_stream_async(stream: EventStreamAsync[Any, Any], path: Path) -> Path:
    """Write the pieces of a stream; as `save_stream`."""
    async with stream:
        draft = await run_sync(Draft, path)
        try:
            async for event in stream:
                draft.write(event.audio)  # into the cache of the system, which takes less time than another thread
            await run_sync(draft.commit)
        finally:
            draft.discard()
    return path
