"""Answers in the form of a type of yours: what `chat.parse` returns.

May import resources' operations, `_net` and what is below; `resources.chat` imports it on the first `parse`, and
`tools` shares its schemas and steps. Start reading at `asking.py`.
"""

from __future__ import annotations

from .replies import ParsedChatCompletion
from .streams import ParsedEventStream, ParsedEventStreamAsync

__all__ = ["ParsedChatCompletion", "ParsedEventStream", "ParsedEventStreamAsync"]
