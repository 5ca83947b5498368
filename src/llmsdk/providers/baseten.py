"""Baseten."""

from __future__ import annotations

from .compatible import AS_REASONING_CONTENT, SCHEMAS
from .spec import Provider, Route

# Recorded traffic up to 2026-08 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="baseten",
    servers=("https://inference.baseten.co/v1",),
    env_var="BASETEN_API_KEY",
    request_id=("x-baseten-request-id",),
    routes={
        # Every chunk has the counts so far; one recorded stream of 35 has no end mark.
        "createChatCompletion": Route(
            own=frozenset({"chat_template_args"}), structured=SCHEMAS, turns=AS_REASONING_CONTENT
        ),
        "listModels": Route(),
    },
)
