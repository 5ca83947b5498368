"""Streams whose text is JSON of a known form, readable while it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from .._net.steps import Iteration, is_asked_by_for
from .._net.streams import EventStream, EventStreamAsync
from ..errors import ReplyMeta
from ..models.chat import ChatCompletionChunk, ChatCompletionResponse
from .forms import Ask
from .replies import ParsedChatCompletion, with_parsed

T = TypeVar("T")

_Stream = EventStream[ChatCompletionChunk, ChatCompletionResponse]
_StreamAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]


class _Parsed(Generic[T]):
    """What both colours share."""

    def __init__(self, stream: _Stream | _StreamAsync, ask: Ask[T]) -> None:
        self._ask = ask
        # Joined when asked for: most callers look at a few of a thousand moments.
        self._pieces: list[str] = []
        self._latest: Any = None
        self._whole: ParsedChatCompletion[T] | None = None
        self._inner: _Stream | _StreamAsync = stream
        stream.meta.structured = ask.way

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the call; there before the first event. `structured` says how the form was asked for."""
        return self._inner.meta

    @property
    def partial(self) -> ChatCompletionResponse:
        """What has come so far, as the reply it will be; may be asked at any time."""
        return self._inner.partial

    @property
    def text(self) -> str:
        """Text of the first choice that has come so far; may be asked at any time."""
        return self._inner.text

    @property
    def reasoning(self) -> str:
        """Reasoning of the first choice that has come so far."""
        return self._inner.reasoning

    @property
    def parsed_partial(self) -> Any:
        """As much of the value as has come: plain dicts, lists and text, None before the first. Never raises."""
        found = self._ask.form.so_far("".join(self._pieces))
        # Between two pieces the text may be no JSON for a moment, as inside an escape.
        if found is not None:
            self._latest = found
        return self._latest

    @property
    def final(self) -> ParsedChatCompletion[T]:
        """The whole reply and its parsed value, once the stream has finished.

        Raises:
            RefusalError: The model refused.
            IncompleteOutputError: The JSON is cut.
            ParseError: The answer does not fit the type.
            SDKError: The stream has failed, was closed early, or has not ended yet.
        """
        if self._whole is None:
            reply = self._inner.final
            self._whole = with_parsed(reply, self._ask.read(reply))
        return self._whole

    def _note(self, event: ChatCompletionChunk) -> ChatCompletionChunk:
        if piece := self._ask.delta(event):
            self._pieces.append(piece)
        return event

    def __repr__(self) -> str:
        return f"<{type(self).__name__} over {self._inner!r}>"


class ParsedEventStream(_Parsed[T]):
    """A streamed answer of a known form: an iterator of chunks and a context manager, like `EventStream`."""

    def __init__(self, stream: _Stream, ask: Ask[T]) -> None:
        super().__init__(stream, ask)
        self._stream = stream

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self._closing() if is_asked_by_for() else self

    def _closing(self) -> Generator[ChatCompletionChunk, None, None]:
        try:
            for event in self._stream:
                yield self._note(event)
        finally:
            self.close()

    def __next__(self) -> ChatCompletionChunk:
        return self._note(next(self._stream))

    def text_deltas(self) -> Generator[str, None, None]:
        """Iterate the pieces of the JSON text."""
        for event in self:
            if text := self._ask.delta(event):
                yield text

    def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ParsedEventStreamAsync(_Parsed[T]):
    """A streamed answer of a known form: an async iterator of chunks and an async context manager."""

    def __init__(self, stream: _StreamAsync, ask: Ask[T]) -> None:
        super().__init__(stream, ask)
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return Iteration(self) if is_asked_by_for() else self

    async def __anext__(self) -> ChatCompletionChunk:
        return self._note(await anext(self._stream))

    async def text_deltas(self) -> AsyncGenerator[str, None]:
        """Iterate the pieces of the JSON text."""
        async for event in self:
            if text := self._ask.delta(event):
                yield text

    async def close(self) -> None:
        """Close the connection, unless the stream has ended; can be called again."""
        await self._stream.close()

    aclose = close

    def abandon(self) -> None:
        """Have the event loop close a stream that nobody iterates any more."""
        self._stream.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
