"""What checkers must refuse: each ignored line is an error in both, or the unused comment is one. Never run."""

from __future__ import annotations

import llmsdk
import llmsdk.local
import llmsdk.models
import llmsdk.utils
from llmsdk import SDK, EventStream
from llmsdk.models import CompletionRequest, ImageChunk


def misnamed() -> None:
    print(llmsdk.errors.RateLimitErr)  # type: ignore[attr-defined] # misnamed
    print(llmsdk.Retries)  # type: ignore[attr-defined] # misnamed
    print(llmsdk.local.Falt)  # type: ignore[attr-defined] # misnamed
    print(llmsdk.models.Whatever)  # type: ignore[attr-defined] # misnamed
    print(llmsdk.utils.Whatever)  # type: ignore[attr-defined] # misnamed


def misspelt(sdk: SDK) -> None:
    sdk.completions.create(model="m", prompt="p", max_tokns=5)  # type: ignore[call-overload] # misspelt
    sdk.chat.create(model="m", messages=[], temprature=1)  # type: ignore[call-overload] # misspelt
    sdk.images.create(prompt="p", widht=5)  # type: ignore[call-overload] # misspelt
    sdk.images.edit(prompt="p", image=b"x", maks=b"y")  # type: ignore[call-overload] # misspelt
    sdk.models.list(dedicate=True)  # type: ignore[call-arg] # misspelt
    sdk.completions.create(completion_request={"prompt": "p", "max_tokns": 5})  # type: ignore[call-overload] # misspelt
    sdk.chat.create(model="m", messages=[], timeout=5)  # type: ignore[call-overload] # misspelt
    SDK(server="togehter")  # type: ignore[arg-type] # misspelt
    sdk.chat.create(model="m", messages=[], server="opneai")  # type: ignore[call-overload] # misspelt
    SDK(api_kye="sk-placeholder")  # type: ignore[call-arg] # misspelt
    CompletionRequest(model="m", prompt="p", top_q=1)  # type: ignore[typeddict-unknown-key] # misspelt


async def misspelt_async(sdk: SDK) -> None:
    await sdk.completions.create_async(model="m", prompt="p", max_tokns=5)  # type: ignore[call-overload] # misspelt
    await sdk.chat.create_async(model="m", messages=[], temprature=1)  # type: ignore[call-overload] # misspelt
    await sdk.images.create_async(prompt="p", widht=5)  # type: ignore[call-overload] # misspelt
    await sdk.models.list_async(dedicate=True)  # type: ignore[call-arg] # misspelt


def missing(sdk: SDK) -> None:
    sdk.completions.create(model="m")  # type: ignore[call-overload] # missing
    sdk.completions.create(prompt="p")  # type: ignore[call-overload] # missing
    sdk.chat.create(model="m")  # type: ignore[call-overload] # missing
    sdk.chat.create(messages=[])  # type: ignore[call-overload] # missing
    sdk.images.create(model="m")  # type: ignore[call-overload] # missing
    sdk.images.edit(prompt="p")  # type: ignore[call-overload] # missing
    sdk.models.retrieve()  # type: ignore[call-arg] # missing
    customized = sdk.completions.create_model_customization_completion
    customized(model="m", prompt="p")  # type: ignore[call-overload] # missing
    sdk.completions.create(completion_request={"model": "m"})  # type: ignore[call-overload] # missing


async def missing_async(sdk: SDK) -> None:
    await sdk.completions.create_async(model="m")  # type: ignore[call-overload] # missing
    await sdk.chat.create_async(model="m")  # type: ignore[call-overload] # missing
    await sdk.images.create_async(model="m")  # type: ignore[call-overload] # missing
    await sdk.models.retrieve_async()  # type: ignore[call-arg] # missing


def mistyped(sdk: SDK) -> None:
    sdk.completions.create(model="m", prompt="p", max_tokens="5")  # type: ignore[call-overload] # mistyped
    sdk.completions.create(model="m", prompt=5.0)  # type: ignore[call-overload] # mistyped
    sdk.completions.create(model=5, prompt="p")  # type: ignore[call-overload] # mistyped
    sdk.completions.create(model="m", prompt="p", stop=5)  # type: ignore[call-overload] # mistyped
    sdk.completions.create(model="m", prompt="p", stream="yes")  # type: ignore[call-overload] # mistyped
    sdk.chat.create(model="m", messages="Hi")  # type: ignore[arg-type] # mistyped
    sdk.chat.create(model="m", messages=[5])  # type: ignore[list-item] # mistyped
    sdk.chat.create(model="m", messages=[], tool_choice=5)  # type: ignore[call-overload] # mistyped
    sdk.images.create(prompt="p", width="512")  # type: ignore[call-overload] # mistyped
    sdk.images.edit(prompt="p", image="photo.png")  # type: ignore[call-overload] # mistyped
    sdk.models.retrieve(5)  # type: ignore[arg-type] # mistyped
    sdk.chat.create(model="m", messages=[], retries="3")  # type: ignore[call-overload] # mistyped
    sdk.chat.create(model="m", messages=[], unsupported="ignore")  # type: ignore[call-overload] # mistyped
    SDK(api_key=5)  # type: ignore[arg-type] # mistyped
    SDK(timeout_ms="5")  # type: ignore[arg-type] # mistyped
    SDK(unsupported="ignore")  # type: ignore[arg-type] # mistyped


async def mistyped_async(sdk: SDK) -> None:
    await sdk.completions.create_async(model="m", prompt="p", max_tokens="5")  # type: ignore[call-overload] # mistyped
    await sdk.chat.create_async(model="m", messages="Hi")  # type: ignore[arg-type] # mistyped
    await sdk.images.create_async(prompt="p", width="512")  # type: ignore[call-overload] # mistyped


def misused(sdk: SDK) -> None:
    sdk.completions.create("m", "p")  # type: ignore[call-overload] # misused
    sdk.completions.create(completion_request={"prompt": "p"}, prompt="p")  # type: ignore[call-overload] # misused
    sdk.chat.create(chat_completion_request={"messages": []}, temperature=1)  # type: ignore[call-overload] # misused
    sdk.models.list(stream=True)  # type: ignore[call-arg] # misused
    print(sdk.completions.create(model="m", prompt="p", stream=True).choices)  # type: ignore[attr-defined] # misused
    print(sdk.completions.create(model="m", prompt="p").final)  # type: ignore[attr-defined] # misused
    ints: EventStream[ImageChunk, int] = sdk.chat.create(model="m", messages=[], stream=True)  # type: ignore[assignment] # misused
    print(ints)
    print(sdk.chat.create_async(model="m", messages=[]).choices)  # type: ignore[attr-defined] # misused
