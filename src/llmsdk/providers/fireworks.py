"""Fireworks."""

from __future__ import annotations

from .compatible import (
    CHAT_OF_OPENAI,
    CHAT_OF_VENDORS,
    KNOWN_SPEAKERS,
    LISTENING_OF_OPENAI,
    RERANK_REPLY,
    SCHEMAS,
)
from .reshape import AsUpload
from .spec import Provider, Route, Turns

# Beside what is one operation's alone.
_OWN = frozenset(
    {"echo_last", "ignore_eos", "mirostat_lr", "mirostat_target", "perf_metrics_in_response", "raw_output"}
    | {"prompt_cache_isolation_key", "reasoning_history", "return_token_ids", "speculation", "typical_p"}
)

# The vendor's Python package, fireworks_ai 1.2.30; recorded traffic through a router (maruel/genai); read on
# 2026-11-28.
PROVIDER = Provider(
    name="fireworks",
    servers=("https://api.fireworks.ai/inference/v1",),
    env_var="FIREWORKS_API_KEY",
    # The copies of its page on audio name three hosts: that of the API, and these, one for each model.
    key_hosts=(
        "audio-prod.us-virginia-1.direct.fireworks.ai",
        "audio-turbo.us-virginia-1.direct.fireworks.ai",
    ),
    routes={
        "createCompletion": Route(
            unsupported=frozenset({"best_of", "min_tokens", "safety_model", "suffix"}),
            own=_OWN
            | {"context_length_exceeded_behavior", "images", "max_completion_tokens", "metadata", "prediction"}
            | {"prompt_cache_key", "reasoning_effort", "response_format", "service_tier", "thinking", "top_logprobs"},
        ),
        "createChatCompletion": Route(
            unsupported=CHAT_OF_VENDORS - {"context_length_exceeded_behavior", "echo", "thinking"}
            | CHAT_OF_OPENAI - {"functions", "prediction", "prompt_cache_key"}
            | {"store"},
            own=_OWN | {"prompt_truncate_len", "safe_tokenization"},
            structured=SCHEMAS,
            # Unknown keys are refused anywhere: "Extra inputs are not permitted, field: ...".
            turns=Turns(reasoning="reasoning_content", strict=True),
        ),
        "createEmbedding": Route(),
        # Its API reference of 2026; the package has no rerank.
        "createRerank": Route(
            optional=frozenset({"model"}),
            rename={"instruction": "task"},
            unsupported=frozenset({"rank_fields", "max_tokens_per_doc", "relevant_spans", "priority"}),
            reply=RERANK_REPLY,
        ),
        # fireworks-ai 0.19.20, the last package with audio: an address goes as the bytes of the file.
        "createTranscription": Route(
            optional=frozenset({"model"}),
            reshape={"url": AsUpload("file")},
            unsupported=frozenset({"file_id", "keywords", "stream_options", "max_completion_tokens"})
            | (KNOWN_SPEAKERS | LISTENING_OF_OPENAI),
            form_lists="comma",
            streams=False,
        ),
        "createTranslation": Route(
            optional=frozenset({"model"}),
            reshape={"url": AsUpload("file")},
            unsupported=frozenset({"language", "to_language", "stream_options"}),
            form_lists="comma",
            streams=False,
        ),
        # docs.fireworks.ai, post-decisions, read on 2026-11-28: OpenAI's form, texts alone.
        "createDecision": Route(),
        "listModels": Route(),
    },
)
