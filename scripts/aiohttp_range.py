"""Run the tests of the aiohttp backend with several releases of aiohttp, and print a line for each.

    python scripts/aiohttp_range.py VERSION ...    such as 3.13.0 3.14.5

The environment is the one of the checkout; each release is put in front of it, in build/aiohttp. Needs the network.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/net", "tests/faults", "-k", "aiohttp or test_transports or test_backends")


def tried(version: str) -> tuple[bool, str]:
    """Install a release and run the tests with it: whether they pass, and pytest's last line."""
    place = ROOT / "build" / "aiohttp" / version
    if not (place / "aiohttp").exists():
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-deps")
        subprocess.run((*pip, "--target", str(place), f"aiohttp=={version}"), check=True)
    pytest = (sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", "-p", "no:cacheprovider")
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        (*pytest, *TESTS), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, errors="replace", check=False
    )
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, "\n  ".join([lines[-1] if lines else "no output", *failed])


def main(versions: list[str]) -> int:
    """Try each release, whatever the others gave."""
    if not versions:
        raise SystemExit(__doc__)
    all_pass = True
    for version in versions:
        passes, line = tried(version)
        print(f"{version:8} {'ok' if passes else 'FAILED':6} {line}", flush=True)
        all_pass = all_pass and passes
    return 0 if all_pass else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
