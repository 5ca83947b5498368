"""Where a server is and which key goes there: URLs of their own and of variables, names in hosts."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from llmsdk import SDK, Provider, Route
from llmsdk.errors import ConfigurationError
from llmsdk.providers import OPENAI, TOGETHER
from support.canned import CannedServer
from support.colours import KEY, Colour

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
REPLY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}
CLOUD = Provider(
    name="cloud",
    servers=("https://{resource}.cloud.example/{region}/v1",),
    env_var="CLOUD_API_KEY",
    other_env_vars=("CLOUD_TOKEN",),
    routes={"createChatCompletion": Route()},
)


def header(sdk: SDK, **options: Any) -> str | None:
    shown: str | None = sdk.chat.preview(**CHAT, **options).headers.get("authorization")
    return shown


def test_openai_is_known_by_name() -> None:
    sdk = SDK(server="openai", api_key=KEY)
    assert sdk.chat.preview(**CHAT).url == "https://api.openai.com/v1/chat/completions"
    assert header(sdk) == "Bearer ***"


async def test_its_variable_moves_it_and_takes_the_key_along(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{canned.url}/v2")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    canned.reply(200, REPLY)
    async with colour.open(server="openai") as client:
        assert (await client.call("chat.create", **CHAT)).text == "Hello."
    assert canned.last.target == "/v2/chat/completions"
    assert canned.last.headers["authorization"] == f"Bearer {KEY}"
    async with colour.open(server="openai", api_key="sk-placeholder-2") as client:
        await client.call("chat.create", **CHAT)
    assert canned.last.headers["authorization"] == "Bearer sk-placeholder-2"


async def test_an_openai_compatible_server_needs_no_key_and_gets_none(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    canned.reply(200, REPLY)
    async with colour.open(server_url=canned.url) as client:
        await client.call("chat.create", **CHAT)
    assert "authorization" not in canned.last.headers
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    async with colour.open(server_url=canned.url) as client:  # the variable's key is OpenAI's
        await client.call("chat.create", **CHAT)
    assert "authorization" not in canned.last.headers
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", canned.url)
    async with colour.open(server="openai") as client:
        await client.call("chat.create", **CHAT)
    assert "authorization" not in canned.last.headers


@pytest.mark.parametrize("text", ["localhost:8000", "ftp://host", "https://u:p@host", "http://host/{a}"])
def test_a_variable_with_a_slip_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", text)
    with pytest.raises(ConfigurationError, match=r"^environment variable OPENAI_BASE_URL: "):
        SDK(server="openai", api_key=KEY)


def test_names_in_the_host_are_filled() -> None:
    sdk = SDK(server=CLOUD, api_key=KEY, url_params={"resource": "mine", "region": "eu west"})
    assert sdk.chat.preview(**CHAT).url == "https://mine.cloud.example/eu%20west/v1/chat/completions"
    assert header(sdk) == "Bearer ***"
    assert header(sdk, server_url="https://other.cloud.example/v1") is None


def test_a_name_that_nothing_fills_is_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^url_params: server 'cloud' needs resource, region for its URL http"
    ):
        SDK(server=CLOUD, api_key=KEY)
    with pytest.raises(ConfigurationError, match=r"^url_params: server 'cloud' needs region "):
        SDK(server=CLOUD, api_key=KEY, url_params={"resource": "a"})
    with pytest.raises(ConfigurationError, match=r"^server 'cloud': got a str with a bad host"):
        SDK(server=CLOUD, api_key=KEY, url_params={"resource": "a.evil.example/#", "region": "b"})
    with pytest.raises(ConfigurationError, match=r"resorce.*taken are .*region.*resource"):
        SDK(server=CLOUD, api_key=KEY, url_params={"resorce": "a", "region": "b"})
    SDK(server=CLOUD, api_key=KEY, server_url="https://proxy.example/v1")  # where another URL is given, none is needed


def test_a_key_has_several_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"server": CLOUD, "url_params": {"resource": "a", "region": "b"}}
    with pytest.raises(ConfigurationError, match=r"or set CLOUD_API_KEY$"):
        SDK(**given)
    monkeypatch.setenv("CLOUD_TOKEN", KEY)
    assert header(SDK(**given)) == "Bearer ***"
    monkeypatch.setenv("CLOUD_API_KEY", "bad\nkey")
    with pytest.raises(ConfigurationError, match=r"^environment variable CLOUD_API_KEY: has a newline"):
        SDK(**given)


def test_the_error_names_servers_whose_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ConfigurationError) as caught:
        SDK()
    assert str(caught.value).endswith('; OPENAI_API_KEY is set: SDK(server="openai")')
    assert KEY not in str(caught.value)


def test_a_key_stays_at_its_own_servers(caplog: pytest.LogCaptureFixture) -> None:
    sdk = SDK(server=replace(OPENAI, name="mine", base_url_var=None), api_key=KEY)
    with caplog.at_level(logging.WARNING):
        assert header(sdk, server_url="https://elsewhere.example/v1") is None
    assert "is not sent to elsewhere.example" in caplog.text
    assert header(SDK(server=TOGETHER, api_key=KEY, server_url="https://mine.example")) == "Bearer ***"
