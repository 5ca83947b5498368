"""Text completion."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.completions import (
    CompletionAccumulator,
    CompletionChunk,
    CompletionRequest,
    CompletionResponse,
    CustomizationCompletionRequest,
    as_chunk,
)

CREATE_COMPLETION = Operation(
    id="createCompletion",
    resource="completions",
    name="create",
    example=Example(
        args=('model="embedded-text"', 'prompt="Once upon a time"', "max_tokens=50"),
        shows="print(res.text)",
        streamed='for text in stream.text_deltas():\n    print(text, end="")\nprint()\nprint(stream.final.model)',
    ),
    path="/completions",
    request=CompletionRequest,
    request_name="completion_request",
    required=frozenset({"model", "prompt"}),
    reply=CompletionResponse,
    traced_as="text_completion",
    chunk=CompletionChunk,
    accumulator=CompletionAccumulator,
    as_chunk=as_chunk,
    results=1,
)

# An endpoint of its own and not a parameter: at the one server that has it, it has another path and does not stream.
CREATE_MODEL_CUSTOMIZATION_COMPLETION = Operation(
    id="createModelCustomizationCompletion",
    resource="completions",
    name="create_model_customization_completion",
    example=Example(
        args=('model_id="palmyra-x"', 'customization_id="support-tone"', 'prompt="Dear customer"'),
        shows="print(res.text)",
    ),
    path="/completions",
    request=CustomizationCompletionRequest,
    request_name="completion_request",
    required=frozenset({"model", "customization_id", "prompt"}),
    reply=CompletionResponse,
    results=1,
    traced_as="text_completion",
)
