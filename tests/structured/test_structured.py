"""`chat.parse`: every kind of type, every way of asking, refusals, cuts, reasks and streams, in both colours."""

from __future__ import annotations

import copy
import enum
import json
import pickle
import sys
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from llmsdk import SDK, Failover, Provider, Route, errors
from llmsdk.local import LocalServer
from llmsdk.models import ChatCompletionChunk, ChatCompletionResponse
from llmsdk.providers import Structured
from llmsdk.structured import ParsedChatCompletion
from llmsdk.structured.asking import common
from llmsdk.structured.forms import AnswerProblems, Ask, form_of, partial_json
from llmsdk.structured.schemas import fitted
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect

USER = {"role": "user", "content": "An order for Ann, please"}


class Item(BaseModel):
    name: str
    price: float = Field(ge=0, description="In euro.")
    tags: list[str] = []


class Order(BaseModel):
    items: list[Item]
    note: str | None = None
    count: int = 3


@dataclass
class Point:
    x: int
    y: int = 4
    labels: list[str] = field(default_factory=list)


class Row(typing_extensions.TypedDict):
    name: str
    size: typing_extensions.NotRequired[int]


class OlderRow(typing.TypedDict):
    name: str
    inner: list[OlderInner]


class OlderInner(typing.TypedDict, total=False):
    size: int


class Node(BaseModel):
    name: str
    children: list[Node] = []
    next: Node | None = None


class Colouring(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    colour: Colouring
    when: datetime
    code: Annotated[str, Field(min_length=3, max_length=5)]
    born: date | None = None
    price: Decimal = Decimal(2)


KINDS: list[Any] = [
    Order,
    Point,
    Row,
    OlderRow,
    Node,
    Owner,
    Colouring,
    int,
    list[Item],
    dict[str, int],
    tuple[int, str],
    TypeAdapter(int | str),
    TypeAdapter(Cat | Dog),
    TypeAdapter(Annotated[int, Field(ge=7, le=9)]),
]


def answer(content: Any, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, **message}
    return {"id": "c", "choices": [{"index": 0, "message": said, "finish_reason": finish_reason}]}


def dialect(**structured: Any) -> Provider:
    chat = Route(structured=Structured(**structured))
    return Provider(name="mine", auth=None, key_required=False, routes={"createChatCompletion": chat})


WAYS = {
    "json_schema_strict": {},
    "json_schema": {"strict": False},
    "json_object": {"way": "json_object"},
    "tool": {"way": "tool"},
}


# ---------------------------------------------------------------- kinds and ways


@pytest.mark.parametrize("kind", KINDS, ids=repr)
async def test_every_kind_of_type(kind: Any, colour: Colour) -> None:
    async with colour.open(server="local") as client:
        reply = await client.call("chat.parse", model="m", messages=[USER], response_format=kind)
    assert isinstance(reply, ParsedChatCompletion)
    assert isinstance(reply, ChatCompletionResponse)
    if isinstance(kind, type) and not typing.is_typeddict(kind) and not typing_extensions.is_typeddict(kind):
        assert isinstance(reply.parsed, typing.get_origin(kind) or kind)
    adapter = kind if isinstance(kind, TypeAdapter) else form_of(kind).adapter
    assert adapter.validate_python(reply.parsed) == reply.parsed
    assert reply.meta.status_code == 200
    assert "parsed" not in reply.model_dump()
    assert json.loads(reply.text) is not None


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_asking(way: str, colour: Colour) -> None:
    provider = dialect(**WAYS[way])
    with LocalServer(dialect=provider) as server:
        async with colour.open(server=provider, server_url=server.url) as client:
            reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Owner)
            stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Owner, stream=True)
            await collect(stream)
        asked = json.loads(server.requests[0].body)
    assert isinstance(reply.parsed, Owner)
    assert reply.meta.structured == stream.meta.structured == way
    assert stream.final.parsed == reply.parsed
    assert stream.final.text == reply.text
    assert ("tools" in asked) == (way == "tool")
    assert len(asked["messages"]) == (2 if way == "json_object" else 1)


@pytest.mark.also_trio
async def test_a_stream_grows(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Order, stream=True)
        assert stream.meta.structured == "json_schema_strict"
        with pytest.raises(errors.ConfigurationError):
            _ = stream.final
        seen = []
        async for _ in each_event(stream):
            if stream.parsed_partial is not None and (not seen or seen[-1] != stream.parsed_partial):
                seen.append(stream.parsed_partial)
        assert len(seen) > 5
        assert seen[0] == {}
        assert seen[-1] == json.loads(stream.final.text)
        assert isinstance(stream.final.parsed, Order)
        assert stream.final is stream.final
        assert stream.partial.text == stream.final.text


async def each_event(stream: Any) -> Any:
    if hasattr(stream, "__aiter__"):
        async for event in stream:
            yield event
    else:
        for event in stream:
            yield event


async def test_a_broken_off_stream_is_closed(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Order, stream=True)
        assert "ParsedEventStream" in repr(stream)
        if client.is_async:
            async with stream:
                await anext(stream)
        else:
            with stream:
                next(stream)
        with pytest.raises(errors.SDKError):
            _ = stream.final
        assert stream.parsed_partial is None or isinstance(stream.parsed_partial, dict)


async def test_text_deltas_are_those_of_the_json(colour: Colour) -> None:
    for way in ("json_schema_strict", "tool"):
        provider = dialect(**WAYS[way])
        with LocalServer(dialect=provider) as server:
            async with colour.open(server=provider, server_url=server.url) as client:
                stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Item, stream=True)
                text = "".join(await collect(stream.text_deltas()))
        assert Item.model_validate_json(text) == stream.final.parsed


@pytest.mark.parametrize("odd", [[None], ["x"], [{"index": "q"}], [{"index": 0, "function": 5}], {"a": 1}])
def test_tool_calls_that_are_none_are_no_json(odd: Any) -> None:
    chunk = ChatCompletionChunk.model_validate({"choices": [{"index": 0, "delta": {"tool_calls": odd}}]})
    assert Ask(form_of(Item), Structured(way="tool")).delta(chunk) == ""


# ---------------------------------------------------------------- schemas


def asked_of(kind: Any, **structured: Any) -> dict[str, Any]:
    ask = Ask(form_of(kind), Structured(**structured))
    return ask.params([USER])


def test_a_strict_schema_is_closed_and_all_is_required() -> None:
    asked = asked_of(Order)["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"]) == ("Order", True)
    schema = asked["schema"]
    assert schema["required"] == ["items", "note", "count"]
    assert schema["additionalProperties"] is False
    item = schema["$defs"]["Item"]
    assert (item["required"], item["additionalProperties"]) == (["name", "price", "tags"], False)
    assert item["properties"]["price"] == {"type": "number", "minimum": 0, "description": "In euro."}
    assert {"type": "null"} in item["properties"]["tags"]["anyOf"]
    assert "default" not in json.dumps(schema)


def test_what_is_not_strict_stays_optional() -> None:
    asked = asked_of(Order, strict=False)["response_format"]["json_schema"]
    assert "strict" not in asked
    assert asked["schema"]["required"] == ["items"]


@pytest.mark.parametrize("kind", [dict[str, int], TypeAdapter(Any), TypeAdapter(dict[str, Any]), list[dict[str, int]]])
def test_what_strict_cannot_say_is_asked_for_without(kind: Any) -> None:
    ask = Ask(form_of(kind), Structured())
    assert ask.way == "json_schema"
    assert "strict" not in ask.params([USER])["response_format"]["json_schema"]


def test_keywords_that_a_server_lacks_are_told_in_words() -> None:
    schema = asked_of(Owner, lacks=frozenset({"minLength", "maxLength", "prefixItems"}), formats=frozenset({"date"}))
    properties = schema["response_format"]["json_schema"]["schema"]["properties"]
    assert properties["code"] == {"type": "string", "description": "maxLength: 5; minLength: 3"}
    assert properties["when"] == {"type": "string", "description": "format: date-time"}
    assert "discriminator" not in properties["pet"]
    assert "oneOf" not in properties["pet"]
    pairs = asked_of(tuple[int, str], lacks=frozenset({"prefixItems"}))["response_format"]["json_schema"]["schema"]
    assert pairs["properties"]["value"]["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}


def test_a_recursive_root_is_an_object() -> None:
    schema = asked_of(Node)["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert schema["properties"]["next"] == {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}


def test_a_reference_has_nothing_beside_it() -> None:
    class Holder(BaseModel):
        item: Item = Field(description="The one.")

    made = asked_of(Holder)["response_format"]["json_schema"]["schema"]["properties"]["item"]
    assert made == {"anyOf": [{"$ref": "#/$defs/Item"}], "description": "The one."}


@pytest.mark.parametrize(
    "schema, expected",
    [
        ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
        ({"type": "string", "pattern": "^(?!x)"}, {"type": "string", "description": "pattern: ^(?!x)"}),
        ({"type": "null"}, {"type": "null"}),
        ({"enum": [1, None]}, {"enum": [1, None]}),
        ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}),
        ({"type": "array", "maxItems": 0}, {"type": "array", "maxItems": 0}),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, None),
        ({"not": {"type": "string"}}, None),
        ({"type": "array"}, None),
        ({}, None),
        (True, None),
    ],
)
def test_the_parts_of_a_strict_schema(schema: Any, expected: Any) -> None:
    """As required, and as a property that may be left out."""
    outer = {"type": "object", "properties": {"must": schema}, "required": ["must"]}
    made, is_strict = fitted(outer, Structured(formats=frozenset()))
    assert is_strict == (expected is not None)
    assert made["properties"]["must"] == (schema if expected is None else expected)
    made, is_strict = fitted({"type": "object", "properties": {"may": schema}}, Structured(formats=frozenset()))
    if is_strict:
        assert made["required"] == ["may"]
        assert '"null"' in json.dumps(made["properties"]["may"])


def test_older_typed_dicts_in_any_place() -> None:
    class Holding(typing.TypedDict):
        optional: OlderInner | None
        listed: list[OlderInner]
        told: Annotated[OlderInner, "of interest"]
        other: typing.Required[typing.Optional[OlderInner]]  # noqa: UP045 - both spellings

    inner = {"size": 3}
    said = json.dumps({"optional": inner, "listed": [inner], "told": inner, "other": None})
    assert form_of(Holding).read(said) == json.loads(said)
    if sys.version_info < (3, 12):
        with pytest.raises(errors.RequestValidationError, match="typing_extensions"):
            form_of(Endless)


class Endless(typing.TypedDict):
    inner: Endless | None


def test_a_type_that_cannot_be_hashed() -> None:
    assert form_of(Annotated[int, {"unhashable": True}]).read('{"value": 3}') == 3


def test_the_schema_sent_to_servers_that_know_no_strict(canned: CannedServer) -> None:
    canned.reply(body=answer('{"name": "a", "price": 1, "tags": null}'))
    for server, way in (("together", "json_schema_strict"), ("writer_v1", "json_schema"), ("r9s", "json_schema")):
        with SDK(server=server, server_url=canned.url, api_key=KEY) as sdk:
            reply = sdk.chat.parse(model="m", messages=[USER], response_format=Item)
        assert reply.parsed == Item(name="a", price=1)
        assert reply.meta.structured == way
        assert ("strict" in canned.last.json["response_format"]["json_schema"]) == (way == "json_schema_strict")


async def test_with_failover_all_servers_are_asked_in_one_way(colour: Colour) -> None:
    first, second = (
        Provider(name=name, auth=None, key_required=False, routes={"createChatCompletion": Route(structured=taken)})
        for name, taken in (("first", Structured()), ("second", Structured(way="json_object", strict=False)))
    )
    with LocalServer(dialect=first, faults=[{"status": 503}]) as one, LocalServer(dialect=second) as two:
        servers = [
            Provider(name=p.name, auth=None, key_required=False, servers=(server.url,), routes=p.routes)
            for p, server in ((first, one), (second, two))
        ]
        async with colour.open(server=servers[0], retry_config=None, failover=Failover(servers)) as client:
            reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Item)
        assert reply.meta.server == "second"
    assert isinstance(reply.parsed, Item)
    assert reply.meta.structured == "tool"


def test_what_servers_have_in_common() -> None:
    ours = Structured(lacks=frozenset({"pattern"}), formats=frozenset({"date", "time"}))
    theirs = Structured(strict=False, lacks=frozenset({"minimum"}), formats=frozenset({"date"}))
    both = Structured(strict=False, lacks=frozenset({"pattern", "minimum"}), formats=frozenset({"date"}))
    assert common([ours, theirs]) == common([theirs, ours]) == both
    assert common([ours, Structured()]).formats == ours.formats
    assert common([]) == Structured()


async def test_a_parsed_reply_is_a_value(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Order)
    for again in (pickle.loads(pickle.dumps(reply)), copy.deepcopy(reply)):
        assert (again.parsed, again.text, again.meta.server) == (reply.parsed, reply.text, "local")
        assert again.model_dump() == reply.model_dump()
    assert reply.model_dump_json(exclude_unset=True).startswith('{"id"')


# ---------------------------------------------------------------- answers that are odd


@pytest.mark.parametrize(
    "content, parsed",
    [
        ('{"name": "a", "price": 1, "tags": null}', Item(name="a", price=1)),
        ('```json\n{"name": "a", "price": 1}\n```', Item(name="a", price=1)),
        ('```\n{"name": "a", "price": "1.5", "tags": ["x"]}```', Item(name="a", price=1.5, tags=["x"])),
        ([{"type": "text", "text": '{"name": "a", "price": 1}'}], Item(name="a", price=1)),
    ],
)
async def test_lenient_reading(content: Any, parsed: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(body=answer(content))
    async with colour.open(server_url=canned.url) as client:
        reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Item)
    assert reply.parsed == parsed


BAD: list[tuple[Any, type[errors.AnswerError], str]] = [
    (answer(None, refusal="I will not say SECRET."), errors.RefusalError, "refused"),
    (answer('{"name": "SECR', "content_filter"), errors.RefusalError, "content filter"),
    (answer('{"name": "SECR', "length"), errors.IncompleteOutputError, "max_tokens"),
    (answer('{"name": "SECR'), errors.IncompleteOutputError, "ends before"),
    (answer(' {"name": "SECRET", "age": 3} Anything else?'), errors.ParseError, "json_invalid"),
    (answer("", "length"), errors.IncompleteOutputError, "max_tokens"),
    (answer("SECRET, of course!"), errors.ParseError, "json_invalid"),
    (answer(""), errors.ParseError, "json_invalid"),
    (answer('{"name": "SECRET", "price": "SECRET"}'), errors.ParseError, "price: float_parsing"),
    (answer('{"name": null}'), errors.ParseError, "name: missing; price: missing"),
    (answer('[{"SECRET": 1}]'), errors.ParseError, "model_type"),
]


@pytest.mark.parametrize("body, kind, text", BAD)
async def test_answers_that_cannot_be_used(
    body: Any, kind: type[errors.AnswerError], text: str, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(body=body, headers={"x-request-id": "r-1"})
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(kind) as caught:
            await client.call("chat.parse", model="m", messages=[USER], response_format=Item)
    error = caught.value
    assert text in str(error)
    assert "SECR" not in str(error) + repr(error)
    assert "\n" not in str(error)
    assert isinstance(error.reply, ChatCompletionResponse)
    assert error.meta is error.reply.meta
    assert error.request_id == "r-1"
    assert "SECR" not in json.dumps(body) or "SECR" in error.text + str(body["choices"][0]["message"]["content"])
    for again in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert (type(again), str(again), again.reply) == (type(error), str(error), error.reply)


def test_names_that_only_the_answer_knows_are_not_shown() -> None:
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        by_name: dict[str, int]

    with pytest.raises(AnswerProblems) as caught:
        form_of(Closed).read('{"by_name": {"SECRET": "x"}, "OTHER": 1}')
    assert str(caught.value) == "by_name.*: int_parsing; *: extra_forbidden"


async def test_a_bad_answer_of_a_stream(colour: Colour, canned: CannedServer) -> None:
    event = {"choices": [{"index": 0, "delta": {"content": '{"name": "a"}'}, "finish_reason": "stop"}]}
    canned.stream(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode())
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Item, stream=True)
        await collect(stream)
        assert stream.parsed_partial == {"name": "a"}
        with pytest.raises(errors.ParseError, match="price: missing"):
            _ = stream.final


# ---------------------------------------------------------------- reasks


def in_turn(*bodies: Any) -> Any:
    left: Iterator[Any] = iter(bodies)

    def script(connection: Connection, _: Request) -> bool:
        content = json.dumps(next(left)).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        connection.send(head.encode() + content)
        return True

    return script


async def test_the_error_is_sent_back(colour: Colour, canned: CannedServer) -> None:
    canned.script = in_turn(answer('{"name": "a"}'), answer("{"), answer('{"name": "a", "price": 2}'))
    async with colour.open(server_url=canned.url) as client:
        reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=2)
    assert (reply.parsed, reply.reasks) == (Item(name="a", price=2), 2)
    sent = [request.json["messages"] for request in canned.requests]
    assert [len(messages) for messages in sent] == [1, 3, 5]
    assert sent[1][1] == {"role": "assistant", "content": '{"name": "a"}'}
    assert "price: Field required" in sent[1][2]["content"]
    assert sent[2][:3] == sent[1]


async def test_reasks_have_an_end(colour: Colour, canned: CannedServer) -> None:
    canned.reply(body=answer("no"))
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.ParseError):
            await client.call("chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=2)
        assert len(canned.requests) == 3
        canned.reply(body=answer('{"na', "length"))
        with pytest.raises(errors.IncompleteOutputError):
            await client.call("chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=2)
        canned.reply(body=answer(None, refusal="no"))
        with pytest.raises(errors.RefusalError):
            await client.call("chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=2)
    assert len(canned.requests) == 5  # neither longer nor more willing the second time


async def test_a_tool_that_answers_is_told_as_a_tool(colour: Colour, canned: CannedServer) -> None:
    def call(arguments: Any) -> dict[str, Any]:
        said = {"id": "t1", "type": "function", "function": {"name": "Item", "arguments": arguments}}
        return answer(None, "tool_calls", tool_calls=[said])

    canned.script = in_turn(call('{"name": "a"}'), call({"name": "a", "price": 1}))
    provider = dialect(way="tool", strict=False)
    async with colour.open(server=provider, server_url=canned.url) as client:
        reply = await client.call("chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=1)
    assert reply.parsed == Item(name="a", price=1)
    assert [m["role"] for m in canned.last.json["messages"]] == ["user", "assistant", "tool"]
    assert canned.last.json["tool_choice"] == {"type": "function", "function": {"name": "Item"}}


async def test_one_deadline_over_all_reasks(colour: Colour, canned: CannedServer) -> None:
    def slowly(connection: Connection, request: Request) -> Any:
        import time

        time.sleep(0.12)
        return in_turn(answer("no"))(connection, request)

    canned.script = slowly
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.DeadlineExceededError):
            await client.call(
                "chat.parse", model="m", messages=[USER], response_format=Item, max_reasks=50, deadline_ms=300
            )
    assert 1 <= len(canned.requests) <= 4


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "args, text",
    [
        ({"response_format": {"type": "json_object"}}, "got dict; that form goes to chat.create"),
        ({"response_format": Item(name="a", price=1)}, "got Item"),
        ({"response_format": None}, "got NoneType"),
        ({"response_format": "Item"}, "got str"),
        ({"response_format": type("Odd", (), {})}, "response_format: "),
        ({"response_format": TypeAdapter(typing.Callable[[], int])}, "no JSON schema can say it"),
        ({"response_format": Item, "max_reasks": -1}, "max_reasks: "),
        ({"response_format": Item, "max_reasks": True}, "max_reasks: "),
        ({"response_format": Item, "max_reasks": 1, "stream": True}, "max_reasks: not with stream"),
        ({"response_format": Item, "tools": []}, "tools: not with chat.parse"),
        ({"response_format": Item, "chat_completion_request": {}}, "chat_completion_request: "),
        ({"response_format": Item, "messages": "Hi"}, "messages: "),
        ({"response_format": Item, "stream": "yes"}, "stream: "),
    ],
)
async def test_bad_input_sends_nothing(args: dict[str, Any], text: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(body=answer("{}"))
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("chat.parse", **{"model": "m", "messages": [USER], **args})
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert canned.requests == []


async def test_a_server_without_chat(colour: Colour) -> None:
    async with colour.open(server="writer", api_key=KEY, organization_id=1) as client:
        with pytest.raises(errors.UnsupportedOperationError):
            await client.call("chat.parse", model="m", messages=[USER], response_format=Item)


# ---------------------------------------------------------------- the embedded provider


class Bush(BaseModel):
    a: Bush | None = None
    b: Bush | None = None
    c: Bush | None = None
    d: Bush | None = None
    e: Bush | None = None
    f: list[Bush] = []
    g: list[Bush] = []
    h: list[Bush] = []


def test_a_schema_of_many_recursions_has_a_small_example() -> None:
    with SDK(server="local") as sdk:
        reply = sdk.chat.parse(model="m", messages=[USER], response_format=Bush)
    assert isinstance(reply.parsed.a, Bush)
    assert len(reply.text) < 1_000_000


# ---------------------------------------------------------------- properties

LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        int,
        float,
        str,
        bool,
        date,
        datetime,
        UUID,
        Decimal,
        Colouring,
        Literal["a", "b"],
        Literal[1, "x", None],
        Annotated[int, Field(ge=10, lt=13)],
        Annotated[float, Field(gt=0, le=0.25)],
        Annotated[int, Field(multiple_of=7, ge=1)],
        Annotated[str, Field(min_length=4, max_length=9)],
        Annotated[list[int], Field(min_length=2, max_length=3)],
        set[int],
        tuple[int, str],
        dict[str, float],
        str | int | None,
    ]
)


def models_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    kinds = st.one_of(
        inner,
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type] # a type at run time
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type] # a type at run time
        inner.map(lambda kind: typing.Optional[kind]),  # noqa: UP045 - of a type at run time
    )
    fields = st.one_of(kinds.map(lambda kind: (kind, ...)), kinds.map(lambda kind: (typing.Optional[kind], None)))  # noqa: UP045  (of a type that is made here)
    names = st.sampled_from(["name", "title", "type", "items", "value", "properties", "a_b", "ä"])
    return st.dictionaries(names, fields, min_size=1, max_size=4).map(lambda made: create_model("Made", **made))


MODELS = models_of(st.recursive(LEAVES, models_of, max_leaves=5))


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, tuple[SDK, Any]]]:
    opened = {}
    running = []
    for way, structured in WAYS.items():
        provider = dialect(**structured)
        server = LocalServer(dialect=provider).start()
        running.append(server)
        opened[way] = (SDK(server=provider, server_url=server.url), server)
    yield opened
    for sdk, server in opened.values():
        sdk.close()
        server.close()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(model=MODELS)
def test_any_nested_model_survives(way: str, servers: dict[str, tuple[SDK, Any]], model: type[BaseModel]) -> None:
    reply = servers[way][0].chat.parse(model="m", messages=[USER], response_format=model)
    assert isinstance(reply.parsed, model)
    assert model.model_validate_json(reply.parsed.model_dump_json()) == reply.parsed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(value=JSON, ascii_only=st.booleans())
def test_partial_json_never_raises(value: Any, ascii_only: bool) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    for end in range(len(whole) + 1):
        partial_json(whole[:end].decode("utf-8", "replace"))
    if b"\\ud" not in whole:
        assert partial_json(whole.decode()) == value


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet='{}[]",:\\u0d8ean1.-e `json', max_size=30))
def test_partial_json_of_rubbish_never_raises(text: str) -> None:
    partial_json(text)


@pytest.mark.parametrize("cut", range(1, 12))
async def test_every_cut_of_a_stream(cut: int, colour: Colour, canned: CannedServer) -> None:
    """The text in pieces of every size, characters of several bytes included."""
    text = json.dumps({"items": [{"name": "ä€😀", "price": 1.25, "tags": ["\u2028"]}], "note": "n"}, ensure_ascii=False)
    pieces = [text[at : at + cut] for at in range(0, len(text), cut)]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    canned.stream("".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n")
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("chat.parse", model="m", messages=[USER], response_format=Order, stream=True)
        async for _ in each_event(stream):
            assert stream.parsed_partial is None or isinstance(stream.parsed_partial, dict)
    assert stream.final.parsed.items[0].name == "ä€😀"
    assert stream.final.parsed.count == 3
