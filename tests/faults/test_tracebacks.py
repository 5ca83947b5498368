"""Tracebacks with locals, as error reporters keep them: no frame of ours shows a secret, whatever goes wrong where."""

from __future__ import annotations

import inspect
import io
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from llmsdk import SDK, errors
from llmsdk.resources.base import Resource
from support.colours import Colour, collect
from support.fault_client import ASK, CREATE
from support.fault_server import EVENTS, STREAM_HEAD, FaultServer, Fin, Stall, chunk, reply

SECRET = "sk-placeholder-0123456789"
OURS = str(Path(__file__).parents[2] / "src" / "llmsdk")
HEADERS = {"x-app": "mine", "authorization": f"Bearer {SECRET}", "X-Goog-Api-Key": SECRET}

# Where a caller may put a secret: options of the SDK and of the call, with the server's URL in the place of {url}.
GIVEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "headers of the SDK": ({"http_headers": HEADERS}, {}),
    "headers of the call": ({}, {"http_headers": HEADERS}),
    "the key": ({"api_key": SECRET}, {}),
    "query of the SDK's URL": ({"server_url": f"{{url}}?key={SECRET}"}, {}),
    "query of the call's URL": ({}, {"server_url": f"{{url}}?sig={SECRET}"}),
    "query of the call": ({}, {"extra_query": {"api_key": SECRET}}),
    "parameter of the URL": ({"server_url": "{url}/{access_token}", "url_params": {"access_token": SECRET}}, {}),
}


class Broken:
    """Hooks of which one raises."""

    def __init__(self, name: str, error: BaseException) -> None:
        def fail(*given: Any) -> Any:
            raise error

        setattr(self, name, fail)


def _fail() -> str:
    raise ZeroDivisionError("a key function that fails")


def _interrupt() -> str:
    raise KeyboardInterrupt


def _shown(error: BaseException) -> Iterator[tuple[str, str]]:
    """Give the locals of our frames as text, as they are in an exception and all that it came of."""
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename.startswith(OURS):
                where = f"{frame.f_code.co_filename.removeprefix(OURS)}:{frame.f_code.co_name}"
                yield from ((f"{where}: {name}", pretty_repr(value)) for name, value in frame.f_locals.items())
                yield from ((f"{where}: {name}", repr(value)) for name, value in frame.f_locals.items())
        seen = seen.__cause__ or seen.__context__


def assert_clean(error: BaseException) -> None:
    assert [where for where, text in _shown(error) if SECRET in text] == []
    if isinstance(error, errors.SDKError):
        for text in (str(error), repr(error), repr(vars(error))):
            assert SECRET not in text


# ------------------------------------------------------------------ construction


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout_ms": -1},
        {"sever": "openai"},
        {"http_headers": {**HEADERS, "a b": "c"}},
        {"http_headers": {**HEADERS, "host": "c"}},
        {"http_headers": {"authorization": f"{SECRET}\n"}},
        {"server_url": f"http://user:{SECRET}@127.0.0.1:1/v1"},
        {"server_url": f"http://user:{SECRET}@[127.0.0.1:1/v1"},
        {"server_url": f"http://127.0.0.1:99999/v1?key={SECRET}"},
        {"server_url": "http://127.0.0.1:1/{other}", "url_params": {"access_token": SECRET}},
        {"server_url": "http://127.0.0.1:1/", "url_params": {"access_token": SECRET}},
        {"api_key": f"{SECRET}\n"},
        {"api_key": SECRET.encode()},
        {"api_key": {"openai": SECRET, "together": f"{SECRET}\n"}},
        {"api_key": {"opena": SECRET}},
        {"hooks": [Broken("sdk_init", ZeroDivisionError())]},
        {"hooks": [Broken("sdk_init", KeyboardInterrupt())]},
    ],
)
def test_construction(wrong: dict[str, Any]) -> None:
    given = {"server_url": f"http://127.0.0.1:1?key={SECRET}", "http_headers": HEADERS, "api_key": SECRET}
    with pytest.raises((errors.ConfigurationError, ZeroDivisionError, KeyboardInterrupt)) as caught:
        SDK(**{**given, **wrong})
    assert_clean(caught.value)


def test_rich_shows_no_secret() -> None:
    try:
        SDK(http_headers=HEADERS, server_url=f"http://user:{SECRET}@127.0.0.1:1/v1")
    except errors.ConfigurationError as exc:
        shown = Traceback.from_exception(type(exc), exc, exc.__traceback__, show_locals=True, locals_max_string=None)
    console = Console(record=True, width=500, file=io.StringIO())
    console.print(shown)
    ours = console.export_text().partition(OURS)[2]
    assert "Secret('***')" in ours
    assert SECRET not in ours


def test_an_sdk_shows_no_secret() -> None:
    url, params = f"http://127.0.0.1:1/{{access_token}}?key={SECRET}", {"access_token": SECRET}
    with SDK(http_headers=HEADERS, server_url=url, url_params=params, api_key=SECRET) as sdk:
        for shown in (sdk, vars(sdk), sdk._config, sdk._runner, sdk._drivers, sdk._options):
            assert SECRET not in repr(shown)
            assert SECRET not in pretty_repr(shown)


# ---------------------------------------------------------------------- calls

STAGES: dict[str, dict[str, Any]] = {
    "a bad parameter": {"ask": {"prompt": 5}},
    "an unknown parameter": {"ask": {"promt": "p"}},
    "a bad option": {"ask": {"timeout_ms": -1}},
    "refused": {"closed": True},
    "4xx": {"play": reply(json.dumps({"error": {"message": f"what is {SECRET}?"}}).encode(), 401)},
    "no JSON": {"play": reply(b"<html>")},
    "redirected": {"play": reply(b"", 302, f"Location: http://127.0.0.1:1/?key={SECRET}")},
    "cut": {"play": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", Fin())},
    "no HTTP": {"play": (b"\x00\x01\r\n\r\n", Fin())},
    "silent": {"play": (Stall(),), "ask": {"timeout_ms": 100}},
    "a stream that is cut": {"play": (STREAM_HEAD + chunk(EVENTS[0]), Fin()), "stream": True},
    "a silent stream": {"play": (STREAM_HEAD + chunk(EVENTS[0]), Stall()), "stream": True, "ask": {"timeout_ms": 100}},
    "a bad event": {"play": (STREAM_HEAD + chunk(b"data: {\n\n"), Fin()), "stream": True},
    "before_request": {"sdk": {"hooks": [Broken("before_request", ZeroDivisionError())]}},
    "after_success": {"sdk": {"hooks": [Broken("after_success", ZeroDivisionError())]}},
    "after_error": {"sdk": {"hooks": [Broken("after_error", ZeroDivisionError())]}, "play": reply(b"{}", 500)},
    "a hook that is interrupted": {"sdk": {"hooks": [Broken("before_request", KeyboardInterrupt())]}},
    "a key function that fails": {"sdk": {"api_key": _fail}},
    "a key function that is interrupted": {"sdk": {"api_key": _interrupt}},
}
RAISED = (errors.SDKError, ZeroDivisionError, KeyboardInterrupt)


def _options(given: str, faults: FaultServer, sdk: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    options, ask = (dict(one) for one in GIVEN[given])
    options = {"server": "openai", "server_url": "{url}", "retry_config": None, **options, **sdk}
    for place in (options, ask):
        if "server_url" in place:
            place["server_url"] = place["server_url"].replace("{url}", faults.url)
    return options, ask


@pytest.mark.every_backend
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("given", GIVEN)
async def test_calls(colour: Colour, faults: FaultServer, given: str, stage: str) -> None:
    said = STAGES[stage]
    if "api_key" in said.get("sdk", {}) and given in ("the key", "headers of the SDK", "headers of the call"):
        pytest.skip("it stands in the place of the key")
    options, ask = _options(given, faults, said.get("sdk", {}))
    faults.play(said.get("play", reply()))
    if said.get("closed"):
        faults.refuse()
    async with colour.open(**options) as client:
        with pytest.raises(RAISED) as caught:
            got = await client.call(CREATE, **{**ASK, **ask, **said.get("ask", {})}, stream=said.get("stream", False))
            assert SECRET not in repr(got)
            await collect(got)
    assert_clean(caught.value)


@pytest.mark.parametrize("given", GIVEN)
async def test_an_observer_is_shown_no_secret(colour: Colour, faults: FaultServer, given: str) -> None:
    seen: list[BaseException] = []

    class Watching:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *told: seen.extend(one for one in told if isinstance(one, BaseException)) or {}

    class Observer:
        def start(self, call: Any) -> Watching:
            assert SECRET not in repr(call)
            return Watching()

    options, ask = _options(given, faults, {"observers": [Observer()]})
    faults.refuse()
    async with colour.open(**options) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK, **ask)
    assert seen == [caught.value]
    assert_clean(seen[0])


@pytest.mark.parametrize("given", GIVEN)
async def test_a_client_that_raises_anything(colour: Colour, faults: FaultServer, given: str) -> None:
    import httpx

    class Sync(httpx.Client):
        def send(self, request: Any, **more: Any) -> Any:
            raise ZeroDivisionError

    class Async(httpx.AsyncClient):
        async def send(self, request: Any, **more: Any) -> Any:
            raise ZeroDivisionError

    options, ask = _options(given, faults, {})
    options |= {"async_client": Async()} if colour.is_async else {"client": Sync()}
    async with colour.open(**options) as client:
        with pytest.raises(ZeroDivisionError) as caught:
            await client.call(CREATE, **ASK, **ask)
    assert_clean(caught.value)


@pytest.mark.parametrize("backend", ["httpx", "aiohttp"])
@pytest.mark.parametrize("given", GIVEN)
def test_a_call_that_is_cancelled(faults: FaultServer, given: str, backend: str) -> None:
    options, ask = _options(given, faults, {"backend": backend})
    faults.play((Stall(),))
    caught: list[BaseException] = []

    async def call(sdk: SDK) -> None:
        try:
            await sdk.completions.create_async(**ASK, **ask)  # type: ignore[arg-type]
        except BaseException as exc:
            caught.append(exc)
            raise

    async def main() -> None:
        async with SDK(**options) as sdk:
            with anyio.move_on_after(0.1):
                await call(sdk)

    anyio.run(main)
    assert_clean(caught[0])


# -------------------------------------------------------------------- methods

MESSAGES = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "m", "messages": MESSAGES}
# What each public method needs besides, to get as far as sending; a method that is missing here fails the test below.
NEEDS: dict[str, dict[str, Any]] = {
    "audio.speech": {"model": "m", "input": "text", "voice": "v"},
    "audio.transcribe": {"model": "m", "file": b"RIFF"},
    "audio.translate": {"model": "m", "file": b"RIFF"},
    "chat.count_tokens": CHAT,
    "chat.create": CHAT,
    "chat.parse": {**CHAT, "response_format": int},
    "chat.run_tools": {**CHAT, "tools": []},
    "chat.map": {"requests": [CHAT]},
    "completions.create": ASK,
    "completions.create_model_customization_completion": {**ASK, "customization_id": "c"},
    "completions.map": {"requests": [ASK]},
    "decisions.create": {"model": "m", "input": "text", "questions": [{"type": "predicate", "instructions": "Is it?"}]},
    "decisions.map": {
        "requests": [{"model": "m", "input": "text", "questions": [{"type": "predicate", "instructions": "Is it?"}]}]
    },
    "embeddings.create": {"model": "m", "input": "text"},
    "embeddings.map": {"requests": [{"model": "m", "input": "text"}]},
    "images.create": {"model": "m", "prompt": "p"},
    "images.edit": {"model": "m", "prompt": "p", "image": b"\x89PNG\r\n\x1a\n"},
    "images.map": {"requests": [{"model": "m", "prompt": "p"}]},
    "moderations.create": {"model": "m", "input": "text"},
    "moderations.map": {"requests": [{"model": "m", "input": "text"}]},
    "rerank.create": {"model": "m", "query": "q", "documents": ["d"]},
    "rerank.map": {"requests": [{"model": "m", "query": "q", "documents": ["d"]}]},
    "models.list": {},
    "models.retrieve": {"model": "m"},
    "files.upload": {"file": b"{}"},
    "files.list": {},
    "files.retrieve": {"file_id": "f"},
    "files.delete": {"file_id": "f"},
    "files.content": {"file_id": "f"},
    "batch.run": {
        "input": lambda folder: folder / "in.jsonl",
        "output": lambda folder: folder / "missing" / "out.jsonl",
    },
    "batches.create": {"file": lambda folder: folder / "in.jsonl"},
    "batches.retrieve": {"batch_id": "b"},
    "batches.list": {},
    "batches.cancel": {"batch_id": "b"},
    "batches.wait": {"batch": "b"},
    "batches.fetch": {"batch": "b"},
}


def _public() -> Iterator[str]:
    with SDK(server="local") as sdk:
        for place in sdk.__dir__():
            resource = getattr(sdk, place) if not place.startswith("_") else None
            if not isinstance(resource, Resource):
                continue
            for name, method in inspect.getmembers(resource, inspect.ismethod):
                takes = {one.kind for one in inspect.signature(inspect.unwrap(method)).parameters.values()}
                is_call = not takes.isdisjoint({inspect.Parameter.VAR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})
                if is_call and not name.startswith("_") and not name.endswith("_async") and name != "preview":
                    yield f"{place}.{name}"


def test_every_method_is_tried() -> None:
    assert sorted(NEEDS) == sorted(_public())


@pytest.mark.parametrize("wrong", [{}, {"timeout_ms": -1}, {"server_url": f"http://127.0.0.1:0?key={SECRET}"}])
@pytest.mark.parametrize("method", NEEDS)
async def test_methods(colour: Colour, faults: FaultServer, tmp_path: Path, method: str, wrong: dict[str, Any]) -> None:
    """Options are wrapped at the door of every method, also where it makes arguments of its own of them."""
    faults.refuse()
    (tmp_path / "in.jsonl").write_text(json.dumps({"custom_id": "1", **CHAT}) + "\n")
    given = {"http_headers": HEADERS, "extra_query": {"key": SECRET}, "server_url": f"{faults.url}?sig={SECRET}"}
    given |= {
        name: value(tmp_path) if callable(value) and value is not int else value
        for name, value in NEEDS[method].items()
    }
    if method == "batches.create":
        del given["extra_query"]
    async with colour.open(server="openai", server_url=faults.url, retry_config=None) as client:
        with pytest.raises(errors.SDKError) as caught:
            got = await client.call(method, **{**given, **wrong})
            raise (await collect(got))[0][1]
        assert_clean(caught.value)


@pytest.mark.also_trio
async def test_an_exception_that_many_calls_raise_ends_none_of_them(colour: Colour, faults: FaultServer) -> None:
    """Its traceback holds frames of all of them, those of coroutines that wait too, which must not be cleared."""
    if not colour.is_async:
        pytest.skip("only coroutines wait")
    shared, release = errors.ConfigurationError("no token yet"), anyio.Event()
    called: list[int] = []

    async def key() -> str:
        called.append(len(called))
        if len(called) > 1:
            await release.wait()
        raise shared

    async def first(sdk: SDK) -> BaseException:
        try:
            await sdk.completions.create_async(**ASK)  # type: ignore[arg-type]
        except errors.ConfigurationError as exc:
            seen = exc
            with anyio.CancelScope() as waiting:  # with the exception in hand, as a worker between two rows
                waits.append(waiting)
                await anyio.sleep_forever()
        return seen

    waits: list[anyio.CancelScope] = []
    mapped: list[Any] = []

    async def rows(sdk: SDK) -> None:
        async for result in sdk.completions.map_async([dict(ASK), dict(ASK), dict(ASK)], limit=2):  # type: ignore[list-item]
            mapped.append(result)
            release.set()

    async with SDK(server_url=faults.url, api_key=key, retry_config=None) as sdk:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(first, sdk)
                await anyio.sleep(0.05)
                group.start_soon(rows, sdk)
                await anyio.sleep(0.05)
                release.set()
                await anyio.sleep(0.2)
                waits[0].cancel()
    assert [result for _, result in sorted(mapped, key=lambda one: one[0])] == [shared] * 3
