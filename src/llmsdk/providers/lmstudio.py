"""LM Studio, on your own machine."""

from __future__ import annotations

from .compatible import AS_IT_CAME, SCHEMAS, USAGE_WISH
from .spec import Provider, Route

# lmstudio.ai, docs for developers; litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="lmstudio",
    servers=("http://localhost:1234/v1",),
    env_var="LM_API_TOKEN",
    other_env_vars=("LM_STUDIO_API_KEY",),
    base_url_var="LM_STUDIO_BASE_URL",
    key_required=False,
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_IT_CAME),
        "createEmbedding": Route(),
        "listModels": Route(),
    },
)
