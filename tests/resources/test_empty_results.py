"""A reply without what was asked for is no reply, streamed or not, and is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmsdk import errors
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

VECTOR = {"object": "embedding", "index": 0, "embedding": [0.5]}


@pytest.mark.parametrize(
    "given, count",
    [("a", 1), (["a"], 1), (["a", "b"], 2), (("a", "b", "c"), 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
)
async def test_there_is_a_vector_for_each_input(given: Any, count: int, colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for data in ([], None, [VECTOR] * (count - 1)):
            canned.reply(200, {"object": "list", "data": data})
            with pytest.raises(errors.ResponseValidationError, match="not an embeddings reply: data: ") as caught:
                await client.call("embeddings.create", model="m", input=given)
            assert json.loads(caught.value.body)["data"] == data
        canned.reply(200, {"object": "list", "data": [VECTOR] * count})
        assert len((await client.call("embeddings.create", model="m", input=given)).data) == count


@pytest.mark.parametrize("vector", [[], None, ""])
async def test_a_vector_without_numbers_is_none(vector: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"data": [VECTOR, {"index": 1, "embedding": vector}]})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.ResponseValidationError, match="data: 1 of 2 results"):
            await client.call("embeddings.create", model="m", input=["a", "b"])
        canned.reply(200, {"data": [{"index": 0, "embedding": vector}], "detail": "too long"})
        with pytest.raises(errors.SDKDefaultError, match="too long"):
            await client.call("embeddings.create", model="m", input="a")


async def test_an_input_beside_the_vocabulary_is_counted_too(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        canned.reply(200, {"object": "list", "data": [VECTOR]})
        pictures = {"input": {"image": "data:"}}
        assert (await client.call("embeddings.create", model="m", input="a", extra_body=pictures)).data
        with pytest.raises(errors.ResponseValidationError, match="1 of 2 results"):
            await client.call("embeddings.create", model="m", input="a", extra_body={"input": ["a", "b"]})


@pytest.mark.parametrize("data", [[], None])
async def test_there_is_an_image_at_least(data: Any, colour: Colour, canned: CannedServer) -> None:
    body = {"created": 1, "data": data}
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for more in ({}, {"n": 3}, {"stream": True}):
            canned.reply(200, body, {"content-type": "application/json"})
            with pytest.raises(errors.ResponseValidationError, match="data: it is empty") as caught:
                made = await client.call("images.create", model="m", prompt="p", **more)
                await collect(made)
            assert json.loads(caught.value.body) == body
        with pytest.raises(errors.ResponseValidationError, match="data: it is empty"):
            await client.call("images.edit", model="m", prompt="p", image=b"x")


async def test_a_stream_without_an_image_is_an_error(colour: Colour, canned: CannedServer) -> None:
    progress = {"created": 1, "data": []}
    canned.stream(f"data: {json.dumps(progress)}\n\ndata: [DONE]\n\n".encode())
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.ResponseValidationError, match="the stream ended without data") as caught:
            await client.events("images.create", model="m", prompt="p")
    assert caught.value.partial.created == 1


async def test_lists_may_be_empty(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for method in ("models.list", "files.list", "batches.list"):
            canned.reply(200, {"object": "list", "data": []})
            assert list(await client.call(method)) == []
