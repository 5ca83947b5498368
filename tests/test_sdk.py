"""The SDK object: what it takes, where its keys go, what it opens and closes, and what bad input gets."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import pickle
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import httpx
import pytest
import respx

import llmsdk
from llmsdk import SDK, Provider, Route, errors
from llmsdk.providers import PROVIDERS
from llmsdk.utils import BackoffStrategy, RetryBudget, RetryConfig
from support import shown
from support.canned import CannedServer
from support.colours import KEY, Client, Colour, collect, settled

USER = [{"role": "user", "content": "secret prompt"}]
ARGS: dict[str, Any] = {"model": "m", "prompt": "secret prompt"}
REPLY = {"choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]}
QUICK = RetryConfig("backoff", BackoffStrategy(1, 5, 1.0, 5_000), True)


def len_of(text: str) -> int:
    """Count characters."""
    return len(text)


def key_of(router: respx.MockRouter) -> str | None:
    found: str | None = router.calls.last.request.headers.get("authorization")
    return found


def mock_all(wire: respx.MockRouter) -> respx.Route:
    return wire.route().respond(json=REPLY)


# ------------------------------------------------------------- server and URL


@pytest.mark.parametrize(
    "options, url, server",
    [
        ({}, "https://api.together.xyz/v1/completions", "together"),
        ({"server": "r9s"}, "https://api.r9s.ai/v1/completions", "r9s"),
        ({"server_idx": 0}, "https://api.together.xyz/v1/completions", "together"),
        ({"server_idx": 2}, "https://api.writer.com/v1/completions", "writer_v1"),
        ({"server": PROVIDERS["r9s"]}, "https://api.r9s.ai/v1/completions", "r9s"),
        ({"server_url": "https://a.example/v1/"}, "https://a.example/v1/completions", "openai"),
        ({"server_url": "https://a.example/v1?v=2"}, "https://a.example/v1/completions?v=2", "openai"),
        (
            {"server": "writer", "server_url": "https://a.example", "organization_id": 5},
            "https://a.example/llm/organization/5/model/m/completions",
            "writer",
        ),
        (
            {"server": "writer", "url_params": {"organization_id": "o/1"}},
            "https://enterprise-api.writer.com/llm/organization/o%2F1/model/m/completions",
            "writer",
        ),
        (
            {"server_url": "https://a.example/{region}/v1", "url_params": {"region": "eu west"}},
            "https://a.example/eu%20west/v1/completions",
            "openai",
        ),
    ],
)
async def test_where_calls_go(
    options: dict[str, Any], url: str, server: str, colour: Colour, wire: respx.MockRouter
) -> None:
    route = mock_all(wire)
    async with colour.open(api_key=KEY, **options) as client:
        reply = await client.call("completions.create", **ARGS)
    assert str(route.calls.last.request.url) == url
    assert reply.meta.server == server
    assert repr(client.sdk) == f"<SDK of {server}>"


async def test_a_provider_of_ones_own(colour: Colour, wire: respx.MockRouter) -> None:
    mine = Provider(
        name="mine",
        servers=("https://mine.example/api",),
        auth="Token {api_key}",
        env_var="MINE_API_KEY",
        routes={
            "createCompletion": Route(
                path="/gen/{model}", rename={"prompt": "input"}, reply={"$.choices[0].text": "$.output"}
            )
        },
    )
    route = wire.post("https://mine.example/api/gen/m").respond(json={"output": "hi"})
    async with colour.open(server=mine, api_key=KEY) as client:
        reply = await client.call("completions.create", **ARGS)
        with pytest.raises(errors.UnsupportedOperationError):
            await client.call("chat.create", model="m", messages=USER)
    assert json.loads(route.calls.last.request.content) == {"input": "secret prompt"}
    assert key_of(wire) == f"Token {KEY}"
    assert reply.meta.server == "mine"
    async with colour.open(api_key={"mine": KEY, "together": "sk-placeholder-2"}) as client:
        await client.call("completions.create", **ARGS, server=mine)
    assert key_of(wire) == f"Token {KEY}"


# -------------------------------------------------------------------------- keys


class Rotating:
    """A key that is another one at every asking."""

    def __init__(self) -> None:
        self.asked = 0

    def plain(self) -> str:
        self.asked += 1
        return f"sk-placeholder-{self.asked}"

    async def later(self) -> str:
        await asyncio.sleep(0)
        return self.plain()


async def test_a_key_function_is_asked_before_every_attempt(colour: Colour, canned: CannedServer) -> None:
    statuses = iter([503, 503, 200])

    def script(connection: Any, _: Any) -> bool:
        body = json.dumps(REPLY).encode()
        connection.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (next(statuses), len(body), body))
        return True

    canned.script = script
    keys = Rotating()
    given = keys.later if colour.is_async else keys.plain
    async with colour.open(server_url=canned.url, api_key=given, retry_config=QUICK) as client:
        assert keys.asked == 0
        await client.call("completions.create", **ARGS)
    sent = [request.headers["authorization"] for request in canned.requests]
    assert sent == [f"Bearer sk-placeholder-{number}" for number in (1, 2, 3)]


async def test_a_plain_key_function_serves_both_colours(colour: Colour, wire: respx.MockRouter) -> None:
    mock_all(wire)
    async with colour.open(api_key=Rotating().plain) as client:
        await client.call("completions.create", **ARGS)
    assert key_of(wire) == "Bearer sk-placeholder-1"


def test_an_async_key_function_in_a_sync_call(wire: respx.MockRouter) -> None:
    with SDK(api_key=Rotating().later) as sdk, pytest.raises(errors.ConfigurationError, match="async"):
        sdk.completions.create(model="m", prompt="p")
    assert not wire.calls


@pytest.mark.parametrize("answer", ["", "a\nb", None, 3, "schlüssel-\u2603"])
async def test_a_key_function_that_answers_nonsense(answer: Any, colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(api_key=lambda: answer) as client:
        with pytest.raises(errors.ConfigurationError, match=r"^api_key"):
            await client.call("completions.create", **ARGS)
    assert not wire.calls


async def test_keys_by_server(colour: Colour, wire: respx.MockRouter) -> None:
    mock_all(wire)
    keys = {"together": "sk-placeholder-t", "writer_v1": lambda: "sk-placeholder-w"}
    async with colour.open(api_key=keys) as client:
        await client.call("completions.create", **ARGS)
        assert key_of(wire) == "Bearer sk-placeholder-t"
        await client.call("completions.create", **ARGS, server="writer_v1")
        assert key_of(wire) == "Bearer sk-placeholder-w"
        with pytest.raises(errors.ConfigurationError, match=r"^api_key: .*'r9s'.*R9S_API_KEY"):
            await client.call("completions.create", **ARGS, server="r9s")


@pytest.mark.parametrize(
    "server, variable",
    [
        ("together", "TOGETHER_API_KEY"),
        ("writer", "WRITER_API_KEY"),
        ("writer_v1", "WRITER_API_KEY"),
        ("r9s", "R9S_API_KEY"),
    ],
)
async def test_the_environment_variable_of_the_server_in_use(
    server: str, variable: str, colour: Colour, wire: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_all(wire)
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(server=server)
    assert "api_key" in str(caught.value)
    assert variable in str(caught.value)
    monkeypatch.setenv(variable, KEY)
    async with colour.open(server=server, organization_id=1) as client:
        await client.call("completions.create", **ARGS)
    assert key_of(wire) == (KEY if server == "writer" else f"Bearer {KEY}")
    async with colour.open(server=server, organization_id=1, api_key="sk-placeholder-2") as client:
        await client.call("completions.create", **ARGS)
    assert str(key_of(wire)).endswith("sk-placeholder-2")


async def test_openais_variable_goes_to_openai_alone(
    colour: Colour, wire: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_all(wire)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for url, sent in [
        ("https://api.openai.com/v1", f"Bearer {KEY}"),
        ("https://models.example/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://evil.example/api.openai.com", None),
    ]:
        async with colour.open(server_url=url) as client:
            await client.call("completions.create", **ARGS)
        assert key_of(wire) == sent, url


async def test_a_variables_key_does_not_go_to_another_host(
    colour: Colour, wire: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_all(wire)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    with pytest.raises(errors.ConfigurationError, match="belongs to"):
        SDK(server="together", server_url="https://proxy.example/v1")
    async with colour.open() as client:
        with pytest.raises(errors.ConfigurationError, match="belongs to"):
            await client.call("completions.create", **ARGS, server_url="https://proxy.example/v1")
    assert not wire.calls


async def test_a_key_stays_with_the_host_it_was_given_for(
    colour: Colour, wire: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    mock_all(wire)
    async with colour.open(api_key=KEY, server_url="https://a.example/v1") as client:
        await client.call("completions.create", **ARGS)
        assert key_of(wire) == f"Bearer {KEY}"
        await client.call("completions.create", **ARGS, server_url="https://b.example/v1")
        assert key_of(wire) is None
        await client.call("completions.create", **ARGS, server_url="http://a.example/v1")
        assert key_of(wire) is None
        await client.call("completions.create", **ARGS, server_url="https://a.example/v2")
        assert key_of(wire) == f"Bearer {KEY}"
    assert KEY not in caplog.text


async def test_a_header_of_the_callers_own_goes_where_the_key_would(colour: Colour, wire: respx.MockRouter) -> None:
    mock_all(wire)
    async with colour.open(http_headers={"Authorization": "Basic placeholder"}) as client:
        await client.call("completions.create", **ARGS)
    assert key_of(wire) == "Basic placeholder"


async def test_nothing_shows_the_key(colour: Colour, canned: CannedServer, caplog: pytest.LogCaptureFixture) -> None:
    canned.reply(401, {"error": {"message": f"bad key {KEY}"}})
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("tests.debug")
    async with colour.open(server_url=canned.url, api_key=KEY, debug_logger=logger) as client:
        with pytest.raises(errors.AuthenticationError) as caught:
            await client.call("completions.create", **ARGS)
        visible = [
            repr(client.sdk),
            repr(vars(client.sdk)),
            repr(client.sdk.completions),
            str(caught.value),
            repr(caught.value),
            repr(vars(caught.value)),
            caplog.text,
        ]
        error: BaseException | None = caught.value
        while error is not None:
            trace = error.__traceback__
            while trace is not None:
                if "llmsdk" in trace.tb_frame.f_code.co_filename:
                    visible += [repr(value) for value in trace.tb_frame.f_locals.values()]
                trace = trace.tb_next
            error = error.__cause__
    assert not [text for text in visible if KEY in text]
    assert "secret prompt" not in caplog.text
    assert "POST" in caplog.text


# ---------------------------------------------------------------------- bad input

BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"server": "togther"}, "server: unknown server 'togther'.*known servers.*did you mean 'together'"),
    ({"server": 3}, "server: unknown server int"),
    ({"server_idx": len(PROVIDERS)}, f"server_idx: .*0 to {len(PROVIDERS) - 1}.*{len(PROVIDERS)}"),
    ({"server_idx": -1}, "server_idx"),
    ({"server_idx": True}, "server_idx: .*bool"),
    ({"server_idx": "0"}, "server_idx: .*str"),
    ({"server_idx": 0, "server": "r9s"}, "server_idx: .*not both"),
    ({"server_url": "api.example/v1"}, "server_url: .*http"),
    ({"server_url": "ftp://api.example"}, "server_url: .*http"),
    ({"server_url": "https://"}, "server_url: .*host"),
    ({"server_url": "https://u:p-placeholder@api.example"}, "server_url: .*credentials"),
    ({"server_url": "https://api.example/ a"}, "server_url"),
    ({"server_url": "https://api.example/\n"}, "server_url"),
    ({"server_url": "https://api.example:99999"}, "server_url"),
    ({"server_url": 3}, "server_url: .*int"),
    ({"server_url": "https://{region}.example"}, r"server_url: .*\{region\}.*url_params"),
    ({"server_url": "https://{region}.example", "url_params": {"region": ""}}, r"url_params\.region: "),
    ({"url_params": ["region"]}, "url_params: .*list"),
    ({"url_params": {"region": 1.5}}, r"url_params\.region: .*float"),
    ({"organization_id": True}, "organization_id: .*bool"),
    ({"organization_id": 1.5}, "organization_id: .*float"),
    ({"api_key": "sk-placeholder\n"}, "api_key: .*newline"),
    ({"api_key": "sk-\x00placeholder"}, "api_key: .*control character"),
    ({"api_key": "sk-\u2603"}, "api_key: .*Latin-1"),
    ({"api_key": ""}, "api_key: .*empty"),
    ({"api_key": " sk-placeholder"}, "api_key: .*blanks"),
    ({"api_key": b"sk-placeholder"}, "api_key: .*bytes"),
    ({"api_key": {"r9s": 3}}, "api_key.*r9s.*int"),
    ({"timeout_ms": 0}, "timeout_ms: .*above 0.*0"),
    ({"timeout_ms": "5"}, "timeout_ms: .*str"),
    ({"timeout_ms": float("nan")}, "timeout_ms: .*nan"),
    ({"timeout_ms": float("inf")}, "timeout_ms: .*inf"),
    ({"retry_config": "3"}, "retry_config: .*RetryConfig, a number of retries or None.*str"),
    ({"retry_config": True}, "retry_config: .*a number of retries.*bool"),
    ({"retry_config": -1}, "retry_config: .*a number of retries.*-1"),
    ({"unsupported": "ignore"}, "unsupported: .*ignore"),
    ({"http_headers": {"X-A": "a\r\nB: c"}}, "http_headers: "),
    ({"http_headers": {"X A": "a"}}, "http_headers: "),
    ({"http_headers": {"Host": "a"}}, "http_headers: .*Host"),
    ({"http_headers": {"X-A": 3}}, "http_headers: "),
    ({"http_headers": ["X-A"]}, "http_headers: .*list"),
    ({"max_response_bytes": 0}, "max_response_bytes: .*0"),
    ({"max_event_bytes": 1.5}, "max_event_bytes: .*float"),
    ({"hooks": [object()]}, "hooks: .*object"),
    ({"api_kye": "x"}, "api_kye: .*did you mean 'api_key'"),
    ({"retry_budget": 3}, "retry_budget: .*int"),
    ({"client": 3}, "client: .*int"),
    ({"debug_logger": 3}, "debug_logger: .*int"),
    ({"hooks": 3}, "hooks: .*int"),
]


@pytest.mark.parametrize("options, pattern", BAD_OPTIONS, ids=lambda value: shown(value)[:60])
def test_bad_options_of_the_sdk(options: dict[str, Any], pattern: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(**{"api_key": KEY, **options})
    message = str(caught.value)
    assert re.search("^" + pattern, message), message
    assert "\n" not in message
    assert "p-placeholder" not in message


BAD_ARGS: list[tuple[dict[str, Any], str]] = [
    ({"server": "togther"}, "server: .*did you mean 'together'"),
    ({"server_url": "nowhere"}, "server_url: "),
    ({"server_url": "https://{x}.example"}, r"server_url: .*\{x\}"),
    ({"timeout_ms": -1}, "timeout_ms: .*-1"),
    ({"deadline_ms": 0}, "deadline_ms: "),
    ({"idle_timeout_ms": 0, "stream": True}, "idle_timeout_ms: "),
    ({"retries": "3"}, "retries: .*a number of retries.*str"),
    ({"unsupported": 3}, "unsupported: .*int"),
    ({"http_headers": {"A": "\n"}}, "http_headers: "),
    ({"http_headers": {"Content-Length": "1"}}, "http_headers: .*Content-Length"),
    ({"extra_body": [1]}, "extra_body: .*list"),
    ({"extra_query": "a=b"}, "extra_query: .*str"),
    ({"extra_body": {"x": object()}}, r"extra_body\.x: "),
    ({"organization_id": 1.5, "server": "writer"}, "organization_id: .*float"),
    ({"server": "writer"}, "organization_id: .*SDK\\(organization_id"),
    ({"server": "writer", "organization_id": ""}, "organization_id: .*empty"),
    ({"max_tokens": "many"}, "max_tokens: .*str"),
    ({"max_tokns": 1}, "max_tokns: .*'max_tokens'"),
    ({"prompt": None}, "prompt: "),
    ({"prompt": ["secret prompt"]}, "prompt: .*list"),
]


@pytest.mark.parametrize("args, pattern", BAD_ARGS, ids=lambda value: shown(value)[:60])
async def test_bad_options_of_a_call(
    args: dict[str, Any], pattern: str, colour: Colour, wire: respx.MockRouter
) -> None:
    keys = dict.fromkeys(PROVIDERS, KEY)
    async with colour.open(api_key=keys) as client:
        with pytest.raises((errors.ConfigurationError, errors.RequestValidationError)) as caught:
            await client.call("completions.create", **{**ARGS, **args})
    message = str(caught.value)
    assert re.search("^" + pattern, message), message
    assert "\n" not in message
    assert "secret prompt" not in message
    assert isinstance(caught.value, ValueError)
    assert not wire.calls


async def test_idle_timeout_of_a_call_that_does_not_stream(colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(server="r9s", api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match=r"^idle_timeout_ms: models\.list does not stream"):
            await client.call("models.list", idle_timeout_ms=5)


async def test_offline_means_offline(colour: Colour) -> None:
    async with colour.open(api_key=KEY) as client:
        with pytest.raises(errors.ConfigurationError, match=r"LLMSDK_OFFLINE=1.*api\.together\.xyz"):
            await client.call("completions.create", **ARGS)


# ----------------------------------------------------------------- open and close


async def test_nothing_is_open_before_the_first_call(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    client = colour.open(server_url=canned.url, api_key=KEY)
    assert "completions" not in vars(client.sdk)
    assert not client.sdk._drivers.is_open
    client.preview("completions", **ARGS)
    assert not client.sdk._drivers.is_open
    async with client:
        await client.call("completions.create", **ARGS)
        assert client.sdk._drivers.is_open
        assert client.sdk.completions is client.sdk.completions
    assert not client.sdk._drivers.is_open


async def test_use_after_close(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    client = colour.open(server_url=canned.url, api_key=KEY)
    async with client:
        completions = client.sdk.completions
        await client.call("completions.create", **ARGS)
    with pytest.raises(errors.ConfigurationError, match="closed"):
        await client.call("completions.create", **ARGS)
    with pytest.raises(errors.ConfigurationError, match="closed"):
        await client.events("chat.create", model="m", messages=USER)
    with pytest.raises(errors.ConfigurationError, match="closed"):
        completions.create(model="m", prompt="p")
    client.sdk.close()
    await Client(client.sdk, colour.backend).__aexit__(None, None, None)
    assert len(canned.requests) == 1


@pytest.mark.parametrize("closing", ["with", "async with"])
def test_either_with_closes_both_colours(closing: str, canned: CannedServer) -> None:
    canned.reply(200, REPLY)

    async def main() -> None:
        sdk = SDK(server_url=canned.url, api_key=KEY)
        sdk.completions.create(model="m", prompt="p")
        await sdk.completions.create_async(model="m", prompt="p")
        if closing == "with":
            with sdk:
                pass
        else:
            async with sdk:
                pass
        for _ in range(300):
            if canned.open_connections == 0:
                break
            await asyncio.sleep(0.01)
        assert canned.connections == 2
        assert canned.open_connections == 0

    asyncio.run(main())


@pytest.mark.parametrize("family", ["httpx", "httpx2"])
async def test_a_supplied_client_of_the_other_colour_or_closed(family: str, colour: Colour) -> None:
    library = pytest.importorskip(family)
    ours, other = ("async_client", "client") if colour.is_async else ("client", "async_client")
    theirs = (library.AsyncClient if colour.is_async else library.Client)(trust_env=False)
    with pytest.raises(errors.ConfigurationError, match=f"^{other}: .*; pass it as {ours}"):
        SDK(server_url="http://127.0.0.1:1", **{other: theirs})
    await settled(theirs.aclose() if colour.is_async else theirs.close())
    async with colour.open(server_url="http://127.0.0.1:1", **{ours: theirs}) as client:
        with pytest.raises(errors.ConfigurationError, match=f"^{ours}: is closed"):
            await client.call("completions.create", **ARGS)


@pytest.mark.parametrize("family", ["httpx", "httpx2"])
async def test_a_supplied_client_is_used_and_never_closed(family: str, colour: Colour, canned: CannedServer) -> None:
    library = pytest.importorskip(family)
    canned.reply(200, REPLY)
    theirs = (library.AsyncClient if colour.is_async else library.Client)(headers={"X-Theirs": "1"}, trust_env=False)
    option = {"async_client" if colour.is_async else "client": theirs}
    try:
        async with colour.open(server_url=canned.url, api_key=KEY, **option) as client:
            assert (await client.call("completions.create", **ARGS)).text == "hi"
            canned.stream(b'data: {"choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]}\n\n')
            assert len(await client.events("completions.create", **ARGS)) == 1
            canned.reply(429, {"error": {"message": "No."}})
            with pytest.raises(errors.RateLimitError):
                await client.call("completions.create", **ARGS, retries=None)
        assert not theirs.is_closed
        assert all(request.headers["x-theirs"] == "1" for request in canned.requests)
        assert canned.last.headers["authorization"] == f"Bearer {KEY}"
    finally:
        if colour.is_async:
            await theirs.aclose()
        else:
            theirs.close()


@pytest.mark.parametrize("family", ["httpx", "httpx2"])
async def test_failures_of_a_supplied_client_are_ours(family: str, colour: Colour, canned: CannedServer) -> None:
    library = pytest.importorskip(family)
    theirs = (library.AsyncClient if colour.is_async else library.Client)(trust_env=False)
    option = {"async_client" if colour.is_async else "client": theirs}
    canned.script = lambda connection, request: False
    try:
        async with colour.open(server_url=canned.url, api_key=KEY, retry_config=None, **option) as client:
            with pytest.raises(errors.APIConnectionError) as caught:
                await client.call("completions.create", **ARGS)
            assert type(caught.value.__cause__).__name__ == "RemoteProtocolError"
            with pytest.raises(errors.APIConnectionError):
                await client.call("completions.create", **ARGS, server_url="http://127.0.0.1:9")
    finally:
        if colour.is_async:
            await theirs.aclose()
        else:
            theirs.close()


def test_a_forgotten_sdk_warns(canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    sdk = SDK(server_url=canned.url, api_key=KEY)
    sdk.completions.create(model="m", prompt="p")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del sdk
        gc.collect()
        seen = [(warning.category, str(warning.message).split(";")[0]) for warning in caught]
        caught.clear()  # a warning holds its source, here the SDK with its sockets
        gc.collect()
    assert seen == [(ResourceWarning, "unclosed <SDK of openai>")]


def test_an_sdk_that_opened_nothing_is_forgotten_in_silence() -> None:
    sdk = SDK(api_key=KEY)
    assert sdk.chat
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del sdk
        gc.collect()


def test_two_event_loops_one_after_the_other(canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    sdk = SDK(server_url=canned.url, api_key=KEY)

    async def main() -> str:
        text: str = (await sdk.completions.create_async(model="m", prompt="p")).text
        return text

    assert [asyncio.run(main()), asyncio.run(main())] == ["hi", "hi"]
    asyncio.run(sdk.aclose())
    assert canned.connections == 2


def test_many_threads_share_an_sdk(canned: CannedServer) -> None:
    from concurrent.futures import ThreadPoolExecutor

    canned.reply(200, REPLY)
    with SDK(server_url=canned.url, api_key=KEY) as sdk, ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: sdk.completions.create(model="m", prompt="p").text, range(40)))
    assert texts == ["hi"] * 40
    assert canned.connections <= 8


# ------------------------------------------------------------------------ pickling


def named_key() -> str:
    return KEY


async def test_an_sdk_pickles_to_its_configuration(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    original = colour.open(
        server="writer", server_url=canned.url, organization_id=4, http_headers={"X-A": "1"}, api_key=KeyByName()
    )
    async with original:
        await original.call("completions.create", **ARGS)
        data = pickle.dumps(original.sdk)
    assert KEY.encode() not in data
    async with Client(pickle.loads(data), colour.backend) as copied:
        await copied.call("completions.create", **ARGS)
    first, second = canned.requests
    assert (first.target, first.headers["x-a"]) == (second.target, second.headers["x-a"])
    assert first.headers["authorization"] == second.headers["authorization"] == KEY


class KeyByName:
    """A key function that travels by name."""

    def __call__(self) -> str:
        return KEY


def test_a_variable_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    data = pickle.dumps(SDK(retry_config=QUICK, timeout_ms=5))
    assert KEY.encode() not in data
    assert repr(pickle.loads(data)) == "<SDK of together>"
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(errors.ConfigurationError, match="TOGETHER_API_KEY"):
        pickle.loads(data)


@pytest.mark.parametrize("api_key", [KEY, {"together": KEY}])
def test_a_literal_key_does_not_travel(api_key: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^api_key: ") as caught:
        pickle.dumps(SDK(api_key=api_key))
    assert KEY not in str(caught.value)


@dataclass
class _Owner:
    """What an application keeps an SDK in, such as an agent that is copied for every run."""

    sdk: SDK
    name: str = "owner"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
async def test_a_copy_in_this_process_has_the_same_key_and_settings(
    colour: Colour, canned: CannedServer, duplicate: Any
) -> None:
    canned.reply(200, REPLY)
    headers = {"x-goog-api-key": KEY, "x-app": "mine"}
    async with colour.open(server_url=canned.url, api_key=KEY, http_headers=headers, timeout_ms=7_000) as client:
        owner = _Owner(client.sdk)
        copied = duplicate(owner).sdk if duplicate is copy.deepcopy else duplicate(client.sdk)
        assert copied is not client.sdk
        assert copied._config.timeout_ms == 7_000
        assert KEY not in repr(vars(copied))
        async with Client(copied, colour.backend) as second:
            await second.call("completions.create", **ARGS)
        assert canned.last.headers["authorization"] == f"Bearer {KEY}"
        assert (canned.last.headers["x-goog-api-key"], canned.last.headers["x-app"]) == (KEY, "mine")
        await client.call("completions.create", **ARGS)  # closing the copy has closed nothing of the first
        with pytest.raises(errors.ConfigurationError):
            pickle.dumps(copied)


def test_a_copy_shares_a_supplied_client() -> None:
    with httpx.Client() as client:
        copied = copy.deepcopy(SDK(api_key=KEY, client=client))
        assert copied._options["client"] is client


def test_a_supplied_client_does_not_travel() -> None:
    with httpx.Client() as client, pytest.raises(errors.ConfigurationError, match=r"^client: "):
        pickle.dumps(SDK(api_key=named_key, client=client))


# --------------------------------------------------------- settings of the whole SDK


async def test_settings_that_calls_inherit(colour: Colour, canned: CannedServer) -> None:
    canned.script = lambda connection, request: connection.saw_close()
    async with colour.open(
        server_url=canned.url, api_key=KEY, timeout_ms=100, retry_config=None, http_headers={"X-A": "1"}
    ) as client:
        with pytest.raises(errors.APITimeoutError) as caught:
            await client.call("completions.create", **ARGS, timeout_ms=None)
        assert caught.value.meta is not None
        assert [attempt.error for attempt in caught.value.meta.attempts] == ["timeout"]
    assert canned.last.headers["x-a"] == "1"


@pytest.mark.parametrize("place", ["sdk", "call"])
async def test_a_number_of_retries(colour: Colour, canned: CannedServer, place: str) -> None:
    canned.reply(503, b"", {"retry-after": "0"})
    option: dict[str, Any] = {"retry_config": 2} if place == "sdk" else {}
    async with colour.open(server_url=canned.url, api_key=KEY, **option) as client:
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call("completions.create", **ARGS, **({} if place == "sdk" else {"retries": 2}))
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call("completions.create", **ARGS, retries=0)
    assert len(canned.requests) == 3 + 1


async def test_with_options_shares_connections(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url, api_key=KEY, http_headers={"X-A": "1"}) as client:
        await client.call("completions.create", **ARGS)
        other = Client(client.sdk.with_options(http_headers={"X-A": "2"}), colour.backend)
        async with other:
            await other.call("completions.create", **ARGS)
        await client.call("completions.create", **ARGS)
        assert [request.headers["x-a"] for request in canned.requests] == ["1", "2", "1"]
        assert {request.headers["authorization"] for request in canned.requests} == {f"Bearer {KEY}"}
        assert canned.connections == 1
        await other.call("completions.create", **ARGS)  # closing it has closed nothing
    with pytest.raises(errors.ConfigurationError, match="closed"):
        await other.call("completions.create", **ARGS)
    with pytest.raises(errors.ConfigurationError, match="closed"):
        client.sdk.with_options(timeout_ms=5)


def test_with_options_keeps_a_key_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    sdk = SDK(server="together", api_key=KEY)
    with pytest.raises(errors.ConfigurationError, match=r"^api_key: server 'openai' needs one"):
        sdk.with_options(server="openai")
    with pytest.raises(errors.ConfigurationError, match=r"^api_key: server 'together' needs one for 127\.0\.0\.1"):
        sdk.with_options(server_url="http://127.0.0.1:9")
    sdk.with_options(server_url="http://127.0.0.1:9", api_key="sk-placeholder")
    assert sdk.with_options(timeout_ms=5)._config.keys.of(sdk._config.provider) is not None


def test_with_options_opens_what_is_made_otherwise() -> None:
    with SDK(server="local") as sdk:
        assert sdk.with_options(timeout_ms=5)._drivers is sdk._drivers
        assert sdk.with_options(backend="httpx")._drivers is not sdk._drivers
        with pytest.raises(errors.ConfigurationError, match=r"^timeout: unknown option"):
            sdk.with_options(timeout=5)  # type: ignore[call-arg] # what is tested


async def test_settings_of_a_call_go_over_those_of_the_sdk(colour: Colour, canned: CannedServer) -> None:
    canned.script = lambda connection, request: connection.saw_close()
    async with colour.open(server_url=canned.url, api_key=KEY, retry_config=QUICK) as client:
        with pytest.raises(errors.APITimeoutError) as caught:
            await client.call("completions.create", **ARGS, timeout_ms=100, retries=None)
        assert type(caught.value) is errors.APITimeoutError
        with pytest.raises(errors.DeadlineExceededError):
            await client.call("completions.create", **ARGS, deadline_ms=100)
    assert len(canned.requests) == 2


async def test_a_budget_bounds_the_retries_of_all_calls(colour: Colour, canned: CannedServer) -> None:
    canned.reply(503, b"")
    budget = RetryBudget(initial=3, per_second=0)
    async with colour.open(server_url=canned.url, api_key=KEY, retry_config=QUICK, retry_budget=budget) as client:
        for _ in range(3):
            with pytest.raises(errors.ServiceUnavailableError):
                await client.call("completions.create", **ARGS, deadline_ms=1_000)
    assert len(canned.requests) == 3 + 3


async def test_a_reply_larger_than_its_bound(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {**REPLY, "padding": "x" * 5_000})
    async with colour.open(server_url=canned.url, api_key=KEY, max_response_bytes=1_000) as client:
        with pytest.raises(errors.ResponseValidationError, match="1000 bytes"):
            await client.call("completions.create", **ARGS)


async def test_the_deadline_bounds_attempts_and_waits(colour: Colour, canned: CannedServer) -> None:
    canned.reply(503, b"", {"retry-after": "1"})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await client.call("completions.create", **ARGS, deadline_ms=300)
    assert caught.value.retry_after_s == 1
    assert len(canned.requests) == 1


async def test_what_every_request_says_of_us(colour: Colour, canned: CannedServer) -> None:
    import llmsdk

    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        await client.call("completions.create", **ARGS)
    headers = canned.last.headers
    assert headers["user-agent"].startswith(f"llmsdk-python/{llmsdk.__version__} ")
    assert headers["content-type"] == "application/json"
    assert headers["accept"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{canned.port}"
    assert set(headers) == {
        "accept", "accept-encoding", "authorization", "content-length", "content-type", "host", "idempotency-key",
        "user-agent",
    } | ({"connection"} & set(headers))  # fmt: skip


class Recording:
    """A hook that writes down what it sees."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def sdk_init(self, config: Any) -> None:
        self.log.append(f"{self.name} init")

    def before_request(self, ctx: Any, request: Any) -> Any:
        self.log.append(f"{self.name} before {ctx.operation_id} {ctx.attempt}")
        request.headers[f"x-{self.name}"] = "1"
        ctx.state[self.name] = ctx.state.get(self.name, 0) + 1
        return request

    def after_success(self, ctx: Any, response: Any) -> Any:
        self.log.append(f"{self.name} success {ctx.state[self.name]}")
        return response

    def after_error(self, ctx: Any, response: Any, error: Any) -> Any:
        self.log.append(f"{self.name} error {type(error).__name__ if error else response.status_code}")
        return response, error


async def test_hooks_in_order_and_in_reverse(colour: Colour, canned: CannedServer) -> None:
    statuses = iter([503, 200])

    def script(connection: Any, _: Any) -> bool:
        body = json.dumps(REPLY).encode()
        connection.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (next(statuses), len(body), body))
        return True

    canned.script = script
    log: list[str] = []
    hooks = [Recording("a", log), Recording("b", log)]
    async with colour.open(server_url=canned.url, api_key=KEY, hooks=hooks, retry_config=QUICK) as client:
        await client.call("completions.create", **ARGS)
    assert log == [
        "a init", "b init",
        "a before createCompletion 1", "b before createCompletion 1",
        "b error ServiceUnavailableError", "a error ServiceUnavailableError",
        "a before createCompletion 2", "b before createCompletion 2",
        "b success 2", "a success 2",
    ]  # fmt: skip
    assert [(request.headers["x-a"], request.headers["x-b"]) for request in canned.requests] == [("1", "1")] * 2


class Later:
    """A hook that waits."""

    async def before_request(self, ctx: Any, request: Any) -> Any:
        await asyncio.sleep(0)
        request.headers["x-later"] = "1"
        return request


async def test_async_hooks(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url, api_key=KEY, hooks=[Later()]) as client:
        if colour.is_async:
            await client.call("completions.create", **ARGS)
            assert canned.last.headers["x-later"] == "1"
        else:
            with pytest.raises(errors.ConfigurationError, match=r"^hooks: .*async"):
                await client.call("completions.create", **ARGS)
            assert canned.requests == []


class Raising:
    """A hook that has a bug."""

    def after_success(self, ctx: Any, response: Any) -> Any:
        raise LookupError("mine")


async def test_an_exception_of_a_hook_comes_through(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url, api_key=KEY, hooks=[Raising()]) as client:
        for _ in range(3):
            with pytest.raises(LookupError, match="mine"):
                await client.call("completions.create", **ARGS)
    assert canned.connections == 1


async def test_the_embedded_provider(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        reply = await client.call("chat.create", model="m", messages=USER)
        assert reply.text
        assert reply.meta.server == "local"
        events = await client.events("chat.create", model="m", messages=USER)
        assert "".join(event.text for event in events) == reply.text
        assert await collect(await client.call("completions.create", **ARGS, stream=True))


def test_importing_costs_no_http_library() -> None:
    """`import llmsdk`, and even making an SDK, loads none of what only a call needs."""
    code = (
        "import sys; from llmsdk import SDK; SDK(api_key='sk-placeholder');"
        "print(*[name for name in ('httpx', 'httpcore', 'asyncio') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": "src", "PATH": ""},
    )
    assert done.stdout.strip() == ""


# ------------------------------------------------------------ names of other clients


@pytest.mark.parametrize(
    "option, hint",
    [
        ("timeout", "timeout_ms="),
        ("headers", "http_headers="),
        ("default_headers", "http_headers="),
        ("max_retries", "retry_config="),
        ("retries", "retry_config="),
        ("organization", "OpenAI-Organization"),
        ("api_base", "server_url="),
        ("base_url", "server_url="),
        ("token", "api_key="),
        ("model", "to each call"),
        ("messages", "to each call"),
        ("url", "server_url="),
        ("api_version", "extra_query="),
        ("verify", "client="),
        ("frobnicate", "options are api_key"),
        ("http_client", "client="),
        ("timeot_ms", "did you mean 'timeout_ms'"),
    ],
)
def test_options_of_other_clients(option: str, hint: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=f"^{option}: unknown option of SDK; .*{hint}"):
        SDK(**{option: "x"})


@pytest.mark.parametrize(
    "method, name, hint",
    [
        ("chat.create", "timeout", "pass timeout_ms="),
        ("chat.create", "extra_headers", "pass http_headers="),
        ("chat.create", "headers", "pass http_headers="),
        ("chat.create", "api_key", r"pass it to SDK\(api_key=...\)"),
        ("chat.create", "max_retries", "pass retries="),
        ("chat.create", "base_url", "pass server_url="),
        ("chat.create", "system", "pass it as the first of messages"),
        ("chat.create", "input", "pass messages="),
        ("completions.create", "messages", "pass prompt="),
        ("embeddings.create", "text", "pass input="),
        ("chat.create", "response_model", r"call sdk\.chat\.parse"),
        ("chat.create", "model_name", "pass model="),
        ("chat.create", "json_mode", "pass response_format="),
        ("chat.create", "retires", "did you mean 'retries'"),
        ("chat.create", "zzz", "what only the server knows goes in extra_body"),
        ("images.create", "tone", "what only the server knows goes in extra_body"),
    ],
)
async def test_parameters_of_other_clients(colour: Colour, method: str, name: str, hint: str) -> None:
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(errors.RequestValidationError, match=f"^{name}: unknown parameter of {method}; {hint}"):
            await client.call(method, model="m", **{name: "x"})


@pytest.mark.parametrize(
    "path, text",
    [
        ("chat.completions", r"^Chat has no attribute 'completions'; call sdk\.chat\.create"),
        ("images.generate", r"^Images has no attribute 'generate'; call sdk\.images\.create"),
        ("responses", r"^SDK has no attribute 'responses'; call sdk\.chat\.create"),
        ("audio.transcriptions", r"^Audio has no attribute 'transcriptions'; call sdk\.audio\.transcribe"),
        ("chat.stream", r"^Chat has no attribute 'stream'; call sdk\.chat\.create\(..., stream=True\)$"),
        ("models.with_raw_response", r"^Models has no attribute 'with_raw_response'; replies and streams have \.meta"),
        ("imges", r"^SDK has no attribute 'imges'; did you mean 'images'\?$"),
        ("zzz", r"^SDK has no attribute 'zzz'$"),
        ("_zzz", r"^SDK has no attribute '_zzz'$"),
    ],
)
def test_attributes_of_other_clients(path: str, text: str) -> None:
    with SDK(server="local") as sdk, pytest.raises(AttributeError, match=text):
        attrgetter(path)(sdk)


@pytest.mark.parametrize(
    "name, hint",
    [
        ("RateLimitError", "; it is llmsdk.errors.RateLimitError"),
        ("AsyncOpenAI", "; use SDK, sync and async"),
        ("RetryConfg", "; did you mean 'RetryConfig'?"),
        ("zzz", ""),
        ("_zzz", ""),
    ],
)
def test_names_of_other_packages(name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(llmsdk, name)
    assert str(caught.value) == f"module 'llmsdk' has no attribute {name!r}{hint}"


@pytest.mark.parametrize(
    "given, text",
    [
        ({"response_format": Colour}, r"^response_format: must be .*, got type; .* sdk\.chat\.parse\(response_format="),
        ({"tools": [settled]}, r"^tools\[0\]: must be .*, got function; .* sdk\.chat\.run_tools\("),
        ({"stop": len_of}, "got function$"),
    ],
)
async def test_classes_and_functions_as_parameters(colour: Colour, given: dict[str, Any], text: str) -> None:
    async with colour.open(server_url="http://127.0.0.1:9") as client:
        with pytest.raises(errors.RequestValidationError, match=text):
            await client.call("chat.create", model="m", messages=USER, **given)
