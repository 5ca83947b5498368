"""Declared is what is imported, imported is what is declared: for the package and for each of its extras."""

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "llmsdk"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Whose import belongs to which extra: an extra's modules are imported by nothing that a plain install runs.
EXTRAS = {
    "aiohttp": {"aiohttp", "yarl"},
    "batch": {"pyarrow", "rich"},
    "cli": {"rich", "typer"},
    "numpy": {"numpy"},
    "otel": {"opentelemetry"},
    "ray": {"pyarrow", "ray"},
}
# Used where it is found, by those whose loop, codings, proxies, frames or tests these are; nobody gets it from us.
FOUND = {
    *("backports", "brotli", "brotlicffi", "compression", "pandas", "pytest", "socksio", "trio", "zstandard"),
}
# An import name is another than its distribution's, or is shared by several.
DISTRIBUTIONS = {"opentelemetry": "opentelemetry-api", "compression": "backports-zstd", "backports": "backports-zstd"}
TOOLS = {"dev", "site", "test"}  # extras of ours alone
LOADERS = {"import_module", "find_spec"}


def called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def loaders(tree: ast.AST) -> set[str]:
    """Name what imports a module whose name it is handed: the standard functions, and our own around them."""
    own = {
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and called(call) in LOADERS and isinstance(call.args[0], ast.Name)
    }
    return LOADERS | own


def imported(path: Path) -> Iterator[str]:
    """Yield the top of every module that a source file imports, by statement or by name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = loaders(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(args=[ast.Constant(value=str(name)), *_]) if called(node) in known:
                yield name.partition(".")[0]
            case ast.For(iter=ast.Tuple(elts=names)):  # of names that are tried one after the other
                calls = {called(call) for call in ast.walk(node) if isinstance(call, ast.Call)}
                texts = [name.value for name in names if isinstance(name, ast.Constant)] if calls & known else []
                yield from (str(text).partition(".")[0] for text in texts)
            case _:
                pass


def foreign() -> set[str]:
    found = {name for path in PACKAGE.rglob("*.py") for name in imported(path)}
    return {name for name in found if name and name not in {"llmsdk", *(sys.stdlib_module_names - FOUND)}}


@functools.cache
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


def distribution(name: str) -> str:
    known = distributions()
    return DISTRIBUTIONS.get(name) or (known[name][0] if name in known else name).lower().replace("_", "-")


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[ ><=!~\[;]", line)[0].lower() for line in requirements}


def test_the_package_declares_what_it_imports_and_imports_what_it_declares() -> None:
    optional = FOUND.union(*EXTRAS.values())
    assert {distribution(name) for name in foreign() - optional} == declared(PROJECT["dependencies"])


def test_each_extra_declares_what_it_is_for() -> None:
    extras = {name: declared(lines) for name, lines in PROJECT["optional-dependencies"].items() if name not in TOOLS}
    assert extras == {name: {distribution(one) for one in names} for name, names in EXTRAS.items()}


def test_no_name_in_the_tables_is_left_over() -> None:
    assert FOUND.union(*EXTRAS.values()) <= foreign()


def test_every_bound_is_a_lower_one() -> None:
    lines = [*PROJECT["dependencies"], *(line for name in EXTRAS for line in PROJECT["optional-dependencies"][name])]
    assert [line for line in lines if not re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", line)] == []
