"""What the fault tests share: the fault server, and clients of it in both colours."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from support.fault_server import FaultServer


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server
    gc.collect()  # what a test forgot complains in that test


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out supplied clients under trio: supplied clients and trio are each tried with everything else."""
    both = [item for item in items if _is_both(item)]
    if both:
        items[:] = [item for item in items if not _is_both(item)]
        config.hook.pytest_deselected(items=both)


def _is_both(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return params.get("supplied") == "supplied" and params.get("colour") == "trio"
