"""Mistral."""

from __future__ import annotations

from .compatible import AS_MAX_TOKENS, CHAT_OF_OPENAI
from .reshape import PlainParts
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
        "createChatCompletion": Route(
            rename={"seed": "random_seed", **AS_MAX_TOKENS},
            # What its package does not have is answered with 422, "Extra inputs are not permitted".
            unsupported=frozenset(
                {"stream_options", "min_p", "logit_bias", "echo", "function_call", "reasoning", "modalities", "audio"}
                | {"service_tier", "user", "store", "compliance", "chat_template_kwargs", "safety_model"}
                | {"context_length_exceeded_behavior", "thinking"}
            )
            | CHAT_OF_OPENAI - {"prediction"},
            # A recording is a plain base64 text there, without its format.
            reshape={"messages": PlainParts("messages", (("input_audio", "data"),))},
            structured=Structured(),
            # Its reasoning stands in parts of the content, which it reads; other names are refused
            # (charmbracelet/crush#1590).
            turns=Turns(strict=True, keeps=frozenset({"content", "prefix"})),
        ),
        "createEmbedding": Route(
            rename={"dimensions": "output_dimension"}, unsupported=frozenset({"input_type", "user"})
        ),
        "createModeration": Route(),
        "listModels": Route(),
        "retrieveModel": Route(),
    },
)
