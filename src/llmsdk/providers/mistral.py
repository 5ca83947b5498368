"""Mistral."""

from __future__ import annotations

from .compatible import (
    AS_MAX_TOKENS,
    CHAT_OF_OPENAI,
    CHAT_OF_VENDORS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SPEECH_OF_TOGETHER,
)
from .reshape import OneText, PlainParts, Unwrapped
from .spec import LimitHeaders, LimitWindow, Provider, Route, Structured, Turns

_LIMIT = "x-ratelimit-limit-"
_LEFT = "x-ratelimit-remaining-"

# The vendor's Python package, mistralai 3.7.0; recorded traffic up to 2026-08 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="mistral",
    servers=("https://api.mistral.ai/v1",),
    env_var="MISTRAL_API_KEY",
    request_id=("mistral-correlation-id",),
    limits=LimitHeaders(
        windows=(
            LimitWindow(of="requests", seconds=10, limit=f"{_LIMIT}req-10-second", remaining=f"{_LEFT}req-10-second"),
            LimitWindow(of="requests", seconds=60, limit=f"{_LIMIT}req-60-second", remaining=f"{_LEFT}req-60-second"),
            LimitWindow(of="tokens", seconds=60, limit=f"{_LIMIT}tokens-minute", remaining=f"{_LEFT}tokens-minute"),
            LimitWindow(
                of="tokens", seconds=300, limit=f"{_LIMIT}tokens-5-minute", remaining=f"{_LEFT}tokens-5-minute"
            ),
            LimitWindow(
                of="tokens", seconds=2_592_000, limit=f"{_LIMIT}tokens-month", remaining=f"{_LEFT}tokens-month"
            ),
        )
    ),
    routes={
        # Fills in the middle, and answers as a chat does.
        "createCompletion": Route(
            path="/fim/completions",
            rename={"seed": "random_seed"},
            unsupported=frozenset(
                {"best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "min_p", "n", "presence_penalty"}
                | {"repetition_penalty", "safety_model", "stream_options", "top_k", "user"}
            ),
            own=frozenset({"metadata", "prompt_cache_key"}),
            reshape={"prompt": OneText("prompt")},
            reply={"$.choices[*].text": "$.choices[*].message.content"},
            event={"$.choices[*].text": "$.choices[*].delta.content"},
        ),
        "createChatCompletion": Route(
            rename={"seed": "random_seed", **AS_MAX_TOKENS},
            # What its package does not have is answered with 422, "Extra inputs are not permitted".
            unsupported=frozenset({"stream_options", "min_p", "logit_bias", "function_call", "user", "store"})
            | CHAT_OF_VENDORS
            | CHAT_OF_OPENAI - {"prediction", "prompt_cache_key"},
            own=frozenset(
                {"guardrails", "min_tokens", "prompt_logprobs", "prompt_mode", "safe_prompt", "top_prompt_logprobs"}
            ),
            # A recording is a plain base64 text there, without its format.
            reshape={"messages": PlainParts("messages", (("input_audio", "data"),))},
            structured=Structured(),
            # Its reasoning stands in parts of the content, which it reads; other names are refused
            # (charmbracelet/crush#1590), and so are ids of calls in another form (anomalyco/opencode#1680).
            turns=Turns(strict=True, keeps=frozenset({"content", "prefix"}), call_id="[A-Za-z0-9]{9}"),
        ),
        "createEmbedding": Route(
            rename={"dimensions": "output_dimension"},
            unsupported=frozenset({"input_type", "user"}),
            own=frozenset({"metadata", "output_dtype"}),
        ),
        "createModeration": Route(),
        "createSpeech": Route(
            optional=frozenset({"model", "voice"}),
            reshape={"voice": Unwrapped("voice_id", "id")},
            unsupported=frozenset({"speed", "instructions", "stream_format", "sample_rate"}) | SPEECH_OF_TOGETHER,
            statuses=(403, 404, 422),
        ),
        "createTranscription": Route(
            rename={"url": "file_url", "keywords": "context_bias"},
            pairs={"speaker_references": ("known_speaker_names", "known_speaker_references")},
            # With both, an older model answered with an empty text (livekit/agents#4399).
            excludes={"language": "timestamp_granularities"},
            unsupported=frozenset({"prompt", "response_format", "min_speakers", "max_speakers", "stream_options"})
            | frozenset({"max_completion_tokens"})
            | (LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            form_lists="bare",
            form_objects="json",
            form_alone="urlencoded",
        ),
        "listModels": Route(),
        "retrieveModel": Route(),
    },
)
