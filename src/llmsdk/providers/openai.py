"""OpenAI; and, by `server_url`, any server that speaks its API: vLLM, llama.cpp, a gateway."""

from __future__ import annotations

from .compatible import ROUTES, USAGE_WISH
from .spec import Provider, Route, Structured

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

PROVIDER = Provider(
    name="openai",
    servers=("https://api.openai.com/v1",),
    env_var="OPENAI_API_KEY",
    base_url_var="OPENAI_BASE_URL",
    key_optional_elsewhere=True,
    request_id=("x-request-id", "request-id", "cf-ray"),
    speaks_for_urls=True,
    routes={
        **ROUTES,
        "createChatCompletion": Route(usage_wish=USAGE_WISH, rare_event=_RARE_EVENT, structured=_STRUCTURED),
    },
)
