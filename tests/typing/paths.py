"""Calls to any path: what `cast_to` and `stream` make of the reply."""

from typing import Any, TypedDict, assert_type

from pydantic import BaseModel

from llmsdk import SDK, EventStream, EventStreamAsync
from llmsdk.models import ChatCompletionChunk, JsonObject


class Graph(BaseModel):
    id: str


class Row(TypedDict):
    id: str


def plain(sdk: SDK) -> None:
    assert_type(sdk.get("/graphs"), JsonObject)
    assert_type(sdk.get("/graphs").meta.request_id, str | None)
    assert_type(sdk.get("/graphs/1", cast_to=Graph), Graph)
    assert_type(sdk.get("/graphs/1", cast_to=Row), Row)
    assert_type(sdk.post("/graphs", body={"name": "g"}, cast_to=bytes), bytes)
    assert_type(sdk.put("/graphs/1", body={"name": "h"}), JsonObject)
    assert_type(sdk.put("/graphs/1", body={"name": "h"}, cast_to=Graph), Graph)
    assert_type(sdk.delete("/graphs/1", cast_to=dict[str, Any]), dict[str, Any])


def streamed(sdk: SDK) -> None:
    assert_type(sdk.post("/ask", stream=True), EventStream[JsonObject, list[JsonObject]])
    assert_type(sdk.post("/ask", stream=True, cast_to=Graph).final, list[Graph])
    for chunk in sdk.post("/chat/completions", stream=True, cast_to=ChatCompletionChunk):
        assert_type(chunk, ChatCompletionChunk)


def either(sdk: SDK, stream: bool) -> None:
    assert_type(sdk.post("/ask", stream=stream), JsonObject | EventStream[JsonObject, list[JsonObject]])
    assert_type(sdk.get("/ask", stream=stream, cast_to=Graph), Graph | EventStream[Graph, list[Graph]])


async def asynchronous(sdk: SDK) -> None:
    assert_type(await sdk.get_async("/graphs/1", cast_to=Graph), Graph)
    assert_type(await sdk.patch_async("/graphs/1"), JsonObject)
    assert_type(await sdk.post_async("/ask", stream=True), EventStreamAsync[JsonObject, list[JsonObject]])


def mistakes(sdk: SDK) -> None:
    sdk.get("/graphs", body={})  # type: ignore[call-overload]
    sdk.post(1)  # type: ignore[call-overload]
