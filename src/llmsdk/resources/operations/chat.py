"""Chat completion."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.chat import ChatAccumulator, ChatCompletionChunk, ChatCompletionRequest, ChatCompletionResponse, as_chunk

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
