"""The events of a loop over tools: those of every round, one stream after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from types import TracebackType
from typing import Any, Self

from .._net.steps import Iteration, is_asked_by_for
from .._net.streams import EventStream, EventStreamAsync
from ..errors import ConfigurationError, ReplyMeta
from ..models.chat import ChatCompletionChunk, ChatCompletionResponse
from .loop import Loop, Request, Step
from .rounds import Round, ToolRun

_Stream = EventStream[ChatCompletionChunk, ChatCompletionResponse]
_StreamAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]


class _Rounds:
    """What both colours share."""

    _latest: _Stream | _StreamAsync | None

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._steps = loop.steps()
        self._latest = None
        self._run: ToolRun | None = None
        self._error: Exception | None = None

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the round under way."""
        return self._current.meta

    @property
    def partial(self) -> ChatCompletionResponse:
        """What has come of the round under way."""
        return self._current.partial

    @property
    def text(self) -> str:
        """Text that has come so far in the round under way; "" before the first."""
        return "" if self._latest is None else self._latest.text

    @property
    def reasoning(self) -> str:
        """Reasoning that has come so far in the round under way; "" before the first."""
        return "" if self._latest is None else self._latest.reasoning

    @property
    def messages(self) -> list[Any]:
        """The conversation so far, whatever happened; without the reply that is under way."""
        return list(self._loop.messages)

    @property
    def rounds(self) -> tuple[Round, ...]:
        """The rounds that are complete."""
        return tuple(self._loop.rounds)

    @property
    def final(self) -> ToolRun:
        """The whole run, once the stream has finished.

        Raises:
            SDKError: The loop has failed, was closed early, or has not ended yet.
        """
        if self._error is not None:
            raise self._error
        if self._run is None:
            raise ConfigurationError("the stream has not ended; iterate it to its end, or use `.messages`")
        return self._run

    @property
    def _current(self) -> _Stream | _StreamAsync:
        if self._latest is None:
            raise ConfigurationError("the stream has not begun")
        return self._latest

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in round {len(self._loop.rounds) + (self._run is None)}>"


class ToolEventStream(_Rounds):
    """The chunks of every round, in order; tools are run between them. An iterator and a context manager."""

    def __init__(self, loop: Loop, do: Callable[[Step], Any]) -> None:
        super().__init__(loop)
        self._do = do
        self._stream: _Stream | None = None

    def start(self) -> Self:
        """Send the first request; `run_tools` has done it."""
        self._advance(None)
        return self

    def _advance(self, outcome: Any) -> None:
        """Go on to the next request, or to the end."""
        # The loop decides what comes next; a request is the next stream, anything else is done on the spot.
        self._stream = None
        try:
            step = self._steps.send(outcome)
            while not isinstance(step, Request):
                step = self._steps.send(self._do(step))
            self._stream = self._latest = self._do(step)
        except StopIteration as stop:
            self._run = stop.value

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self._closing() if is_asked_by_for() else self

    def _closing(self) -> Generator[ChatCompletionChunk, None, None]:
        try:
            while (event := next(self, None)) is not None:
                yield event
        finally:
            self.close()

    def __next__(self) -> ChatCompletionChunk:
        try:
            # The end of one stream is the beginning of the next, unless the loop has ended.
            while self._stream is not None:
                event = next(self._stream, None)
                if event is not None:
                    return event
                self._advance(self._stream.final)
        except Exception as exc:
            # The first error stays: `final` raises it again.
            self._error = self._error or exc
            raise
        if self._error is not None:
            raise self._error
        raise StopIteration

    def text_deltas(self) -> Generator[str, None, None]:
        """Iterate the pieces of text of all rounds."""
        for event in self:
            if event.text:
                yield event.text

    def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        self._steps.close()
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ToolEventStreamAsync(_Rounds):
    """The chunks of every round, in order; tools are run between them. An async iterator and context manager."""

    def __init__(self, loop: Loop, do: Callable[[Step], Awaitable[Any]]) -> None:
        super().__init__(loop)
        self._do = do
        self._stream: _StreamAsync | None = None

    async def start(self) -> Self:
        """Send the first request; `run_tools_async` has done it."""
        await self._advance(None)
        return self

    async def _advance(self, outcome: Any) -> None:
        """Go on to the next request, or to the end."""
        self._stream = None
        try:
            step = self._steps.send(outcome)
            while not isinstance(step, Request):
                step = self._steps.send(await self._do(step))
            self._stream = self._latest = await self._do(step)
        except StopIteration as stop:
            self._run = stop.value

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return Iteration(self) if is_asked_by_for() else self

    async def __anext__(self) -> ChatCompletionChunk:
        try:
            while self._stream is not None:
                event = await anext(self._stream, None)
                if event is not None:
                    return event
                await self._advance(self._stream.final)
        except Exception as exc:
            self._error = self._error or exc
            raise
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def text_deltas(self) -> AsyncGenerator[str, None]:
        """Iterate the pieces of text of all rounds."""
        async for event in self:
            if event.text:
                yield event.text

    async def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        self._steps.close()
        if self._stream is not None:
            await self._stream.close()

    aclose = close

    def abandon(self) -> None:
        """Have the event loop close a stream that nobody iterates any more."""
        if self._stream is not None:
            self._stream.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
