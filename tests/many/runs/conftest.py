"""A folder with files of rows, a server, and runs in both colours."""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmsdk import SDK
from llmsdk.local import LocalServer
from llmsdk.many.runs import BatchReport
from llmsdk.utils import BackoffStrategy, RetryConfig

QUICK = RetryConfig("backoff", BackoffStrategy(1, 10, 2, 60_000), True, max_attempts=4)


def chat_row(name: str, **more: Any) -> dict[str, Any]:
    return {"custom_id": name, "model": "m", "messages": [{"role": "user", "content": f"Say {name}"}], **more}


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


class Folder:
    """`in.jsonl`, `out.jsonl` and what is beside them, and an SDK for the server that runs them."""

    def __init__(self, path: Path, server: LocalServer, *, is_async: bool) -> None:
        self.path = path
        self.server = server
        self.is_async = is_async
        self.input = path / "in.jsonl"
        self.output = path / "out.jsonl"
        self.errors = path / "out.jsonl.errors.jsonl"
        self.state = path / "out.jsonl.state.json"

    def write(self, *rows: dict[str, Any] | bytes) -> None:
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        self.input.write_bytes(b"".join(line + b"\n" for line in lines))

    def run(self, **given: Any) -> BatchReport:
        source, output = given.pop("input", self.input), given.pop("output", self.output)
        sdk_options = given.pop("sdk", {})
        given.setdefault("retries", QUICK)
        with SDK(server_url=self.server.url, **sdk_options) as sdk:
            if not self.is_async:
                return sdk.batch.run(source, output, **given)

            async def main() -> BatchReport:
                async with SDK(server_url=self.server.url, **sdk_options) as sdk:
                    return await sdk.batch.run_async(source, output, **given)

            return anyio.run(main)

    def keys(self) -> list[str]:
        return sorted(line["key"] for line in read(self.output))

    @property
    def sent(self) -> int:
        return len(self.server.requests)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def folder(tmp_path: Path, server: LocalServer, request: pytest.FixtureRequest) -> Folder:
    return Folder(tmp_path, server, is_async=request.param == "async")


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """Lend `/dev/full`, where every write fails: it is one file for all processes, and a run locks its output."""
    turn = Path(tempfile.gettempdir()) / "llmsdk-tests-dev-full.lock"
    with turn.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another copy of the suite waits here
        yield Path("/dev/full")
