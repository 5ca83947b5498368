"""What users' tests hook into works around a default SDK: a mock of httpx is never looked past."""

from __future__ import annotations

import functools
import gc
from pathlib import Path
from typing import Any
from unittest import mock

import httpcore
import httpx
import pytest
import respx
import vcr
from pytest_httpx import HTTPXMock

from llmsdk import SDK, errors
from llmsdk._net.patches import is_patched
from llmsdk.local import LocalServer
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "prompt": "p"}
URL = "https://api.together.xyz/v1/completions"
REPLY = {"id": "c", "object": "o", "choices": [{"index": 0, "text": "mocked", "finish_reason": "stop"}]}
STREAM = b"".join(
    b'data: {"id":"c","choices":[{"index":0,"text":"%b","finish_reason":%b}]}\n\n' % piece
    for piece in ((b"moc", b"null"), (b"ked", b'"stop"'))
)
SSE = {"content-type": "text/event-stream"}

pytestmark = pytest.mark.also_trio


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls through to the mocks; nothing listens where the proxy would be, if one was looked past."""
    monkeypatch.delenv("LLMSDK_OFFLINE")


@pytest.fixture(params=[False, True], ids=["direct", "proxied"])
def _proxied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")


def open_sdk(colour: Colour, **options: Any) -> Any:
    return colour.open(**{"api_key": KEY, "server": "together", "retry_config": None, **options})


async def check(colour: Colour, **options: Any) -> None:
    """A call and a stream are answered by the mock."""
    async with open_sdk(colour, **options) as client:
        assert (await client.call("completions.create", **ASK)).text == "mocked"
        stream = await client.call("completions.create", **ASK, stream=True)
        got = [text async for text in stream.text_deltas()] if colour.is_async else list(stream.text_deltas())
        assert got == ["moc", "ked"]
        assert stream.final.text == "mocked"


class Hook:
    """Sees requests and responses."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def before_request(self, _: Any, request: httpx.Request) -> httpx.Request:
        self.seen.append(request.headers["authorization"])
        return request

    def after_success(self, _: Any, response: httpx.Response) -> httpx.Response:
        self.seen.append(response.status_code)
        return response


@pytest.mark.usefixtures("_proxied")
@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx(colour: Colour, using: str) -> None:
    with respx.mock(using=using) as router:
        router.post(URL).mock(
            side_effect=[httpx.Response(200, json=REPLY), httpx.Response(200, content=STREAM, headers=SSE)]
        )
        await check(colour)
        assert router.calls[0].request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.usefixtures("_proxied")
async def test_pytest_httpx(colour: Colour, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, json=REPLY)
    httpx_mock.add_response(url=URL, content=STREAM, headers=SSE)
    hook = Hook()
    await check(colour, hooks=[hook])
    assert hook.seen == [f"Bearer {KEY}", 200] * 2
    httpx_mock.add_response(url=URL, status_code=401, json={"error": {"message": "no such key"}})
    httpx_mock.add_exception(httpx.ConnectError("down"))
    async with open_sdk(colour) as client:
        with pytest.raises(errors.AuthenticationError, match="no such key"):
            await client.call("completions.create", **ASK)
        with pytest.raises(errors.APIConnectionError, match="down"):
            await client.call("completions.create", **ASK)


async def test_vcr(colour: Colour, tmp_path: Path) -> None:
    texts: list[str] = []
    with LocalServer() as server:
        for mode in ("once", "none"):
            with vcr.use_cassette(str(tmp_path / "tape.yaml"), record_mode=mode):
                async with colour.open(server_url=server.url) as client:
                    texts.append((await client.call("completions.create", **ASK)).text)
                    stream = await client.call("completions.create", **ASK, stream=True)
                    assert await collect(stream)
                    texts.append(stream.final.text)
        assert len(server.requests) == 2
    assert texts[:2] == texts[2:]


def _send(_: Any, request: httpx.Request, **__: Any) -> httpx.Response:
    if b'"stream":true' in request.content:
        return httpx.Response(200, content=STREAM, headers=SSE, request=request)
    return httpx.Response(200, json=REPLY, request=request)


async def _send_async(client: Any, request: httpx.Request, **more: Any) -> httpx.Response:
    return _send(client, request, **more)


PATCHES = {
    "send": ("httpx.Client.send", "httpx.AsyncClient.send"),
    "transport": ("httpx.HTTPTransport.handle_request", "httpx.AsyncHTTPTransport.handle_async_request"),
    "single": ("httpx.Client._send_single_request", "httpx.AsyncClient._send_single_request"),
}


@pytest.mark.usefixtures("_proxied")
@pytest.mark.parametrize("place", list(PATCHES))
async def test_a_patched_function(colour: Colour, place: str) -> None:
    target = PATCHES[place][colour.is_async]
    with mock.patch(target, _send_async if colour.is_async else _send):
        await check(colour)


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["plain", "wraps"])
def test_a_patch_is_seen_and_forgotten(monkeypatch: pytest.MonkeyPatch, is_wrapped: bool) -> None:
    assert not is_patched()
    owners = [
        (httpx.Client, "send"),
        (httpx.AsyncClient, "send"),
        (httpx.HTTPTransport, "handle_request"),
        (httpx.AsyncHTTPTransport, "handle_async_request"),
        (httpcore.ConnectionPool, "handle_request"),
        (httpcore.AsyncConnectionPool, "handle_async_request"),
    ]
    for owner, name in owners:
        genuine = getattr(owner, name)

        def wrapper(*args: Any, _of: Any = genuine, **more: Any) -> Any:
            return _of(*args, **more)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, functools.wraps(genuine)(wrapper) if is_wrapped else wrapper)
            assert is_patched()
        assert not is_patched()
    with mock.patch("httpx.Client"):
        assert is_patched()
    assert not is_patched()


def test_an_httpx_without_private_functions_is_not_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner in (httpx.Client, httpx.AsyncClient):
        monkeypatch.delattr(owner, "_send_single_request")
        monkeypatch.delattr(owner, "_transport_for_url")
    assert not is_patched()


async def test_calls_go_their_own_way_again_once_the_mock_is_gone(colour: Colour, canned: CannedServer) -> None:
    """One SDK, under the mock and without; what it opened for httpx's client is closed with it."""
    canned.reply(200, {**REPLY, "choices": [{"index": 0, "text": "real", "finish_reason": "stop"}]})
    async with open_sdk(colour, server=None, server_url=canned.url) as client:
        with respx.mock(assert_all_called=False) as router:
            router.post(f"{canned.url}/completions").respond(json=REPLY)
            assert (await client.call("completions.create", **ASK)).text == "mocked"
        assert (await client.call("completions.create", **ASK)).text == "real"
        with respx.mock as router:
            router.route().pass_through()
            for _ in range(2):
                assert (await client.call("completions.create", **ASK)).text == "real"
        assert (await client.call("completions.create", **ASK)).text == "real"
    gc.collect()
    assert canned.connections == 2, "one of our own, one of httpx's client"


def test_an_sdk_that_is_closed_under_a_mock_is_closed(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, json=REPLY)
    sdk = SDK(api_key=KEY, server="together")
    assert sdk.completions.create(**ASK).text == "mocked"
    sdk.close()
    with pytest.raises(errors.ConfigurationError, match="the SDK is closed"):
        sdk.completions.create(**ASK)
