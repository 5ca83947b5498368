"""The layer table holds: who imports whom, where I/O may stand, and that no code asks for a provider by name."""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmsdk.providers import PROVIDERS

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "llmsdk"

# The rooms from the bottom up, each with the first parts of its modules' names and its layer. A module imports from its
# own layer or lower ones; rooms of one layer may not form a circle (`make house`).
ROOMS: dict[str, tuple[int, tuple[str, ...]]] = {
    "errors": (0, ("errors",)),
    "utils": (0, ("utils",)),
    "models": (1, ("models",)),
    "providers": (1, ("providers",)),
    "face, lower part": (2, ("hooks", "options", "observers", "_version")),
    "_call": (3, ("_call",)),
    "_net": (4, ("_net",)),
    "resources": (5, ("resources",)),
    "beyond one call": (5, ("structured", "tools")),
    "telemetry": (5, ("otel",)),
    "face": (6, ("sdk", "__init__")),
    "testing": (7, ("local", "cassette", "check")),
    "many": (7, ("many", "frames", "ray")),
    "cli": (8, ("cli",)),
}
LAYERS = {head: layer for layer, heads in ROOMS.values() for head in heads}
# A wing is imported through its door only: who may, and what.
DOORS = {
    ("sdk", "check.running"),
    ("sdk", "local"),
    ("sdk", "many.runs.batch"),
    ("resources.base", "many.map"),
}
FIRST_IO_LAYER = 4
IO_MODULES = {"anyio", "asyncio", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "trio"}
# Awaits a fetcher that it is handed, and a thread that writes the file; an image may belong to no SDK that could do it.
# And what a supplied async client has to have, as a Protocol.
ASYNC_EXCEPTIONS = {
    ("models.images", "read_async"),
    ("models.images", "save_async"),
    ("models.speech", "save_async"),
    ("options", "send"),
    ("options", "aclose"),
}
# And httpx as a function between values: it reads a host name as the client will, and writes forms.
IO_EXCEPTIONS = {
    ("models.images", "anyio"),
    ("models.speech", "anyio"),
    ("_call.checks", "httpx"),
    ("_call.request.multipart", "httpx"),
}
PROVIDERS_MAY_IMPORT = ("providers", "errors", "utils")
SERVER_IDS = frozenset(PROVIDERS)
SERVER_CONSTANTS = frozenset(name.upper() for name in PROVIDERS)
# Where names of servers may stand: the list of ids, the files of the servers, the protocols, some of which share
# their names; and how the embedded provider looks.
NAMES_SERVERS = {"providers.ids", "local.wire", *(f"providers.{name}" for name in PROVIDERS)}
NAMES_SERVERS |= {"providers.codecs"} | {
    f"providers.codecs.{name}.replies" for name in ("anthropic", "gemini", "responses")
}


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
            # `from llmsdk._call import spec` imports the module llmsdk.providers.spec, a class only its home.
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
            case ast.Name(id=text) | ast.Attribute(attr=text) if text in SERVER_CONSTANTS:
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
        return [f"{module.name}: not in the layer table; add it to ROOMS in tests/test_layers.py"]
    found = []
    for line, target in module.imports:
        target_layer = LAYERS.get(target.partition(".")[0] or "__init__")
        if target_layer is not None and target_layer > layer and (module.name, target) not in DOORS:
            found.append(f"{line}: layer {layer} imports {target or 'llmsdk'} of layer {target_layer}")
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
    if module.name not in NAMES_SERVERS:
        found += [
            f"{line}: names the server {name!r}; make it data in providers/" for line, name in module.server_names
        ]
    found += [f"{line}: compares a provider's name: {text}" for line, text in module.name_comparisons]
    return [f"{module.name or '__init__'}:{text}" for text in found]


def test_the_package_keeps_the_layer_table() -> None:
    modules = read_package(PACKAGE)
    assert {"errors", "providers.spec", "providers"} <= {module.name for module in modules}
    assert [line for module in modules for line in violations(module)] == []


def test_no_row_of_the_table_is_left_over() -> None:
    assert set(LAYERS) - {module.head for module in read_package(PACKAGE)} == set()


BREACHES = {
    "unknown module": ("gizmo.py", "X = 1", "add it to ROOMS"),
    "upward import": ("errors/base.py", "from llmsdk._call import flow", "layer 0 imports _call.flow of layer 3"),
    "relative upward import": ("utils/urls.py", "from ..models import common", "layer 0 imports models of layer 1"),
    "import in a function": ("utils/urls.py", "def f():\n    import llmsdk.sdk", "imports sdk of layer 6"),
    "import of the root": ("hooks.py", "from llmsdk import SDK", "imports llmsdk of layer 6"),
    "past the door": ("resources/chat.py", "from llmsdk.many import map", "imports many of layer 7"),
    "providers and more": ("providers/x.py", "from llmsdk._call.flow import exchange", "providers see"),
    "httpx too low": ("_call/flow.py", "import httpx", "imports httpx below layer 4"),
    "else of TYPE_CHECKING": (
        "_call/flow.py",
        "if TYPE_CHECKING:\n    import anyio\nelse:\n    import httpx",
        "imports httpx below layer 4",
    ),
    "sleep too low": ("utils/x.py", "import time\ntime.sleep(1)", "time.sleep below layer 4"),
    "imported sleep": ("utils/x.py", "from time import sleep", "time.sleep below layer 4"),
    "coroutine too low": ("hooks.py", "async def f(): ...", "async def f below layer 4"),
    "asks for a name": ("local/app.py", "if provider.name == other: pass", "compares a provider's name"),
    "matches a name": ("sdk.py", "match self.provider.name:\n    case x: pass", "compares a provider's name"),
    "names a server": ("sdk.py", "def f(server='together'): ...", "names the server 'together'"),
    "one of the shared files": ("providers/spec.py", "X = 'together'", "names the server 'together'"),
    "takes its constant": ("sdk.py", "print(TOGETHER)", "names the server 'TOGETHER'"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_seen(breach: str, tmp_path: Path) -> None:
    where, source, message = BREACHES[breach]
    for name, text in {"_call/flow.py": "", "sdk.py": "", "models/chat.py": "", where: source}.items():
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
    (tmp_path / "_call").mkdir()
    (tmp_path / "_call" / "effects.py").write_text("", encoding="utf-8")
    (tmp_path / "_call" / "flow.py").write_text(textwrap.dedent(source), encoding="utf-8")
    modules = {module.name: module for module in read_package(tmp_path)}
    assert [target for _, target in modules["_call.flow"].imports] == ["_call.effects", "errors"]
    assert violations(modules["_call.flow"]) == []


PACKAGES = sorted(path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("__init__.py"))


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "."])
def test_every_package_introduces_itself(name: str) -> None:
    """What it is for, who may import what, and where to start: a newcomer reads the heads first."""
    head = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text("utf-8"))) or ""
    said = " ".join(head.lower().split())
    assert re.search(r"\bimport(s|ed)?\b", said) or "/" in name, f"{name}/__init__.py: say who may import what"
    assert re.search(r"\bstart (reading )?(at|with|in)\b", said), f"{name}/__init__.py: say where to start reading"
