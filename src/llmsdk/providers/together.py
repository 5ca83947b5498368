"""Together AI."""

from __future__ import annotations

from .compatible import (
    CHAT_OF_OPENAI,
    IMAGES_OF_OPENAI,
    KNOWN_SPEAKERS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SPEECH_OF_MISTRAL,
)
from .reshape import AsList, OneText, Renamed, WidthHeight
from .spec import BatchRows, Handover, LimitHeaders, Provider, Route, Turns

_JOB = (
    *("id", "status", "endpoint", "input_file_id", "output_file_id", "error_file_id", "progress", "model_id"),
    *("created_at", "completed_at", "job_deadline", "file_size_bytes", "error"),
)
_BATCH_STATUSES = (400, 401, 404, 429, 500)
_STATUSES = (400, 401, 402, 403, 404, 429, 500, 503, 504)

# Together's OpenAPI of 2026-04-28, and recorded traffic of 2025 and 2026 where the two differ.
PROVIDER = Provider(
    name="together",
    servers=("https://api.together.xyz/v1", "https://api.together.ai/v1"),
    env_var="TOGETHER_API_KEY",
    routes={
        "createCompletion": Route(
            unsupported=frozenset({"min_tokens", "best_of", "user", "suffix"}),
            reshape={"prompt": OneText("prompt"), "stop": AsList("stop")},
            statuses=_STATUSES,
        ),
        # docs.together.ai, reference of rerank; together-python 3.1.1, types/rerank.py.
        "createRerank": Route(
            unsupported=frozenset({"max_tokens_per_doc", "instruction", "relevant_spans", "priority"}),
            statuses=_STATUSES,
        ),
        "createSpeech": Route(
            reshape={"response_format": Renamed("response_format", (("pcm", "raw"),))},
            unsupported=frozenset({"speed", "instructions", "stream_format"}) | SPEECH_OF_MISTRAL,
            statuses=(400, 429),
        ),
        # The address of a recording stands where its bytes would.
        "createTranscription": Route(
            rename={"url": "file"},
            optional=frozenset({"model"}),
            unsupported=frozenset({"file_id", "keywords", "stream_options", "max_completion_tokens"})
            | (KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            streams=False,
            statuses=(400, 401, 413, 429),
        ),
        "createTranslation": Route(
            rename={"url": "file", "to_language": "language"},
            optional=frozenset({"model"}),
            unsupported=frozenset({"language", "stream_options"}) | LISTENING_OF_FIREWORKS,
            streams=False,
            statuses=(400, 401, 413, 429),
        ),
        "createChatCompletion": Route(
            unsupported=frozenset(
                {
                    "thinking",
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
            )
            | CHAT_OF_OPENAI,
            reshape={"stop": AsList("stop")},
            turns=Turns(
                reasoning="reasoning", keeps=frozenset({"index"})
            ),  # of calls, which must have it by the OpenAPI
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
            )
            | IMAGES_OF_OPENAI,
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
        # together 2.x: lib/resources/files.py; the file itself goes to the address in the reply, then is announced.
        "uploadFile": Route(
            optional=frozenset({"file"}),
            reshape={"purpose": Renamed("purpose", (("batch", "batch-api"),))},
            handover=Handover(status=302, id_header="x-together-file-id", done="/files/{file_id}/preprocess"),
        ),
        "listFiles": Route(unsupported=frozenset({"purpose", "limit"})),
        "retrieveFile": Route(),
        "deleteFile": Route(),
        "fileContent": Route(),
        # docs.together.ai: reference/batch-create, docs/inference/batch/manage. Only a new batch has an envelope.
        "createBatch": Route(
            unsupported=frozenset({"metadata", "output_expires_after"}),
            reply={f"$.{name}": f"$.job.{name}" for name in _JOB},
            rows=BatchRows(fields=("custom_id", "body"), longest_id=64),
            statuses=_BATCH_STATUSES,
        ),
        "listBatches": Route(reply={"$.data": "$"}, unsupported=frozenset({"limit"}), statuses=_BATCH_STATUSES),
        "retrieveBatch": Route(statuses=_BATCH_STATUSES),
        "cancelBatch": Route(statuses=_BATCH_STATUSES),
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
