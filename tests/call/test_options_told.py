"""What options of an SDK answer when they are wrong, or when what they need is not there."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from llmsdk import SDK, Failover, errors
from llmsdk.providers import LOCAL, TOGETHER, Provider


def test_a_backend_that_is_not_installed_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(api_key="sk-placeholder", backend="aiohttp")
    assert str(caught.value) == "backend: aiohttp is not installed; install llmsdk[aiohttp]"


def test_prices_are_a_mapping() -> None:
    wrong: Any = [1.0]
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(api_key="sk-placeholder", prices=wrong)
    assert str(caught.value) == "prices: must be a mapping of models to Price, got list"


def test_policies_of_failover_are_equal_by_what_they_say() -> None:
    assert Failover([TOGETHER, LOCAL]) == Failover(["together", "local"])
    assert Failover([TOGETHER, LOCAL]) != Failover([LOCAL, TOGETHER])
    assert Failover([TOGETHER, LOCAL]) != [TOGETHER, LOCAL]


def test_a_server_without_a_url_of_its_own_asks_for_one() -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(server=Provider(name="ours", servers=(), routes=TOGETHER.routes), api_key="sk-placeholder")
    assert str(caught.value) == "server_url: server 'ours' has no URL of its own; pass server_url="


class _Async:
    build_request = close = print

    async def send(self, request: Any) -> Any:
        """Send nothing."""


class _Sync:
    build_request = send = close = print


OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"client": _Async()}, "client: _Async is async; pass it as async_client"),
    ({"async_client": _Sync()}, "async_client: _Sync is not async; pass it as client"),
    ({"http_headers": {"Host": "a"}}, "http_headers: Host is written by the SDK and can't be set"),
    ({"server_url": "http://{host}/v1"}, "server_url: nothing fills {host}; pass url_params={'host': ...}"),
]


@pytest.mark.parametrize("options, line", OPTIONS)
def test_options_that_cannot_be(options: dict[str, Any], line: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(api_key="sk-placeholder", **options)
    assert str(caught.value) == line
