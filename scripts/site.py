"""Build the documentation as a site with search, in build/site, from the pages that GitHub shows.

The pages are written for GitHub. A site differs in three things: README.md and its like lie beside the other pages,
folders of generated pages are listed in the navigation, and Python-Markdown reads tables and lists by older rules. So
the pages are copied to build/pages and rewritten on the way. A link that leads nowhere fails the build.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
REPOSITORY = "https://llmsdk.example/source"

# Pages at the top of the repository, and what they are called on the site.
TOP = {
    "README.md": "index.md",
    "USAGE.md": "examples.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
# What opens where a folder itself is chosen.
FIRST = {"sdks/sdk/README.md", "models/README.md", "errors/README.md"}
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_CODE = re.compile(r"`[^`]+`")
_FOLDER = re.compile(r"^( *)- folder: (\w+)\n", re.MULTILINE)


def sources() -> dict[str, Path]:
    """Find the files of the site: the path of each on it, and where it lies in the repository."""
    found = {target: ROOT / name for name, target in TOP.items()}
    pages = (path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".svg"})
    return found | {path.relative_to(ROOT / "docs").as_posix(): path for path in sorted(pages)}


def rewritten(text: str, place: str, source: str) -> str:
    """Write a page of GitHub's with the links and in the dialect of the site."""
    parts = _FENCE.split(text)
    return "".join(part if part.startswith("```") else plain(relinked(part, place, source)) for part in parts)


def relinked(text: str, place: str, source: str) -> str:
    """Point links at pages of the site, and those to other files of the repository at the repository."""

    def aim(match: re.Match[str]) -> str:
        path, mark, anchor = match[1].partition("#")
        if not path or ":" in path:
            return match[1]
        aimed = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        target = TOP.get(aimed) or (aimed.removeprefix("docs/") if aimed.startswith("docs/") else None)
        if target is None:
            return f"{REPOSITORY}/blob/main/{aimed}{mark}{anchor}"
        return posixpath.relpath(target, posixpath.dirname(place) or ".") + mark + anchor

    return _LINK.sub(aim, text)


def plain(text: str) -> str:
    """Write tables and lists as Python-Markdown reads them: no escaped bar in code, nested lists four columns in."""
    lines = []
    for line in text.split("\n"):
        if line.startswith("|"):
            line = _CODE.sub(lambda code: code[0].replace("\\|", "|"), line)
        elif nested := re.match(r"( +)- ", line):
            line = nested[1] + line
        lines.append(line)
    return "\n".join(lines)


def navigation(config: str, pages: list[str]) -> str:
    """List the pages of each folder where the navigation says `folder: name`."""

    def listed(match: re.Match[str]) -> str:
        found = [page for page in pages if page.startswith(f"{match[2]}/")]
        found.sort(key=lambda page: (page not in FIRST, page))
        return "".join(f"{match[1]}- {page}\n" for page in found)

    return _FOLDER.sub(listed, config)


def unlisted(config: str, pages: list[str]) -> Iterator[str]:
    """Name the pages that the navigation doesn't list: readers would find them by search alone."""
    listed = set(re.findall(r"([\w/]+\.md)$", config, re.MULTILINE))
    return (page for page in pages if page not in listed)


def assemble(build: Path) -> Path:
    """Copy the pages and the configuration into a folder; return the path of the configuration."""
    shutil.rmtree(build / "pages", ignore_errors=True)
    pages = sources()
    for place, path in pages.items():
        target = build / "pages" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".md":
            text = rewritten(text, place, path.relative_to(ROOT).as_posix())
        target.write_text(text, encoding="utf-8")
    markdown = [place for place in pages if place.endswith(".md")]
    config = navigation((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), markdown)
    if missing := list(unlisted(config, markdown)):
        raise SystemExit(f"mkdocs.yml lists no {', '.join(missing)}: add it to `nav`")
    (build / "mkdocs.yml").write_text(config, encoding="utf-8")
    return build / "mkdocs.yml"


def main() -> int:
    """Assemble the pages and build the site; a warning is a failure."""
    config = assemble(BUILD)
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", str(config)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
