"""Writer's enterprise API, with organization and model in the path."""

from __future__ import annotations

from .reshape import AsList, OneText
from .spec import Provider, Route
from .writer_v1 import ERROR, ERROR_STATUSES, TEXT_OF_EVENT

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
_STATUSES = (400, 401, 403, 404, 500)

# Writer Enterprise API 1.7.
PROVIDER = Provider(
    name="writer",
    servers=("https://enterprise-api.writer.com",),
    auth="{api_key}",
    env_var="WRITER_API_KEY",
    url_params=("organization_id",),
    error=ERROR,
    error_statuses=ERROR_STATUSES,
    request_id=("action-id",),
    routes={
        "createCompletion": Route(
            path=f"{_MODEL}/{{model}}/completions",
            stream_path=f"{_MODEL}/{{model}}/completions/stream",
            rename=_COMPLETION_NAMES,
            unsupported=_COMPLETION_LACKS,
            reshape={"prompt": OneText("prompt"), "stop": AsList("stop")},
            reply=_COMPLETION_REPLY,
            event=TEXT_OF_EVENT,
            says_stream=False,
            ends_with_connection=True,
            optional_result=True,
            statuses=_STATUSES,
        ),
        "createModelCustomizationCompletion": Route(
            path=f"{_MODEL}/{{model}}/customization/{{customization_id}}/completions",
            rename=_COMPLETION_NAMES,
            unsupported=_COMPLETION_LACKS,
            reshape={"prompt": OneText("prompt"), "stop": AsList("stop")},
            reply=_COMPLETION_REPLY,
            streams=False,
            says_stream=False,
            optional_result=True,
            statuses=_STATUSES,
        ),
        "listModels": Route(path=_MODEL, unsupported=frozenset({"dedicated"}), statuses=_STATUSES),
    },
)
