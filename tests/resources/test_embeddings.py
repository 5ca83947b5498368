"""`sdk.embeddings`: what is sent, what comes back, and vectors as arrays; over the embedded provider."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from llmsdk import SDK, errors, models
from llmsdk.local import LocalServer
from llmsdk.models.embeddings import Embedding
from llmsdk.providers import PROVIDERS
from support.colours import KEY, Colour


def closeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_texts_become_unit_vectors(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        reply = await client.call("embeddings.create", model="m", input=["a red cat", "a red dog", "tax law"])
        again = await client.call("embeddings.create", model="m", input="a red cat")
    assert isinstance(reply, models.EmbeddingsResponse)
    assert [item.index for item in reply.data] == [0, 1, 2]
    cat, dog, law = (item.embedding for item in reply.data)
    assert again.data[0].embedding == cat
    assert math.isclose(math.hypot(*cat), 1.0, rel_tol=1e-6)
    assert closeness(cat, dog) > closeness(cat, law)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (8, 8)
    assert reply.meta.server == "local"


async def test_base64_says_the_same_as_floats(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        floats = await client.call("embeddings.create", model="m", input="cat", dimensions=5)
        packed = await client.call("embeddings.create", model="m", input="cat", dimensions=5, encoding_format="base64")
    assert len(floats.data[0].embedding) == 5
    assert isinstance(packed.data[0].embedding, str)
    assert packed.data[0].as_array() == floats.data[0].as_array() == array("f", floats.data[0].embedding)
    assert packed.data[0].as_array().tolist() == floats.data[0].embedding


def test_token_ids_are_taken() -> None:
    with SDK(server="local") as sdk:
        one = sdk.embeddings.create(model="m", input=[1, 2, 3])
        two = sdk.embeddings.create(model="m", input=[[1, 2, 3], [4]])
    assert len(one.data) == 1
    assert two.data[0].embedding == one.data[0].embedding
    assert len(two.data) == 2


def test_the_dump_is_what_came() -> None:
    sent = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1, -0.25, 3e-9]}], "more": 1}
    reply = models.EmbeddingsResponse.model_validate_json(
        '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,-0.25,3e-9]}],"more":1}'
    )
    assert reply.model_dump(exclude_unset=True) == sent
    assert type(reply.data[0].model_dump()["embedding"][0]) is int


def test_the_bytes_of_base64_are_little_endian_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [1.0, -2.5, 0.125]
    item = Embedding(embedding=b64encode(struct.pack("<3f", *numbers)).decode())
    assert item.as_array().tolist() == numbers
    swapped = struct.pack(">3f", *numbers)  # what frombytes() of a big-endian machine would have to be given
    monkeypatch.setattr(sys, "byteorder", {"little": "big", "big": "little"}[sys.byteorder])
    item = Embedding(embedding=b64encode(swapped).decode())
    assert item.as_array().tolist() == numbers


@pytest.mark.parametrize("sent", ["not base64!", b64encode(b"12345").decode(), None, {"a": 1}, ["x"], [10**400]])
def test_a_vector_that_is_none_is_kept_and_refused_when_asked(sent: Any) -> None:
    item = Embedding.model_validate({"embedding": sent})
    assert item.model_dump()["embedding"] == sent
    with pytest.raises(errors.ResponseValidationError, match=r"^embedding: neither a list of numbers nor base64"):
        item.as_array()


def test_numpy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(errors.ConfigurationError, match=r"pip install 'llmsdk\[numpy\]'") as caught:
        Embedding(embedding=[1.0]).as_numpy()
    assert "\n" not in str(caught.value)


def test_numpy_arrays_are_made_of_both_formats() -> None:
    numpy = pytest.importorskip("numpy")
    packed = b64encode(struct.pack("<2f", 0.5, -1.0)).decode()
    for sent in (packed, [0.5, -1.0]):
        vector = Embedding(embedding=sent).as_numpy()
        assert vector.dtype == numpy.float32
        assert vector.tolist() == [0.5, -1.0]


@pytest.mark.parametrize("server", ["together", "r9s", "openai", "local"])
def test_every_dialect_that_has_embeddings(server: str) -> None:
    provider = PROVIDERS[server]
    with LocalServer(dialect=provider) as local:
        there = replace(provider, servers=(local.url,), embedded=False)
        with SDK(server=there, api_key={server: KEY}) as sdk:
            reply = sdk.embeddings.create(model="m", input="cat")
            assert len(reply.data[0].as_array()) == 32
            assert local.requests[0].path.endswith("/embeddings")
            assert (reply.usage is None) == (server == "together")
            preview = sdk.embeddings.preview(model="m", input="cat")
            assert preview.url == f"{local.url}/embeddings"
    assert preview.body == {"model": "m", "input": "cat"}


def test_servers_without_embeddings_say_who_has_them() -> None:
    with SDK(server="writer_v1", api_key=KEY) as sdk, pytest.raises(errors.UnsupportedOperationError) as caught:
        sdk.embeddings.create(model="m", input="cat")
    assert caught.value.servers[:4] == ("together", "r9s", "openai", "local")


@pytest.mark.parametrize("name", ["dimensions", "encoding_format", "input_type", "user"])
def test_together_takes_model_and_texts_only(name: str) -> None:
    given: dict[str, Any] = {name: 8 if name == "dimensions" else "x"}
    with SDK(server="together", api_key=KEY) as sdk:
        with pytest.raises(errors.UnsupportedParameterError, match=rf"^{name}: server 'together'"):
            sdk.embeddings.create(model="m", input="cat", **given)
        assert sdk.embeddings.preview(model="m", input="cat", unsupported="drop", **given).dropped == (name,)


@pytest.mark.parametrize(
    "given, message",
    [
        ({}, "input: required by embeddings.create"),
        ({"input": None}, "input: required by embeddings.create"),
        ({"input": 3}, "input: must be .* got int"),
        ({"input": [1.5]}, r"input\[0\]: must be .* got float"),
        ({"input": (word for word in "ab")}, "input: must be .* got generator"),
        ({"input": "a", "dimensions": "8"}, "dimensions: must be an integer.*got str"),
        ({"input": "a", "stream": True}, "stream: unknown parameter"),
        ({"input": "a", "dimension": 8}, "dimension: unknown parameter.*did you mean 'dimensions'"),
    ],
)
def test_bad_input_is_named_before_anything_is_sent(given: dict[str, Any], message: str) -> None:
    with SDK(server="openai", server_url="http://127.0.0.1:9") as sdk:
        with pytest.raises(errors.RequestValidationError, match=f"^{message}") as caught:
            sdk.embeddings.create(model="m", **given)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("empty", ["", [], ["a", ""], [[]]])
def test_the_embedded_provider_refuses_empty_inputs(empty: Any) -> None:
    with SDK(server="local") as sdk, pytest.raises(errors.BadRequestError, match="input must not be empty"):
        sdk.embeddings.create(model="m", input=empty)


def test_an_error_object_in_a_good_reply_is_raised() -> None:
    body = {"error": {"message": "slow down", "code": 429}}
    slow = pytest.raises(errors.RateLimitError, match="slow down")
    with LocalServer(faults=[{"body": body}]) as local, SDK(server_url=local.url) as sdk, slow:
        sdk.embeddings.create(model="m", input="cat")
