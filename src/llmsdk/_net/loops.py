"""Reaching an event loop from outside: a finalizer, another thread, a sync `close`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyio.lowlevel import EventLoopToken

_pending: set[Any] = set()  # tasks that nobody else holds
_MAX_BUFFERED = 64  # pieces that a closed response may still hand out


# anyio does not say it. An asyncio loop does; what a trio run left behind is refused by `run_sync_soon` instead.
def token_here() -> EventLoopToken:
    """Name the event loop that runs, under asyncio and trio."""
    from anyio.lowlevel import current_token  # a sync program never needs it, and saves 2 ms of its first call

    return current_token()


def is_over(token: EventLoopToken) -> bool:
    """Return whether an event loop has ended."""
    native: Any = token.native_token
    if hasattr(native, "is_closed"):
        return bool(native.is_closed())
    return bool(getattr(native, "_closed", False))


def close_soon(token: EventLoopToken, aclose: Callable[[], Awaitable[None]]) -> None:
    """Have an event loop run `aclose` when it next gets to it; nothing if it has ended.

    Never runs a loop, never waits, never raises: it is called from finalizers.
    """
    native: Any = token.native_token
    try:
        if hasattr(native, "call_soon_threadsafe"):
            native.call_soon_threadsafe(_spawn, native, aclose)
        else:
            native.run_sync_soon(_spawn_in_trio, aclose)
    except RuntimeError:
        pass  # the loop has ended, and has closed its async generators, ours among them


def _spawn(loop: Any, aclose: Callable[[], Awaitable[None]]) -> None:
    task = loop.create_task(quietly(aclose))
    _pending.add(task)
    task.add_done_callback(_pending.discard)


def _spawn_in_trio(aclose: Callable[[], Awaitable[None]]) -> None:
    import trio

    trio.lowlevel.spawn_system_task(quietly, aclose)


async def quietly(aclose: Callable[[], Awaitable[None]]) -> None:
    """Close what nobody waits for: there is no one to tell of a failure."""
    try:
        await aclose()
    except Exception:  # noqa: S110 - the connection is gone either way
        pass


async def exhaust(pieces: AsyncIterator[Any]) -> None:
    """Run the body of a closed response to its end, which comes at once: trio warns of generators left half-way."""
    for _ in range(_MAX_BUFFERED):
        try:
            await anext(pieces)
        except (Exception, StopAsyncIteration):
            break
