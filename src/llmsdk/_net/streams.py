"""Streamed replies: typed events as they arrive, and one clear end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from .._call.secrecy import hide_frames
from ..errors import ConfigurationError, ReplyMeta, SDKError
from .loops import close_soon, token_here
from .steps import Iteration, is_asked_by_for

# A call that is not streamed imports none of these for its signature; each stream is given them.
if TYPE_CHECKING:
    from .._call.stream.progress import Progress
    from .async_driver import AsyncDriver
    from .sync_driver import SyncDriver

EventT = TypeVar("EventT")

ReplyT = TypeVar("ReplyT")

# Python's own error for it would name a generator, and would end the stream for the first reader as well.
_BUSY = "the stream is being read by another thread or task; read it in one place, which may hand the events on"


class _Stream(Generic[EventT, ReplyT]):
    """What the sync and the async stream share."""

    _progress: Progress

    @property
    def meta(self) -> ReplyMeta:
        """Server, status, headers, request id, rate limits and attempts; available before the first event."""
        return self._progress.meta

    @property
    def partial(self) -> ReplyT:
        """Everything received so far, as the type that the call returns without `stream`; available at any time."""
        reply: ReplyT = self._progress.build()
        return reply

    @property
    def text(self) -> str:
        """Text of the first choice received so far; "" if the operation has none. Available at any time."""
        text: str = getattr(self._progress.build(), "text", "")
        return text

    @property
    def reasoning(self) -> str:
        """Reasoning of the first choice received so far; "" if the operation has none."""
        text: str = getattr(self._progress.build(), "reasoning", "")
        return text

    @property
    def final(self) -> ReplyT:
        """The whole reply, after the stream has finished.

        Raises:
            SDKError: The stream has failed, was closed early, or has not ended yet.
        """
        progress = self._progress
        if not progress.finished:
            progress.check_usable()
            raise ConfigurationError("the stream has not ended yet; iterate it to its end, or use `.partial`")
        return self.partial

    def __repr__(self) -> str:
        progress = self._progress
        state = (
            "finished" if progress.finished else "failed" if progress.error else "closed" if progress.closed else "open"
        )
        return f"<{type(self).__name__} of {progress.meta.server}, {state}>"


class EventStream(_Stream[EventT, ReplyT]):
    """A streamed reply: an iterator of events and a context manager.

    Use it inside `with`. Leaving `with`, `break` and an exception close the connection at once.

    Raises:
        StreamInterruptedError: While iterating: the stream was cut, or fell silent (`StreamTimeoutError`).
        APIStatusError: The server sent an error instead of an event; the class is that of its code.
        ResponseValidationError: An event is not what was asked for.
    """

    def __init__(self, progress: Progress, driver: SyncDriver) -> None:
        self._progress = progress
        self._driver = driver
        self._events: Generator[EventT, None, None] = _iterate(progress, driver)

    def __iter__(self) -> Iterator[EventT]:
        self._progress.check_usable()
        return self._through(self._events) if is_asked_by_for() else self

    def __next__(self) -> EventT:
        try:
            for event in self._events:
                return event
        except ValueError as exc:
            if _is_busy(exc):
                raise ConfigurationError(_BUSY) from None
            raise
        self._progress.check_usable()
        raise StopIteration

    def _through(self, events: Generator[EventT, None, None]) -> Generator[EventT, None, None]:
        try:
            yield from events
        except BaseException as exc:
            if _is_busy(exc):  # and stays open for the other
                raise ConfigurationError(_BUSY) from None
            self.close()
            raise
        self.close()

    def text_deltas(self) -> Generator[str, None, None]:
        """Iterate over new text of the first choice."""
        for event in self:
            text: str = getattr(event, "text", "")  # a path of the caller's may stream anything
            if text:
                yield text

    def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        self._progress.closed = True
        try:
            self._events.close()
        except ValueError:
            # Another thread waits inside it, and closes the response once it is woken.
            self._driver.hang_up(self._progress.response)
        else:
            self._progress.response.close()
            self._progress.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        progress = getattr(self, "_progress", None)
        if progress is not None and not (progress.closed or progress.finished or progress.error):
            self._driver.abandon(progress.response)
            if progress.observed is not None:
                progress.observed.abandoned(progress)


def _is_busy(exc: BaseException) -> bool:
    """Recognize what Python says of a generator that another thread is inside of from what was raised inside of it."""
    return type(exc) is ValueError and exc.__traceback__ is not None and exc.__traceback__.tb_next is None


# A generator: nothing else in Python goes from one event to the next as cheaply. A chunk that arrives on its own costs
# 12 us of CPU from the socket to the caller, 110 lines and calls of ours in it (benchmarks/guard.py); raw httpx takes
# 13 us for its bytes alone, other typed clients 27 to 110.
def _iterate(progress: Progress, driver: SyncDriver) -> Generator[Any, None, None]:
    """Read, decode and hand out, and let go of the connection at the end."""
    decoder = progress.decoder
    chunks = progress.chunks or driver.chunks(progress.response, progress.countdown)
    try:
        if progress.ahead is not None:
            yield from progress.ahead
            progress.idle_since = None
        while not (decoder.done or progress.at_end):
            progress.arm()
            raw = next(chunks, None)
            if raw is None:
                yield from progress.end()
                break
            if (yield from progress.feed(raw)):
                progress.idle_since = None
        progress.finished = True
        driver.leave(progress.response)
    except Exception as exc:
        if progress.closed:
            progress.check_usable()
        error = progress.failed(exc)
        if not isinstance(error, SDKError):
            raise
        raw = None
        hide_frames(error)
        # The frames below hold what the server sent, which may be anything, an echo of the key too.
        raise error.with_traceback(None) from error.__cause__
    finally:
        progress.response.close()
        progress.settle()


class EventStreamAsync(_Stream[EventT, ReplyT]):
    """A streamed reply: an async iterator of events and an async context manager.

    Use it inside `async with`. Leaving it, `break`, an exception and cancellation close the connection at once.

    Raises:
        StreamInterruptedError: While iterating: the stream was cut, or fell silent (`StreamTimeoutError`).
        APIStatusError: The server sent an error instead of an event; the class is that of its code.
        ResponseValidationError: An event is not what was asked for.
    """

    def __init__(self, progress: Progress, driver: AsyncDriver) -> None:
        self._progress = progress
        self._driver = driver
        self._token = token_here()
        self._chunks = progress.chunks or driver.chunks(progress.response, progress.countdown)
        self._batch: Iterator[EventT] | None = progress.ahead
        self._at_end = progress.at_end

    def __aiter__(self) -> AsyncIterator[EventT]:
        self._progress.check_usable()
        return Iteration(self) if is_asked_by_for() else self

    async def __anext__(self) -> EventT:
        progress = self._progress
        try:
            while True:
                if self._batch is not None:
                    for event in self._batch:
                        progress.idle_since = None
                        return event
                    self._batch = None
                if progress.finished or progress.closed or progress.error is not None:
                    break
                await self._read()
        except Exception as exc:
            if self._chunks.is_busy:  # and stays open for the other
                raise ConfigurationError(_BUSY) from None
            if progress.closed:
                progress.check_usable()
            error = progress.failed(exc)
            await self.close()
            if not isinstance(error, SDKError):
                raise
            hide_frames(error)
            # The frames below hold what the server sent, which may be anything, an echo of the key too.
            raise error.with_traceback(None) from error.__cause__
        except BaseException:
            await self.close()
            raise
        progress.check_usable()
        raise StopAsyncIteration

    async def _read(self) -> None:
        """Take the next batch of events, or finish where there is none."""
        progress = self._progress
        decoder = progress.decoder
        if not (decoder.done or self._at_end):
            progress.arm()
            raw = await anext(self._chunks, None)
            self._at_end = raw is None
            self._batch = progress.end() if raw is None else progress.feed(raw)
            return
        progress.finished = True
        progress.settle()
        await self._chunks.leave()

    async def text_deltas(self) -> AsyncGenerator[str, None]:
        """Iterate over new text of the first choice."""
        async for event in self:
            text: str = getattr(event, "text", "")
            if text:
                yield text

    async def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        self._progress.closed = True
        self._progress.settle()
        await self._chunks.aclose()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def abandon(self) -> None:
        """Have the event loop close a stream that nobody iterates any more."""
        progress = self._progress
        if not (progress.closed or progress.finished or progress.error or self._chunks.is_busy):
            progress.closed = True
            close_soon(self._token, self._chunks.aclose)
            if progress.observed is not None:
                progress.observed.abandoned(progress)

    def __del__(self) -> None:
        if hasattr(self, "_token"):
            self.abandon()
