"""DeepSeek."""

from __future__ import annotations

from .compatible import JSON_ONLY
from .spec import Provider, Route, Turns

# Recorded traffic of 2026-05-26 (maruel/genai) and the vendor's pages; read on 2026-11-28.
PROVIDER = Provider(
    name="deepseek",
    servers=("https://api.deepseek.com",),
    env_var="DEEPSEEK_API_KEY",
    request_id=("x-amz-cf-id",),
    routes={
        # Fills in the middle; beside this and `prefix`, what is under /beta is the same.
        "createCompletion": Route(path="/beta/completions"),
        "createChatCompletion": Route(
            structured=JSON_ONLY,
            # A model that thinks and calls tools wants its thoughts back, "must be passed back to the API"
            # (QwenLM/qwen-code#3578, continuedev/continue#12691).
            turns=Turns(reasoning="reasoning_content", required=True, keeps=frozenset({"prefix"})),
            statuses=(400, 401, 402, 422, 429, 500, 503),
        ),
        "listModels": Route(),
    },
)
