"""Streams iterated by hand: in parts, by several iterators, inside `with` and without."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, settled

pytestmark = [pytest.mark.also_trio, pytest.mark.every_backend]

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "p"}]}
TEXTS = ["a", "b", "c", "d"]


def event(text: str, finish: str = "null") -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":%b}]}\n\n' % (
        text.encode(),
        finish.encode(),
    )


WHOLE = b"".join(map(event, TEXTS[:-1])) + event(TEXTS[-1], '"stop"') + b"data: [DONE]\n\n"

OPENERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda client: client.call("chat.create", **ASK, stream=True),
    "parsed": lambda client: client.call("chat.parse", **ASK, stream=True, response_format=dict[str, Any]),
    "tools": lambda client: client.call("chat.run_tools", **ASK, stream=True, tools=[_tool]),
}


def _tool(city: str) -> str:
    """Look up the weather."""
    return city


@pytest.fixture(params=list(OPENERS))
def opened(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return OPENERS[request.param]


async def one(stream: Any) -> str:
    """Take one event by an iterator that is dropped."""
    return (await anext(aiter(stream)) if hasattr(stream, "__aiter__") else next(iter(stream))).text


async def some(stream: Any, count: int) -> list[str]:
    """Take some events by an iterator that is dropped."""
    if not hasattr(stream, "__aiter__"):
        return [event.text for event in itertools.islice(stream, count)]
    iterator = aiter(stream)
    return [(await anext(iterator)).text for _ in range(count)]


async def rest(stream: Any) -> list[str]:
    """Take what is left, by `for`."""
    if hasattr(stream, "__aiter__"):
        return [event.text async for event in stream]
    return [event.text for event in stream]


async def test_the_first_by_hand_and_the_rest_by_for(
    colour: Colour, canned: CannedServer, opened: Callable[[Any], Any]
) -> None:
    canned.stream(WHOLE)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        stream = await opened(client)
        async with entered(stream):
            assert await one(stream) == "a"
            gc.collect()
            assert await rest(stream) == ["b", "c", "d"]


async def test_in_parts_without_with(colour: Colour, canned: CannedServer, opened: Callable[[Any], Any]) -> None:
    canned.stream(WHOLE)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        stream = await opened(client)
        assert await one(stream) == "a"
        assert await some(stream, 2) == ["b", "c"]
        assert await one(stream) == "d"
        assert await rest(stream) == []
        assert await rest(stream) == []


async def test_two_iterators_share_one_stream(colour: Colour, canned: CannedServer) -> None:
    canned.stream(WHOLE)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        stream = await OPENERS["plain"](client)
        first, second = (aiter(stream), aiter(stream)) if colour.is_async else (iter(stream), iter(stream))
        step: Any = anext if colour.is_async else next
        got = [(await settled(step(first if number % 2 else second))).text for number in range(4)]
        assert got == TEXTS
        del first, second
        assert await rest(stream) == []
        assert stream.final.text == "abcd"


class entered:  # noqa: N801 - used as the statements that it stands for
    """`with` and `async with` by one name."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    async def __aenter__(self) -> None:
        await settled((getattr(self.stream, "__aenter__", None) or self.stream.__enter__)())

    async def __aexit__(self, *exc: Any) -> None:
        await settled((getattr(self.stream, "__aexit__", None) or self.stream.__exit__)(*exc))


# --------------------------------------------------------------------- leaving


async def leave_for(stream: Any) -> None:
    if hasattr(stream, "__aiter__"):
        async for _ in stream:
            break
    else:
        for _ in stream:
            break


async def leave_comprehension(stream: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        _ = [1 / 0 async for _ in stream] if hasattr(stream, "__aiter__") else [1 / 0 for _ in stream]


async def leave_generator(stream: Any) -> None:
    if hasattr(stream, "__aiter__"):
        wrapped = wrap_async(stream)
        await anext(wrapped)
        await wrapped.aclose()
    else:
        next(wrap(stream))


def wrap(stream: Any) -> Iterator[Any]:
    yield from stream


async def wrap_async(stream: Any) -> AsyncIterator[Any]:
    async for event in stream:
        yield event


async def leave_deltas(stream: Any) -> None:
    deltas = stream.text_deltas()
    if hasattr(stream, "__aiter__"):
        await anext(deltas)
        await deltas.aclose()
    else:
        next(deltas)


@pytest.mark.parametrize("leave", [leave_for, leave_comprehension, leave_generator, leave_deltas])
async def test_what_for_leaves_is_closed_while_the_stream_is_held(
    colour: Colour, canned: CannedServer, opened: Callable[[Any], Any], leave: Callable[[Any], Any]
) -> None:
    closed = threading.Event()
    serve_endless(canned, closed)
    async with colour.open(server_url=canned.url, api_key=KEY, retry_config=None) as client:
        stream = await opened(client)
        await leave(stream)
        assert await seen(closed, colour)
        assert stream is not None


async def test_an_iterator_taken_by_hand_leaves_the_stream_open_until_it_is_dropped(
    colour: Colour, canned: CannedServer, opened: Callable[[Any], Any]
) -> None:
    closed = threading.Event()
    serve_endless(canned, closed)
    async with colour.open(server_url=canned.url, api_key=KEY, retry_config=None) as client:
        stream = await opened(client)
        assert await one(stream) == "a"
        assert not await seen(closed, colour, 0.2)
        del stream
        gc.collect()
        assert await seen(closed, colour)


def serve_endless(canned: CannedServer, closed: threading.Event) -> None:
    def script(connection: Connection, _: Request) -> None:
        connection.head(content_type="text/event-stream")
        connection.chunk(event("a"))
        assert connection.saw_close(), "the client never closed"
        closed.set()

    canned.script = script


async def seen(closed: threading.Event, colour: Colour, seconds: float = 3.0) -> bool:
    """Wait for the close, without holding up the event loop that may have to do it."""
    for _ in range(int(seconds / 0.01)):
        if closed.is_set():
            break
        await anyio.sleep(0.01) if colour.is_async else closed.wait(0.01)
    return closed.is_set()
