"""pytest plugin: the fixture `llm_server`, an embedded provider for one test.

@pytest.mark.llm_server(dialect="writer", faults=[{"status": 429, "retry_after": 0}])
def test_retries(llm_server):
    sdk = SDK(api_key="sk-placeholder", server="writer", server_url=llm_server.url)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .server import LocalServer


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
