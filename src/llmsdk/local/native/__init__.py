"""Protocols of servers' own, from the server's side: what the codecs in `providers` write is read here, and back.

Start reading at the module of a protocol.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import anthropic, anthropic_batches, gemini, gemini_batches, responses
from .common import Native

__all__ = ["BATCH_LINE", "GENERATE_CONTENT", "MESSAGES", "RESPONSES", "Native"]

Natives = Mapping[str, Native]
"""What a dialect has of one protocol, by operation id."""

BATCH_LINE = "batchLine"
"""Stands among the operations for a line of a batch's results."""

MESSAGES: Natives = {
    "createChatCompletion": anthropic.MESSAGES,
    "countTokens": anthropic.TOKEN_COUNT,
    "createBatch": anthropic_batches.NEW_BATCH,
    "listBatches": anthropic_batches.BATCHES,
    "retrieveBatch": anthropic_batches.BATCH,
    "cancelBatch": anthropic_batches.BATCH,
    BATCH_LINE: anthropic_batches.LINE,
}
GENERATE_CONTENT: Natives = {
    "createChatCompletion": gemini.GENERATE_CONTENT,
    "countTokens": gemini.TOKEN_COUNT,
    "createEmbedding": gemini.EMBEDDINGS,
    "createBatch": gemini_batches.NEW_BATCH,
    "listBatches": gemini_batches.BATCHES,
    "retrieveBatch": gemini_batches.BATCH,
    BATCH_LINE: gemini_batches.LINE,
}
RESPONSES: Natives = {"createChatCompletion": responses.RESPONSES, "countTokens": responses.TOKEN_COUNT}
