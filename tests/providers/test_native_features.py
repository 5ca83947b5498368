"""What chat does beyond one call, over the native protocols: the embedded provider answers in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from llmsdk import SDK, Failover, errors, tool
from llmsdk.local import Fault, LocalServer
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer

NATIVE = ["anthropic", "gemini", "openai_responses"]
HELLO: list[Any] = [{"role": "user", "content": "Hi there"}]
ASK: dict[str, Any] = {"model": "m", "max_tokens": 200}


class City(BaseModel):
    name: str
    size: int


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: Where.
    """
    return f"sunny in {city}"


@pytest.fixture(params=NATIVE)
def native(request: pytest.FixtureRequest) -> Iterator[tuple[str, LocalServer]]:
    with LocalServer(dialect=request.param) as server:
        yield request.param, server


@pytest.fixture
def sdk(native: tuple[str, LocalServer]) -> Iterator[SDK]:
    name, server = native
    with SDK(server=name, server_url=server.url, api_key="sk-placeholder") as made:
        yield made


def test_answers_as_types(sdk: SDK) -> None:
    reply = sdk.chat.parse(**ASK, messages=HELLO, response_format=City)
    assert isinstance(reply.parsed, City)
    with sdk.chat.parse(**ASK, messages=HELLO, response_format=City, stream=True) as stream:
        assert list(stream)
        assert isinstance(stream.final.parsed, City)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(ge=0, le=9, description="How many are left.")


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    born: datetime
    email: str = Field(min_length=3, json_schema_extra={"format": "idn-email"})


class Pets(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = Field(max_length=3)


def test_schemas_are_written_as_anthropic_takes_them() -> None:
    with (
        LocalServer("anthropic") as server,
        SDK(server="anthropic", server_url=server.url, api_key="sk-placeholder") as sdk,
    ):
        sdk.chat.parse(**ASK, messages=HELLO, response_format=Pets)
        schema = server.requests[-1].json["output_config"]["format"]["schema"]
    pets, cat, dog = schema["properties"]["pets"], schema["$defs"]["Cat"], schema["$defs"]["Dog"]
    assert pets == {
        "type": "array",
        "items": {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]},
        "description": "maxItems: 3",
    }
    assert cat["properties"]["lives"] == {
        "type": "integer",
        "description": "How many are left. (maximum: 9; minimum: 0)",
    }
    assert dog["properties"]["born"] == {"type": "string", "format": "date-time"}
    assert dog["properties"]["email"] == {"type": "string", "description": "format: idn-email; minLength: 3"}
    assert [part["additionalProperties"] for part in (schema, cat, dog)] == [False] * 3


def test_functions_as_tools(sdk: SDK) -> None:
    asked: list[Any] = [{"role": "user", "content": "What's the weather in Lima?"}]
    run = sdk.chat.run_tools(**ASK, messages=asked, tools=[weather])
    assert [result.content.startswith("sunny in") for step in run.rounds for result in step.results] == [True]
    assert "sunny in" in run.text
    with sdk.chat.run_tools(**ASK, messages=asked, tools=[weather], stream=True) as stream:
        assert list(stream)
        assert "sunny in" in stream.final.text


def test_many_requests(sdk: SDK) -> None:
    rows = [{**ASK, "messages": [{"role": "user", "content": f"Say {number}"}]} for number in range(5)]
    found = dict(sdk.chat.map(rows, limit=2))
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert [f"Say {number}" in getattr(found[number], "text", "") for number in range(5)] == [True] * 5


def test_previews_hide_the_key(sdk: SDK) -> None:
    shown = sdk.chat.preview(**ASK, messages=HELLO)
    assert "***" in str(shown.headers)
    assert "sk-placeholder" not in repr(shown) + shown.as_curl()


def test_usage_is_counted(sdk: SDK) -> None:
    sdk.chat.create(**ASK, messages=HELLO)
    with sdk.chat.create(**ASK, messages=HELLO, stream=True) as stream:
        list(stream)
    assert sdk.usage.total_tokens == 2 * sdk.chat.create(**ASK, messages=HELLO).usage.total_tokens


def test_tokens_are_counted_and_cost_nothing(sdk: SDK) -> None:
    asked: dict[str, Any] = {"model": "m", "messages": HELLO}
    count = sdk.chat.count_tokens(**asked)
    assert sdk.usage.total_tokens == 0
    assert count.input_tokens == sdk.chat.create(**asked, max_tokens=200).usage.prompt_tokens > 0
    assert sdk.chat.count_tokens(**asked, tools=[weather.param], tool_choice="auto").input_tokens > 0
    assert anyio.run(lambda: sdk.chat.count_tokens_async(**asked)).input_tokens == count.input_tokens
    with pytest.raises(errors.NotFoundError):
        sdk.chat.count_tokens(model="missing", messages=HELLO)


def test_tokens_are_counted_where_the_server_can() -> None:
    with (
        SDK(server="together", api_key="sk-placeholder") as sdk,
        pytest.raises(errors.RequestValidationError) as caught,
    ):
        sdk.chat.count_tokens(model="m", messages=HELLO)
    assert isinstance(caught.value, errors.UnsupportedOperationError)
    assert caught.value.servers == ("local", *NATIVE)


def test_async(native: tuple[str, LocalServer]) -> None:
    name, server = native
    anyio.run(_both_ways, name, server.url)


async def _both_ways(name: str, url: str) -> None:
    async with SDK(server=name, server_url=url, api_key="sk-placeholder") as sdk:
        reply = await sdk.chat.create_async(**ASK, messages=HELLO)
        async with await sdk.chat.create_async(**ASK, messages=HELLO, stream=True) as stream:
            text = "".join([piece async for piece in stream.text_deltas()])
        assert text == reply.text == stream.final.text


def test_faults_are_the_usual_errors(native: tuple[str, LocalServer], sdk: SDK) -> None:
    _, server = native
    server.script(Fault(status=401))
    with pytest.raises(errors.AuthenticationError):
        sdk.chat.create(**ASK, messages=HELLO, retries=None)
    server.script(Fault(cut_after_events=1))
    with sdk.chat.create(**ASK, messages=HELLO, stream=True) as stream, pytest.raises(errors.StreamInterruptedError):
        list(stream)


MOVES = [(one, other) for one in [*NATIVE, "together"] for other in [*NATIVE, "together", "openai"] if one != other]


@pytest.mark.parametrize("first, second", MOVES)
def test_a_conversation_moves_to_another_protocol(first: str, second: str) -> None:
    """Blocks go back to their own server alone; to any other one goes their text, and what it called."""
    with LocalServer(dialect=first) as one, LocalServer(dialect=second) as other:
        providers = [
            replace(PROVIDERS[name], servers=(server.url,)) for name, server in ((first, one), (second, other))
        ]
        keys = dict.fromkeys((first, second), "sk-placeholder")
        with SDK(api_key=keys, failover=Failover(providers), retry_config=None) as sdk:
            reply = sdk.chat.create(**ASK, messages=HELLO)
            assert reply.meta.server == first
            one.script(Fault(status=503))
            more = [*HELLO, reply.choices[0].message, {"role": "user", "content": "And then?"}]
            again = sdk.chat.create(**ASK, messages=more)
        assert again.meta.server == second
        sent = str(other.requests[-1].json)
        assert "blocks" not in sent
        assert reply.text in sent.replace('\\"', '"')


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("event", [b"[1]", b'"text"', b"7"])
def test_an_event_that_is_no_object_is_shown_as_it_came(canned: CannedServer, name: str, event: bytes) -> None:
    canned.stream(b"data: " + event + b"\n\n")
    with (
        SDK(server=name, server_url=canned.url, api_key="sk-placeholder") as sdk,
        sdk.chat.create(**ASK, messages=HELLO, stream=True) as stream,
        pytest.raises(errors.ResponseValidationError) as caught,
    ):
        list(stream)
    assert event.decode() in (caught.value.body or "")
