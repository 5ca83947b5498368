"""`tool` and `chat.run_tools`: schemas of functions, the loop, its policies and its stream, in both colours."""

from __future__ import annotations

import copy
import enum
import functools
import json
import pickle
import threading
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmsdk import SDK, errors, tool
from llmsdk.errors import Problem
from llmsdk.tools import Round, Tool, ToolRun
from llmsdk.tools.docstrings import described
from llmsdk.tools.functions import BadArgumentsError
from support.canned import CannedServer, Connection, Request
from support.colours import Colour, collect

USER = {"role": "user", "content": "What's the weather in Lima?"}


class Unit(enum.Enum):
    C = "c"
    F = "f"


class Place(BaseModel):
    city: str = Field(description="Name of the city.")
    zip: str | None = None


@dataclass
class Window:
    days: int = 1


class Size(BaseModel):
    wide: int = 5


SIZE = Size()


class Flags(typing.TypedDict, total=False):
    brief: bool


def get_weather(
    place: Place,
    unit: Unit = Unit.C,
    *,
    window: Window | None = None,
    flags: Flags | None = None,
    detail: Annotated[Literal["low", "high"], "How much to say."] = "low",
    limit: Annotated[int, Field(ge=1, description="Most lines.")] = 3,
) -> str:
    """Tell the weather
    of a place.

    Only a demo.

    Args:
        place: Where,
            on earth.
        unit (Unit): Of the temperature.
        detail: Not shown, the annotation wins.

    Returns:
        Text: in words.
    """
    return f"{place.city}: {unit.value} {window} {flags} {detail} {limit}"


def weather(city: str) -> str:
    """Tell the weather."""
    return f"sun in {city}"


def time_of_day(city: str) -> dict[str, Any]:
    return {"city": city, "hour": 12}


def calling(*calls: tuple[str, Any], content: str | None = None) -> dict[str, Any]:
    said = [
        {"id": f"t{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": content, "tool_calls": said}
    return {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


DONE = {
    "id": "c",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}],
}


def in_turn(*bodies: Any) -> Any:
    left: Iterator[Any] = iter(bodies)

    def script(connection: Connection, _: Request) -> bool:
        content = json.dumps(next(left)).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        connection.send(head.encode() + content)
        return True

    return script


# ---------------------------------------------------------------- schemas


def test_the_schema_of_a_function() -> None:
    made = tool(get_weather)
    assert isinstance(made, Tool)
    function = made.param["function"]
    assert made.param["type"] == "function"
    assert (function["name"], function["description"]) == (
        "get_weather",
        "Tell the weather of a place.\n\nOnly a demo.",
    )
    schema = made.schema
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["place"], False)
    properties = schema["properties"]
    assert list(properties) == ["place", "unit", "window", "flags", "detail", "limit"]
    assert properties["place"] == {"$ref": "#/$defs/Place", "description": "Where, on earth."}
    assert schema["$defs"]["Place"]["properties"]["city"] == {"type": "string", "description": "Name of the city."}
    assert schema["$defs"]["Unit"]["enum"] == ["c", "f"]
    assert properties["unit"]["default"] == "c"
    assert properties["detail"] == {
        "enum": ["low", "high"],
        "type": "string",
        "description": "How much to say.",
        "default": "low",
    }
    assert properties["limit"] == {"type": "integer", "minimum": 1, "description": "Most lines.", "default": 3}
    assert schema["$defs"]["Window"]["properties"]["days"]["type"] == "integer"
    assert json.loads(json.dumps(made.param)) == made.param


def test_a_tool_is_the_function() -> None:
    made = tool(get_weather)
    assert made(Place(city="Lima")) == get_weather(Place(city="Lima"))
    assert (made.__name__, made.__doc__, made.is_async) == ("get_weather", get_weather.__doc__, False)
    assert repr(made) == "<Tool get_weather>"


def test_arguments_become_the_types_of_the_function() -> None:
    text = '{"place": {"city": "Lima"}, "unit": "f", "window": {"days": 2}, "flags": {"brief": true}}'
    assert tool(get_weather).bind(text)() == "Lima: f Window(days=2) {'brief': True} low 3"
    assert tool(get_weather).bind(json.loads(text))() == tool(get_weather).bind(text)()


def test_renamed_and_described() -> None:
    @tool(name="look-up", description="")
    def f(a: int, /, b: int = 2) -> int:
        """Hidden."""
        return a - b

    assert f.param["function"] == {"name": "look-up", "parameters": f.schema}
    assert f.bind('{"a": 5}')() == 3
    assert f.bind('{"a": 5, "b": 1}')() == 4


def test_what_can_be_called_can_be_a_tool() -> None:
    class Shop:
        def price(self, name: str) -> float:
            """Look a price up.

            Args:
                name: Of the thing.
            """
            return len(name)

        def __call__(self, name: str) -> str:
            return name

    method = tool(Shop().price)
    assert method.schema["properties"] == {"name": {"type": "string", "description": "Of the thing."}}
    assert tool(Shop()).bind('{"name": "x"}')() == "x"
    bound = tool(functools.partial(weather, city="Lima"))
    assert bound.name == "weather"
    assert bound.bind("")() == "sun in Lima"
    defaulted = tool(takes_field)
    assert defaulted.schema["properties"] == {"size": {"type": "integer", "description": "How big.", "default": 4}}
    assert defaulted.bind("{}")() == 4

    assert tool(Place).name == "Place"


def takes_field(size: int = Field(4, description="How big.")) -> int:
    return size


def no_annotation(city) -> str:  # type: ignore[no-untyped-def] # is what is tested
    return str(city)


def unreadable(city: Nowhere) -> str:  # type: ignore[name-defined] # noqa: F821 - is what is tested
    return str(city)


@pytest.mark.parametrize(
    "function, text",
    [
        (no_annotation, "tools: no_annotation: parameter 'city' has no annotation"),
        (lambda city: city, "tools: <lambda>: invalid name of a tool"),
        (unreadable, "tools: unreadable: an annotation cannot be read"),
        (print, "tools: print: *args can't be described"),
        ("weather", "tools: must be functions, got str"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, text: str) -> None:
    with pytest.raises(errors.RequestValidationError) as caught:
        tool(function)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


def test_parameters_that_cannot_be_told() -> None:
    def several(*cities: str) -> None: ...
    def named(**cities: str) -> None: ...
    def callback(then: typing.Callable[[], int]) -> None: ...
    def odd(lock: threading.Event) -> None: ...

    for function, text in (
        (several, "tools: several: *cities can't be described"),
        (named, "tools: named: **cities can't be described"),
        (callback, "tools: callback: "),
        (odd, "tools: odd: parameter 'lock': "),
    ):
        with pytest.raises(errors.RequestValidationError) as caught:
            tool(function)
        assert str(caught.value).startswith(text)
        assert "\n" not in str(caught.value)


def test_docstrings() -> None:
    text, arguments = described(
        """Say it.

        More.

        Args:
            a: One.
              Two: three.
            *b: Rest.
            c (int, optional): Four.

        Example:
            a: not this
        """
    )
    assert text == "Say it.\n\nMore."
    assert arguments == {"a": "One. Two: three.", "b": "Rest.", "c": "Four."}
    assert described(None) == ("", {})


GOOGLE = """Say it.

Args:
    a (dict[str, (int)], optional): One
        and more.
    *b: Two.

Keyword Args:
    c: Three: four.

Keyword Arguments:
    d: Five.

Other Parameters:
    e: Six.

Raises:
    ValueError: a: not this
"""
NUMPY = """Say it.

Parameters
----------
a : dict of int, optional
    One
    and more.
*b
    Two.

Other Parameters
----------------
c, d : {"x", "y"}
    Three: four.
e : int
    Six.

Returns
-------
f : int
    Not this.
"""
SPHINX = """Say it.

:param dict a: One
    and more.
:param *b: Two.
:keyword c: Three: four.
:key int d: Five.
:type d: int
:arg e: Six.
:raises ValueError: not this
:returns: nor this
"""
EPYTEXT = "Say it.\n@param a: One and more.\n@param b: Two.\n@return: not this"


@pytest.mark.parametrize("style", [GOOGLE, NUMPY, SPHINX, EPYTEXT])
def test_docstrings_of_every_style(style: str) -> None:
    text, arguments = described(style)
    assert text == "Say it."
    assert arguments["a"] == "One and more."
    assert arguments["b"] == "Two."
    if style is not EPYTEXT:
        assert arguments["c"] == "Three: four."
        assert arguments["d"] == ("Three: four." if style is NUMPY else "Five.")
        assert arguments["e"] == "Six."
    assert arguments.keys() <= set("abcde")


def test_what_only_looks_like_a_section_is_text() -> None:
    text, arguments = described("Convert units.\n\nUsage: as follows\n:class:`Unit` says which.\n\nNote\n\n    a: b")
    assert text == "Convert units.\n\nUsage: as follows :class:`Unit` says which.\n\nNote\n\na: b"
    assert arguments == {}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="Args:\n x*()", max_size=60) | st.text(alphabet=":@param a\n-=", max_size=60))
def test_any_docstring_is_read(text: str) -> None:
    described(text)


def test_only_annotations_of_parameters_are_needed() -> None:
    def typed(city: str) -> Missing:  # type: ignore[name-defined] # noqa: F821 - known to checkers alone
        return city

    class Caller:
        def __call__(self, city: str) -> Missing:  # type: ignore[name-defined] # noqa: F821
            return city

    for function in (typed, functools.partial(typed), Caller()):
        assert tool(function, name="f").bind('{"city": "Lima"}')() == "Lima"

    def untyped(city: Missing) -> str:  # type: ignore[name-defined] # noqa: F821
        return str(city)

    with pytest.raises(errors.RequestValidationError, match="an annotation cannot be read"):
        tool(untyped)
    assert tool(functools.partial(untyped, "Lima")).bind("{}")() == "Lima"


def test_a_null_for_what_has_a_default_is_the_default() -> None:
    def measure(city: str, unit: str = "C", size: Size = SIZE, none: int | None = 3, *, days: int = Field(7)) -> Any:
        return city, unit, size.wide, none, days

    bind = tool(measure).bind
    nulls = {"city": "P", "unit": None, "size": {"wide": None}, "none": None, "days": None}
    assert bind(json.dumps(nulls))() == ("P", "C", 5, None, 7)
    assert bind({"city": "P", "size": None})() == ("P", "C", 5, 3, 7)
    with pytest.raises(BadArgumentsError) as caught:
        bind('{"city": null, "unit": null}')
    assert [str(problem) for problem in caught.value.problems] == ["city: missing"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet='{}[]",:place city1', max_size=40))
def test_any_arguments_are_read_or_refused_in_one_way(text: str) -> None:
    found = [Problem("", "")]
    try:
        tool(get_weather).bind(text)
    except BadArgumentsError as exc:
        found = exc.problems
    assert len(found) > 0


# ---------------------------------------------------------------- the loop


@pytest.mark.also_trio
async def test_a_question_that_needs_a_tool(colour: Colour) -> None:
    rounds: list[Round] = []
    async with colour.open(server="local") as client:
        run = await client.call(
            "chat.run_tools", model="m", messages=[USER], tools=[weather, time_of_day], on_round=rounds.append
        )
    assert isinstance(run, ToolRun)
    assert run.text == "Embedded provider: the tool said 'sun in Lima'."
    assert [round.number for round in rounds] == [1, 2]
    assert tuple(rounds) == run.rounds
    result = rounds[0].results[0]
    assert (result.name, json.loads(result.arguments), result.value, result.error) == (
        "weather",
        {"city": "Lima"},
        "sun in Lima",
        None,
    )
    assert rounds[1].results == ()
    assert run.reply is rounds[1].reply
    assert run.meta.status_code == 200
    roles = [message["role"] if isinstance(message, dict) else message.role for message in run.messages]
    assert roles == ["user", "assistant", "tool", "assistant"]
    async with colour.open(server="local") as client:  # the conversation can go on
        await client.call("chat.create", model="m", messages=[*run.messages, USER])


@pytest.mark.also_trio
async def test_the_stream_of_all_rounds(colour: Colour) -> None:
    rounds: list[Round] = []
    async with colour.open(server="local") as client:
        stream = await client.call(
            "chat.run_tools", model="m", messages=[USER], tools=[weather], stream=True, on_round=rounds.append
        )
        with pytest.raises(errors.ConfigurationError):
            _ = stream.final
        assert "round 1" in repr(stream)
        events = await collect(stream)
    assert any(event.choices and event.choices[0].delta.tool_calls for event in events)
    text = "".join(event.text for event in events)
    assert stream.final.text == text == "Embedded provider: the tool said 'sun in Lima'."
    assert [round.number for round in rounds] == [1, 2]
    assert stream.rounds == stream.final.rounds
    assert len(stream.messages) == 4
    assert stream.meta is stream.final.meta
    assert stream.partial.text == text


async def test_text_deltas_and_early_close(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        stream = await client.call("chat.run_tools", model="m", messages=[USER], tools=[weather], stream=True)
        assert "sun" in "".join(await collect(stream.text_deltas()))
        stream = await client.call("chat.run_tools", model="m", messages=[USER], tools=[weather], stream=True)
        if client.is_async:
            async with stream:
                async for _ in stream:
                    break
        else:
            with stream:
                for _ in stream:
                    break
        with pytest.raises(errors.SDKError):
            _ = stream.final
        assert stream.messages == [USER]


async def test_what_is_sent(colour: Colour, canned: CannedServer) -> None:
    canned.script = in_turn(
        calling(("weather", '{"city": "Lima"}'), ("time_of_day", {"city": "Oslo"}), content="Let me see."), DONE
    )
    async with colour.open(server_url=canned.url) as client:
        run = await client.call(
            "chat.run_tools",
            model="m",
            messages=[USER],
            tools=[weather, tool(time_of_day)],
            tool_choice="required",
            temperature=0,
        )
    first, second = (request.json for request in canned.requests)
    assert first["tools"] == [tool(weather).param, tool(time_of_day).param] == second["tools"]
    assert (first["tool_choice"], second["tool_choice"]) == ("required", "auto")
    assert first["temperature"] == second["temperature"] == 0
    assert second["messages"][:1] == first["messages"] == [USER]
    assert second["messages"][1]["tool_calls"][0]["id"] == "t0"
    assert second["messages"][2:] == [
        {"role": "tool", "tool_call_id": "t0", "content": "sun in Lima"},
        {"role": "tool", "tool_call_id": "t1", "content": '{"city":"Oslo","hour":12}'},
    ]
    assert run.text == "Done."


def fails(city: str) -> str:
    raise KeyError(city)


WRONG: list[tuple[str, Any, str, type[Exception]]] = [
    ("fails", '{"city": "Lima"}', "Error: KeyError: 'Lima'", KeyError),
    ("nowhere", "{}", "Error: there is no tool 'nowhere'; there are: weather, fails", errors.ToolCallError),
    ("", "{}", "Error: there is no tool ''", errors.ToolCallError),
    ("weather", '{"city": "Li', "Error: the arguments are not valid JSON", errors.ToolCallError),
    ("weather", "{}", "Error: city: Field required", errors.ToolCallError),
    ("weather", None, "Error: city: Field required", errors.ToolCallError),
    ("weather", '{"city": 3}', "Error: city: Input should be a valid string", errors.ToolCallError),
    ("weather", "[1]", "Error: arguments: ", errors.ToolCallError),
    ("weather", '{"city": "x", "SECRET": 1}', "Error: *: Extra inputs", errors.ToolCallError),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name, arguments, told, kind", WRONG)
async def test_calls_that_go_wrong(
    name: str, arguments: Any, told: str, kind: type[Exception], stream: bool, colour: Colour, canned: CannedServer
) -> None:
    rounds: list[Round] = []
    args: dict[str, Any] = {"model": "m", "messages": [USER], "tools": [weather, fails], "on_round": rounds.append}

    async def whole(**more: Any) -> Any:
        made = await client.call("chat.run_tools", **args, **more, stream=stream)
        if stream:
            await collect(made)
        return made.final if stream else made

    async with colour.open(server_url=canned.url) as client:
        canned.script = in_turn(calling((name, arguments)), DONE)
        run = await whole()
        assert run.text == "Done."
        assert canned.last.json["messages"][-1]["content"].startswith(told)
        assert isinstance(rounds[0].results[0].error, kind)
        canned.script = in_turn(calling((name, arguments)), DONE)
        with pytest.raises(kind) as caught:
            await whole(on_error="raise")
    assert len(canned.requests) == 3
    assert "SECRET" not in str(caught.value)
    assert isinstance(rounds[2].results[0].error, kind)  # the round is told before the error is raised
    if isinstance(caught.value, errors.ToolCallError):
        error = caught.value
        assert error.messages == [USER]
        assert error.tool == ("weather" if name == "weather" else None)
        assert error.reply.tool_calls[0].function.name == name
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.tool, again.problems) == (str(error), error.tool, error.problems)
        _assert_conversation_stays(error)
    else:
        assert any("fails" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_never_ends(stream: bool, colour: Colour, canned: CannedServer) -> None:
    ran: list[str] = []

    def note(city: str) -> None:
        ran.append(city)

    canned.reply(body=calling(("note", '{"city": "Lima"}')))
    async with colour.open(server_url=canned.url) as client:
        args: dict[str, Any] = {"model": "m", "messages": [USER], "tools": [note], "max_rounds": 3, "stream": stream}
        with pytest.raises(errors.MaxRoundsError) as caught:
            made = await client.call("chat.run_tools", **args)
            await collect(made)
        if stream:
            with pytest.raises(errors.MaxRoundsError):
                _ = made.final
            with pytest.raises(errors.MaxRoundsError):
                await collect(made)
    error = caught.value
    assert len(canned.requests) == 3
    assert ran == ["Lima", "Lima"]
    assert "max_rounds=3" in str(error)
    assert len(error.messages) == 6
    assert len(error.rounds) == 3
    assert error.reply.tool_calls
    assert pickle.loads(pickle.dumps(error)).reply == error.reply
    _assert_conversation_stays(error)


def _assert_conversation_stays(error: errors.ToolCallError | errors.MaxRoundsError) -> None:
    """Pickles hold no prompt text, nor what tools gave; copies share it, whatever a tool gave back."""
    told = USER["content"].encode()
    assert told not in pickle.dumps(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.messages, getattr(again, "rounds", ())) == ([], ())
    error.messages.append(lock := threading.Lock())
    for made in (copy.copy(error), copy.deepcopy(error)):
        assert (type(made), str(made), made.args) == (type(error), str(error), error.args)
        assert made.messages == error.messages
        assert made.messages is not error.messages
        assert made.messages.pop() is lock
        assert getattr(made, "rounds", ()) == getattr(error, "rounds", ())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls_run_at_the_same_time(backend: str, stream: bool, canned: CannedServer) -> None:
    meeting = threading.Barrier(2, timeout=10)

    async def slow(name: str) -> str:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        await both.wait()
        return name

    async def quick(name: str) -> str:
        both.set()
        return name

    def blocks(name: str) -> str:
        meeting.wait()
        return name

    canned.script = in_turn(
        calling(("slow", '{"name": "a"}'), ("quick", '{"name": "b"}'), *[("blocks", '{"name": "c"}')] * 2), DONE
    )

    async def body() -> Any:
        nonlocal both
        both = anyio.Event()
        notes: list[int] = []

        async def on_round(round: Round) -> None:
            await anyio.lowlevel.checkpoint()
            notes.append(round.number)

        async with SDK(server_url=canned.url) as sdk:
            with anyio.fail_after(10):
                made: Any = await sdk.chat.run_tools_async(
                    model="m", messages=[USER], tools=[slow, quick, blocks], stream=stream, on_round=on_round
                )
                if stream:
                    await collect(made)
                    made = made.final
        assert notes == [1, 2]
        return made

    both: Any = None
    run = anyio.run(body, backend=backend)
    assert [result.content for result in run.rounds[0].results] == ["a", "b", "c", "c"]
    assert [message["tool_call_id"] for message in run.messages[2:6]] == ["t0", "t1", "t2", "t3"]


async def test_odd_results(colour: Colour, canned: CannedServer) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    values: list[Any] = [None, 3, Place(city="x"), Window(), b"\xff", Odd(), [Odd()], float("nan")]

    def give(at: int) -> Any:
        return values[at]

    canned.script = in_turn(calling(*[("give", {"at": at}) for at in range(len(values))]), DONE)
    async with colour.open(server_url=canned.url) as client:
        run = await client.call("chat.run_tools", model="m", messages=[USER], tools=[give])
    contents = [result.content for result in run.rounds[0].results]
    assert contents == ["null", "3", '{"city":"x","zip":null}', '{"days":1}', '"_w=="', '"odd"', '["odd"]', "NaN"]


async def test_replies_that_are_odd(colour: Colour, canned: CannedServer) -> None:
    bare = {"choices": [{"message": {"tool_calls": [{"function": {"name": "weather", "arguments": '{"city": "x"}'}}]}}]}
    canned.script = in_turn(bare, {"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]})
    async with colour.open(server_url=canned.url) as client:
        run = await client.call("chat.run_tools", model="m", messages=(USER,), tools=(weather,))
    assert run.text == ""
    sent = canned.last.json["messages"]
    assert sent[1]["role"] == "assistant"
    assert sent[2] == {"role": "tool", "content": "sun in x"}


async def test_tools_that_the_server_runs(colour: Colour, canned: CannedServer) -> None:
    canned.reply(body=DONE)
    search = {"type": "web_search", "function": {"include_domains": [], "exclude_domains": []}}
    async with colour.open(server_url=canned.url) as client:
        await client.call("chat.run_tools", model="m", messages=[USER], tools=[search, weather])
    assert [given["type"] for given in canned.last.json["tools"]] == ["web_search", "function"]


async def test_one_deadline_over_all_rounds(colour: Colour, canned: CannedServer) -> None:
    def slowly(connection: Connection, request: Request) -> Any:
        import time

        time.sleep(0.12)
        return in_turn(calling(("weather", '{"city": "x"}')))(connection, request)

    canned.script = slowly
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.DeadlineExceededError):
            await client.call(
                "chat.run_tools", model="m", messages=[USER], tools=[weather], max_rounds=50, deadline_ms=300
            )
    assert 1 <= len(canned.requests) <= 4


async def test_an_error_of_the_server_in_a_later_round(colour: Colour, canned: CannedServer) -> None:
    replies = iter([True, False])

    def script(connection: Connection, request: Request) -> Any:
        if next(replies):
            return in_turn(calling(("weather", '{"city": "x"}')))(connection, request)
        connection.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        return True

    canned.script = script
    async with colour.open(server_url=canned.url) as client:
        stream = await client.call("chat.run_tools", model="m", messages=[USER], tools=[weather], stream=True)
        with pytest.raises(errors.BadRequestError):
            await collect(stream)
        assert len(stream.messages) == 3
        with pytest.raises(errors.BadRequestError):
            _ = stream.final


# ---------------------------------------------------------------- bad input


async def asleep(city: str) -> str:
    return city


@pytest.mark.parametrize(
    "args, text",
    [
        ({"tools": []}, "tools: must hold at least one function"),
        ({"tools": weather}, "tools: must be a list of functions, got function"),
        ({"tools": ["weather"]}, "tools: must be functions, got str"),
        ({"tools": [weather, tool(weather)]}, "tools: two are named 'weather'"),
        ({"tools": [{"type": "function", "function": {"name": "x"}}]}, "tools: a dict can't be called"),
        ({"tools": [no_annotation]}, "tools: no_annotation: parameter 'city'"),
        ({"max_rounds": 0}, "max_rounds: "),
        ({"max_rounds": True}, "max_rounds: "),
        ({"on_error": "ignore"}, "on_error: "),
        ({"on_round": 3}, "on_round: must be a function"),
        ({"chat_completion_request": {}}, "chat_completion_request: "),
        ({"messages": "Hi"}, "messages: "),
        ({"stream": "yes"}, "stream: "),
        ({"temprature": 1}, "temprature: "),
    ],
)
async def test_bad_input_sends_nothing(args: dict[str, Any], text: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(body=DONE)
    async with colour.open(server_url=canned.url) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("chat.run_tools", **{"model": "m", "messages": [USER], "tools": [weather], **args})
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)
    assert canned.requests == []


def test_async_functions_in_a_sync_call(canned: CannedServer) -> None:
    canned.script = in_turn(calling(("asleep", '{"city": "x"}')), DONE)

    async def on_round(round: Round) -> None: ...

    with SDK(server_url=canned.url) as sdk:
        with pytest.raises(errors.RequestValidationError, match=r"^tools: asleep is async.*run_tools_async$"):
            sdk.chat.run_tools(model="m", messages=[], tools=[asleep])
        with pytest.raises(errors.RequestValidationError, match=r"^on_round: is async.*run_tools_async$"):
            sdk.chat.run_tools(model="m", messages=[], tools=[weather], on_round=on_round)
        assert canned.requests == []
        run = sdk.chat.run_tools(model="m", messages=[USER], tools=[tool(Hidden().look, name="asleep")])
    assert isinstance(run.rounds[0].results[0].error, errors.ConfigurationError)


class Hidden:
    def look(self, city: str) -> Any:
        return asleep(city)
