"""Ollama on your own machine; its cloud with `server_url="https://ollama.com/v1"`."""

from __future__ import annotations

from .compatible import AS_REASONING, SCHEMAS, USAGE_WISH
from .spec import Provider, Route

# The vendor's page on compatibility with OpenAI; recorded traffic of 2026 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="ollama",
    servers=("http://localhost:11434/v1",),
    env_var="OLLAMA_API_KEY",
    base_url_var="OLLAMA_BASE_URL",
    key_hosts=("ollama.com",),
    key_required=False,
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_REASONING),
        "createEmbedding": Route(),
        "listModels": Route(),
        "retrieveModel": Route(),
    },
)
