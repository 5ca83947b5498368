"""Perplexity."""

from __future__ import annotations

from .compatible import SCHEMAS
from .spec import Provider, Route, Turns

# The vendor's Python package, perplexityai 0.46.1; recorded traffic of 2025 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="perplexity",
    servers=("https://api.perplexity.ai",),
    env_var="PERPLEXITY_API_KEY",
    other_env_vars=("PPLX_API_KEY",),
    routes={
        # Streams end after the chunk with the finish reason, without an end mark; every chunk has the counts so far.
        "createChatCompletion": Route(structured=SCHEMAS, turns=Turns(tagged=True)),
    },
)
