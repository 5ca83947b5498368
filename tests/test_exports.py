"""What the package offers by name: everything in `__all__` exists, everything public is in it, importing is cheap."""

import ast
import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
PUBLIC = ("llmsdk", "llmsdk.models", "llmsdk.errors", "llmsdk.utils", "llmsdk.providers", "llmsdk.resources")
# Whatever these define under a public name is for users; the others also hold parts of the machinery.
WHOLE = ("llmsdk.models", "llmsdk.errors")
# Not before the first call needs them.
LATE = ("httpx", "httpx2", "anyio", "trio", "jsonpath", "llmsdk.local", "llmsdk._net")
LATE_MODELS = ("llmsdk.models.chat", "llmsdk.models.completions", "llmsdk.models.images")


def bound_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that the top level of a package's `__init__` binds for its users, TYPE_CHECKING blocks included."""
    for node in body:
        match node:
            case ast.ImportFrom(module=source, level=level) if level or (source or "").startswith("llmsdk"):
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If():
                yield from bound_names([*node.body, *node.orelse])
            case _:
                pass


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_in_all_resolves(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) > 0
    assert len(set(module.__all__)) == len(module.__all__)
    assert [export for export in module.__all__ if not hasattr(module, export)] == []
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("name", PUBLIC)
def test_no_public_name_is_missing_from_all(name: str) -> None:
    module = importlib.import_module(name)
    tree = ast.parse(inspect.getsource(module))
    public = {bound for bound in bound_names(tree.body) if not bound.startswith("_")}
    assert public - set(module.__all__) == set()


@pytest.mark.parametrize("name", WHOLE)
def test_public_classes_of_the_submodules_are_exported(name: str) -> None:
    package = importlib.import_module(name)
    missing = []
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{name}.{info.name}")
        # Classes of errors name the package as their module.
        places = (module.__name__, name)
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") in places]
        offered = getattr(module, "__all__", [key for key in own if isinstance(vars(module)[key], type)])
        missing += [f"{info.name}.{key}" for key in offered if not key.startswith("_") and key not in package.__all__]
    assert missing == []


def test_stubs_and_ids_are_fresh() -> None:
    done = run_python(
        "import runpy, sys; sys.argv = ['stubs.py', '--check']; runpy.run_path('scripts/stubs.py', run_name='__main__')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", PUBLIC)
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(name).no_such_name


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_importing_the_package_loads_nothing_that_a_call_needs_first() -> None:
    done = run_python(
        "import json, sys; old = set(sys.modules); import llmsdk; print(json.dumps(sorted(set(sys.modules) - old)))"
    )
    assert (done.returncode, done.stderr) == (0, "")
    loaded = json.loads(done.stdout)
    assert "llmsdk" in loaded
    tops = set(LATE) | set(LATE_MODELS)
    assert [name for name in loaded if any(name == top or name.startswith(f"{top}.") for top in tops)] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_importing_prints_nothing(name: str) -> None:
    done = run_python(f"import {name} as m; [getattr(m, n) for n in m.__all__]")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Where users import from, beside `llmsdk` itself, and what for. The names of a path are those of its head; modules
# below it are the package's own, like everything with an underscore at its first folder.
PATHS = {
    "cassette": "recordings of real exchanges",
    "check": "what `sdk.check` returns, for annotations",
    "cli": "the command `llmsdk`",
    "errors": "what calls raise",
    "frames": "calls over pandas, Dask and Spark frames",
    "hooks": "what a hook gets, and which methods it may have",
    "local": "the embedded provider, for tests",
    "many": "types of what `map` and `sdk.batch` return, for annotations",
    "models": "requests, replies and chunks",
    "observers": "what watches calls from outside",
    "options": "options of the SDK and of calls, for wrappers",
    "otel": "tracing by OpenTelemetry",
    "providers": "dialects, and the words to write one",
    "ray": "calls over Ray datasets",
    "resources": "types of `sdk.chat` and its like, for annotations",
    "sdk": "the SDK object",
    "structured": "types of what `chat.parse` returns, for annotations",
    "tools": "functions as tools",
    "utils": "retry policies",
}


def test_what_looks_public_is_in_the_table() -> None:
    entries = {path.stem for path in (SRC / "llmsdk").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert {name for name in entries if not name.startswith("_")} == PATHS.keys()


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name
)
def test_the_documentation_imports_public_paths(page: Path) -> None:
    text = page.read_text("utf-8")
    shown = set(re.findall(r"^\s*(?:from|import) llmsdk\.([a-z_.]+)", text, re.MULTILINE))
    assert shown <= PATHS.keys()
