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
