"""The examples of the operations, as programs that run as they stand."""

from __future__ import annotations

import re

from llmsdk._call.operation import Example, Operation

from .found import routes_of
from .markdown import indented

_LINE = 88


def example_of(operation: Operation, *, is_async: bool = False, stream: bool = False) -> str:
    """Write an example that runs as it stands."""
    example = operation.example
    body = _streamed(operation, example) if stream else _whole(operation, example)
    dialect = _dialect_of(operation)
    body = f"with {_opened(dialect)} as sdk:\n{indented(body)}"
    if is_async:
        body = _in_async(body)
    if dialect:
        body = f'with LocalServer(dialect="{dialect}") as server:\n{indented(body)}'
    if is_async:
        body = f"\nasync def main() -> None:\n{indented(body)}\n\n\nasyncio.run(main())"
    return f"{_imports(example, dialect, is_async=is_async)}\n\n{body}"


def _whole(operation: Operation, example: Example) -> str:
    return "\n".join(filter(None, [example.needs, _call("res = ", operation, example.args), example.shows]))


def _streamed(operation: Operation, example: Example) -> str:
    call = _call("with ", operation, (*example.args, "stream=True"))
    return "\n".join(filter(None, [example.needs, f"{call} as stream:\n{indented(example.streamed or '')}"]))


def _call(before: str, operation: Operation, args: tuple[str, ...]) -> str:
    start = f"{before}sdk.{operation.resource}.{operation.name}("
    line = f"{start}{', '.join(args)})"
    return line if len(line) <= _LINE else f"{start}\n{indented(chr(10).join(f'{arg},' for arg in args))}\n)"


def _dialect_of(operation: Operation) -> str | None:
    """Name the server whose dialect the embedded provider has to speak; None where its own will do."""
    servers = routes_of(operation)
    return None if "local" in servers else next(iter(servers))


def _opened(dialect: str | None) -> str:
    if dialect is None:
        return 'SDK(server="local")'
    args = ('api_key="sk-placeholder"', f'server="{dialect}"', "server_url=server.url", "organization_id=9981")
    return "SDK(\n" + indented("\n".join(f"{arg}," for arg in args)) + "\n)"


def _in_async(text: str) -> str:
    """Colour a sync example: its calls, `with` and `for`."""
    text = re.sub(r"\bsdk\.(\w+)\.(\w+)\(", r"await sdk.\1.\2_async(", text)
    text = re.sub(r"((?:\w+\.)*(?:data\[0\]|res))\.save\(", r"await \1.save_async(", text)
    text = re.sub(r"^( *)with ", r"\1async with ", text, flags=re.MULTILINE)
    return re.sub(r"^( *)for (.*) in stream", r"\1async for \2 in stream", text, flags=re.MULTILINE)


def _imports(example: Example, dialect: str | None, *, is_async: bool) -> str:
    standard = ["import asyncio"] * is_async + ["from pathlib import Path"] * any(
        "Path(" in text for text in (*example.args, example.needs or "")
    )
    own = ["from llmsdk import SDK"] + ["from llmsdk.local import LocalServer"] * (dialect is not None)
    return "\n".join([*standard, *([""] if standard else []), *own])
