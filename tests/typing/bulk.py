"""What `map` gives, as the checkers see it."""

from collections.abc import AsyncIterator
from typing import assert_type

from llmsdk import SDK, Adaptive
from llmsdk.errors import SDKError
from llmsdk.models import ChatCompletionRequest, ChatCompletionResponse, EmbeddingsResponse


def check(sdk: SDK) -> None:
    for index, reply in sdk.chat.map([{"model": "m", "messages": []}], limit=Adaptive(), ordered=True, deadline_ms=1):
        assert_type(index, int)
        assert_type(reply, ChatCompletionResponse | SDKError)


async def check_async(sdk: SDK, rows: AsyncIterator[ChatCompletionRequest]) -> None:
    async for _, reply in sdk.chat.map_async(rows, limit=8):
        assert_type(reply, ChatCompletionResponse | SDKError)
    async for _, vectors in sdk.embeddings.map_async([{"model": "m", "input": "a"}]):
        assert_type(vectors, EmbeddingsResponse | SDKError)
