"""Chat completion."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.chat import ChatAccumulator, ChatCompletionChunk, ChatCompletionRequest, ChatCompletionResponse, as_chunk
from ...models.token_counts import TokenCountRequest, TokenCountResponse

CREATE_CHAT_COMPLETION = Operation(
    id="createChatCompletion",
    resource="chat",
    name="create",
    example=Example(
        args=('model="embedded-chat"', 'messages=[{"role": "user", "content": "Why is the sky blue?"}]'),
        shows="print(res.text)",
        streamed='for text in stream.text_deltas():\n    print(text, end="")\nprint()\nprint(stream.final.model)',
    ),
    path="/chat/completions",
    request=ChatCompletionRequest,
    request_name="chat_completion_request",
    required=frozenset({"model", "messages"}),
    reply=ChatCompletionResponse,
    # The names here and in the other files are those of OpenTelemetry's semantic conventions for generative AI.
    traced_as="chat",
    chunk=ChatCompletionChunk,
    accumulator=ChatAccumulator,
    as_chunk=as_chunk,
    results=1,  # whatever `n` is: servers may make fewer choices, and one that makes none has to say why
)

COUNT_TOKENS = Operation(
    id="countTokens",
    resource="chat",
    name="count_tokens",
    example=Example(
        args=('model="embedded-chat"', 'messages=[{"role": "user", "content": "Why is the sky blue?"}]'),
        shows="print(res.input_tokens)",
    ),
    path="/chat/count_tokens",  # of the embedded provider; each of the others has its own
    request=TokenCountRequest,
    required=frozenset({"model", "messages"}),
    reply=TokenCountResponse,
    traced_as=None,  # no model works here
    content="input_tokens",
)
