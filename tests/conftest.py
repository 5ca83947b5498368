"""What all tests share: nothing leaves the machine, no key comes from outside, bodies run in both colours."""

from __future__ import annotations

import inspect
import signal
from collections.abc import Iterator

import pytest
import respx
from hypothesis import settings

from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import OTHERS, USUAL, Colour

pytest_plugins = ("support.reliability",)

# An example takes as long as the machine is busy: time is no verdict here.
settings.register_profile("llmsdk", deadline=None)
settings.load_profile("llmsdk")

_PROVIDER_VARIABLES = [
    name
    for provider in PROVIDERS.values()
    for name in (provider.env_var, *provider.other_env_vars, provider.base_url_var)
    if name
]
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-backend", action="store_true", help="run every test that can over every backend")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has its background jobs ignore Ctrl-C, and so would the programs that tests start and interrupt.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "also_trio: the async body runs under trio as well as asyncio")
    config.addinivalue_line("markers", "also_aiohttp: the async body runs over aiohttp as well")
    config.addinivalue_line("markers", "every_backend: runs over supplied httpx2 clients and over aiohttp too")
    config.addinivalue_line("markers", "own_connections: is about our own connections, and runs over no others")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "colour" not in metafunc.fixturenames:
        return
    marked = metafunc.definition.get_closest_marker
    names = [
        *USUAL,
        *(["trio"] if marked("also_trio") else []),
        *(["asyncio-aiohttp"] if marked("also_aiohttp") else []),
    ]
    # A mocked network is httpx's own, and can be lent to httpx2.
    is_wanted = marked("every_backend") or metafunc.config.getoption("--every-backend")
    if is_wanted and not marked("own_connections"):
        names += [name for name in OTHERS if "wire" not in metafunc.fixturenames or name.endswith("httpx2")]
    metafunc.parametrize("colour", names, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` bodies that take `colour`."""
    colour = pyfuncitem.funcargs.get("colour")
    if not isinstance(colour, Colour) or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    colour.run(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})
    return True


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every host but this one, and forget keys and proxies of the environment."""
    for name in (*_PROVIDER_VARIABLES, *_PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("LLMSDK_OFFLINE", "1")


@pytest.fixture
def colour(request: pytest.FixtureRequest) -> Colour:
    """Makes clients whose calls are written once and run sync or async."""
    return Colour(request.param, request.getfixturevalue("wire") if "wire" in request.fixturenames else None)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[respx.MockRouter]:
    """A mocked network with the providers' real hosts in it; what is not mocked is refused."""
    monkeypatch.delenv("LLMSDK_OFFLINE")
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    """A real loopback server with canned replies."""
    with CannedServer() as server:
        yield server
