"""Writer's current API."""

from __future__ import annotations

from .compatible import CHAT_OF_OPENAI, USAGE_WISH
from .reshape import OneText, Wrapped
from .spec import ErrorPaths, Provider, Route, Structured, Turns

# The enterprise API has the same error body: {"tpe", "errors": [{"description", "key", "extras"}], "extras"}.
ERROR = ErrorPaths(
    message=("$.errors[0].description",),
    code=("$.errors[0].key",),
    type=("$.tpe",),
    marks=("tpe", "errors", "error"),
)
ERROR_STATUSES = {"completionmodelquotaerror": 429}
TEXT_OF_EVENT = {"$.choices[0].text": "$.value"}

_STATUSES = (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 507)

# dev.writer.com, and writer-sdk 3.0.0 where the pages are silent.
PROVIDER = Provider(
    name="writer_v1",
    servers=("https://api.writer.com",),
    env_var="WRITER_API_KEY",
    error=ERROR,
    error_statuses=ERROR_STATUSES,
    routes={
        "createCompletion": Route(
            reshape={"prompt": OneText("prompt")},
            path="/v1/completions",
            rename={"seed": "random_seed"},
            unsupported=frozenset(
                {
                    "min_tokens",
                    "top_k",
                    "min_p",
                    "repetition_penalty",
                    "presence_penalty",
                    "frequency_penalty",
                    "logit_bias",
                    "n",
                    "echo",
                    "logprobs",
                    "safety_model",
                    "user",
                    "stream_options",
                    "suffix",
                }
            ),
            reply={"$.choices[*].logprobs": "$.choices[*].log_probs"},
            event=TEXT_OF_EVENT,
            ends_with_connection=True,
            statuses=_STATUSES,
        ),
        "createChatCompletion": Route(
            path="/v1/chat",
            # writer.yaml: the choice stands under `value`; the docs also send a plain string.
            reshape={"tool_choice": Wrapped("tool_choice", "value")},
            unsupported=frozenset(
                {
                    "thinking",
                    "max_completion_tokens",
                    "top_k",
                    "min_p",
                    "repetition_penalty",
                    "presence_penalty",
                    "frequency_penalty",
                    "logit_bias",
                    "top_logprobs",
                    "echo",
                    "seed",
                    "parallel_tool_calls",
                    "function_call",
                    "reasoning_effort",
                    "reasoning",
                    "context_length_exceeded_behavior",
                    "compliance",
                    "chat_template_kwargs",
                    "safety_model",
                    "modalities",
                    "audio",
                    "service_tier",
                    "user",
                    "store",
                    "metadata",
                }
            )
            | CHAT_OF_OPENAI,
            structured=Structured(strict=False),
            turns=Turns(keeps=frozenset({"graph_data"})),
            usage_wish=USAGE_WISH,
            statuses=_STATUSES,
        ),
        "listModels": Route(
            path="/v1/models",
            unsupported=frozenset({"dedicated"}),
            reply={"$.data": "$.models"},
            statuses=_STATUSES,
        ),
    },
)
