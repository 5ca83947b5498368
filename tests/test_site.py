"""The site has every page, its links are those of the repository, and a link that leads nowhere fails the build."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("llmsdk_site_script", ROOT / "scripts" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "BUILD", tmp_path)
    return script


def test_every_page_is_copied_and_listed_once(script: ModuleType, tmp_path: Path) -> None:
    config = script.assemble(tmp_path).read_text("utf-8")
    pages = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.md")}
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages == written | set(script.TOP.values())
    listed = re.findall(r"([\w/]+\.md)$", config, re.MULTILINE)
    assert sorted(listed) == sorted(pages)
    assert listed.index("sdks/sdk/README.md") < listed.index("sdks/batch/README.md")


def test_a_page_that_is_not_listed_is_named(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(script.TOP, "LICENSE", "license.md")
    with pytest.raises(SystemExit, match=r"mkdocs\.yml lists no license\.md"):
        script.assemble(tmp_path)


@pytest.mark.parametrize(
    "link, place, source, expected",
    [
        ("docs/tools.md#steps", "index.md", "README.md", "tools.md#steps"),
        ("USAGE.md", "index.md", "README.md", "examples.md"),
        ("../README.md#retries", "tools.md", "docs/tools.md", "index.md#retries"),
        ("../sdk/README.md", "sdks/chat/README.md", "docs/sdks/chat/README.md", "../sdk/README.md"),
        ("../../../USAGE.md", "sdks/chat/README.md", "docs/sdks/chat/README.md", "../../examples.md"),
        ("LICENSE", "contributing.md", "CONTRIBUTING.md", "https://llmsdk.example/source/blob/main/LICENSE"),
        ("#retries", "index.md", "README.md", "#retries"),
        ("https://semver.org/", "changelog.md", "CHANGELOG.md", "https://semver.org/"),
    ],
)
def test_links_lead_to_the_same_page(script: ModuleType, link: str, place: str, source: str, expected: str) -> None:
    assert script.rewritten(f"See [it]({link}).", place, source) == f"See [it]({expected})."


def test_tables_and_lists_are_written_for_the_generator_and_code_is_left(script: ModuleType) -> None:
    page = "- one\n  - two\n\n| `str \\| None` | a \\| b |\n\n```sh\n  - [x](README.md)\n```\n"
    assert script.rewritten(page, "a.md", "docs/a.md") == (
        "- one\n    - two\n\n| `str | None` | a \\| b |\n\n```sh\n  - [x](README.md)\n```\n"
    )


@pytest.mark.slow
def test_the_site_is_built_with_search(
    script: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zensical", reason="the extra `site` is not installed")
    assert script.main() == 0, capfd.readouterr()
    found = json.loads((tmp_path / "site" / "search.json").read_text("utf-8"))
    assert len(found["items"]) > 500
    # Nothing is fetched from another host when a page is read.
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert re.findall(r'<(?:link|script|img)[^>]*(?:href|src)="https?://(?!llmsdk\.example)[^"]*"', page) == []


@pytest.mark.slow
def test_a_broken_link_fails_the_build(
    script: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zensical", reason="the extra `site` is not installed")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "TOP", {"README.md": "index.md"})
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tools.md").write_text("# Tools\n\n[gone](nowhere.md) [lost](../README.md#nowhere)\n", "utf-8")
    (tmp_path / "README.md").write_text("# Home\n\n[tools](docs/tools.md)\n", "utf-8")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\ndocs_dir: pages\nnav:\n  - index.md\n  - tools.md\n", "utf-8")
    assert script.main() != 0
    said = "".join(capfd.readouterr())
    assert "page does not exist" in said
    assert "2 issues found" in said
