"""Groq."""

from __future__ import annotations

from .compatible import (
    CHAT_OF_OPENAI,
    CHAT_OF_VENDORS,
    KNOWN_SPEAKERS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SCHEMAS,
    SPEAKERS,
    SPEECH_OF_MISTRAL,
    SPEECH_OF_TOGETHER,
)
from .spec import Provider, Route, Turns

# The vendor's Python package, groq 1.7.0; recorded traffic up to 2026-05 (maruel/genai); read on 2026-11-28.
PROVIDER = Provider(
    name="groq",
    servers=("https://api.groq.com/openai/v1",),
    env_var="GROQ_API_KEY",
    # Errors have the first, successes the second.
    request_id=("x-request-id", "cf-ray"),
    routes={
        "createChatCompletion": Route(
            # "property 'reasoning' is unsupported": what it does not know is refused (musistudio/llms#64).
            unsupported=frozenset({"top_k", "min_p", "repetition_penalty", "stream_options"})
            | CHAT_OF_VENDORS
            | CHAT_OF_OPENAI - {"functions"},
            own=frozenset(
                {"citation_options", "compound_custom", "disable_tool_validation", "documents", "exclude_domains"}
                | {"include_domains", "include_reasoning", "reasoning_format", "search_settings"}
            ),
            # A stream's counts are beside the server's own id in all recordings, and in `usage` in most of them; so is
            # the reason of one that ended early.
            rare_event={"$.usage": "$.x_groq.usage", "$.error": "$.x_groq.error"},
            # Not every model takes a schema.
            structured=SCHEMAS,
            # Fields that it does not know are refused, and so is `reasoning` by models that do not reason
            # (SimonSchubert/Kai#265, vercel/ai#8057).
            turns=Turns(strict=True),
        ),
        "createSpeech": Route(
            unsupported=frozenset({"instructions", "stream_format"}) | SPEECH_OF_TOGETHER | SPEECH_OF_MISTRAL,
            says_stream=False,
        ),
        "createTranscription": Route(
            unsupported=frozenset({"file_id", "keywords", "stream_options", "max_completion_tokens"})
            | (SPEAKERS | KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            streams=False,
        ),
        "createTranslation": Route(
            unsupported=frozenset({"language", "to_language", "stream_options"}) | LISTENING_OF_FIREWORKS,
            streams=False,
        ),
        "listModels": Route(),
        "retrieveModel": Route(),
    },
)
