"""Run the tests of the network with the oldest versions that pyproject.toml allows of every package that we import.

    python scripts/oldest.py [arguments of pytest]

The environment is build/oldest; the tools of the tests come in their newest versions that go with the old packages.
"""

import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / "build" / "oldest"
TOOLS = (
    *("pytest", "pytest-xdist", "hypothesis", "respx", "pytest-httpx", "vcrpy", "trio"),
    *("brotli", "brotlicffi", "zstandard", "numpy", "rich", "typer", "fastapi"),
)
# They ask for a newer h11 than the oldest httpcore goes with, and work with the old one.
ALONE = ("httpx2", "httpcore2", "truststore")
TESTS = ("tests/net", "tests/faults")
_BOUND = re.compile(r"(?P<name>[A-Za-z0-9-]+)>=(?P<version>[0-9.]+)$")


def oldest() -> list[str]:
    """Name each package that users install with its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["aiohttp"]]
    found = [_BOUND.match(one) for one in declared]
    if None in found:
        raise SystemExit(f"a dependency has no lower bound: {declared}")
    return [f"{one['name']}=={one['version']}" for one in found if one is not None]


def main(arguments: list[str]) -> int:
    """Make the environment, say what is in it, and run the tests."""
    if not (ENVIRONMENT / "pyvenv.cfg").exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
    python = str(ENVIRONMENT / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq", "install")
    subprocess.run((*pip, *oldest(), *TOOLS), check=True)
    subprocess.run((*pip, "--no-deps", *ALONE), check=True)
    subprocess.run((*pip, "--no-deps", "--editable", str(ROOT)), check=True)
    print("with", *oldest(), flush=True)
    pytest = (python, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", *(arguments or TESTS))
    return subprocess.run(pytest, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
