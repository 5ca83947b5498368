"""vLLM, your own server."""

from __future__ import annotations

from .compatible import (
    AS_REASONING,
    KNOWN_SPEAKERS,
    LISTENING_OF_FIREWORKS,
    LISTENING_OF_OPENAI,
    SCHEMAS,
    SPEAKERS,
    USAGE_WISH,
)
from .reshape import Flattened, Joined
from .spec import Provider, Route

_WITH_USAGE = Flattened("stream_options", (("include_usage", "stream_include_usage"),))

# The project's pages; `reasoning_content` left its output in January 2026, its input reads both (vllm#33402, #42664);
# read on 2026-11-28.
PROVIDER = Provider(
    name="vllm",
    servers=("http://localhost:8000/v1",),
    env_var="VLLM_API_KEY",
    base_url_var="VLLM_BASE_URL",
    key_required=False,
    routes={
        "createCompletion": Route(usage_wish=USAGE_WISH),
        "createChatCompletion": Route(usage_wish=USAGE_WISH, structured=SCHEMAS, turns=AS_REASONING),
        "createEmbedding": Route(),
        # entrypoints/pooling/scoring/protocol.py: the documents always come back, and other keys are passed over.
        "createRerank": Route(
            optional=frozenset({"model"}), unsupported=frozenset({"return_documents", "rank_fields", "relevant_spans"})
        ),
        # entrypoints/speech_to_text; the format text is answered with JSON, and words are never told.
        "createTranscription": Route(
            optional=frozenset({"model"}),
            reshape={"keywords": Joined("hotwords"), "stream_options": _WITH_USAGE},
            unsupported=frozenset({"url", "file_id"})
            | (SPEAKERS | KNOWN_SPEAKERS | LISTENING_OF_OPENAI | LISTENING_OF_FIREWORKS),
            form_objects="json",
            usage_wish=USAGE_WISH,
        ),
        "createTranslation": Route(
            optional=frozenset({"model"}),
            reshape={"stream_options": _WITH_USAGE},
            unsupported=frozenset({"url"}) | LISTENING_OF_FIREWORKS,
            form_objects="json",
            usage_wish=USAGE_WISH,
        ),
        "listModels": Route(),
    },
)
