"""Combine the coverage data and hold the gates: nearly all of the inner layers, most of the whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "build" / "coverage.json"
PACKAGE = "src/llmsdk/"

# Part of the package -> lowest percentage of lines and branches together; "" is the whole package.
GATES: dict[str, float] = {"_call/": 99.8, "_net/": 99.8, "errors/": 100.0, "utils/": 99.8, "": 97.0}


def load_report() -> dict[str, Any]:
    """Combine what the processes of one run have measured and read it as JSON."""
    coverage = (sys.executable, "-m", "coverage")
    if any(ROOT.glob(".coverage.*")):
        subprocess.run((*coverage, "combine", "--quiet"), cwd=ROOT, check=True)
    REPORT.parent.mkdir(exist_ok=True)
    subprocess.run((*coverage, "json", "--quiet"), cwd=ROOT, check=True)
    loaded: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return loaded


def check(files: dict[str, dict[str, Any]], part: str, least: float) -> list[str]:
    """Name what keeps one part of the package below its gate; nothing if it holds.

    Args:
        files: The "files" object of a JSON report, keyed by path from the root of the checkout.
        part: Directory inside the package, "" for all of it.
        least: Percentage the part must reach.
    """
    chosen = {path: entry for path, entry in files.items() if path.replace("\\", "/").startswith(PACKAGE + part)}
    if not chosen:
        return [f"{PACKAGE}{part}: nothing was measured"]
    covered = total = 0
    gaps: list[str] = []
    for path, entry in sorted(chosen.items()):
        summary = entry["summary"]
        total += summary["num_statements"] + summary["num_branches"]
        covered += summary["covered_lines"] + summary["covered_branches"]
        lines = ", ".join(str(line) for line in entry["missing_lines"])
        branches = ", ".join(f"{start}->{end}" for start, end in entry["missing_branches"])
        if lines or branches:
            gaps.append(f"  {path}: lines [{lines}] branches [{branches}]")
    percent = 100.0 * covered / total if total else 100.0
    if percent >= least:
        return []
    return [f"{PACKAGE}{part}: {percent:.2f} % of lines and branches, {least:g} % needed", *gaps]


def main() -> int:
    """Print every gate that does not hold; exit 1 if there is one."""
    files = load_report()["files"]
    problems = [line for part, least in GATES.items() for line in check(files, part, least)]
    print("\n".join(problems) if problems else "coverage gates hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
