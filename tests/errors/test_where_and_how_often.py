"""What errors say beside the cause: server and host, the limit with its value, attempts and time, proxy and key."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
NOWHERE = "http://127.0.0.1:9"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
QUICK = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 60_000), True, max_attempts=3)
TIME = r"[0-9.]+ m?s"


async def failure(colour: Colour, kind: type[errors.SDKError], call: dict[str, Any], **options: Any) -> str:
    """Call, take a stream to its end, and give the text of the error that it ends in."""
    async with colour.open(**{"retry_config": None, **options}) as client:
        with pytest.raises(kind) as caught:
            made = await client.call("chat.create", **ASK, **call)
            await collect(made)
    return str(caught.value)


def silent(connection: Connection, _: Request) -> None:
    assert connection.saw_close()


def begun(connection: Connection, request: Request) -> None:
    if b'"stream":true' in request.body:
        connection.head(200, content_type="text/event-stream")
        connection.chunk(EVENT)
    else:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    assert connection.saw_close()


async def test_no_server(colour: Colour) -> None:
    text = await failure(colour, errors.APIConnectionError, {}, server_url=NOWHERE, retry_config=QUICK)
    where = re.escape(f"{NOWHERE} (server 'openai')")
    assert re.fullmatch(f"no reply from {where} after 3 attempts in {TIME}: connection refused", text), text
    text = await failure(colour, errors.APIConnectionError, {}, server_url=NOWHERE)
    assert re.fullmatch(f"no reply from {where} after 1 attempt in {TIME}: connection refused", text), text


# Where the head has to come in time, the limit is one that a slow machine keeps too.
LIMITS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no head": (silent, {"timeout_ms": 60}, "no reply within timeout_ms=60 from {} after 1 attempt in TIME"),
    "no head in all": (
        silent,
        {"deadline_ms": 600},
        "deadline_ms=600 passed during an attempt: no reply from {} after 1 attempt in TIME",
    ),
    "half a body": (
        begun,
        {"timeout_ms": 600.5},
        "the reply from {} did not arrive whole within timeout_ms=600.5, only 1 byte did",
    ),
    "half a body in all": (begun, {"deadline_ms": 600}, "deadline_ms=600 passed inside the reply, after 1 byte"),
    "a silent stream": (
        begun,
        {"stream": True, "timeout_ms": 600},
        "the stream from {} fell silent: no byte within timeout_ms=600",
    ),
    "an idle stream": (
        begun,
        {"stream": True, "idle_timeout_ms": 600},
        "the stream from {} fell silent: no event within idle_timeout_ms=600",
    ),
    "a long stream": (begun, {"stream": True, "deadline_ms": 600}, "deadline_ms=600 passed inside the stream"),
}


@pytest.mark.every_backend
@pytest.mark.parametrize("name", LIMITS)
async def test_the_limit_that_passed_and_its_value(name: str, colour: Colour, canned: CannedServer) -> None:
    script, call, line = LIMITS[name]
    canned.reply(200, {"data": []})
    async with colour.open(server_url=canned.url, retry_config=None) as client:
        await client.call("models.list")  # what a first call imports takes its time
        canned.script = script
        with pytest.raises(errors.APITimeoutError) as caught:
            await collect(await client.call("chat.create", **ASK, **call))
    text = str(caught.value)
    wanted = re.escape(line.format(f"{canned.url} (server 'openai')")).replace("TIME", TIME)
    assert re.fullmatch(wanted, text), text


async def test_the_time_of_the_retries_bounds_the_attempt_under_way(colour: Colour, canned: CannedServer) -> None:
    canned.script = silent
    policy = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 80), False)
    text = await failure(colour, errors.APITimeoutError, {}, server_url=canned.url, retry_config=policy)
    assert text.startswith("no reply within max_elapsed_time=80 of the retries from ")


async def test_statuses_say_which_server_and_how_often(colour: Colour, canned: CannedServer) -> None:
    canned.reply(404, {"error": {"message": "no such model"}}, {"x-request-id": "r-1"})
    text = await failure(colour, errors.NotFoundError, {}, server_url=canned.url)
    assert text == f"404: no such model (server 'openai' at {canned.url}, request id r-1)"
    canned.reply(503, {"error": {"message": "busy"}})
    text = await failure(colour, errors.ServiceUnavailableError, {}, server_url=canned.url, retry_config=QUICK)
    assert re.fullmatch(rf"503: busy \(server 'openai' at {canned.url}, after 3 attempts in {TIME}\)", text), text
    canned.reply(200, b"<html>")
    text = await failure(colour, errors.ResponseValidationError, {}, server_url=canned.url)
    assert text.endswith(f"(server 'openai' at {canned.url})")


ORIGINS: list[tuple[dict[str, Any], str]] = [
    ({}, "the SDK sent no key"),
    ({"api_key": KEY}, "the key came from api_key"),
    ({"api_key": lambda: KEY}, "the key came from the function given as api_key"),
    ({"http_headers": {"authorization": f"Bearer {KEY}"}}, "the key came from http_headers"),
    ({"server": "anthropic", "http_headers": {"x-api-key": KEY}}, "the key came from http_headers"),
]


@pytest.mark.parametrize("options, origin", ORIGINS)
async def test_a_refused_key_is_told_by_where_it_came_from(
    options: dict[str, Any], origin: str, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(401, {"error": {"message": "Incorrect API key."}})
    text = await failure(colour, errors.AuthenticationError, {"max_tokens": 5}, server_url=canned.url, **options)
    assert text.startswith(f"401: Incorrect API key. ({origin}, server ")
    assert KEY not in text


@pytest.mark.parametrize("variable", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
def test_a_refused_key_is_told_by_its_variable(
    variable: str, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from llmsdk.providers import PROVIDERS

    canned.reply(401, {"error": {"message": "no"}})
    monkeypatch.setenv(variable, KEY)
    provider = replace(PROVIDERS["gemini_openai"], name="own", servers=(canned.url,))
    with SDK(server=provider) as sdk, pytest.raises(errors.AuthenticationError) as caught:
        sdk.chat.create(**ASK)
    assert caught.value.key_origin == f"the key came from the environment variable {variable}"
    assert f"({caught.value.key_origin}, server 'own' at " in str(caught.value)


@pytest.mark.own_connections
async def test_a_proxy_that_answers_is_named(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMSDK_OFFLINE")
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, canned.url.replace("://", "://user:placeholder@"))
    canned.reply(407, b"sign in")
    text = await failure(colour, errors.SDKDefaultError, {}, server_url="http://llm.test")
    assert text == f"407: sign in (server 'openai' at http://llm.test through the proxy {canned.url})"
    text = await failure(colour, errors.APIConnectionError, {}, server_url="https://llm.test")
    where = re.escape(f"https://llm.test (server 'openai', through the proxy {canned.url})")
    assert re.fullmatch(f"no reply from {where} after 1 attempt in {TIME}: the proxy answered 407 Canned", text), text
