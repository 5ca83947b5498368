"""Wire samples in `tests/data/samples/<server>.toml`: what a call sends, and what it makes of a reply.

A file begins with `source`, where its facts come from and of which date. A sample has

- `operation`, its id; `form`, which shape of the real server it stands for;
- `call`, the arguments, `options` of the SDK, and the `attempts` that it may make;
- `line`, the request's first line without the version; `sent`, its body as JSON, or a form's fields;
- `status`, `headers` and `reply`, the text that is served: JSON, or an event stream where it begins as one;
- `gives`, what the result then has, by dotted path; or `raises`, the error's class, and what the error has.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from llmsdk.providers import PROVIDERS, Provider
from llmsdk.resources.operations import all_operations
from llmsdk.utils import BackoffStrategy, RetryConfig

FOLDER = Path(__file__).parents[1] / "data" / "samples"


@dataclass(kw_only=True)
class Exchange:
    """One sample."""

    server: str
    operation: str
    form: str
    call: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    line: str | None = None
    sent: str | Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    reply: str = ""
    gives: Mapping[str, Any] = field(default_factory=dict[str, Any])
    raises: str | None = None
    requests: int = 1
    attempts: int = 1

    @cached_property
    def provider(self) -> Provider:
        return PROVIDERS[self.server]

    @property
    def method(self) -> str:
        operation = all_operations()[self.operation]
        return f"{operation.resource}.{operation.name}"

    @property
    def args(self) -> dict[str, Any]:
        """The arguments; what is uploaded is the name of a file with some bytes in it."""
        files = all_operations()[self.operation].files
        return {name: (value, b"x") if name in files else value for name, value in self.call.items()}

    @property
    def retries(self) -> RetryConfig:
        return RetryConfig("backoff", BackoffStrategy(1, 1, 1, 60_000), True, max_attempts=self.attempts)

    @property
    def is_stream(self) -> bool:
        return self.reply.startswith(("data:", "event:", "id:", ":"))

    @property
    def reply_headers(self) -> dict[str, str]:
        kind = "text/event-stream" if self.is_stream else "application/json"
        return {"content-type": kind, **self.headers}

    def __repr__(self) -> str:
        return f"{self.server} {self.operation}: {self.form}"


def sources() -> dict[str, str]:
    """Where each file's facts come from."""
    return {path.stem: tomllib.loads(path.read_text("utf-8"))["source"] for path in sorted(FOLDER.glob("*.toml"))}


def exchanges() -> list[Exchange]:
    """Read all files."""
    return [
        Exchange(server=path.stem, **row)
        for path in sorted(FOLDER.glob("*.toml"))
        for row in tomllib.loads(path.read_text("utf-8"))["sample"]
    ]


def at(result: Any, path: str) -> Any:
    """Follow a dotted path into a result; "." is itself, a number is an index."""
    for step in filter(None, path.split(".")):
        if step.lstrip("-").isdigit():
            result = result[int(step)]
        elif isinstance(result, Mapping):
            result = result[step]
        else:
            result = getattr(result, step)
    return result


def plain(value: Any) -> Any:
    """Write a value as TOML has it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return "none" if value is None else value


def fields_of(content_type: str, body: bytes) -> dict[str, str]:
    """Read a multipart form; a file is its name."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    found: dict[str, str] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        words = dict(word.split("=", 1) for word in head.split(b"\r\n")[0].decode().split("; ")[1:])
        name = words["name"].strip('"')
        found[name] = words["filename"].strip('"') if "filename" in words else content.decode()
    return found


def wanted(sent: str | Mapping[str, Any]) -> Any:
    """What a request should hold."""
    return json.loads(sent) if isinstance(sent, str) else dict(sent)
