"""Google Gemini, with its OpenAI-compatible API; `gemini` uses Google's own protocol."""

from __future__ import annotations

from .compatible import BATCHES, SCHEMAS, USAGE_WISH
from .spec import ErrorPaths, Provider, Route, Turns

# ai.google.dev, pages on compatibility with OpenAI and on thought signatures; reports from the field; read on
# 2026-11-28.
PROVIDER = Provider(
    name="gemini_openai",
    servers=("https://generativelanguage.googleapis.com/v1beta/openai",),
    env_var="GEMINI_API_KEY",
    other_env_vars=("GOOGLE_API_KEY",),
    # Errors come in a list: [{"error": {"code", "message", "status"}}].
    error=ErrorPaths(type=("$.error.status",)),
    routes={
        "createChatCompletion": Route(
            usage_wish=USAGE_WISH,
            completion_is_rest=True,  # thoughts are in the total alone (Clarifai/clarifai-python#978)
            structured=SCHEMAS,
            # Signatures of its calls must go back; calls of other servers have none, and say so in the documented way.
            turns=Turns(
                keeps=frozenset({"extra_content"}),
                call_default={"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}},
            ),
        ),
        "createImage": Route(),
        "createEmbedding": Route(),
        "listModels": Route(),
        "retrieveModel": Route(),
        # Their files are Google's own: its Files API, or `gemini`, takes and gives them.
        **BATCHES,
    },
)
