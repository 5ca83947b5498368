"""Messages of earlier turns, as the server in use takes them."""

from __future__ import annotations

from typing import Any

# Where content in a protocol of its own stands on a message; servers of other protocols refuse such names.
_BLOCKS = ("blocks", "blocks_of")


def without_blocks(messages: list[Any]) -> list[Any]:
    """Leave out the content in a protocol of its own; the text and the calls of such a message stay."""
    if not any(isinstance(message, dict) and not message.keys().isdisjoint(_BLOCKS) for message in messages):
        return messages
    return [{name: value for name, value in message.items() if name not in _BLOCKS} for message in messages]
