"""Moonshot, the maker of Kimi."""

from __future__ import annotations

from .compatible import BATCHES, FILES, JSON_ONLY, USAGE_WISH
from .reshape import Refused
from .spec import LimitHeaders, Provider, Route, Turns

# kimi.com, help on rate limits; litellm 1.110.2 (llms/moonshot); a table of compatible servers; read on 2026-11-28.
PROVIDER = Provider(
    name="moonshot",
    servers=("https://api.moonshot.ai/v1",),
    env_var="MOONSHOT_API_KEY",
    # A spent balance is `exceeded_current_quota_error` (kimi-code#1857), which is among the common ones.
    limits=LimitHeaders(
        requests_limit=("x-ratelimit-limit",),
        requests_remaining=("x-ratelimit-remaining",),
        requests_reset=("x-ratelimit-reset",),
    ),
    routes={
        "createChatCompletion": Route(
            unsupported=frozenset({"function_call", "functions"}),
            reshape={"tool_choice": Refused("tool_choice", ("required",))},
            usage_wish=USAGE_WISH,
            # Unasked, the counts stand in the last choice (platform.kimi.ai, API reference of chat).
            event={"$.usage": "$.choices[0].usage"},
            structured=JSON_ONLY,
            # Models that reason want it on every message with calls.
            turns=Turns(reasoning="reasoning_content", required=True, keeps=frozenset({"partial"})),
        ),
        "listModels": Route(),
        **FILES,
        **BATCHES,
    },
)
