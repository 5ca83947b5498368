"""Servers that speak OpenAI's API: vLLM, llama.cpp, a gateway; and the embedded provider."""

from __future__ import annotations

from .reshape import Renamed
from .spec import Page, Provider, Route, Structured

_BASE64 = Renamed("response_format", (("base64", "b64_json"),))
_OPTIONAL_MODEL = frozenset({"model"})
_PAGE = Page(more="$.has_more", cursor="$.last_id", param="after")
_USAGE_WISH = {"stream_options": {"include_usage": True}}

# platform.openai.com, guide on structured outputs, section on supported schemas.
_STRUCTURED = Structured(
    lacks=frozenset(
        {
            "contains",
            "maxContains",
            "maxLength",
            "maxProperties",
            "minContains",
            "minLength",
            "minProperties",
            "prefixItems",
            "propertyNames",
            "uniqueItems",
        }
    ),
    formats=frozenset(
        {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"},
    ),
)

# console.groq.com, docs/api-reference: a stream's token counts are in its last chunk, beside the server's own id.
_RARE_EVENT = {"$.usage": "$.x_groq.usage"}

# Such servers take more than OpenAI documents, each its own set, so nothing of the vocabulary is refused here.
_ROUTES = {
    "createCompletion": Route(usage_wish=_USAGE_WISH),
    "createChatCompletion": Route(usage_wish=_USAGE_WISH),
    "createImage": Route(optional=_OPTIONAL_MODEL, reshape={"response_format": _BASE64}),
    "editImage": Route(optional=_OPTIONAL_MODEL, reshape={"response_format": _BASE64}),
    "createEmbedding": Route(),
    "listModels": Route(page=_PAGE),
    "retrieveModel": Route(),
    # openai-python 2.x: types/file_create_params.py, types/batch.py, types/batch_create_params.py.
    "uploadFile": Route(unsupported=frozenset({"file_name", "file_type"})),
    "listFiles": Route(page=_PAGE),
    "retrieveFile": Route(),
    "deleteFile": Route(),
    "fileContent": Route(),
    "createBatch": Route(unsupported=frozenset({"priority", "model_id"})),
    "listBatches": Route(page=_PAGE),
    "retrieveBatch": Route(),
    "cancelBatch": Route(),
}

OPENAI = Provider(
    name="openai",
    env_var="OPENAI_API_KEY",
    key_hosts=("api.openai.com",),
    key_required=False,
    request_id=("x-request-id", "request-id", "cf-ray"),
    routes={
        **_ROUTES,
        "createChatCompletion": Route(usage_wish=_USAGE_WISH, rare_event=_RARE_EVENT, structured=_STRUCTURED),
    },
)

LOCAL = Provider(name="local", auth=None, key_required=False, embedded=True, routes=_ROUTES)
