"""Azure OpenAI, with its v1 API. Pass `url_params={"resource": ...}`; `model` is the name of a deployment."""

from __future__ import annotations

from .compatible import AS_OPENAI, OPENAI_SCHEMAS, ROUTES, USAGE_WISH
from .spec import Provider, Route

# learn.microsoft.com, life cycle of API versions (v1 wants none since 2025-08); recorded traffic of Azure behind a
# relay up to 2026-03 (maruel/genai); litellm 1.110.2; read on 2026-11-28.
PROVIDER = Provider(
    name="azure",
    servers=("https://{resource}.openai.azure.com/openai/v1",),
    auth=None,
    headers={"api-key": "{api_key}"},
    env_var="AZURE_OPENAI_API_KEY",
    base_url_var="AZURE_OPENAI_BASE_URL",
    request_id=("x-request-id", "apim-request-id"),
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=OPENAI_SCHEMAS, turns=AS_OPENAI),
        "createImage": ROUTES["createImage"],
        "createEmbedding": Route(),
        "listModels": Route(),
    },
)
