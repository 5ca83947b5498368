"""A run that is killed, interrupted or cancelled goes on with no row lost and none done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from llmsdk import SDK
from llmsdk.local import LocalServer

from .conftest import QUICK, Folder, chat_row, read

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_killed_at_random_moments() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "batch_kill.py"), "--kills", "3", "--rows", "300", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 kills, 300 rows, each there once and as in the unbroken run" in done.stdout


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, server: LocalServer) -> None:
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(*(chat_row(f"r{number}") for number in range(200)))
    server.always({"delay_s": 0.02})
    command = [sys.executable, "-m", "llmsdk.cli", "batch", "run", str(folder.input), str(folder.output), "-q"]
    with subprocess.Popen(
        [*command, "--server-url", server.url, "--limit", "4"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    ) as process:
        try:
            limit = time.monotonic() + 60
            while not (folder.output.exists() and folder.output.stat().st_size) and time.monotonic() < limit:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=60)[1]
        finally:
            process.kill()
    assert process.returncode == 130
    assert told.startswith("llmsdk: interrupted: ")
    assert "run again to go on" in told
    assert "Traceback" not in told
    done = len(read(folder.output))
    assert 0 < done < 200
    limit = time.monotonic() + 10
    while server.connection_count and time.monotonic() < limit:  # the server looks now and then
        time.sleep(0.02)
    assert server.connection_count == 0
    server.always(None)
    assert folder.run().done_before == done
    assert folder.keys() == sorted(f"r{number}" for number in range(200))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancellation_keeps_what_is_done(tmp_path: Path, server: LocalServer, backend: str) -> None:
    folder = Folder(tmp_path, server, is_async=True)
    folder.write(*(chat_row(f"r{number}") for number in range(100)))
    server.always({"delay_s": 0.02})

    async def cancelled() -> None:
        async with SDK(server_url=server.url) as sdk, anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:

                async def watch() -> None:
                    while not (folder.output.exists() and folder.output.stat().st_size):
                        await anyio.sleep(0.005)
                    scope.cancel()

                group.start_soon(watch)
                await sdk.batch.run_async(folder.input, folder.output, limit=4, retries=QUICK, report=tmp_path / "r")
            assert scope.cancelled_caught

    anyio.run(cancelled, backend=backend)
    done = len(read(folder.output))
    assert 0 < done < 100
    assert '"end": "interrupted"' in (tmp_path / "r.json").read_text()
    server.always(None)
    assert folder.run().done_before == done
    assert folder.keys() == sorted(f"r{number}" for number in range(100))
