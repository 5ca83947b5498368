"""The proxies of the environment: which hosts are reached through them, and what is no proxy."""

from typing import Any

import httpcore
import pytest

from llmsdk import errors
from llmsdk._net import connections, proxies
from llmsdk._net import pool as pool_module
from support.canned import CannedServer
from support.colours import KEY, Colour


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "http://user:word@proxy.example:3128"])
def test_the_proxy_of_the_environment_carries_the_connections(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    pools = pool_module.Pools(connections.new_connection)
    connection: Any = pools.to(httpcore.URL("http://api.example/v1")).new()
    assert type(connection.http).__name__ == "ForwardHTTPConnection"
    plain: Any = pools.to(httpcore.URL("http://127.0.0.1:1/v1"))
    assert plain is pools.to(httpcore.URL("http://127.0.0.1:1/v2"))


@pytest.mark.parametrize(
    "proxy, host, used",
    [
        ("http://proxy.example:3128", "api.example", True),
        ("http://proxy.example:3128", "127.0.0.1", False),
        ("proxy.example:3128", "localhost", False),
        ("http://10.0.0.1:3128", "::1", False),
        ("http://127.0.0.1:3128", "127.0.0.1", False),
        ("localhost:3128", "127.0.0.1", False),
        ("socks://127.0.0.1:1080", "127.0.0.1", False),
        ("no URL at all", "127.0.0.1", False),
        ("http://127.0.0.1:3128", "api.example", True),
    ],
)
def test_this_machine_is_not_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, proxy: str, host: str, used: bool
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    assert (proxies.proxy_of("http", host, None) is not None) == used


@pytest.mark.parametrize(
    "bypassed, scheme, host, port, used",
    [
        ("api.example:8000", "http", "api.example", 8000, False),
        ("api.example:8000", "http", "api.example", 8001, True),
        ("api.example:8000", "http", "api.example", None, True),
        ("api.example:443", "https", "api.example", None, False),
        ("other, api.example:80", "http", "api.example", None, False),
        ("api.example", "http", "api.example", 8000, False),
        (".example", "http", "api.example", 8000, False),
        ("10.0.0.1:8000", "http", "10.0.0.1", 8000, False),
        ("127.0.0.1:8000", "http", "10.0.0.1", 8000, True),
        ("*", "http", "api.example", 8000, False),
        ("2001:db8::1", "http", "2001:db8::1", 8000, False),
        ("2001:DB8:0::1", "http", "2001:db8::1", 8000, False),
        ("[2001:db8::1]", "http", "2001:db8::1", 8000, False),
        ("[2001:db8::1]:8000", "http", "2001:db8::1", 8000, False),
        ("[2001:db8::1]:8000", "http", "2001:db8::1", 8001, True),
        ("10.0.0.0/8", "http", "10.1.2.3", 8000, False),
        ("10.0.0.0/8", "http", "11.1.2.3", 8000, True),
        ("10.0.0.0/8", "http", "api.example", 8000, True),
        ("2001:db8::/32", "http", "2001:db8:1::1", 8000, False),
        ("2001:db8::/32", "http", "10.1.2.3", 8000, True),
        ("*.example", "http", "api.example", 8000, False),
        ("*.api.example:8000", "http", "api.example", 8000, False),
        ("API.Example.", "http", "api.example", 8000, False),
        ("api.example", "http", "API.example.", 8000, False),
        ("api.example", "http", "notapi.example", 8000, True),
        ("other.example, *", "http", "api.example", 8000, False),
        ("*:8000", "http", "api.example", 8000, False),
        ("*:8000", "http", "api.example", 8001, True),
        ("other.example api.example", "http", "api.example", 8000, False),
        (", ,.,[,[],:80,a:b:c,(.*", "http", "api.example", 8000, True),
    ],
)
def test_no_proxy_may_name_a_port(
    monkeypatch: pytest.MonkeyPatch, bypassed: str, scheme: str, host: str, port: int | None, used: bool
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", bypassed)
    monkeypatch.setenv("no_proxy", bypassed)
    assert (proxies.proxy_of(scheme, host, port) is not None) == used


@pytest.mark.parametrize("installed", [True, False])
def test_a_socks_proxy_needs_its_package(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://proxy.example:1080")
    monkeypatch.setattr(proxies, "find_spec", lambda name: object() if installed else None)
    if installed:
        assert proxies.proxy_of("https", "api.example", None) == "socks5://proxy.example:1080"
    else:
        with pytest.raises(errors.ConfigurationError, match=r"httpx\[socks\]"):
            proxies.proxy_of("https", "api.example", None)


@pytest.mark.parametrize(
    "proxy, told",
    [
        ("ftp://user:word@proxy.example:21", "scheme 'ftp'"),
        ("socks4://proxy.example:1080", "scheme 'socks4'"),
        ("://proxy.example", "scheme ''"),
        ("http://", "a URL without a host"),
        ("http://user:word@proxy.example:99999", "port 99999"),
        ("http://user:word@proxy.example:many", "an invalid URL"),
        ("http://user:word@[::1", "an invalid URL"),
        ("http://user:word@xn--a:3128", "an invalid URL"),
    ],
)
def test_what_is_no_proxy_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, proxy: str, told: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    with pytest.raises(errors.ConfigurationError) as caught:
        proxies.proxy_of("https", "api.example", None)
    assert f"ALL_PROXY has {told}; expected http, https, socks5" in str(caught.value)
    assert "word" not in str(caught.value)


def test_the_name_of_a_proxys_user_may_hold_any_character() -> None:
    option = proxies.as_option("http://us%C3%A4r:w%C3%B6rd@proxy.example:3128")
    assert option.auth == ("us\xe4r".encode(), "w\xf6rd".encode())


@pytest.mark.also_trio
@pytest.mark.also_aiohttp
@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:1", "socks5://127.0.0.1:1", "http://127.0.0.1:1", "no URL"])
async def test_a_server_on_this_machine_is_asked_directly(
    colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    canned.reply(200, {"choices": [{"index": 0, "text": "here", "finish_reason": "stop"}]})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        assert (await client.call("completions.create", model="m", prompt="p")).text == "here"
