"""What the backend uses of aiohttp beyond its documentation is listed, and is there in the installed version."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import client_proto, connector

import llmsdk
from llmsdk._net import aiohttp_connections

SOURCE = Path(llmsdk.__file__).parent
ROW = re.compile(r"^    (?P<owner>[A-Z]\w+)(\.(?P<name>\w+))?  ", re.MULTILINE)
LISTED = [(row["owner"], row["name"]) for row in ROW.finditer(aiohttp_connections.__doc__ or "")]
PRIVATE = re.compile(r"_[a-z]\w*$")


def modules() -> list[ast.Module]:
    """The modules that import aiohttp."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    return [tree for tree in trees if any(name.partition(".")[0] == "aiohttp" for name in imported(tree))]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                pass


def own(tree: ast.Module) -> Iterator[str]:
    """Private names that a module defines itself: what it stores in `self`, its functions, its slots and constants."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case _:
                pass


def used(tree: ast.Module) -> set[str]:
    """Private names that a module looks up, by attribute or by text, and that are not its own."""
    found: set[str] = set()
    inherited: set[str] = set()  # by what overrides it, under the same name
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                inherited.add(name)
            case ast.Attribute(attr=name):
                found.add(name)
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=name), *_]):
                found.add(str(name))
            case _:
                pass
    return {name for name in found - set(own(tree)) | inherited if PRIVATE.match(name)}


def test_every_private_name_is_listed() -> None:
    trees = modules()
    assert len(trees) >= 3
    assert set().union(*map(used, trees)) == {name for _, name in LISTED if name and PRIVATE.match(name)}


def test_no_module_of_aiohttp_is_imported_but_the_listed_one() -> None:
    inner = {name for tree in modules() for name in imported(tree) if name.startswith("aiohttp.")}
    assert inner == {"aiohttp.client_proto"}


def test_the_scan_sees_each_way_to_a_private_name() -> None:
    text = (
        'a._one\ngetattr(b, "_two", 0)\nclass C:\n def f(self):\n  self._own = self._own or self._three or a.__dict__\n'
    )
    assert used(ast.parse(text)) == {"_one", "_two", "_three"}


def test_every_listed_name_is_in_the_installed_version() -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        tcp = aiohttp.TCPConnector()
        handler = client_proto.ResponseHandler(loop)
        async with aiohttp.ClientSession(connector=tcp) as session:
            of: dict[str, Any] = {
                "ResponseHandler": handler,
                "TCPConnector": tcp,
                "Connection": connector.Connection,
                "ClientSession": session,
                "StreamReader": aiohttp.StreamReader(handler, 1, loop=loop),
            }
            assert [(owner, name) for owner, name in LISTED if not hasattr(of[owner], name or "__class__")] == []
        assert list(inspect.signature(tcp.connect).parameters) == ["req", "traces", "timeout"]

    assert len(LISTED) > 10
    asyncio.run(body())


def test_a_version_without_the_private_names_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        """A session or connector that has none of them, and takes none."""

        __slots__ = ()

        def __init__(self, **_: Any) -> None:
            pass

    async def body() -> None:
        monkeypatch.setattr(aiohttp_connections, "Connector", Bare)
        monkeypatch.setattr(aiohttp, "ClientSession", Bare)
        assert isinstance(aiohttp_connections.open_session(asyncio.get_running_loop()), Bare)

    asyncio.run(body())
