"""Write docs/sdks, docs/models, docs/errors, docs/servers.md and README's table; `--check` says what is stale.

What one reads there is the code's own: descriptions of parameters, docstrings, routes of the providers, and the
examples of the operations, which the tests run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # a test runs this file from elsewhere


from reference.errors import error_pages
from reference.found import resources
from reference.models import model_pages
from reference.readme import README, readme
from reference.resources import resource_page
from reference.sdk import sdk_page
from reference.servers import servers_page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GENERATED = ("sdks", "models", "errors", "servers.md")


def pages() -> dict[str, str]:
    """Write every page, by its path below docs/."""
    found = [resource_page(resource) for resource in resources()]
    return dict([sdk_page(), *found, *model_pages(), *error_pages(), servers_page()])


def undescribed(found: dict[str, str]) -> list[str]:
    """Name the rows of tables that describe nothing: a field, a parameter or a member without a word about it."""
    holes = []
    for name, text in found.items():
        column = None
        for line in text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not cells:
                column = None
            elif column is None:
                column = next(
                    (cells.index(head) for head in ("Description", "What it is", "What it does") if head in cells),
                    len(cells),
                )
            elif column < len(cells) and not cells[column]:
                holes.append(f"{name}: {cells[0]}")
    return holes


def stale(docs: Path = DOCS) -> list[str]:
    """Name the pages that are missing, differ, or belong to nothing any more."""
    fresh = pages()
    differing = [name for name, text in fresh.items() if _read(docs / name) != text]
    return sorted([*differing, *(name for name in _written(docs) if name not in fresh)])


def _read(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def _written(docs: Path) -> list[str]:
    files = (path for name in GENERATED for path in [docs / name, *(docs / name).rglob("*")])
    return [path.relative_to(docs).as_posix() for path in files if path.is_file()]


def write(docs: Path = DOCS) -> None:
    """Write what is stale, and remove pages that belong to nothing any more."""
    fresh = pages()
    for name in stale(docs):
        path = docs / name
        if name in fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fresh[name].encode())
        else:
            path.unlink()


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` only look."""
    if arguments not in ([], ["--check"]):
        print("usage: python scripts/docs.py [--check]", file=sys.stderr)
        return 2
    text = README.read_text(encoding="utf-8")
    fresh = readme(text)
    if not arguments:
        write()
        README.write_text(fresh, encoding="utf-8")
        return 0
    old = [f"docs/{name}" for name in stale()] + ["README.md"] * (fresh != text)
    for name in old:
        print(f"{name} is stale; run: make docs")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
