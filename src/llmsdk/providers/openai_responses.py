"""OpenAI, with its Responses API."""

from __future__ import annotations

from .codecs.responses import RESPONSES, TOKEN_COUNT
from .openai import PROVIDER as OPENAI
from .spec import Provider, Route, Structured

# Recorded traffic of 2025 and 2026, and the types of the vendor's Python package, openai 3.57.0.
PROVIDER = Provider(
    name="openai_responses",
    servers=("https://api.openai.com/v1",),
    env_var="OPENAI_API_KEY",
    request_id=OPENAI.request_id,
    # Codes of `response.failed` and of events; any other stands for a request that was wrong.
    error_statuses={"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504},
    routes={
        "createChatCompletion": Route(
            path="/responses",
            codec=RESPONSES,
            unsupported=frozenset(
                {
                    "n",
                    "seed",
                    "stop",
                    "top_k",
                    "min_p",
                    "repetition_penalty",
                    "presence_penalty",
                    "frequency_penalty",
                    "logit_bias",
                    "echo",
                    "modalities",
                    "audio",
                    "thinking",
                    "function_call",
                    "safety_model",
                    "compliance",
                    "chat_template_kwargs",
                    "context_length_exceeded_behavior",
                    "functions",
                    "prediction",
                    "web_search_options",
                }
            ),
            structured=Structured(
                lacks=OPENAI.routes["createChatCompletion"].structured.lacks,
                formats=OPENAI.routes["createChatCompletion"].structured.formats,
            ),
            statuses=(400, 401, 403, 404, 429, 500, 503),
        ),
        # openai 3.57.0, types/responses/input_token_count_params.py.
        "countTokens": Route(
            path="/responses/input_tokens",
            codec=TOKEN_COUNT,
            unsupported=frozenset({"thinking"}),
            statuses=(400, 401, 403, 404, 429, 500),
        ),
        "listModels": OPENAI.routes["listModels"],
        "retrieveModel": OPENAI.routes["retrieveModel"],
    },
)
