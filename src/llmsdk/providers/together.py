"""Together AI."""

from __future__ import annotations

from .._core.reshape import AsList, Renamed, WidthHeight
from .._core.spec import LimitHeaders, Provider, Route

_STATUSES = (400, 401, 402, 403, 404, 429, 500, 503, 504)

# Together's OpenAPI of 2026-04-28, and recorded traffic of 2025 and 2026 where the two differ.
TOGETHER = Provider(
    name="together",
    servers=("https://api.together.xyz/v1", "https://api.together.ai/v1"),
    env_var="TOGETHER_API_KEY",
    routes={
        "createCompletion": Route(
            unsupported=frozenset({"min_tokens", "best_of", "user", "suffix"}),
            reshape={"stop": AsList("stop")},
            statuses=_STATUSES,
        ),
        "createChatCompletion": Route(
            unsupported=frozenset(
                {
                    "top_logprobs",
                    "max_completion_tokens",
                    "parallel_tool_calls",
                    "modalities",
                    "audio",
                    "service_tier",
                    "user",
                    "store",
                    "metadata",
                }
            ),
            reshape={"stop": AsList("stop")},
            statuses=_STATUSES,
        ),
        "createImage": Route(
            unsupported=frozenset(
                {
                    "background",
                    "moderation",
                    "quality",
                    "style",
                    "output_compression",
                    "partial_images",
                    "user",
                    "prompt_extend",
                    "watermark",
                }
            ),
            reshape={"size": WidthHeight(), "response_format": Renamed("response_format", (("b64_json", "base64"),))},
            streams=False,
            statuses=(400, 401, 402, 404, 429, 500, 503),
        ),
        # together 2.x: types/embedding_create_params.py; model and texts are all it takes, and no usage comes back.
        "createEmbedding": Route(
            unsupported=frozenset({"dimensions", "encoding_format", "input_type", "user"}),
            statuses=(400, 401, 404, 429, 503, 504),
        ),
        # A bare array, without an envelope.
        "listModels": Route(reply={"$.data": "$"}, statuses=(400, 401, 404, 429, 504)),
    },
    # The request id was x-request-id in 2025; since 2026 only the edge's own is sent.
    request_id=("x-request-id", "cf-ray"),
    limits=LimitHeaders(
        requests_limit=("x-ratelimit-limit",),
        requests_remaining=("x-ratelimit-remaining",),
        requests_reset=("x-ratelimit-reset",),
        # Documented as x-tokenlimit-*, seen as x-ratelimit-*-tokens.
        tokens_limit=("x-ratelimit-limit-tokens", "x-tokenlimit-limit"),
        tokens_remaining=("x-ratelimit-remaining-tokens", "x-tokenlimit-remaining"),
        tokens_reset=("x-ratelimit-reset-tokens",),
    ),
)
