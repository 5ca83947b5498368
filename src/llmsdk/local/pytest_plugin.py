"""The pytest plugin, with the fixtures `llm_server`, an embedded provider, and `llm_cassette`, a recording.

@pytest.mark.llm_server(dialect="writer", faults=[{"status": 429, "retry_after": 0}])
def test_retries(llm_server):
    sdk = SDK(api_key="sk-placeholder", server="writer", server_url=llm_server.url)

def test_answer(llm_cassette):
    sdk = SDK(client=llm_cassette.client(), async_client=llm_cassette.async_client())
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..cassette import Cassette
    from .server import LocalServer

_MODES = ("auto", "record", "replay")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the mode of all cassettes."""
    parser.getgroup("llmsdk").addoption(
        "--llm-cassette",
        choices=_MODES,
        help="mode of the llm_cassette fixture; LLMSDK_CASSETTE in the environment says it too (default: auto)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "llm_server(dialect, faults, ...): arguments of the llm_server fixture")


@pytest.fixture
def llm_server(request: pytest.FixtureRequest) -> Iterator[LocalServer]:
    """Run an embedded provider; `@pytest.mark.llm_server` takes the arguments of `LocalServer`."""
    from .server import LocalServer

    marker = request.node.get_closest_marker("llm_server")
    with LocalServer(*(marker.args if marker else ()), **(marker.kwargs if marker else {})) as server:
        yield server


@pytest.fixture
def llm_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Record the test's exchanges, or replay them, in a file of its own in the folder `cassettes` beside the test."""
    from ..cassette import Cassette

    mode: Any = request.config.getoption("--llm-cassette") or os.environ.get("LLMSDK_CASSETTE") or "auto"
    # What a file system takes, of names that parameters of the test are part of.
    name = re.sub(r"[^\w.=-]+", "-", request.node.nodeid.partition("::")[2].replace("::", ".")).strip("-")[:200]
    path = request.path.parent / "cassettes" / f"{request.path.stem}.{name}.jsonl"
    with Cassette(path, mode) as cassette:
        yield cassette
