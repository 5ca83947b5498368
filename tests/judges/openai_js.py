"""The official OpenAI client for JavaScript against the embedded provider."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from llmsdk.local import LocalServer

from .checks import JS, Checks, CouldNotRun, program

SCRIPT = Path(__file__).with_suffix(".mjs")


def judge(checks: Checks) -> str:
    node = program("node", "nodejs")
    if not (JS / "node_modules" / "openai").is_dir():
        raise CouldNotRun("its npm packages could not be installed")
    copy = shutil.copy(SCRIPT, JS)  # node looks for packages beside the script
    with LocalServer("openai") as server:
        said = subprocess.run([node, copy, server.url], capture_output=True, text=True, timeout=60, check=False)
    if said.returncode:
        checks.that("the script", False, said.stderr[-300:])
        return ""
    told = json.loads(said.stdout)
    checks.count += told["count"]
    checks.wrong += told["wrong"]
    return str(told["version"])
