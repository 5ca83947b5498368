"""What every accumulator offers to the one who feeds it the chunks of a stream."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

ChunkT = TypeVar("ChunkT")
ReplyT = TypeVar("ReplyT")


class Accumulator(ABC, Generic[ChunkT, ReplyT]):
    """Takes the chunks of one stream and builds the whole reply from those that have come.

    Attributes:
        is_single: Whether one choice was asked for; some servers give it the number 1.
        is_streamed: Whether the chunks are handed out as they come, so that large ones need not be kept.
        whole: The reply, where it came whole in place of a stream.
    """

    # Set from outside: accumulators are made without arguments.
    is_single = False
    is_streamed = False
    whole: ReplyT | None = None

    @abstractmethod
    def add(self, chunk: ChunkT) -> None:
        """Take the next chunk."""

    @abstractmethod
    def build(self) -> ReplyT:
        """Make the reply of what has come so far; may be called at any time and again."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether everything that was begun has come to its end."""

    @property
    def ended(self) -> bool:
        """Whether a chunk has said that it is the last, so that nothing else is waited for."""
        return False

    @property
    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing has come of what was asked for."""

    @property
    def usage(self) -> Any:
        """The token counts, where they have come."""
        return getattr(self.build(), "usage", None)

    def failed_choice(self) -> Any | None:
        """Return the error object of a choice that failed and never got a finish reason; None if there is none."""
        return None
