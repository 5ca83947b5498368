"""xAI; its pages call chat completions the older way beside Responses, and advise `timeout_ms=900_000` or more."""

from __future__ import annotations

from .compatible import AS_MAX_TOKENS, AS_REASONING_CONTENT, USAGE_WISH
from .spec import Provider, Route, Structured

# docs.x.ai, and litellm 1.110.2 (llms/xai) where these are silent; no recorded traffic; read on 2026-11-28.
PROVIDER = Provider(
    name="xai",
    servers=("https://api.x.ai/v1", "https://us.api.x.ai/v1"),
    env_var="XAI_API_KEY",
    routes={
        "createChatCompletion": Route(
            rename=AS_MAX_TOKENS, usage_wish=USAGE_WISH, structured=Structured(), turns=AS_REASONING_CONTENT
        ),
        "listModels": Route(),
    },
)
