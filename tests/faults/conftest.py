"""What the fault tests share: the fault server, and clients of it in both colours."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from support.colours import OTHERS
from support.fault_server import FaultServer


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server
    gc.collect(1)  # what a test forgot complains in that test; all generations would cost more than the tests


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would only cost time: each supplied client and trio are tried with everything else."""
    spare = [item for item in items if _is_spare(item)]
    if spare:
        items[:] = [item for item in items if not _is_spare(item)]
        config.hook.pytest_deselected(items=spare)


def _is_spare(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    is_supplied, is_trio = params.get("supplied") in ("supplied", True), params.get("colour") == "trio"
    is_other = params.get("colour") in OTHERS
    behaviour = params.get("behaviour")
    return (
        (is_supplied and (is_trio or is_other))
        or (is_supplied and behaviour in ("reset", "drip"))
        or (is_trio and behaviour in ("reset", "garbage"))
        or (str(params.get("colour")).endswith("httpx2") and behaviour in ("reset", "drip"))
    )
