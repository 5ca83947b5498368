"""Run every check of the project, the fastest first, one line and its seconds for each."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", (PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    ("lint", (PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    ("mypy", (PYTHON, "-m", "mypy")),
    ("pyright", (PYTHON, "-m", "pyright", "--pythonpath", PYTHON)),
    ("guard", (PYTHON, "benchmarks/guard.py")),
    ("house", (PYTHON, "scripts/house.py")),
    ("tests", (PYTHON, "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile")),
    ("judges", (PYTHON, "scripts/judges.py", "--python")),
    ("coverage", (PYTHON, "scripts/coverage_gates.py")),
)
# The tests show their progress and their closing line, the judges what they could not run; the other steps speak only
# when they fail.
SHOWN = {"tests", "judges"}


def run(name: str, command: tuple[str, ...]) -> bool:
    """Run one step and print its line."""
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=None if name in SHOWN else subprocess.PIPE,
        stderr=None if name in SHOWN else subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    is_ok = done.returncode == 0
    if not is_ok and done.stdout:
        print(done.stdout.rstrip())
    print(f"{'ok' if is_ok else 'FAILED':6} {name:10} {time.monotonic() - started:6.1f} s", flush=True)
    return is_ok


def main() -> int:
    """Run all steps, whatever the earlier ones gave, so that one run shows everything to mend."""
    # Data that an interrupted run has left would count as covered.
    for stale in ROOT.glob(".coverage*"):
        stale.unlink()
    failed = [name for name, command in STEPS if not run(name, command)]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
