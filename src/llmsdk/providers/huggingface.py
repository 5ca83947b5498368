"""Hugging Face's router to several vendors."""

from __future__ import annotations

from .compatible import AS_IT_CAME, SCHEMAS, USAGE_WISH
from .spec import ErrorPaths, Provider, Route

# huggingface_hub 2.4.0; recorded traffic up to 2026-05 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="huggingface",
    servers=("https://router.huggingface.co/v1",),
    env_var="HF_TOKEN",
    other_env_vars=("HUGGING_FACE_HUB_TOKEN",),
    # Each vendor keeps its shapes of errors; one has its kind in `reason`.
    error=ErrorPaths(code=("$.error.code", "$.reason"), marks=("error", "detail", "reason")),
    routes={
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_IT_CAME),
        # What the router can reach; the list of all models is at another host, and left to the caller.
        "listModels": Route(),
    },
)
