"""Novita."""

from __future__ import annotations

from .compatible import AS_IT_CAME, SCHEMAS, USAGE_WISH
from .spec import ErrorPaths, Provider, Route

# The vendor's quick start, litellm's pages of 2026-10; errors as seen through a router; read on 2026-11-28.
PROVIDER = Provider(
    name="novita",
    servers=("https://api.novita.ai/openai/v1",),
    env_var="NOVITA_API_KEY",
    # {"code": 400, "reason": "INVALID_REQUEST_BODY", "message": ...}
    error=ErrorPaths(code=("$.reason",), marks=("error", "reason")),
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(
            usage_wish=USAGE_WISH, own=frozenset({"separate_reasoning"}), structured=SCHEMAS, turns=AS_IT_CAME
        ),
        "listModels": Route(),
    },
)
