"""What the fault tests share: the fault server, and clients of it in both colours."""

from __future__ import annotations

import gc
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.colours import OTHERS, USUAL, Colour
from support.fault_client import ASK, CREATE, client_of
from support.fault_server import GOOD_STREAM, FaultServer, reply


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    """Import what the first call of each kind imports: it would count against the short limits of some test."""

    async def call(colour: Colour) -> None:
        with FaultServer() as server:
            server.always(lambda seen: GOOD_STREAM if seen.json.get("stream") else reply())
            async with client_of(colour, server) as client:
                await client.call(CREATE, **ASK, timeout_ms=60_000)
                await client.events(CREATE, **ASK, timeout_ms=60_000)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")  # those of the environment are forgotten for tests, not for this
        for name in (*USUAL, "trio", *OTHERS):
            colour = Colour(name)
            colour.run(call, colour=colour)


@pytest.fixture
def faults() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server
    gc.collect(1)  # what a test forgot complains in that test; all generations would cost more than the tests


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not there to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "-"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("this openssl does not make such a certificate")
    path.write_bytes(made.stdout)
    return path


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
