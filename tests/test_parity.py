"""Both colours say the same: the sync and async text of every public pair differ by colour words only."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import pytest

import llmsdk

# Sending nothing, these need no second colour.
SINGLE = {"preview"}
# Gives an async iterator at once: `async for` takes it without `await`.
NOT_AWAITED = {"map_async"}
# Methods of the streams that rightly differ in more than colour, each with its reason; their arguments are compared.
# A sync stream is a generator, which closes itself when dropped. An async generator would need the event loop for that,
# so the async stream is a class with its own loop.
STREAMS_DIFFER = {
    "__init__": "a generator here; its parts, and the token of the event loop, there",
    "__iter__": "hands out a generator here, an object that notices being dropped there",
    "__next__": "takes from the generator here, runs the loop there",
    "close": "another thread may be inside the generator; a task is awaited by its driver",
    "__del__": "the event loop is needed to close from a finalizer",
}
# An async stream that nobody iterates any more is closed by its event loop.
ASYNC_ONLY = {"abandon"}

WORDS = {
    "AsyncDriver": "SyncDriver",
    "StopAsyncIteration": "StopIteration",
    "AsyncExitStack": "ExitStack",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
    "aclose": "close",
    "aiter": "iter",
    "anext": "next",
    "aiter_bytes": "iter_bytes",
    "aiter_raw": "iter_raw",
    "aread": "read",
    "async_driver": "sync_driver",
}


def plain(text: str) -> str:
    """Take the colour out of one name, or out of every name in an annotation."""

    def word(match: re.Match[str]) -> str:
        name = match.group()
        if name in WORDS:
            return WORDS[name]
        return re.sub(r"_async$|Async(?=$|[A-Z_])", "", name)

    return re.sub(r"\w+", word, text)


class Uncolour(ast.NodeTransformer):
    """Rewrites async text as its sync twin would be written."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit(ast.copy_location(ast.FunctionDef(**dict(ast.iter_fields(node))), node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        return self.visit(ast.copy_location(ast.For(**dict(ast.iter_fields(node))), node))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        return self.visit(ast.copy_location(ast.With(**dict(ast.iter_fields(node))), node))

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        match self.generic_visit(node):
            case ast.Subscript(value=ast.Name(id="Generator"), slice=ast.Tuple(elts=[*_] as parts)):
                del parts[2:]  # an async generator has no return type
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name, value in ast.iter_fields(node):
            if isinstance(value, str):
                setattr(node, name, plain(value))
        if isinstance(node, ast.comprehension):
            node.is_async = 0
        return super().generic_visit(node)


Function = ast.FunctionDef | ast.AsyncFunctionDef


def normal(node: Function) -> str:
    """Give the text of a function without colour, docstring and formatting."""
    return ast.unparse(Uncolour().visit(ast.parse(ast.unparse(node)).body[0]))


def functions(cls: type[Any]) -> list[Function]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return [node for node in body if isinstance(node, Function)]


def modules() -> Iterator[Any]:
    for info in pkgutil.walk_packages(llmsdk.__path__, "llmsdk."):
        # __main__ would run; the embedded provider is no resource.
        if "__main__" not in info.name and not info.name.startswith("llmsdk.local"):
            yield importlib.import_module(info.name)


def resource_classes() -> list[type[Any]]:
    base = importlib.import_module("llmsdk.resources.base").Resource
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    return sorted(found, key=lambda cls: cls.__qualname__)


def differences(cls: type[Any]) -> list[str]:
    """List what is not the same in the pairs of one resource class."""
    texts: dict[str, list[str]] = {}
    colours: dict[str, bool] = {}
    for node in functions(cls):
        if not node.name.startswith("_"):
            texts.setdefault(node.name, []).append(normal(node))
            colours[node.name] = isinstance(node, ast.AsyncFunctionDef)
    found = []
    for name, text in texts.items():
        twin = f"{name}_async"
        if name.endswith("_async"):
            if name.removesuffix("_async") not in texts:
                found.append(f"{cls.__name__}.{name} has no sync twin")
            if not colours[name] and name not in NOT_AWAITED:
                found.append(f"{cls.__name__}.{name} is not async")
        elif twin in texts:
            if text != texts[twin]:
                found.append(f"{cls.__name__}.{name} and its twin differ:\n{text}\n{texts[twin]}")
            if signature(getattr(cls, name)) != signature(getattr(cls, twin)):
                found.append(f"{cls.__name__}.{name} and its twin differ in signature")
        elif name not in SINGLE:
            found.append(f"{cls.__name__}.{name} has no async twin")
    return found


def signature(function: Any) -> list[str]:
    """Give the parameters and the result of a function without colour, as text."""
    shape = inspect.signature(function)
    lines = [f"{p.kind.name} {plain(str(p))}" for p in shape.parameters.values()]
    result = shape.return_annotation
    text = result if isinstance(result, str) else inspect.formatannotation(result)
    # An async generator has no return type.
    return [*lines, re.sub(r"(Generator\[.+), None, None\]", r"\1, None]", plain(text))]


def test_resources_are_found() -> None:
    assert {"Completions", "Chat", "Images"} <= {cls.__name__ for cls in resource_classes()}


def test_the_pairs_of_every_resource_are_the_same() -> None:
    assert [line for cls in resource_classes() for line in differences(cls)] == []


def stream_methods(cls: type[Any]) -> dict[str, Function]:
    return {
        plain(node.name): node for node in functions(cls) if not node.name.startswith("_") or node.name.endswith("__")
    }


def test_the_streams_offer_the_same_methods() -> None:
    streaming = importlib.import_module("llmsdk._net.streams")
    ours, theirs = stream_methods(streaming.EventStream), stream_methods(streaming.EventStreamAsync)
    assert ours.keys() == theirs.keys() - ASYNC_ONLY
    assert STREAMS_DIFFER.keys() <= ours.keys()
    for name, node in ours.items():
        twin = theirs[name]
        assert plain(ast.unparse(node.args)) == plain(ast.unparse(twin.args)), name
        assert (normal(node) == normal(twin)) != (name in STREAMS_DIFFER), name


class Twins:
    """Material for the tests of the comparison itself."""

    def same(self, *, stream: bool = False) -> list[int]:
        """Speak of sync."""
        with self.open() as source:
            return [item for item in source.call(self.same)]  # noqa: C416 - a comprehension is what is compared

    async def same_async(self, *, stream: bool = False) -> list[int]:
        """Speak of async."""
        async with await self.open_async() as source:
            return [item async for item in source.call_async(self.same_async)]

    def other(self, a: int) -> int:
        return a

    async def other_async(self, a: int, b: int = 0) -> int:
        return a + b

    def alone(self) -> None: ...

    def each(self) -> Generator[int, None, None]:
        yield 1

    async def each_async(self) -> AsyncGenerator[int, None]:
        yield 1

    async def lonely_async(self) -> None: ...

    def open(self) -> Any: ...

    async def open_async(self) -> Any: ...


def test_the_comparison_sees_what_differs() -> None:
    found = [line.partition(":")[0] for line in differences(Twins)]
    assert found == [
        "Twins.other and its twin differ",
        "Twins.other and its twin differ in signature",
        "Twins.alone has no async twin",
        "Twins.lonely_async has no sync twin",
    ]


@pytest.mark.parametrize(
    "coloured, expected",
    [
        ("EventStreamAsync[Chunk]", "EventStream[Chunk]"),
        ("call_async", "call"),
        ("AsyncIterator[bytes]", "Iterator[bytes]"),
        ("StopAsyncIteration", "StopIteration"),
        ("asynchronous", "asynchronous"),
    ],
)
def test_colour_is_taken_out_of_names(coloured: str, expected: str) -> None:
    assert plain(coloured) == expected
