"""SambaNova."""

from __future__ import annotations

from .compatible import AS_MAX_TOKENS, SCHEMAS, USAGE_WISH
from .spec import LimitHeaders, LimitWindow, Provider, Route, Turns

# litellm 1.110.2 (llms/sambanova), any-llm-sdk 1.40.2, the vendor's pages; second hand; read on 2026-11-28.
PROVIDER = Provider(
    name="sambanova",
    servers=("https://api.sambanova.ai/v1",),
    env_var="SAMBANOVA_API_KEY",
    # Requests per minute and per day (docs.sambanova.ai, page on rate limits).
    limits=LimitHeaders(
        windows=(
            LimitWindow(
                of="requests",
                seconds=86_400,
                limit="x-ratelimit-limit-requests-day",
                remaining="x-ratelimit-remaining-requests-day",
                reset="x-ratelimit-reset-requests-day",
            ),
        )
    ),
    routes={
        "createChatCompletion": Route(
            rename=AS_MAX_TOKENS, usage_wish=USAGE_WISH, structured=SCHEMAS, turns=Turns(tagged=True)
        ),
        "createEmbedding": Route(),
        "listModels": Route(),
    },
)
