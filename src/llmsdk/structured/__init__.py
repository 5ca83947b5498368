"""Answers in the form of a type of yours: what `chat.parse` gives back."""

from __future__ import annotations

from .replies import ParsedChatCompletion
from .streams import ParsedEventStream, ParsedEventStreamAsync

__all__ = ["ParsedChatCompletion", "ParsedEventStream", "ParsedEventStreamAsync"]
