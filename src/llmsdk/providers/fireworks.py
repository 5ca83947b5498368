"""Fireworks."""

from __future__ import annotations

from .compatible import CHAT_OF_OPENAI, RERANK_REPLY, SCHEMAS
from .spec import Provider, Route, Turns

# The vendor's Python package, fireworks_ai 1.2.30; recorded traffic through a router (maruel/genai); read on
# 2026-11-28.
PROVIDER = Provider(
    name="fireworks",
    servers=("https://api.fireworks.ai/inference/v1",),
    env_var="FIREWORKS_API_KEY",
    routes={
        "createCompletion": Route(),
        "createChatCompletion": Route(
            unsupported=CHAT_OF_OPENAI - {"functions", "prediction", "prompt_cache_key"},
            structured=SCHEMAS,
            # Unknown keys are refused anywhere: "Extra inputs are not permitted, field: ...".
            turns=Turns(reasoning="reasoning_content", strict=True),
        ),
        "createEmbedding": Route(),
        # Its API reference of 2026; the package has no rerank.
        "createRerank": Route(
            optional=frozenset({"model"}),
            rename={"instruction": "task"},
            unsupported=frozenset({"rank_fields", "max_tokens_per_doc", "relevant_spans", "priority"}),
            reply=RERANK_REPLY,
        ),
        "listModels": Route(),
    },
)
