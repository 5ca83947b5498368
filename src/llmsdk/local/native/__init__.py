"""Protocols of servers' own, from the server's side: what the codecs in `providers` write is read here, and back.

Start reading at the module of a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import anthropic, gemini, responses
from .common import Native

__all__ = ["GENERATE_CONTENT", "MESSAGES", "RESPONSES", "Native"]

Natives = Mapping[str, Native]
"""What a dialect has of one protocol, by operation id."""

MESSAGES: Natives = {"createChatCompletion": anthropic.MESSAGES, "countTokens": anthropic.TOKEN_COUNT}
GENERATE_CONTENT: Natives = {
    "createChatCompletion": gemini.GENERATE_CONTENT,
    "countTokens": gemini.TOKEN_COUNT,
    "createEmbedding": gemini.EMBEDDINGS,
}
RESPONSES: Natives = {"createChatCompletion": responses.RESPONSES, "countTokens": responses.TOKEN_COUNT}
