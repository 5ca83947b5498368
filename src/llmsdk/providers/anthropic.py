"""Anthropic, with its own Messages protocol."""

from __future__ import annotations

from .codecs.anthropic import BATCH, BATCH_ROWS, BATCHES, MESSAGES, TOKEN_COUNT
from .compatible import CHAT_OF_OPENAI
from .spec import ErrorPaths, LimitHeaders, Page, Provider, Route, Structured

_PAGE = Page(more="$.has_more", cursor="$.last_id", param="after_id")
_BATCH_STATUSES = (400, 401, 403, 404, 413, 429, 500, 529)

# What Anthropic's own client leaves out of a schema and writes into its description: anthropic 2.14.0,
# lib/_parse/_transform.py. Every object has to be closed, which it is.
_SCHEMAS = Structured(
    strict=False,
    lacks=frozenset(
        {
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "pattern",
        }
        | {"minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "default"}
        | {"minProperties", "maxProperties", "propertyNames", "oneOf", "discriminator"}
    ),
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}),
)

# Recorded traffic of 2025 and 2026, and the types of the vendor's Python package, anthropic 2.14.0.
PROVIDER = Provider(
    name="anthropic",
    servers=("https://api.anthropic.com/v1",),
    env_var="ANTHROPIC_API_KEY",
    auth=None,
    headers={"x-api-key": "{api_key}", "anthropic-version": "2023-06-01"},
    request_id=("request-id",),
    error=ErrorPaths(message=("$.error.message",), type=("$.error.type",), request_id=("$.request_id",)),
    error_statuses={
        "invalid_request_error": 400,
        "billing_error": 402,
        "not_found_error": 404,
        "timeout_error": 504,
        "overloaded_error": 529,
    },
    limits=LimitHeaders(
        requests_limit=("anthropic-ratelimit-requests-limit",),
        requests_remaining=("anthropic-ratelimit-requests-remaining",),
        requests_reset=("anthropic-ratelimit-requests-reset",),
        tokens_limit=("anthropic-ratelimit-tokens-limit",),
        tokens_remaining=("anthropic-ratelimit-tokens-remaining",),
        tokens_reset=("anthropic-ratelimit-tokens-reset",),
    ),
    routes={
        "createChatCompletion": Route(
            path="/messages",
            codec=MESSAGES,
            unsupported=frozenset(
                {
                    "n",
                    "seed",
                    "logprobs",
                    "top_logprobs",
                    "logit_bias",
                    "presence_penalty",
                    "frequency_penalty",
                    "repetition_penalty",
                    "min_p",
                    "echo",
                    "modalities",
                    "audio",
                    "store",
                    "reasoning",
                    "function_call",
                    "safety_model",
                    "compliance",
                    "chat_template_kwargs",
                    "context_length_exceeded_behavior",
                }
            )
            | CHAT_OF_OPENAI,
            structured=_SCHEMAS,
            statuses=(400, 401, 402, 403, 404, 413, 429, 500, 504, 529),
        ),
        # anthropic 2.14.0, types/message_count_tokens_params.py.
        "countTokens": Route(
            path="/messages/count_tokens",
            codec=TOKEN_COUNT,
            unsupported=frozenset({"reasoning", "verbosity", "previous_response_id"}),
            statuses=(400, 401, 403, 404, 413, 429, 500, 529),
        ),
        # anthropic 2.14.0, resources/messages/batches.py.
        "createBatch": Route(
            path="/messages/batches",
            codec=BATCH,
            rows=BATCH_ROWS,
            optional=frozenset({"input_file_id"}),
            unsupported=frozenset({"input_file_id", "metadata", "output_expires_after", "priority", "model_id"}),
            statuses=_BATCH_STATUSES,
        ),
        "listBatches": Route(path="/messages/batches", codec=BATCHES, page=_PAGE, statuses=_BATCH_STATUSES),
        "retrieveBatch": Route(path="/messages/batches/{batch_id}", codec=BATCH, statuses=_BATCH_STATUSES),
        "cancelBatch": Route(path="/messages/batches/{batch_id}/cancel", codec=BATCH, statuses=_BATCH_STATUSES),
        # The one kind of file that is read here: the results of a batch, which are known by its id.
        "fileContent": Route(path="/messages/batches/{file_id}/results", statuses=_BATCH_STATUSES),
        "listModels": Route(
            unsupported=frozenset({"dedicated"}),
            page=_PAGE,
        ),
        "retrieveModel": Route(),
    },
)
