"""The generated pages are fresh, links between pages lead somewhere, and the commands that the pages name exist."""

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from llmsdk import errors, models
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations import all_operations

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("llmsdk_docs_script", ROOT / "scripts" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script()


def markdown_files() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def anchors_of(path: Path) -> set[str]:
    """The anchors that a page gets for its headings: lower case, no punctuation, a number where one is repeated."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+)$", without_code(path.read_text("utf-8")), re.MULTILINE):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", shown).strip().replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
        if found[anchor]:
            found[f"{anchor}-{found[anchor]}"] = 0
    return set(found)


def links_of(path: Path) -> Iterator[str]:
    # A bracketed text in code is not a link; code that is a link's text is.
    prose = re.sub(r"`[^`\n]*`(\]\()?", lambda code: code[1] or "", without_code(path.read_text("utf-8")))
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)


def test_generated_pages_are_fresh(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--check"]) == 0, capsys.readouterr().out
    assert len(script.pages()) > 100


def test_the_same_values_are_written_in_one_order() -> None:
    """Python keeps one of several equal Literals, whichever was made first: pages would depend on the import order."""
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
                items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                values = tuple(map(ast.unparse, items))
                orders.setdefault(frozenset(values), set()).add(values)
    assert len(orders) > 20
    assert [found for found in orders.values() if len(found) > 1] == []


def test_check_names_changed_missing_and_orphaned_pages(script: ModuleType, tmp_path: Path) -> None:
    script.write(tmp_path)
    assert script.stale(tmp_path) == []
    (tmp_path / "servers.md").write_text("old", "utf-8")
    (tmp_path / "errors" / "ratelimiterror.md").unlink()
    (tmp_path / "models" / "gone.md").write_text("nobody writes me", "utf-8")
    (tmp_path / "migration.md").write_text("written by hand", "utf-8")
    assert script.stale(tmp_path) == ["errors/ratelimiterror.md", "models/gone.md", "servers.md"]
    script.write(tmp_path)
    assert script.stale(tmp_path) == []
    assert (tmp_path / "migration.md").read_text("utf-8") == "written by hand"


def test_the_script_refuses_other_arguments(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--chek"]) == 2
    assert "--check" in capsys.readouterr().err


def test_every_operation_parameter_and_server_is_described(script: ModuleType) -> None:
    pages = script.pages()
    for operation in all_operations().values():
        page = pages[f"sdks/{operation.resource}/README.md"]
        part = page.split(f"\n## {operation.name}\n")[1].split("\n## ")[0]
        for name in operation.request.__annotations__:
            row = re.search(rf"^\| `{name}` \| (.+) \|$", part, re.MULTILINE)
            routes = [provider.routes.get(operation.id) for provider in PROVIDERS.values()]
            if all(route is None or name in route.unsupported for route in routes):
                assert row is None, (operation.id, name)
                continue
            assert row is not None, (operation.id, name)
            assert all(cell.strip() for cell in re.split(r"(?<!\\)\|", row[1])), (operation.id, name)
        assert f"{operation.name}_async(" in part
    for name in PROVIDERS:
        assert f"\n## {name}\n" in pages["servers.md"]


def test_every_row_describes_what_it_names(script: ModuleType) -> None:
    assert script.undescribed(script.pages()) == []
    table = "| Field | Type | Description |\n| --- | --- | --- |\n| `a` | `str \\| None` | Text. |\n| `b` | `int` | |\n"
    other = "| Method | What it does | Servers |\n| --- | --- | --- |\n| `create` | | all |\n"
    assert script.undescribed({"x.md": f"{table}\n{other}"}) == ["x.md: `b`", "x.md: `create`"]


def test_no_description_says_only_beside_a_list_of_servers(script: ModuleType) -> None:
    """Which servers a parameter is sent to is in a column of its own; prose says at most who documents it."""
    vendors = r"\b(?:Together|OpenAI|Writer|r9s|Mistral|xAI)(?:'s \w+ API)?"
    wrong = rf"{vendors} only\b|(?<!by)(?<!and)(?<!,) {vendors}\."
    for name, text in script.pages().items():
        if name.startswith(("models/", "sdks/")):
            found = [row for row in text.splitlines() if row.startswith("| `") and re.search(wrong, row)]
            assert found == [], name


def test_every_public_class_has_a_page(script: ModuleType) -> None:
    found = sys.modules["reference.found"]  # which the script imports
    pages = script.pages()
    known = {name for name in pages if name.startswith("models/")}
    assert {f"models/{name.lower()}.md" for name in set(models.__all__) - found.MACHINERY} - known <= {
        f"models/{name.lower()}.md" for name in models.__all__ if name.endswith("Accumulator")
    }
    named = {getattr(errors, name).__name__ for name in errors.__all__}
    assert {f"errors/{name.lower()}.md" for name in named} == {
        name for name in pages if name.startswith("errors/") and name != "errors/README.md"
    }


def test_internal_links_resolve() -> None:
    anchors = {path: anchors_of(path) for path in markdown_files()}
    broken, count = [], 0
    for path in anchors:
        for target in links_of(path):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists() or (anchor and anchor not in anchors.get(aim, set())):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []
    assert count > 500


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        waiting += [
            (path.parent / target.partition("#")[0]).resolve() for target in links_of(path) if ":" not in target
        ]
    assert sorted(path.relative_to(ROOT).as_posix() for path in set(markdown_files()) - reached) == []


def test_make_targets_named_in_the_pages_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        named = set(
            re.findall(r"(?:^ *|`)make (?:PYTHON=\S+ )?([\w-]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
        )
        assert {"demo", "test"} <= named
        assert named <= targets
