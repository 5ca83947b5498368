"""What servers that speak OpenAI's API have in common, for their own files to start from."""

from __future__ import annotations

from .reshape import Renamed
from .spec import Page, Route, Structured, Turns

BASE64 = Renamed("response_format", (("base64", "b64_json"),))
USAGE_WISH = {"stream_options": {"include_usage": True}}
PAGE = Page(more="$.has_more", cursor="$.last_id", param="after")
# Fireworks has the results in `data` (its API reference); vLLM, llama.cpp and others in `results`.
RERANK_REPLY = {"$.results": "$.data"}
# Servers that have the older name alone; who gives both with different values is told so.
AS_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
# How an answer in the form of a schema is asked for: where nothing says that the server takes `strict`; where it knows
# JSON alone; and with the limits of OpenAI (platform.openai.com, guide on structured outputs, supported schemas).
SCHEMAS = Structured(strict=False)
JSON_ONLY = Structured(way="json_object", strict=False)
OPENAI_SCHEMAS = Structured(
    lacks=frozenset(
        {"contains", "maxContains", "maxLength", "maxProperties", "minContains", "minLength", "minProperties"}
        | {"prefixItems", "propertyNames", "uniqueItems"}
    ),
    formats=frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}),
)
# What a server says that reasons under one of the two names, and reads it there.
AS_REASONING = Turns(reasoning="reasoning")
AS_REASONING_CONTENT = Turns(reasoning="reasoning_content")
# The messages and calls of openai-python, for its server refuses further fields, and longer ids of calls.
AS_OPENAI = Turns(strict=True, keeps=frozenset({"refusal", "audio"}), call_id=".{1,40}")
# Where nothing says which of the names a server reads: reasoning goes back under the one that it came under. Behind a
# relay may be a server that wants the index of calls.
AS_IT_CAME = Turns(keeps=frozenset({"reasoning", "reasoning_content", "index"}))
_OPTIONAL_MODEL = frozenset({"model"})
# Parameters that openai-python 3.57.0 has and the lists of most other servers have not, which refuse them or take no
# notice of them; a caller is told so before the call either way.
CHAT_OF_OPENAI = frozenset(
    {"functions", "moderation", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
    | {"safety_identifier", "verbosity", "web_search_options"}
    | {"previous_response_id"}  # of its Responses alone
)
# And those of single vendors in the vocabulary, for servers that refuse whatever they do not know.
CHAT_OF_VENDORS = frozenset(
    {"audio", "chat_template_kwargs", "compliance", "context_length_exceeded_behavior", "echo", "modalities"}
    | {"reasoning", "safety_model", "thinking"}
)
# Parameters of audio by those who have them; what a server's own description lacks is refused there. The sources of all
# audio routes: the vendors' Python packages together 3.1.1, r9s 0.9.0, openai 3.57.0, groq 1.7.0, mistralai 3.7.0,
# cohere 7.3.1 and fireworks-ai 0.19.20, the code of vllm 0.33.0 and of llama.cpp's server; read on 2026-11-28.
SPEECH_OF_TOGETHER = frozenset(
    {"response_encoding", "bit_rate", "language", "alignment", "segment", "extra_params"},
)
SPEECH_OF_MISTRAL = frozenset(
    {"ref_audio", "expressiveness", "phoneme_hints", "conversation_history", "metadata", "prompt_cache_key"}
)
LISTENING_OF_OPENAI = frozenset({"languages", "include", "chunking_strategy"})
LISTENING_OF_FIREWORKS = frozenset({"vad_model", "alignment_model", "preprocessing"})
SPEAKERS = frozenset({"diarize", "min_speakers", "max_speakers"})
KNOWN_SPEAKERS = frozenset({"known_speaker_names", "known_speaker_references"})
IMAGES_OF_OPENAI = frozenset({"complexity", "frame_count", "frame_duration_ms", "safety_identifier", "svg"})

# openai-python 2.x: types/file_create_params.py, types/batch.py, types/batch_create_params.py.
BATCHES = {
    "createBatch": Route(unsupported=frozenset({"priority", "model_id"})),
    "listBatches": Route(page=PAGE),
    "retrieveBatch": Route(),
    "cancelBatch": Route(),
}
FILES = {
    "uploadFile": Route(unsupported=frozenset({"file_name", "file_type"})),
    "listFiles": Route(page=PAGE),
    "retrieveFile": Route(),
    "deleteFile": Route(),
    "fileContent": Route(),
}
# Such servers take more than OpenAI documents, each its own set, so nothing of the vocabulary is refused here.
ROUTES = {
    "createCompletion": Route(usage_wish=USAGE_WISH),
    "createChatCompletion": Route(usage_wish=USAGE_WISH),
    "createImage": Route(optional=_OPTIONAL_MODEL, reshape={"response_format": BASE64}),
    "editImage": Route(optional=_OPTIONAL_MODEL, reshape={"response_format": BASE64}),
    "createEmbedding": Route(),
    "createModeration": Route(optional=_OPTIONAL_MODEL),
    # Without `stream_format`, the file itself comes as it is made.
    "createSpeech": Route(optional=frozenset({"voice"}), says_stream=False),
    "createTranscription": Route(optional=_OPTIONAL_MODEL),
    "createTranslation": Route(optional=_OPTIONAL_MODEL),
    # openai-python 3.57.0: types/decision_create_params.py, types/decision.py; a public beta since October 2026.
    "createDecision": Route(),
    "createRerank": Route(optional=_OPTIONAL_MODEL, reply=RERANK_REPLY),
    "listModels": Route(page=PAGE),
    "retrieveModel": Route(),
    **FILES,
    **BATCHES,
}
