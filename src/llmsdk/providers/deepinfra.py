"""DeepInfra."""

from __future__ import annotations

from .compatible import AS_IT_CAME, AS_MAX_TOKENS, JSON_ONLY, USAGE_WISH
from .reshape import OneOf, PlainText
from .spec import Provider, Route

# litellm 1.110.2 (llms/deepinfra), any-llm-sdk 1.40.2; second hand; read on 2026-11-28.
PROVIDER = Provider(
    name="deepinfra",
    servers=("https://api.deepinfra.com/v1/openai",),
    env_var="DEEPINFRA_API_KEY",
    other_env_vars=("DEEPINFRA_TOKEN",),
    routes={
        "createChatCompletion": Route(
            rename=AS_MAX_TOKENS,
            reshape={
                "messages": PlainText("messages", ("tool",)),
                "tool_choice": OneOf("tool_choice", ("auto", "none")),
            },
            usage_wish=USAGE_WISH,
            structured=JSON_ONLY,
            turns=AS_IT_CAME,
        ),
        "createEmbedding": Route(),
        "listModels": Route(),
    },
)
