"""r9s, a router to several vendors."""

from __future__ import annotations

from .compatible import (
    AS_REASONING_CONTENT,
    BASE64,
    CHAT_OF_OPENAI,
    IMAGES_OF_OPENAI,
    KNOWN_SPEAKERS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SPEAKERS,
    SPEECH_OF_MISTRAL,
    SPEECH_OF_TOGETHER,
    USAGE_WISH,
)
from .reshape import OneText
from .spec import Provider, Route, Structured

_STATUSES = (400, 401, 403, 422, 429, 500, 503)

# r9s-ai/r9s-python, relay.yaml of 2026-01-21.
PROVIDER = Provider(
    name="r9s",
    servers=("https://api.r9s.ai/v1",),
    env_var="R9S_API_KEY",
    # The relayed vendor's limit headers come through; a used-up balance answers 429 as well.
    routes={
        "createCompletion": Route(
            reshape={"prompt": OneText("prompt")},
            unsupported=frozenset(
                {
                    "min_tokens",
                    "top_k",
                    "min_p",
                    "repetition_penalty",
                    "logprobs",
                    "safety_model",
                    "stream_options",
                    "suffix",
                }
            ),
            statuses=_STATUSES,
        ),
        "createSpeech": Route(
            unsupported=frozenset({"instructions", "stream_format", "sample_rate"})
            | (SPEECH_OF_TOGETHER | SPEECH_OF_MISTRAL),
            says_stream=False,
            statuses=_STATUSES,
        ),
        # Its package repeats the bare name of a list, where the vendors that it relays want brackets.
        "createTranscription": Route(
            unsupported=frozenset({"url", "file_id", "keywords", "stream_options", "max_completion_tokens"})
            | (SPEAKERS | KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            form_lists="bare",
            streams=False,
            statuses=_STATUSES,
        ),
        "createTranslation": Route(
            unsupported=frozenset({"url", "language", "to_language", "timestamp_granularities", "stream_options"})
            | LISTENING_OF_FIREWORKS,
            form_lists="bare",
            streams=False,
            statuses=_STATUSES,
        ),
        "createModeration": Route(
            optional=frozenset({"model"}), unsupported=frozenset({"metadata"}), statuses=_STATUSES
        ),
        "createChatCompletion": Route(
            unsupported=frozenset(
                {
                    "thinking",
                    "min_p",
                    "repetition_penalty",
                    "echo",
                    "function_call",
                    "reasoning",
                    "context_length_exceeded_behavior",
                    "compliance",
                    "chat_template_kwargs",
                    "safety_model",
                }
            )
            | CHAT_OF_OPENAI,
            structured=Structured(strict=False),
            turns=AS_REASONING_CONTENT,
            statuses=(*_STATUSES, 409),
            usage_wish=USAGE_WISH,
        ),
        "createImage": Route(
            unsupported=frozenset(
                {
                    "steps",
                    "image_url",
                    "width",
                    "height",
                    "guidance_scale",
                    "image_loras",
                    "reference_images",
                    "disable_safety_checker",
                    "aspect_ratio",
                    "frame_images",
                    "image_base64",
                }
            )
            | IMAGES_OF_OPENAI,
            optional=frozenset({"model"}),
            reshape={"response_format": BASE64},
            statuses=_STATUSES,
        ),
        "editImage": Route(
            optional=frozenset({"model"}),
            unsupported=IMAGES_OF_OPENAI | {"markup"},
            reshape={"response_format": BASE64},
            statuses=_STATUSES,
        ),
        # Published in r9s-ai/r9s-python: docs/models/embeddingrequest.md; the relay's own description is silent.
        "createEmbedding": Route(unsupported=frozenset({"input_type"}), statuses=_STATUSES),
        "listModels": Route(unsupported=frozenset({"dedicated"}), statuses=(401, 403, 500)),
        "retrieveModel": Route(statuses=(401, 403, 404, 500)),
    },
)
