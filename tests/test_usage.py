"""Every Python block of the documentation runs as printed, against the embedded provider, and prints what it says.

A block is a fence that begins with three backticks and `python`. One marked `python old` shows another client's call,
one marked `python notebook` asks its reader for input: these are only parsed. One marked with a package that the checks
do not install, such as `python ray`, runs where that is installed. A `text` fence right below a block is what the block
prints. Blocks share nothing.
"""

import ast
import asyncio
import dataclasses
import importlib.util
import inspect
import itertools
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmsdk.local import LocalServer
from llmsdk.providers import PROVIDERS

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
FILES = [
    path.relative_to(ROOT).as_posix()
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    if "```py" in path.read_text("utf-8")
]
# Pages about real servers call them by name; every other page needs no key and no stand-in.
NEEDS_STAND_INS = {"docs/migration.md", "docs/ollama.md", "docs/openai.md", "docs/vllm.md"}
HOSTED = ("together", "writer", "writer_v1", "r9s", "openai", "ollama", "vllm")
# Fences of code that needs more than the checks install -> the module.
NEEDS = {f"python {name}": name for name in ("dask", "fastapi", "pandas", "ray")}
KINDS = {"python", "python notebook", "python old", "text", "sh", *NEEDS}
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fence of a page, with the output that the page promises."""

    file: str
    line: int
    kind: str
    code: str
    prints: str | None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def has_tests(self) -> bool:
        tree = ast.parse(self.code)
        return any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body)


def blocks_of(file: str) -> Iterator[Block]:
    text = (ROOT / file).read_text("utf-8")
    found = list(FENCE.finditer(text))
    for match, following in itertools.zip_longest(found, found[1:]):
        is_output = (
            following is not None and following[1] == "text" and not text[match.end() : following.start()].strip()
        )
        prints = following[2] if following is not None and is_output else None
        yield Block(file, text.count("\n", 0, match.start()) + 2, match[1], match[2], prints)


BLOCKS = [block for file in FILES for block in blocks_of(file)]
RUN = [block for block in BLOCKS if block.kind == "python"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A new user's place: no keys, no network, an empty directory."""
    for provider in PROVIDERS.values():
        if provider.env_var:
            monkeypatch.delenv(provider.env_var, raising=False)
    monkeypatch.setenv("LLMSDK_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An embedded provider for each hosted one, under the hosted one's id, with a key in the environment."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(LocalServer(dialect=name)) for name in HOSTED}
        for name, server in servers.items():
            provider = dataclasses.replace(PROVIDERS[name], servers=(server.url,))
            monkeypatch.setitem(vars(PROVIDERS)["_used"], name, provider)
            assert provider.env_var is not None
            monkeypatch.setenv(provider.env_var, "sk-placeholder")
        yield


def run(block: Block) -> None:
    """Run a block as a script, `await` outside of functions allowed."""
    # The line numbers of a traceback are then those of the page.
    code = compile("\n" * (block.line - 1) + block.code, block.file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace: dict[str, object] = {"__name__": "__main__"}
    pending = eval(code, namespace)  # `exec` would drop the coroutine of a block with `await`
    if inspect.iscoroutine(pending):
        asyncio.run(pending)


def run_as_test_file(block: Block, folder: Path) -> None:
    """Run a block that shows a test, as its reader would."""
    file = folder / "test_app.py"
    file.write_text(block.code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "llmsdk.local.pytest_plugin", "-p", "no:cacheprovider", str(file)],
        env=os.environ | {"PYTHONPATH": str(SRC), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("block", RUN, ids=str)
def test_block_runs(
    block: Block, bare: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    if block.file in NEEDS_STAND_INS:
        request.getfixturevalue("stand_ins")
    if block.has_tests:
        run_as_test_file(block, bare)
        return
    run(block)
    printed = capsys.readouterr().out
    if block.prints is None:
        assert printed.strip()
    else:
        assert printed == block.prints


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind in NEEDS], ids=str)
def test_block_runs_where_its_package_is(block: Block, bare: Path) -> None:
    name = NEEDS[block.kind]
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: it is larger than all that the checks need; `make ray` installs it")
    file = bare / "block.py"
    file.write_text(block.code, "utf-8")
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, str(file)], env=environment, cwd=bare, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == block.prints


def checkable(block: Block) -> str:
    """Write a block as a module: `await` outside of functions is a notebook's, and no checker takes it."""
    tree = ast.parse(block.code, mode="exec", type_comments=False)
    awaits = any(isinstance(node, ast.AsyncWith | ast.AsyncFor | ast.Await) for node in walk_module(tree))
    if not awaits:
        return block.code
    return "async def main() -> None:\n" + textwrap.indent(block.code, "    ")


def walk_module(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when a module is imported, and not what its functions and classes do later."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
            yield from walk_module(node)


def test_blocks_pass_a_plain_mypy(tmp_path: Path) -> None:
    lines: dict[str, list[str]] = {}
    for block in RUN:
        name = f"block_{len(lines)}.py"
        code = checkable(block)
        lines[name] = code.splitlines()
        (tmp_path / name).write_text(code, "utf-8")
    cache = ROOT / ".mypy_cache" / "blocks"  # of its own: other options would discard the cache of the checks
    options = [f"--cache-dir={cache}", "--config-file=", "--no-pretty", "--follow-imports=silent"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *sorted(lines)],
        env=os.environ | {"MYPYPATH": str(SRC)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    places = {name: str(block) for name, block in zip(lines, RUN, strict=True)}
    faults = [
        f"{places[name]}+{line}: {message}"
        for name, line, kind, message in re.findall(r"^(\w+\.py):(\d+): (\w+): (.*)$", done.stdout, re.MULTILINE)
        # The one mistake that a page makes on purpose is to be found.
        if kind == "error" and "promt=" not in lines[name][int(line) - 1]
    ]
    assert not faults, "\n".join(faults)
    assert "promt" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES)
def test_no_block_is_skipped(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    kinds = [block.kind for block in BLOCKS if block.file == file]
    assert set(kinds) <= KINDS
    # Whatever opens or closes a fence belongs to a block that was found: none is indented, unclosed or of another kind.
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(kinds)
    assert sum(block.file == file for block in RUN) == len(re.findall(r"^```python$", text, re.MULTILINE))
    assert any(kind.startswith("python") for kind in kinds)


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind in {"python old", "python notebook"}], ids=str)
def test_blocks_that_are_not_run_are_python(block: Block) -> None:
    compile(block.code, block.file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert ("llmsdk" in block.code) == (block.kind == "python notebook")


def test_every_old_call_has_a_new_one_beside_it() -> None:
    kinds = [block.kind for block in blocks_of("docs/migration.md")]
    old = [index for index, kind in enumerate(kinds) if kind == "python old"]
    assert len(old) == 7
    assert all(kinds[index + 1] == "python" for index in old)


def test_blocks_that_show_an_output_are_compared_with_it() -> None:
    assert sum(block.prints is not None for block in RUN) >= 15
