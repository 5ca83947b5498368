"""What pytest and IPython show of an error: the line of the application, and none of ours."""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk._call import plan
from llmsdk._call.secrecy import hide_frames
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"Half"}}]}\n\n'


def shown(caught: pytest.ExceptionInfo[BaseException]) -> set[str]:
    """Name the files whose frames are left in the traceback as pytest prints it."""
    return {str(entry.path) for entry in caught.traceback.filter(caught)}


def add(x: int) -> int:
    return x


async def whole_stream(client: Any) -> None:
    await collect(await client.call("chat.create", **ASK, stream=True))


WAYS: dict[str, Callable[[Any], Any]] = {
    "status": lambda client: client.call("chat.create", **ASK),
    "status of a stream": lambda client: client.call("chat.create", **ASK, stream=True),
    "typo": lambda client: client.call("chat.create", model="m", mesages=[]),
    "tools": lambda client: client.call("chat.run_tools", **ASK, tools=[add]),
    "parse": lambda client: client.call("chat.parse", **ASK, response_format=int),
    "list": lambda client: client.call("models.list"),
    "no server": lambda client: client.call("chat.create", **ASK, server_url="http://127.0.0.1:9", retries=None),
}


@pytest.mark.parametrize("way", WAYS)
async def test_only_the_application_is_shown(way: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(404, {"error": {"message": "no such model"}})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        with pytest.raises(errors.SDKError) as caught:
            await WAYS[way](client)
    # `colours.py` stands for the application here: it makes the call.
    assert {path.rsplit("/", 1)[-1] for path in shown(caught)} == {"test_hidden_frames.py", "colours.py"}


async def test_only_the_application_is_shown_of_a_broken_stream(colour: Colour, canned: CannedServer) -> None:
    canned.stream(PIECE)
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await whole_stream(client)
        stream = await client.call("chat.create", **ASK, stream=True)
        with pytest.raises(errors.StreamInterruptedError):
            await collect(stream)
        with pytest.raises(errors.StreamInterruptedError) as again:
            await collect(stream)
    for one in (caught, again):
        assert not any("/src/llmsdk/" in path for path in shown(one))


def test_only_the_application_is_shown_where_no_sdk_is_made() -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(server="groq")
    assert shown(caught) == {__file__}
    with pytest.raises(errors.ConfigurationError) as caught, SDK(server_url="http://127.0.0.1:9") as sdk:
        sdk.chat.create(**ASK, server="groq")
    assert shown(caught) == {__file__}


def test_ipython_finds_the_mark_in_the_frames(canned: CannedServer) -> None:
    canned.reply(404, {"error": {"message": "no such model"}})
    with pytest.raises(errors.NotFoundError) as caught, SDK(server_url=canned.url) as sdk:
        sdk.chat.create(**ASK)
    frames = [entry.frame for entry in inspect.getinnerframes(caught.value.__traceback__)]  # type: ignore[arg-type]
    ours = [frame for frame in frames if "/src/llmsdk/" in frame.f_code.co_filename]
    assert len(ours) > 2
    assert all(frame.f_locals.get("__tracebackhide__") for frame in ours)


async def test_a_fault_of_ours_is_shown(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(plan, "encode", broken)
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(ZeroDivisionError) as caught:
            await client.call("chat.create", **ASK)
    assert any(path.endswith("plan.py") for path in shown(caught))


def test_the_names_of_a_module_stay() -> None:
    names: dict[str, Any] = {"__name__": "llmsdk.own", "hide": hide_frames, "error": errors.SDKError("m")}
    exec(compile("hide(error)", "<own>", "exec"), names)
    assert "__tracebackhide__" not in names
    assert names["hide"] is hide_frames


@pytest.mark.parametrize("way", ["status", "typo", "tools"])
async def test_an_error_is_free_once_it_is_dropped(way: str, colour: Colour, canned: CannedServer) -> None:
    canned.reply(404, {"error": {"message": "no such model"}})
    async with colour.open(api_key=KEY, server_url=canned.url) as client:
        gc.collect()
        gc.disable()
        try:
            try:
                await WAYS[way](client)
            except errors.SDKError as exc:
                left = weakref.ref(exc)
            assert left() is None
        finally:
            gc.enable()
