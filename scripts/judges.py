"""Have others judge: their clients at the embedded provider, and the SDK at their servers. `make judges`.

Every judge is a module of tests/judges and runs in a process of its own, over loopback, for a bounded time. What they
need is installed under build/judges, once. Exit status 1 means that a judge found something wrong; a judge that could
not be run is printed with the reason, and is no failure.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "judges"
BUILD = ROOT / "build" / "judges"
INSTALL_S, JUDGE_S = 900, 300  # bounds of one installation, and of one judge
CLIENTS, NEWEST, PROXY = "requirements.txt", "requirements-openai.txt", "requirements-proxy.txt"

# The module, and the file that lists what it is installed from.
JUDGES = (
    ("openai_python", CLIENTS),
    ("openai_python", NEWEST),
    ("together_python", CLIENTS),
    ("writer_python", CLIENTS),
    ("r9s_python", CLIENTS),
    ("groq_python", CLIENTS),
    ("mistral_python", CLIENTS),
    ("cohere_python", CLIENTS),
    ("anthropic_python", CLIENTS),
    ("gemini_python", CLIENTS),
    ("litellm_python", CLIENTS),
    ("langchain_python", CLIENTS),
    ("instructor_python", CLIENTS),
    ("pydantic_ai_python", CLIENTS),
    ("openai_js", CLIENTS),
    ("prism", CLIENTS),
    ("litellm_proxy", CLIENTS),
    ("llama_cpp", CLIENTS),
    ("transformers_serve", CLIENTS),
    ("nginx", CLIENTS),
    ("tinyproxy", CLIENTS),
)
ENVIRONMENTS = {CLIENTS: "clients", NEWEST: "newest", PROXY: "proxy"}


@dataclass
class Verdict:
    """What a judge said: how much it checked, what was wrong, what it left out, and why it did not run."""

    version: str = ""
    count: int = 0
    wrong: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    reason: str | None = None

    def lines(self, name: str) -> str:
        """Write one line, and one for each thing that is wrong or was left out."""
        said = f"{len(self.wrong)} wrong" if self.wrong else "fine"
        if self.reason is not None and not self.wrong:
            said = f"not run: {self.reason}"
        first = f"{name:<20} {self.version:<10} {self.count:>3} checks  {said}"
        return "\n".join(
            [first, *(f"    wrong: {one}" for one in self.wrong), *(f"    left out: {x}" for x in self.skipped)]
        )


def main() -> int:
    """Install, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="judges to run; all by default")
    parser.add_argument("--python", action="store_true", help="all judges that need Python alone")
    parser.add_argument("--here", metavar="NAME", help="run one judge in this process, and print its verdict as JSON")
    given = parser.parse_args()
    if given.here:
        print(json.dumps(vars(_judge(given.here))))
        return 0
    unknown = set(given.names) - {name for name, _ in JUDGES}
    if unknown:
        parser.error(f"no such judge: {', '.join(sorted(unknown))}")
    BUILD.mkdir(parents=True, exist_ok=True)
    chosen = [
        (name, needs)
        for name, needs in JUDGES
        if name in given.names or (name.endswith("_python") if given.python else not given.names)
    ]
    names = {name for name, _ in chosen}
    wanted = {needs for _, needs in chosen}
    if "litellm_proxy" in names:
        wanted.add(PROXY)
    reasons = {needs: _environment(needs) for needs in sorted(wanted)}
    if {"openai_js", "prism"} & names:
        _packages()
    failed = 0
    for name, needs in chosen:
        reason = reasons[needs]
        verdict = Verdict(reason=reason) if reason else _run(name, BUILD / ENVIRONMENTS[needs] / "bin" / "python")
        failed += bool(verdict.wrong)
        print(verdict.lines(name), flush=True)
    return 1 if failed else 0


def _environment(needs: str) -> str | None:
    """Make an environment unless what it was made from is unchanged; the result is what failed."""
    home, listed = BUILD / ENVIRONMENTS[needs], FOLDER / needs
    own = [] if needs == PROXY else ["--editable", str(ROOT)]
    depends: object = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"] if own else []
    stamp, wanted = home / ".made", f"{ROOT}\n{listed.read_text()}{depends}"
    if stamp.exists() and stamp.read_text() == wanted:
        return None
    print(f"installing {needs} into {home.relative_to(ROOT)}", file=sys.stderr)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq", "install"]
    reason = _command([sys.executable, "-m", "venv", "--clear", str(home)], INSTALL_S) or _command(
        [*pip, "--requirement", str(listed), *own], INSTALL_S
    )
    if reason is None:
        stamp.write_text(wanted)
    return reason


def _packages() -> None:
    """Install the packages of npm; judges that miss them say so."""
    folder = BUILD / "js"
    folder.mkdir(exist_ok=True)
    listed, copy = FOLDER / "package.json", folder / "package.json"
    if shutil.which("npm") is None or (copy.exists() and copy.read_bytes() == listed.read_bytes()):
        return
    print(f"installing package.json into {folder.relative_to(ROOT)}", file=sys.stderr)
    shutil.copy(listed, copy)
    command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
    if reason := _command(command, INSTALL_S):
        copy.unlink()  # the next run tries again
        print(reason, file=sys.stderr)


def _command(command: list[str], seconds: float) -> str | None:
    """Run a command; the result is the end of what it said if it failed."""
    done, output = _bounded(command, seconds)
    return None if done == 0 else f"{Path(command[0]).name} failed: {output.strip()[-300:] or done}"


def _bounded(command: list[str], seconds: float, env: dict[str, str] | None = None) -> tuple[int | None, str]:
    """Run a command in a process group of its own, which is ended, and nothing else, when its time is up."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, f"took longer than {seconds:g} s"
    return process.returncode, output if process.returncode == 0 else errors


def _run(name: str, python: Path) -> Verdict:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    # A proxy of the machine's own has no business between two loopback ports.
    env = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "NO_PROXY": "127.0.0.1,localhost"}
    # -P: else this script, which lies beside no judge, would be found as the package of its name.
    status, output = _bounded([str(python), "-P", str(Path(__file__)), "--here", name], JUDGE_S, env)
    if status != 0:
        return Verdict(wrong=[f"the judge crashed: {output.strip()[-400:]}"])
    said: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return Verdict(**said)


def _judge(name: str) -> Verdict:
    """Run one judge in this process."""
    shared: Any = importlib.import_module("judges.checks")  # of tests/judges, on this process's path alone
    checks, verdict = shared.Checks(), Verdict()
    try:
        module: Any = importlib.import_module(f"judges.{name}")
        package: str | None = getattr(module, "PACKAGE", None)
        found = module.judge(checks)
        verdict.version = importlib.metadata.version(package) if package else str(found)
    except shared.CouldNotRun as exc:
        verdict.reason = str(exc)
    except Exception:  # outside of any check: the judge itself is at fault, which is no reason to be silent
        checks.wrong.append(traceback.format_exc(limit=-2).strip())
    verdict.count, verdict.wrong, verdict.skipped = checks.count, checks.wrong, checks.skipped
    return verdict


if __name__ == "__main__":
    sys.exit(main())
