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
        "createChatCompletion": Route(
            structured=SCHEMAS,
            turns=Turns(tagged=True),
            own=frozenset(
                {"country", "disable_search", "enable_search_classifier", "image_domain_filter", "image_format_filter"}
                | {"language_preference", "last_updated_after_filter", "last_updated_before_filter", "latitude"}
                | {"longitude", "num_images", "num_search_results", "return_images", "return_related_questions"}
                | {"safe_search", "search_after_date_filter", "search_before_date_filter", "search_domain_filter"}
                | {"search_language_filter", "search_mode", "search_recency_filter", "stream_mode"}
            ),
        ),
    },
)
