"""DashScope, Alibaba's Model Studio."""

from __future__ import annotations

from .compatible import AS_REASONING_CONTENT, JSON_ONLY, PAGE, USAGE_WISH
from .spec import ErrorPaths, Provider, Route

# Recorded traffic up to 2026-08 (maruel/genai); litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="dashscope",
    servers=(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "https://dashscope-us.aliyuncs.com/compatible-mode/v1",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
    ),
    env_var="DASHSCOPE_API_KEY",
    error=ErrorPaths(request_id=("$.request_id", "$.id")),
    routes={
        "createChatCompletion": Route(
            usage_wish=USAGE_WISH,
            own=frozenset({"enable_search", "enable_thinking", "search_options", "thinking_budget"}),
            structured=JSON_ONLY,
            turns=AS_REASONING_CONTENT,
        ),
        "createEmbedding": Route(),
        "listModels": Route(page=PAGE),
    },
)
