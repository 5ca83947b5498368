"""llama.cpp's server, on your own machine."""

from __future__ import annotations

from .compatible import (
    AS_REASONING_CONTENT,
    KNOWN_SPEAKERS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SCHEMAS,
    SPEAKERS,
    USAGE_WISH,
)
from .spec import Provider, Route

# Recorded traffic of 2026-08-16 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="llamacpp",
    servers=("http://127.0.0.1:8080/v1",),
    env_var="LLAMACPP_API_KEY",
    base_url_var="LLAMACPP_BASE_URL",
    key_required=False,
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(
            usage_wish=USAGE_WISH,
            own=frozenset({"cache_prompt", "n_predict", "reasoning_format"}),
            structured=SCHEMAS,
            turns=AS_REASONING_CONTENT,
        ),
        "createEmbedding": Route(),
        # tools/server/server-common.cpp; one that was not started with `--reranking` answers 501.
        "createRerank": Route(
            optional=frozenset({"model"}),
            unsupported=frozenset({"return_documents", "rank_fields", "max_tokens_per_doc", "instruction"})
            | {"relevant_spans", "priority"},
        ),
        # tools/server: speech is answered by the chat, of whose parameters it takes any.
        "createTranscription": Route(
            optional=frozenset({"model"}),
            rename={"max_completion_tokens": "max_tokens"},
            unsupported=frozenset({"url", "file_id", "keywords", "timestamp_granularities", "stream_options"})
            | (SPEAKERS | KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
        ),
        "listModels": Route(),
    },
)
