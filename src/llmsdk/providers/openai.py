"""OpenAI; and, with `server_url`, any OpenAI-compatible server or gateway."""

from __future__ import annotations

from .compatible import AS_OPENAI, OPENAI_SCHEMAS, ROUTES, USAGE_WISH
from .spec import Provider, Route

# A stream behind another URL may be Groq's, whose token counts and errors are beside its own id in the last chunk.
_RARE_EVENT = {"$.usage": "$.x_groq.usage", "$.error": "$.x_groq.error"}

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
        "createChatCompletion": Route(
            usage_wish=USAGE_WISH,
            rare_event=_RARE_EVENT,
            structured=OPENAI_SCHEMAS,
            turns=AS_OPENAI,  # at OpenAI's own host; what else speaks the dialect may want back what it said
        ),
    },
)
