"""One stream and two readers: the second is told so in one clear line, and the first goes on undisturbed."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from llmsdk import SDK, errors
from llmsdk._call.stream.events import EventDecoder
from support.colours import KEY
from support.fault_client import ASK
from support.fault_server import DONE, EVENTS, STREAM_HEAD, FaultServer, chunk

_BUSY = "the stream is being read by another thread or task; read it in one place, which may hand the events on"
_BOUND_S = 10


def _held_back(released: threading.Event) -> list[Any]:
    """Send the rest of a stream only once the test lets it go."""
    rest = b"".join(map(chunk, (*EVENTS[1:], DONE, b"")))
    return [STREAM_HEAD + chunk(EVENTS[0]), lambda: released.wait(_BOUND_S), rest]


def _in_line(error: pytest.ExceptionInfo[errors.ConfigurationError]) -> None:
    assert str(error.value) == _BUSY
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    "second",
    [next, list, lambda stream: list(stream.text_deltas())],
    ids=["next", "for", "text_deltas"],
)
def test_a_second_thread_is_refused(faults: FaultServer, second: Callable[[Any], Any]) -> None:
    released = threading.Event()
    faults.play(_held_back(released))
    texts: list[str] = []
    with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
        stream = sdk.completions.create(**ASK, stream=True)
        assert next(stream).text == "Hel"
        reader = threading.Thread(target=lambda: texts.extend(stream.text_deltas()))
        reader.start()
        try:
            assert faults.wait_for(lambda: stream._events.gi_running)
            with pytest.raises(errors.ConfigurationError) as error:
                second(stream)
        finally:
            released.set()
            reader.join(_BOUND_S)
        _in_line(error)
        assert texts == ["lo ", "there"]
        assert stream.final.text == "Hello there"


@pytest.mark.parametrize("read", [next, list])
def test_what_is_raised_inside_is_not_taken_for_it(
    faults: FaultServer, monkeypatch: pytest.MonkeyPatch, read: Callable[[Any], Any]
) -> None:
    def broken(self: EventDecoder, raw: bytes) -> Any:
        raise ValueError("a fault of our own")

    monkeypatch.setattr(EventDecoder, "feed", broken)
    faults.play([STREAM_HEAD + chunk(EVENTS[0])])
    with SDK(server_url=faults.url, api_key=KEY, retry_config=None) as sdk:
        stream = sdk.completions.create(**ASK, stream=True)
        with pytest.raises(ValueError, match=r"^a fault of our own$"):
            read(stream)


async def _drain(stream: Any) -> list[str]:
    return [event.text async for event in stream]


async def _deltas(stream: Any) -> list[str]:
    return [text async for text in stream.text_deltas()]


@pytest.mark.parametrize("second", [anext, _drain, _deltas], ids=["anext", "for", "text_deltas"])
@pytest.mark.parametrize(
    "over", [("asyncio", "own"), ("trio", "own"), ("asyncio", "supplied"), ("asyncio", "aiohttp")], ids="-".join
)
def test_a_second_task_is_refused(faults: FaultServer, over: tuple[str, str], second: Callable[[Any], Any]) -> None:
    released = threading.Event()
    faults.play(_held_back(released))
    loop, client = over
    texts: list[str] = []

    async def main() -> None:
        options: dict[str, Any] = {"backend": "aiohttp"} if client == "aiohttp" else {}
        async with httpx.AsyncClient() as lent:
            if client == "supplied":
                options["async_client"] = lent
            async with SDK(server_url=faults.url, api_key=KEY, retry_config=None, **options) as sdk:
                stream = await sdk.completions.create_async(**ASK, stream=True)
                assert (await anext(stream)).text == "Hel"

                async def first() -> None:
                    texts.extend(await _drain(stream))

                async with anyio.create_task_group() as group:
                    group.start_soon(first)
                    await anyio.wait_all_tasks_blocked()
                    with pytest.raises(errors.ConfigurationError) as error:
                        await second(stream)
                    _in_line(error)
                    del error
                    gc.collect()  # with what the second reader held: it closes nothing
                    await anyio.wait_all_tasks_blocked()
                    released.set()
                assert texts == ["lo ", "there"]
                assert stream.final.text == "Hello there"

    try:
        anyio.run(main, backend=loop)
    finally:
        released.set()
