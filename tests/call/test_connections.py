"""The connections of a host: the last used first, none too old, none beyond the bound."""

from typing import Any

import anyio
import httpcore
import pytest

from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._net import connections, proxies, transport
from llmsdk._net.connections import Host


class Connection:
    """What a host asks of a connection."""

    expired = False
    idle = True
    closed = False

    def has_expired(self) -> bool:
        return self.expired

    def is_idle(self) -> bool:
        return self.idle

    def is_closed(self) -> bool:
        return self.closed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that hosts see."""
    now = [1000.0]
    monkeypatch.setattr("llmsdk._net.connections.time.monotonic", lambda: now[0])
    return now


def host_of() -> tuple[Host[Any], list[Connection]]:
    made: list[Connection] = []

    def make() -> Any:
        made.append(Connection())
        return made[-1]

    return Host[Any](make), made


def test_the_last_connection_that_came_back_is_taken_first() -> None:
    host, made = host_of()
    first, second = host.take(), host.take()
    host.bring_back(first)
    host.bring_back(second)
    assert [host.take(), host.take()] == [second, first]
    assert host.take() not in (first, second)
    assert len(made) == 3


def test_a_connection_that_its_server_left_is_not_used_again() -> None:
    host, made = host_of()
    host.bring_back(host.take())
    made[0].expired = True
    assert host.take() is made[1]
    assert list(host.stale) == [made[0]]


def test_connections_that_rested_too_long_are_dropped_with_the_next_call(clock: list[float]) -> None:
    host, made = host_of()
    taken = [host.take() for _ in range(3)]
    host.bring_back(taken[0])
    host.bring_back(taken[1])
    clock[0] += 31
    host.bring_back(taken[2])
    assert host.take() is made[2]
    assert list(host.stale) == made[:2]
    assert host.take() is made[3]


@pytest.mark.parametrize("state", ["closed", "in the middle of a reply", "after the end"])
def test_what_cannot_be_used_again_does_not_rest(state: str) -> None:
    host, made = host_of()
    host.take()
    made[0].idle = state == "after the end"
    made[0].closed = state == "closed"
    if state == "after the end":
        assert host.take_all() == made
    host.bring_back(made[0])
    assert list(host.stale) == ([] if state == "closed" else made)
    assert host.take() is made[1]


def test_closing_finds_what_rests_what_is_in_use_and_what_is_stale() -> None:
    host, made = host_of()
    resting, used, stale = host.take(), host.take(), host.take()
    host.bring_back(resting)
    made[2].idle = False
    host.bring_back(stale)
    assert set(host.take_all()) == {resting, used, stale}
    assert host.take_all() == []


@pytest.mark.anyio
async def test_a_call_beyond_the_bound_waits_for_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_OPEN", 1)
    host, made = host_of()
    held = host.take()
    got: list[Any] = []

    async def call() -> None:
        while host.is_full:
            await transport._wait(host, Countdown(5, anyio.current_time))
        got.append(host.take())

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            assert (got, len(host.waiting)) == ([], 1)
            host.bring_back(held)
    assert (got, made) == ([held], [held])


@pytest.mark.anyio
async def test_a_call_that_gives_up_waiting_leaves_its_turn_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_OPEN", 1)
    host, _ = host_of()
    held = host.take()
    with pytest.raises(TimeoutError):
        await transport._wait(host, Countdown(0.001, anyio.current_time))
    assert not host.waiting
    woken: list[str] = []
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(_note_turn, host, woken, scope)
                await anyio.wait_all_tasks_blocked()
                host.waiting.append(lambda: woken.append("next"))
                host.bring_back(held)
                scope.cancel()
                await anyio.sleep(0)
    # Which of the two runs first is the event loop's matter; the turn is never lost.
    assert (woken, len(host.waiting)) in ((["next"], 0), (["first"], 1))


async def _note_turn(host: Host[Any], woken: list[str], scope: anyio.CancelScope) -> None:
    await transport._wait(host, Countdown(5, anyio.current_time))
    woken.append("first")


@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "http://user:word@proxy.example:3128"])
def test_the_proxy_of_the_environment_carries_the_connections(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)
    hosts = connections.Hosts(transport._sync_maker)
    connection: Any = hosts.of(httpcore.URL("http://api.example/v1")).take()
    assert type(connection).__name__ == "ForwardHTTPConnection"
    plain: Any = hosts.of(httpcore.URL("http://127.0.0.1:1/v1"))
    assert plain is hosts.of(httpcore.URL("http://127.0.0.1:1/v2"))


@pytest.mark.parametrize(
    "proxy, host, used",
    [
        ("http://proxy.example:3128", "api.example", True),
        ("http://proxy.example:3128", "127.0.0.1", False),
        ("proxy.example:3128", "localhost", False),
        ("http://10.0.0.1:3128", "::1", False),
        ("http://127.0.0.1:3128", "127.0.0.1", True),
        ("localhost:3128", "127.0.0.1", True),
    ],
)
def test_this_machine_is_not_reached_through_another(
    monkeypatch: pytest.MonkeyPatch, proxy: str, host: str, used: bool
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    assert (connections.proxy_of("http", host) is not None) == used


@pytest.mark.parametrize("installed", [True, False])
def test_a_socks_proxy_needs_its_package(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    for name in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "socks5://proxy.example:1080")
    monkeypatch.setattr(proxies, "find_spec", lambda name: object() if installed else None)
    if installed:
        assert connections.proxy_of("https", "api.example") == "socks5://proxy.example:1080"
    else:
        with pytest.raises(errors.ConfigurationError, match=r"httpx\[socks\]"):
            connections.proxy_of("https", "api.example")


@pytest.mark.parametrize(
    "proxy, told",
    [
        ("ftp://user:word@proxy.example:21", "scheme 'ftp'"),
        ("socks4://proxy.example:1080", "scheme 'socks4'"),
        ("://proxy.example", "scheme ''"),
        ("http://", "a URL without a host"),
        ("http://user:word@proxy.example:99999", "port 99999"),
        ("http://user:word@proxy.example:many", "a text that is no URL"),
        ("http://user:word@[::1", "a text that is no URL"),
        ("http://user:word@xn--a:3128", "a text that is no URL"),
    ],
)
def test_what_is_no_proxy_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, proxy: str, told: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    with pytest.raises(errors.ConfigurationError) as caught:
        connections.proxy_of("https", "api.example")
    assert f"ALL_PROXY has {told}; accepted is http, https, socks5" in str(caught.value)
    assert "word" not in str(caught.value)


def test_the_name_of_a_proxys_user_may_hold_any_character() -> None:
    option = proxies.as_option("http://us%C3%A4r:w%C3%B6rd@proxy.example:3128")
    assert option.auth == ("us\xe4r".encode(), "w\xf6rd".encode())
