"""The pool of a host's connections: the last used first, none too old; and the proxies of the environment."""

from typing import Any

import httpcore
import pytest

from llmsdk import errors
from llmsdk._net import connections, proxies
from llmsdk._net import pool as pool_module
from llmsdk._net.pool import Pool
from support.canned import CannedServer
from support.colours import KEY, Colour


class Connection:
    """What a pool keeps."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that pools see."""
    now = [1000.0]
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: now[0])
    return now


def pool_of(count: int) -> tuple[Pool[Any], list[Any]]:
    pool = Pool[Any](Connection)
    return pool, [pool.new() for _ in range(count)]


def test_the_connection_that_was_used_last_is_taken_first() -> None:
    pool, (first, second) = pool_of(2)
    pool.push_idle(first)
    pool.push_idle(second)
    assert [pool.pop_idle(), pool.pop_idle(), pool.pop_idle()] == [second, first, None]


def test_of_unread_replies_the_oldest_is_taken_first_and_no_idle_connection() -> None:
    pool, (first, second, idle) = pool_of(3)
    pool.push_unread(first)
    pool.push_unread(second)
    pool.push_idle(idle)
    assert [pool.pop_unread(), pool.pop_unread(), pool.pop_unread(), pool.pop_idle()] == [first, second, None, idle]


def test_only_what_was_free_for_too_long_has_expired(clock: list[float]) -> None:
    pool, (old, unread, fresh, _) = pool_of(4)
    pool.push_idle(old)
    pool.push_unread(unread)
    clock[0] += 20
    pool.push_idle(fresh)
    assert pool.pop_expired() is None
    clock[0] += 11
    assert [pool.pop_expired(), pool.pop_expired(), pool.pop_expired()] == [old, unread, None]
    assert pool.pop_idle() is fresh


def test_what_another_thread_took_meanwhile_has_not_expired(clock: list[float]) -> None:
    pool, (first,) = pool_of(1)
    pool.push_idle(first)
    clock[0] += 31
    rest, pool._idle = pool._idle, Vanishing(pool._idle)
    assert pool.pop_expired() is None
    assert rest


class Vanishing(list[Any]):
    """A deque that another thread empties after the look at its first item."""

    def popleft(self) -> Any:
        raise IndexError


def test_closing_returns_what_is_in_use_and_what_is_free() -> None:
    pool, (idle, unread, used, failed) = pool_of(4)
    pool.push_idle(idle)
    pool.push_unread(unread)
    pool.forget(failed)
    assert set(pool.connections()) == {idle, unread, used}
    assert not pool.is_closed
    assert pool.close() == ([used], [idle, unread])
    assert (pool.is_closed, pool.connections(), pool.close()) == (True, [], ([], []))


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
