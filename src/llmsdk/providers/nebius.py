"""Nebius Token Factory."""

from __future__ import annotations

from .compatible import AS_IT_CAME, AS_MAX_TOKENS, BASE64, SCHEMAS, USAGE_WISH
from .reshape import WidthHeight
from .spec import Provider, Route

# docs.tokenfactory.nebius.com (the host was api.studio.nebius.ai before); litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="nebius",
    servers=("https://api.tokenfactory.nebius.com/v1",),
    env_var="NEBIUS_API_KEY",
    routes={
        "createChatCompletion": Route(
            rename=AS_MAX_TOKENS, usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_IT_CAME
        ),
        "createImage": Route(
            rename={"steps": "num_inference_steps", "output_format": "response_extension"},
            reshape={"size": WidthHeight(), "response_format": BASE64},
        ),
        "createEmbedding": Route(),
        "listModels": Route(),
    },
)
