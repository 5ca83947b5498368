"""Write src/llmsdk/models/__init__.pyi from the table of names in `__init__.py`; `--check` says whether it is fresh."""

from __future__ import annotations

import sys
from pathlib import Path

from llmsdk import models

STUB = Path(__file__).resolve().parent.parent / "src" / "llmsdk" / "models" / "__init__.pyi"


def stub() -> str:
    """Write the import of every public name under its own name, which is how a stub exports it."""
    lines = [
        '"""Written by scripts/stubs.py from the table in __init__.py: what type checkers and editors read."""',
        "",
    ]
    for module, names in vars(models)["_NAMES"].items():
        lines += [f"from .{module} import {name} as {name}" for name in names.split()]
    return "\n".join([*lines, ""])


def main() -> int:
    if "--check" in sys.argv[1:]:
        return 0 if STUB.read_text(encoding="utf-8") == stub() else 1
    STUB.write_text(stub(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
