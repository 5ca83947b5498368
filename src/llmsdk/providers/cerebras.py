"""Cerebras."""

from __future__ import annotations

from .compatible import CHAT_OF_OPENAI, CHAT_OF_VENDORS
from .spec import ErrorPaths, LimitHeaders, LimitWindow, Provider, Route, Structured, Turns

_WINDOWS = {"minute": 60, "hour": 3_600, "day": 86_400}

# The vendor's Python package, cerebras_cloud_sdk 1.91.0; recorded traffic up to 2026-07 (maruel/genai); read on
# 2026-11-28.
PROVIDER = Provider(
    name="cerebras",
    servers=("https://api.cerebras.ai/v1",),
    env_var="CEREBRAS_API_KEY",
    request_id=("cf-ray",),
    # Errors are flat: {"message", "type", "param", "code"}.
    error=ErrorPaths(
        message=("$.message",), type=("$.type",), param=("$.param",), code=("$.code",), marks=("error", "code")
    ),
    limits=LimitHeaders(
        windows=tuple(
            LimitWindow(
                of=of,
                seconds=seconds,
                limit=f"x-ratelimit-limit-{of}-{window}",
                remaining=f"x-ratelimit-remaining-{of}-{window}",
            )
            for of in ("requests", "tokens")
            for window, seconds in _WINDOWS.items()
        )
    ),
    routes={
        "createCompletion": Route(
            unsupported=frozenset({"top_k", "min_p", "repetition_penalty", "safety_model"}),
            own=frozenset({"grammar_root", "prompt_cache_key", "reasoning_format", "return_raw_tokens"}),
        ),
        "createChatCompletion": Route(
            unsupported=frozenset({"top_k", "min_p", "repetition_penalty"})
            | CHAT_OF_VENDORS
            | CHAT_OF_OPENAI - {"prediction", "prompt_cache_key"},
            own=frozenset(
                {"clear_thinking", "disable_reasoning", "min_completion_tokens", "min_tokens", "model_parameters"}
                | {"reasoning_format"}
            ),
            # Strict schemas are refused with these (elizaOS/eliza#11153).
            structured=Structured(
                lacks=frozenset(
                    {"maxItems", "minItems", "maxLength", "minLength", "pattern", "minProperties", "maxProperties"}
                ),
                formats=frozenset(),
            ),
            # "property 'reasoning_content' is unsupported" (Kilo-Org/kilocode#10375).
            turns=Turns(reasoning="reasoning", strict=True),
        ),
        "listModels": Route(),
        "retrieveModel": Route(),
    },
)
