"""The layer table holds: who imports whom, where I/O may stand, and that no code asks for a provider by name."""

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmsdk.providers import PROVIDERS

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "llmsdk"

# First part of the module's name below llmsdk -> layer. A module imports from its own layer or lower ones.
LAYERS = {
    "_version": 0,
    "errors": 0,
    "utils": 0,
    "models": 1,
    "_core": 2,
    "hooks": 2,
    "operations": 3,
    "providers": 3,
    "streaming": 4,
    "_io": 4,
    "_relay": 5,
    "config": 5,
    "failover": 5,
    "usage": 5,
    "observers": 5,
    "options": 5,
    "_otel": 5,
    "otel": 5,
    "preview": 5,
    "_runner": 5,
    "_schemas": 5,
    "_steps": 5,
    "_fetches": 5,
    "_transfers": 5,
    "batch": 5,
    "batches": 5,
    "bulk": 5,
    "cassette": 5,
    "catalog": 5,
    "chat": 5,
    "completions": 5,
    "embeddings": 5,
    "files": 5,
    "images": 5,
    "local": 5,
    "resource": 5,
    "structured": 5,
    "tools": 5,
    "cli": 6,
    "frames": 6,
    "ray": 6,
    "sdk": 6,
    "workers": 6,
    "__init__": 6,
}
FIRST_IO_LAYER = 4
IO_MODULES = {"anyio", "asyncio", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "trio"}
# Awaits a fetcher that it is handed, and a thread that writes the file; an image may belong to no SDK that could do it.
ASYNC_EXCEPTIONS = {("models.images", "save_async")}
IO_EXCEPTIONS = {("models.images", "anyio")}
PROVIDERS_MAY_IMPORT = ("providers", "_core.spec", "_core.reshape")
SERVER_IDS = frozenset(PROVIDERS)
# The homes of the dialects' data, where names of servers are what the data is about.
NAMES_SERVERS = {"providers", "local"}


@dataclass
class Module:
    """What one source file says, as far as the rules care; names are relative to llmsdk ("" is the root)."""

    name: str
    is_package: bool = False
    imports: list[tuple[int, str]] = field(default_factory=list)
    foreign: list[tuple[int, str]] = field(default_factory=list)
    sleeps: list[int] = field(default_factory=list)
    coroutines: list[tuple[int, str]] = field(default_factory=list)
    server_names: list[tuple[int, str]] = field(default_factory=list)
    name_comparisons: list[tuple[int, str]] = field(default_factory=list)

    @property
    def head(self) -> str:
        """The row of the table this module belongs to."""
        return self.name.partition(".")[0] or "__init__"


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk everything that can run: not the body of `if TYPE_CHECKING`, not docstrings."""
    yield node
    for name, value in ast.iter_fields(node):
        if isinstance(node, ast.If) and name == "body" and is_type_checking(node.test):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if isinstance(child, ast.AST) and not is_docstring:
                yield from runtime_nodes(child)


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """Give the full name of the module that a from-import reads."""
    if not node.level:
        return node.module or ""
    package = ["llmsdk", *filter(None, module.name.split("."))]
    drop = node.level - 1 if module.is_package else node.level
    base = package[: len(package) - drop]
    return ".".join([*base, *filter(None, [node.module])])


def below_package(full: str) -> str | None:
    """Cut "llmsdk." off; None if the name is not ours."""
    if full == "llmsdk":
        return ""
    return full.removeprefix("llmsdk.") if full.startswith("llmsdk.") else None


def note_import(module: Module, node: ast.Import | ast.ImportFrom, known: set[str]) -> None:
    if isinstance(node, ast.Import):
        targets = [alias.name for alias in node.names]
    else:
        source = absolute(module, node)
        inner = below_package(source)
        if inner is None:
            targets = [source]
            if source == "time" and any(alias.name == "sleep" for alias in node.names):
                module.sleeps.append(node.lineno)
        else:
            # `from llmsdk._core import spec` imports the module llmsdk._core.spec, a class only its home.
            joined = [f"{inner}.{alias.name}".lstrip(".") for alias in node.names]
            targets = [f"llmsdk.{name}" if name in known else source for name in joined]
    for target in targets:
        inner = below_package(target)
        if inner is None:
            module.foreign.append((node.lineno, target.partition(".")[0]))
        else:
            module.imports.append((node.lineno, inner))


def looks_like_provider_name(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    owner = ast.unparse(node.value).lower()
    return any(word in owner for word in ("provider", "dialect", "server"))


def read_module(path: Path, package: Path, known: set[str]) -> Module:
    parts = list(path.relative_to(package).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    module = Module(".".join(parts[:-1] if is_package else parts), is_package)
    for node in runtime_nodes(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Import() | ast.ImportFrom():
                note_import(module, node, known)
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
                module.sleeps.append(node.lineno)
            case ast.AsyncFunctionDef():
                module.coroutines.append((node.lineno, node.name))
            case ast.Constant(value=str(text)) if text in SERVER_IDS:
                module.server_names.append((node.lineno, text))
            case ast.Compare() if any(map(looks_like_provider_name, [node.left, *node.comparators])):
                module.name_comparisons.append((node.lineno, ast.unparse(node)))
            case ast.Match() if looks_like_provider_name(node.subject):
                module.name_comparisons.append((node.lineno, f"match {ast.unparse(node.subject)}"))
            case _:
                pass
    return module


def read_package(package: Path) -> list[Module]:
    paths = sorted(package.rglob("*.py"))
    known = {".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    return [read_module(path, package, known) for path in paths]


def violations(module: Module) -> list[str]:
    """List, one line each, every rule that a module breaks."""
    layer = LAYERS.get(module.head)
    if layer is None:
        return [f"{module.name}: not in the layer table; add it to LAYERS in tests/test_layers.py with its layer"]
    found = []
    for line, target in module.imports:
        target_layer = LAYERS.get(target.partition(".")[0] or "__init__")
        if target_layer is not None and target_layer > layer:
            found.append(f"{line}: layer {layer} imports {target or 'llmsdk'} of layer {target_layer}")
        if module.head == "_core" and target.partition(".")[0] == "models":
            found.append(f"{line}: _core imports models")
        if module.head == "providers" and not any(
            target == allowed or target.startswith(f"{allowed}.") for allowed in PROVIDERS_MAY_IMPORT
        ):
            found.append(f"{line}: providers see {', '.join(PROVIDERS_MAY_IMPORT)} only, not {target or 'llmsdk'}")
    if layer < FIRST_IO_LAYER:
        found += [
            f"{line}: imports {name} below layer 4"
            for line, name in module.foreign
            if name in IO_MODULES and (module.name, name) not in IO_EXCEPTIONS
        ]
        found += [f"{line}: time.sleep below layer 4" for line in module.sleeps]
        found += [
            f"{line}: async def {name} below layer 4"
            for line, name in module.coroutines
            if (module.name, name) not in ASYNC_EXCEPTIONS
        ]
    if module.head not in NAMES_SERVERS:
        found += [
            f"{line}: names the server {name!r}; make it data in providers/" for line, name in module.server_names
        ]
    found += [f"{line}: compares a provider's name: {text}" for line, text in module.name_comparisons]
    return [f"{module.name or '__init__'}:{text}" for text in found]


def test_the_package_keeps_the_layer_table() -> None:
    modules = read_package(PACKAGE)
    assert {"errors", "_core.spec", "providers"} <= {module.name for module in modules}
    assert [line for module in modules for line in violations(module)] == []


def test_no_row_of_the_table_is_left_over() -> None:
    assert set(LAYERS) - {module.head for module in read_package(PACKAGE)} == set()


BREACHES = {
    "unknown module": ("gizmo.py", "X = 1", "add it to LAYERS"),
    "upward import": ("errors/base.py", "from llmsdk._core import spec", "layer 0 imports _core.spec of layer 2"),
    "relative upward import": ("utils/urls.py", "from ..models import common", "layer 0 imports models of layer 1"),
    "import in a function": ("utils/urls.py", "def f():\n    import llmsdk.sdk", "imports sdk of layer 6"),
    "import of the root": ("hooks.py", "from llmsdk import SDK", "imports llmsdk of layer 6"),
    "core and models": ("_core/decode.py", "from llmsdk.models import chat", "_core imports models"),
    "providers and more": ("providers/x.py", "from llmsdk._core.flow import exchange", "providers see"),
    "httpx too low": ("_core/flow.py", "import httpx", "imports httpx below layer 4"),
    "else of TYPE_CHECKING": (
        "_core/flow.py",
        "if TYPE_CHECKING:\n    import anyio\nelse:\n    import httpx",
        "imports httpx below layer 4",
    ),
    "sleep too low": ("operations.py", "import time\ntime.sleep(1)", "time.sleep below layer 4"),
    "imported sleep": ("operations.py", "from time import sleep", "time.sleep below layer 4"),
    "coroutine too low": ("hooks.py", "async def f(): ...", "async def f below layer 4"),
    "asks for a name": ("local/app.py", "if provider.name == other: pass", "compares a provider's name"),
    "matches a name": ("sdk.py", "match self.provider.name:\n    case x: pass", "compares a provider's name"),
    "names a server": ("sdk.py", "def f(server='together'): ...", "names the server 'together'"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_seen(breach: str, tmp_path: Path) -> None:
    where, source, message = BREACHES[breach]
    for name, text in {"_core/spec.py": "", "sdk.py": "", "models/chat.py": "", where: source}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = [line for module in read_package(tmp_path) for line in violations(module)]
    assert len(found) >= 1
    assert any(message in line for line in found), found


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    source = '''
        """Speaks of "together" in prose."""
        from typing import TYPE_CHECKING

        from . import effects
        from ..errors import SDKError

        if TYPE_CHECKING:
            import httpx
            from llmsdk.sdk import SDK

        def f(name: str) -> bool:
            "local"
            return name == "id"
    '''
    (tmp_path / "_core").mkdir()
    (tmp_path / "_core" / "effects.py").write_text("", encoding="utf-8")
    (tmp_path / "_core" / "flow.py").write_text(textwrap.dedent(source), encoding="utf-8")
    modules = {module.name: module for module in read_package(tmp_path)}
    assert [target for _, target in modules["_core.flow"].imports] == ["_core.effects", "errors"]
    assert violations(modules["_core.flow"]) == []
