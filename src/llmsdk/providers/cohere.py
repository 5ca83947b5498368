"""Cohere: rerank and transcription, which it has beside its chat."""

from __future__ import annotations

from .compatible import KNOWN_SPEAKERS, LISTENING_OF_FIREWORKS, LISTENING_OF_OPENAI, SPEAKERS
from .spec import Provider, Route

_STATUSES = (400, 401, 403, 404, 422, 429, 498, 499, 500, 501, 503, 504)

# The vendor's Python package, cohere 7.3.1, and docs.cohere.com; read on 2026-11-28.
PROVIDER = Provider(
    name="cohere",
    servers=("https://api.cohere.com/v2",),
    env_var="CO_API_KEY",
    other_env_vars=("COHERE_API_KEY",),
    routes={
        "createRerank": Route(
            unsupported=frozenset({"return_documents", "rank_fields", "instruction"}),
            reply={"$.usage": "$.meta.billed_units"},  # it counts searches, not tokens
            statuses=_STATUSES,
        ),
        "createTranscription": Route(
            unsupported=frozenset(
                {"url", "file_id", "prompt", "response_format", "timestamp_granularities", "keywords"}
            )
            | frozenset({"stream_options", "max_completion_tokens"})
            | (SPEAKERS | KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            streams=False,
            statuses=_STATUSES,
        ),
    },
)
