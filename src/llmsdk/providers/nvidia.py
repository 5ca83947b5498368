"""NVIDIA NIM, hosted; your own with `server_url`."""

from __future__ import annotations

from .compatible import AS_IT_CAME, SCHEMAS, USAGE_WISH
from .spec import Provider, Route

# docs.nvidia.com, API reference of NIM; litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="nvidia",
    servers=("https://integrate.api.nvidia.com/v1",),
    env_var="NVIDIA_API_KEY",
    key_optional_elsewhere=True,
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_IT_CAME),
        "listModels": Route(),
    },
)
