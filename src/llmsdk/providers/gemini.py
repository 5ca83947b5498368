"""Google Gemini, with its own generateContent protocol."""

from __future__ import annotations

from .codecs.gemini import BATCH, BATCH_ROWS, BATCHES, EMBEDDINGS, GENERATE_CONTENT, TOKEN_COUNT
from .compatible import CHAT_OF_OPENAI
from .reshape import WithoutPrefix
from .spec import ErrorPaths, LimitHeaders, Page, Provider, Route, Structured

_MODEL = {"model": WithoutPrefix("model", "models/")}
_BATCH = {"batch_id": WithoutPrefix("batch_id", "batches/")}
_BATCH_STATUSES = (400, 403, 404, 429, 500, 503)

# Recorded traffic of 2025 and 2026, and the types of the vendor's Python package, google-genai 3.6.1.
PROVIDER = Provider(
    name="gemini",
    servers=("https://generativelanguage.googleapis.com/v1beta",),
    env_var="GEMINI_API_KEY",
    auth=None,
    headers={"x-goog-api-key": "{api_key}"},
    request_id=(),
    error=ErrorPaths(message=("$.error.message",), code=("$.error.code",), type=("$.error.status",)),
    limits=LimitHeaders(),
    routes={
        "createChatCompletion": Route(
            path="/models/{model}:generateContent",
            stream_path="/models/{model}:streamGenerateContent?alt=sse",
            codec=GENERATE_CONTENT,
            says_stream=False,
            reshape=_MODEL,
            unsupported=frozenset(
                {
                    "parallel_tool_calls",
                    "logit_bias",
                    "repetition_penalty",
                    "min_p",
                    "echo",
                    "user",
                    "metadata",
                    "audio",
                    "reasoning",
                    "function_call",
                    "safety_model",
                    "compliance",
                    "chat_template_kwargs",
                    "context_length_exceeded_behavior",
                }
            )
            | CHAT_OF_OPENAI,
            structured=Structured(strict=False),
            statuses=(400, 403, 404, 429, 500, 503, 504),
        ),
        # ai.google.dev/api/tokens, read on 2026-11-28; google-genai 3.6.1, CountTokensResponse.
        "countTokens": Route(
            path="/models/{model}:countTokens",
            codec=TOKEN_COUNT,
            reshape=_MODEL,
            unsupported=frozenset({"parallel_tool_calls", "reasoning", "verbosity", "previous_response_id"}),
            reply={"$.input_tokens": "$.totalTokens", "$.cached_tokens": "$.cachedContentTokenCount"},
            statuses=(400, 403, 404, 429, 500, 503),
        ),
        "createEmbedding": Route(
            path="/models/{model}:batchEmbedContents",
            codec=EMBEDDINGS,
            reshape=_MODEL,
            unsupported=frozenset({"user"}),
            statuses=(400, 403, 404, 429, 500, 503),
        ),
        # google-genai 3.6.1, batches.py. No cancellation: its reply is empty and names no batch; `sdk.post` sends one.
        "createBatch": Route(
            path="/models/{model_id}:batchGenerateContent",
            codec=BATCH,
            rows=BATCH_ROWS,
            reshape={"model_id": WithoutPrefix("model_id", "models/")},
            optional=frozenset({"input_file_id"}),
            unsupported=frozenset({"input_file_id", "metadata", "output_expires_after", "priority"}),
            statuses=_BATCH_STATUSES,
        ),
        "listBatches": Route(
            codec=BATCHES,
            unsupported=frozenset({"limit"}),
            page=Page(cursor="$.nextPageToken", param="pageToken"),
            statuses=_BATCH_STATUSES,
        ),
        "retrieveBatch": Route(codec=BATCH, reshape=_BATCH, statuses=_BATCH_STATUSES),
        # The one kind of file that is read here: the results of a batch, which stand in it.
        "fileContent": Route(path="/batches/{file_id}", statuses=_BATCH_STATUSES),
        "listModels": Route(
            unsupported=frozenset({"dedicated"}),
            reply={"$.data": "$.models", "$.data[*].id": "$.models[*].name"},
            page=Page(cursor="$.nextPageToken", param="pageToken"),
        ),
        "retrieveModel": Route(reshape=_MODEL, reply={"$.id": "$.name"}),
    },
)
