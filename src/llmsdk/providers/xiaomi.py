"""Xiaomi MiMo."""

from __future__ import annotations

from .compatible import AS_REASONING_CONTENT, JSON_ONLY, USAGE_WISH
from .spec import Provider, Route

# Recorded traffic of 2026-05-28 (maruel/genai); litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="xiaomi",
    servers=("https://api.xiaomimimo.com/v1",),
    env_var="MIMO_API_KEY",
    other_env_vars=("XIAOMI_MIMO_API_KEY",),
    # Of an error, `code` is the status as a text, and what is wrong stands in `param`.
    routes={
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=JSON_ONLY, turns=AS_REASONING_CONTENT),
        "listModels": Route(),
    },
)
