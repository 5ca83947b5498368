"""Protocols of their own behind `chat.create`: what a request, a reply and an event are in our words.

Each package has one `Codec`: three pure functions between two JSON documents, which know nothing of HTTP or keys. A
provider that speaks a protocol names its codec in the `Route`; nothing else in the package knows of protocols. A codec
may import `common` here and what providers may import. Start reading in `common`, then in `anthropic`.
"""

from __future__ import annotations

from importlib import import_module

from ..spec import Codec

CHATS = {
    "messages": ("anthropic", "MESSAGES"),
    "generate_content": ("gemini", "GENERATE_CONTENT"),
    "responses": ("responses", "RESPONSES"),
}
"""Protocols of `chat.create` by the names that files of providers have for them: the package, and its codec."""


def chat_codec(name: str) -> Codec:
    """Find the codec of a protocol by its name."""
    package, constant = CHATS[name]
    codec: Codec = getattr(import_module(f"{__name__}.{package}"), constant)
    return codec
