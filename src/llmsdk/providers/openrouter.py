"""OpenRouter, a router to many vendors; the headers `HTTP-Referer` and `X-OpenRouter-Title` name your application."""

from __future__ import annotations

from .spec import ErrorPaths, Provider, Route, Structured, Turns

_RELAY = frozenset({"provider", "session_id", "trace"})

# The vendor's Python package, openrouter 1.3.84; recorded traffic up to 2026-08 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="openrouter",
    servers=("https://openrouter.ai/api/v1", "https://eu.openrouter.ai/api/v1"),
    env_var="OPENROUTER_API_KEY",
    request_id=("x-generation-id",),
    # The relayed vendor's own words stand beside the relay's.
    error=ErrorPaths(message=("$.error.message", "$.error.metadata.raw")),
    routes={
        "createChatCompletion": Route(
            own=frozenset(
                {"cache_control", "debug", "deferred_tools", "image_config", "models", "plugins", "provider"}
                | {"session_id", "stop_server_tools_when", "top_a", "trace"}
            ),
            structured=Structured(),
            # Blocks of reasoning must go back whole, signatures and all (agno-agi/agno#8794, pi#9534).
            turns=Turns(reasoning="reasoning", keeps=frozenset({"reasoning_details", "annotations"})),
        ),
        "createEmbedding": Route(own=_RELAY),
        "createRerank": Route(
            unsupported=frozenset({"rank_fields", "max_tokens_per_doc", "instruction", "relevant_spans", "priority"}),
            own=_RELAY,
        ),
        "listModels": Route(),
    },
)
