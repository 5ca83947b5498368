"""Writer: the enterprise API with organization and model in the path, and the current API."""

from __future__ import annotations

from .reshape import AsList
from .spec import ErrorPaths, Provider, Route, Structured

# Both generations share the error body: {"tpe", "errors": [{"description", "key", "extras"}], "extras"}.
_ERROR = ErrorPaths(
    message=("$.errors[0].description",),
    code=("$.errors[0].key",),
    type=("$.tpe",),
    marks=("tpe", "errors", "error"),
)
_ERROR_STATUSES = {"completionmodelquotaerror": 429}

_MODEL = "/llm/organization/{organization_id}/model"
_COMPLETION_NAMES = {
    "max_tokens": "maxTokens",
    "min_tokens": "minTokens",
    "top_p": "topP",
    "best_of": "bestOf",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_COMPLETION_LACKS = frozenset(
    {
        "top_k",
        "min_p",
        "repetition_penalty",
        "logit_bias",
        "echo",
        "seed",
        "safety_model",
        "user",
        "stream_options",
        "suffix",
    }
)
_LOGPROBS = "$.choices[*].logprobs"
_COMPLETION_REPLY = {
    f"{_LOGPROBS}.token_logprobs": f"{_LOGPROBS}.tokenLogprobs",
    f"{_LOGPROBS}.top_logprobs": f"{_LOGPROBS}.topLogprobs",
    f"{_LOGPROBS}.text_offset": f"{_LOGPROBS}.textOffset",
}
_TEXT_OF_EVENT = {"$.choices[0].text": "$.value"}
_STATUSES = (400, 401, 403, 404, 500)

# Writer Enterprise API 1.7.
WRITER = Provider(
    name="writer",
    servers=("https://enterprise-api.writer.com",),
    auth="{api_key}",
    env_var="WRITER_API_KEY",
    url_params=("organization_id",),
    error=_ERROR,
    error_statuses=_ERROR_STATUSES,
    request_id=("action-id",),
    routes={
        "createCompletion": Route(
            path=f"{_MODEL}/{{model}}/completions",
            stream_path=f"{_MODEL}/{{model}}/completions/stream",
            rename=_COMPLETION_NAMES,
            unsupported=_COMPLETION_LACKS,
            reshape={"stop": AsList("stop")},
            reply=_COMPLETION_REPLY,
            event=_TEXT_OF_EVENT,
            says_stream=False,
            ends_with_connection=True,
            optional_result=True,
            statuses=_STATUSES,
        ),
        "createModelCustomizationCompletion": Route(
            path=f"{_MODEL}/{{model}}/customization/{{customization_id}}/completions",
            rename=_COMPLETION_NAMES,
            unsupported=_COMPLETION_LACKS,
            reshape={"stop": AsList("stop")},
            reply=_COMPLETION_REPLY,
            streams=False,
            says_stream=False,
            optional_result=True,
            statuses=_STATUSES,
        ),
        "listModels": Route(path=_MODEL, unsupported=frozenset({"dedicated"}), statuses=_STATUSES),
    },
)

_V1_STATUSES = (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 507)

# dev.writer.com, and writer-sdk 3.0.0 where the pages are silent.
WRITER_V1 = Provider(
    name="writer_v1",
    servers=("https://api.writer.com",),
    env_var="WRITER_API_KEY",
    error=_ERROR,
    error_statuses=_ERROR_STATUSES,
    routes={
        "createCompletion": Route(
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
            reply={_LOGPROBS: "$.choices[*].log_probs"},
            event=_TEXT_OF_EVENT,
            ends_with_connection=True,
            statuses=_V1_STATUSES,
        ),
        "createChatCompletion": Route(
            path="/v1/chat",
            unsupported=frozenset(
                {
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
            ),
            structured=Structured(strict=False),
            usage_wish={"stream_options": {"include_usage": True}},
            statuses=_V1_STATUSES,
        ),
        "listModels": Route(
            path="/v1/models",
            unsupported=frozenset({"dedicated"}),
            reply={"$.data": "$.models"},
            statuses=_V1_STATUSES,
        ),
    },
)
