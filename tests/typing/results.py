"""Result types of every method: `stream` absent, False, True and a bool; both forms; both colours. Never run."""

from __future__ import annotations

from typing import assert_type

from llmsdk import SDK, EventStream, EventStreamAsync, Preview, errors
from llmsdk.models import (
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatCompletionResponse,
    CompletionChunk,
    CompletionRequest,
    CompletionResponse,
    Image,
    ImageChunk,
    ImageEditRequest,
    ImageRequest,
    ImageResponse,
    ModelInfo,
    ModelList,
    TokenCountResponse,
    ToolCall,
)

Completions = EventStream[CompletionChunk, CompletionResponse]
CompletionsAsync = EventStreamAsync[CompletionChunk, CompletionResponse]
Chats = EventStream[ChatCompletionChunk, ChatCompletionResponse]
ChatsAsync = EventStreamAsync[ChatCompletionChunk, ChatCompletionResponse]
Images = EventStream[ImageChunk, ImageResponse]
ImagesAsync = EventStreamAsync[ImageChunk, ImageResponse]


def completions(sdk: SDK, is_stream: bool) -> None:
    create = sdk.completions.create
    assert_type(create(model="m", prompt="p"), CompletionResponse)
    assert_type(create(model="m", prompt="p", stream=False), CompletionResponse)
    assert_type(create(model="m", prompt="p", stream=True), Completions)
    assert_type(create(model="m", prompt="p", stream=is_stream), CompletionResponse | Completions)
    assert_type(create(model="m", prompt="p", stream=True, idle_timeout_ms=5), Completions)

    request = CompletionRequest(model="m", prompt="p")
    assert_type(create(completion_request=request), CompletionResponse)
    assert_type(create(completion_request=request, stream=False), CompletionResponse)
    assert_type(create(completion_request=request, stream=True), Completions)
    assert_type(create(completion_request=request, stream=is_stream), CompletionResponse | Completions)
    assert_type(create(completion_request={"prompt": "p"}, model_id="m", organization_id=1), CompletionResponse)

    customized = sdk.completions.create_model_customization_completion
    assert_type(customized(model="m", prompt="p", customization_id="c"), CompletionResponse)
    assert_type(
        customized(completion_request=request, customization_id="c", model_id="m", organization_id="o"),
        CompletionResponse,
    )
    assert_type(sdk.completions.preview(model="m", prompt="p"), Preview)


async def completions_async(sdk: SDK, is_stream: bool) -> None:
    create = sdk.completions.create_async
    assert_type(await create(model="m", prompt="p"), CompletionResponse)
    assert_type(await create(model="m", prompt="p", stream=False), CompletionResponse)
    assert_type(await create(model="m", prompt="p", stream=True), CompletionsAsync)
    assert_type(await create(model="m", prompt="p", stream=is_stream), CompletionResponse | CompletionsAsync)

    request = CompletionRequest(model="m", prompt="p")
    assert_type(await create(completion_request=request), CompletionResponse)
    assert_type(await create(completion_request=request, stream=False), CompletionResponse)
    assert_type(await create(completion_request=request, stream=True), CompletionsAsync)
    assert_type(await create(completion_request=request, stream=is_stream), CompletionResponse | CompletionsAsync)

    customized = sdk.completions.create_model_customization_completion_async
    assert_type(await customized(model="m", prompt="p", customization_id="c"), CompletionResponse)
    assert_type(await customized(completion_request=request, customization_id="c", model="m"), CompletionResponse)


async def token_counts(sdk: SDK) -> None:
    assert_type(sdk.chat.count_tokens(model="m", messages=[], tools=[], tool_choice="auto"), TokenCountResponse)
    assert_type(await sdk.chat.count_tokens_async(model="m", messages=[]), TokenCountResponse)
    sdk.chat.count_tokens(model="m")  # type: ignore[call-arg] # messages are required


def chat(sdk: SDK, is_stream: bool) -> None:
    create = sdk.chat.create
    assert_type(create(model="m", messages=[{"role": "user", "content": "p"}]), ChatCompletionResponse)
    assert_type(create(model="m", messages=[], stream=False), ChatCompletionResponse)
    assert_type(create(model="m", messages=[], stream=True), Chats)
    assert_type(create(model="m", messages=[], stream=is_stream), ChatCompletionResponse | Chats)

    request = ChatCompletionRequest(model="m", messages=[])
    assert_type(create(chat_completion_request=request), ChatCompletionResponse)
    assert_type(create(chat_completion_request=request, stream=False), ChatCompletionResponse)
    assert_type(create(chat_completion_request=request, stream=True), Chats)
    assert_type(create(chat_completion_request=request, stream=is_stream), ChatCompletionResponse | Chats)
    assert_type(sdk.chat.preview(model="m", messages=[]), Preview)


async def chat_async(sdk: SDK, is_stream: bool) -> None:
    create = sdk.chat.create_async
    assert_type(await create(model="m", messages=[]), ChatCompletionResponse)
    assert_type(await create(model="m", messages=[], stream=False), ChatCompletionResponse)
    assert_type(await create(model="m", messages=[], stream=True), ChatsAsync)
    assert_type(await create(model="m", messages=[], stream=is_stream), ChatCompletionResponse | ChatsAsync)

    request = ChatCompletionRequest(model="m", messages=[])
    assert_type(await create(chat_completion_request=request), ChatCompletionResponse)
    assert_type(await create(chat_completion_request=request, stream=False), ChatCompletionResponse)
    assert_type(await create(chat_completion_request=request, stream=True), ChatsAsync)
    assert_type(await create(chat_completion_request=request, stream=is_stream), ChatCompletionResponse | ChatsAsync)


def images(sdk: SDK, is_stream: bool) -> None:
    create = sdk.images.create
    assert_type(create(model="m", prompt="p"), ImageResponse)
    assert_type(create(prompt="p", stream=False), ImageResponse)
    assert_type(create(prompt="p", stream=True), Images)
    assert_type(create(prompt="p", stream=is_stream), ImageResponse | Images)

    request = ImageRequest(prompt="p")
    assert_type(create(image_request=request), ImageResponse)
    assert_type(create(image_request=request, stream=False), ImageResponse)
    assert_type(create(image_request=request, stream=True), Images)
    assert_type(create(image_request=request, stream=is_stream), ImageResponse | Images)

    assert_type(sdk.images.edit(prompt="p", image=b"x"), ImageResponse)
    assert_type(sdk.images.edit(prompt="p", image=[b"x", ("a.png", b"y")], mask=b"z"), ImageResponse)
    assert_type(sdk.images.edit(image_edit_request=ImageEditRequest(prompt="p", image=b"x")), ImageResponse)
    assert_type(sdk.images.edit(prompt="p", image=b"x", stream=False), ImageResponse)
    assert_type(
        sdk.images.edit(prompt="p", image=b"x", stream=True, style="vivid"), EventStream[ImageChunk, ImageResponse]
    )
    assert_type(sdk.images.preview(prompt="p"), Preview)


async def images_async(sdk: SDK, is_stream: bool) -> None:
    create = sdk.images.create_async
    assert_type(await create(model="m", prompt="p"), ImageResponse)
    assert_type(await create(prompt="p", stream=False), ImageResponse)
    assert_type(await create(prompt="p", stream=True), ImagesAsync)
    assert_type(await create(prompt="p", stream=is_stream), ImageResponse | ImagesAsync)

    request = ImageRequest(prompt="p")
    assert_type(await create(image_request=request), ImageResponse)
    assert_type(await create(image_request=request, stream=False), ImageResponse)
    assert_type(await create(image_request=request, stream=True), ImagesAsync)
    assert_type(await create(image_request=request, stream=is_stream), ImageResponse | ImagesAsync)

    assert_type(await sdk.images.edit_async(prompt="p", image=b"x"), ImageResponse)
    assert_type(
        await sdk.images.edit_async(prompt="p", image=b"x", stream=True), EventStreamAsync[ImageChunk, ImageResponse]
    )
    assert_type(await sdk.images.edit_async(image_edit_request={"prompt": "p", "image": b"x"}), ImageResponse)


def models(sdk: SDK) -> None:
    assert_type(sdk.models.list(), ModelList)
    assert_type(sdk.models.list(dedicated=True, server="together"), ModelList)
    assert_type(sdk.models.retrieve("m"), ModelInfo)
    assert_type(sdk.models.retrieve(model="m", timeout_ms=5), ModelInfo)
    for model in sdk.models.list():
        assert_type(model, ModelInfo)
    assert_type(sdk.models.preview(), Preview)


async def models_async(sdk: SDK) -> None:
    assert_type(await sdk.models.list_async(), ModelList)
    assert_type(await sdk.models.retrieve_async("m"), ModelInfo)


def inside_replies(sdk: SDK) -> None:
    reply = sdk.chat.create(model="m", messages=[])
    assert_type(reply.text, str)
    assert_type(reply.meta, errors.ReplyMeta)
    assert_type(reply.meta.attempts, tuple[errors.Attempt, ...])
    assert_type(reply.meta.rate_limit.tokens.remaining, float | None)
    assert_type(reply.choices[0].message.content, str | None)
    assert_type(reply.tool_calls, list[ToolCall])
    assert_type(sdk.images.create(prompt="p").data[0], Image)
    assert_type(sdk.completions.create(model="m", prompt="p").choices[0].text, str | None)


def inside_streams(sdk: SDK) -> None:
    with sdk.chat.create(model="m", messages=[], stream=True) as stream:
        assert_type(stream, Chats)
        for event in stream:
            assert_type(event, ChatCompletionChunk)
            assert_type(event.choices[0].delta.content, str | None)
        for text in stream.text_deltas():
            assert_type(text, str)
        assert_type(next(stream), ChatCompletionChunk)
        assert_type(stream.partial, ChatCompletionResponse)
        assert_type(stream.final, ChatCompletionResponse)
        assert_type(stream.meta, errors.ReplyMeta)


async def inside_streams_async(sdk: SDK) -> None:
    async with await sdk.chat.create_async(model="m", messages=[], stream=True) as stream:
        assert_type(stream, ChatsAsync)
        async for event in stream:
            assert_type(event, ChatCompletionChunk)
        async for text in stream.text_deltas():
            assert_type(text, str)
        assert_type(stream.final, ChatCompletionResponse)


def with_blocks() -> None:
    with SDK(api_key="sk-placeholder") as sdk:
        assert_type(sdk, SDK)


async def with_blocks_async() -> None:
    async with SDK(api_key="sk-placeholder") as sdk:
        assert_type(sdk, SDK)
