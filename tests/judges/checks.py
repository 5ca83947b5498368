"""What judges share: counting checks, servers to start and end, and the questions that all of them ask."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUILD = Path(__file__).resolve().parents[2] / "build" / "judges"
JS, PROXY = BUILD / "js", BUILD / "proxy"  # where scripts/judges.py installs what is no client of Python

KEY = "sk-placeholder"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = [{"role": "user", "content": "What's the weather in Lima?"}]
ANSWER = "you said 'Hello'"  # part of what the embedded provider says to it
CLIP = ("clip.wav", b"RIFF0000WAVE")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}]
FORM = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}


class CouldNotRun(Exception):
    """What a judge needs is not there; says what."""


class Checks:
    """Counts what was checked, and keeps what was wrong."""

    def __init__(self) -> None:
        self.count = 0
        self.wrong: list[str] = []
        self.skipped: list[str] = []

    def skip(self, what: str, reason: str) -> None:
        """Note what this judge cannot judge, and why; it is printed."""
        self.skipped.append(f"{what}: {reason}")

    def that(self, what: str, is_right: object, seen: object = "") -> None:
        """Count one check; `seen` is shown if it fails."""
        self.count += 1
        if not is_right:
            self.wrong.append(f"{what}: {seen!r:.300}")

    def run(self, what: str, check: Callable[[], object]) -> Any:
        """Run one check that raises if something is wrong, and return its result; None if it raised.

        A result that is False counts as wrong, too.
        """
        self.count += 1
        try:
            result = check()
        except CouldNotRun:
            raise
        except Exception as exc:  # whatever the client of others raises is its verdict
            self.wrong.append(f"{what}: {type(exc).__name__}: {str(exc)[:400]}")
            return None
        if result is False:
            self.wrong.append(f"{what}: not as expected")
        return result

    def raises(self, what: str, status: int, call: Callable[[], object], of: type[Exception] = Exception) -> None:
        """Count one call that has to fail with this status, in the client's own class of errors."""
        self.count += 1
        try:
            result = call()
        except of as exc:
            seen = getattr(exc, "status_code", getattr(exc, "code", None))
            if seen != status:
                self.wrong.append(f"{what}: status {seen!r} instead of {status}: {exc!r:.300}")
        except Exception as exc:
            self.wrong.append(f"{what}: {exc!r:.300} is no {of.__name__}")
        else:
            self.wrong.append(f"{what}: no error, but {result!r:.200}")


def text_of(chunks: Iterable[Any]) -> str:
    """Join the text of a streamed chat, in the shape that most clients share."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def called(message: Any) -> bool:
    """Say whether a message calls the tool, with arguments."""
    calls = message.tool_calls or []
    return [call.function.name for call in calls] == ["get_weather"] and "Lima" in calls[0].function.arguments


def arguments_of(chunks: Iterable[Any]) -> str:
    """Join the arguments of a streamed tool call."""
    deltas = (call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ())
    return "".join(call.function.arguments or "" for call in deltas)


def free_port() -> int:
    """Find a port of the loopback interface that nothing listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def program(name: str, package: str) -> str:
    """Find a program on the path, or where Debian keeps those of administrators."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise CouldNotRun(f"there is no {name} here (Debian package: {package})")
    return found


@contextmanager
def serving(
    command: Sequence[str], port: int, *, patience_s: float = 20, env: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a server until the block ends; only this process is ended, and its children with it."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
        try:
            deadline = time.monotonic() + patience_s
            while not _answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    said = output.read()[-400:].decode("utf-8", "replace")
                    raise CouldNotRun(f"{Path(command[0]).name} did not start: {said}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0
