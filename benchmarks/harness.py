"""The server, the environments and the worker processes of a run."""

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from clients import CLIENTS, Client

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = HERE / "build"
VENVS = HERE / ".venvs"
REQUIREMENTS = HERE / "requirements"

CHECKOUT = ("core", "gateway")  # the environments where llmsdk is measured, from the checkout

# One core for the client that is measured, the last one for the server.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]


class Failure(Exception):
    """Why a client has no figure."""


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Start processes on one core, where there are two: they inherit it from us."""
    if len(CORES) < 2:
        yield
        return
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def environment(group: str) -> dict[str, str]:
    """What a worker sees: no proxies, no keys, and llmsdk from the checkout."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    kept["PYTHONHASHSEED"] = "0"
    # litellm would fetch a price list from the network on import, and warn; its own copy is the faster start as well.
    kept["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    if group in CHECKOUT:
        kept["PYTHONPATH"] = str(ROOT / "src")
    return kept


# ---- environments ----


def python_of(group: str) -> Path:
    """The interpreter of an environment."""
    return VENVS / group / "bin" / "python"


def missing(group: str) -> str:
    """Why the environment cannot be used; empty if it can."""
    stamp = VENVS / group / "installed"
    if not python_of(group).exists() or not stamp.exists():
        return "not installed"
    return "" if stamp.read_text(encoding="utf-8") == wanted(group) else "installed from other requirements"


def wanted(group: str) -> str:
    """What an environment is made from; it is made anew when this changes."""
    text = (REQUIREMENTS / f"{group}.txt").read_text(encoding="utf-8")
    if group in CHECKOUT:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        text += "\n".join(project["dependencies"]) + "\n"
    return f"{sys.version}\n{text}"


def install(group: str) -> str:
    """Make an environment; why it could not be made, or nothing."""
    print(f"installing {group}", file=sys.stderr)
    lines = [line for line in wanted(group).splitlines()[1:] if line and not line.startswith("#")]
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(VENVS / group)],
        [str(python_of(group)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *lines],
    )
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=900)
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr[-200:])
            return f"cannot be installed: {reason.strip()}"
    (VENVS / group / "installed").write_text(wanted(group), encoding="utf-8")
    return ""


VERSIONS = """
import importlib.metadata, json, platform, sys
found = {dist.metadata["Name"].lower(): dist.version for dist in importlib.metadata.distributions()}
print(json.dumps({name: found.get(name) for name in sys.argv[1:]} | {"python": platform.python_version()}))
"""


def versions(group: str, also: Iterable[str] = ()) -> dict[str, str]:
    """The versions of what is measured in an environment."""
    names = set(also) | {client.distribution for client in CLIENTS if client.group == group and client.kind != "ours"}
    asked = sorted((names | {"httpx", "pydantic", "pydantic-core", "uvloop", "httpx2"}) - {""})
    command = [str(python_of(group)), "-c", VERSIONS, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(""), timeout=60)
    found: dict[str, str | None] = json.loads(done.stdout)
    return {name: version for name, version in found.items() if version}


# ---- the server ----


def build_server() -> Path:
    """Compile the server if it is older than its source."""
    source, program = HERE / "server.c", BUILD / "server"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    return program


class Server:
    """The canned server, for as long as the `with` lasts."""

    def __enter__(self) -> "Server":
        self.program = build_server()
        with pinned(SERVER_CORE):
            self.process = subprocess.Popen([str(self.program), "serve"], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def url(self, path: str) -> str:
        """A base URL."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def cpu_s(self) -> float:
        """CPU time that the server has used, from the system's own account."""
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as account:
            return int(account.read().split()[0]) / 1e9

    def load(self, path: str, requests: int, connections: int) -> dict[str, float]:
        """What the server gives to a client in C, on the core where the clients run."""
        command = [
            str(self.program),
            "load",
            str(self.port),
            f"/{path}/v1/chat/completions",
            str(requests),
            str(connections),
        ]
        with pinned(CLIENT_CORE):
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        found: dict[str, float] = json.loads(done.stdout)
        return found


# ---- workers ----


def command(client: Client, *args: str) -> list[str]:
    """How a worker is started."""
    return [str(python_of(client.group)), str(HERE / "worker.py"), client.name, *args]


class Worker:
    """A client's process, which takes commands; one that takes too long is ended and started anew when needed."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, timeout_s: float, **values: Any) -> dict[str, Any]:
        """Send one command and wait for its answer.

        Raises:
            Failure: The client failed, has no such operation, or took too long.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(values).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            raise Failure("its process died") from None
        if not select.select([process.stdout], [], [], timeout_s)[0]:
            self.stop()
            raise Failure(f"more than {timeout_s:.0f} s")
        return checked(process.stdout.readline(), self.stop)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self.process is None or self.process.poll() is not None:
            with pinned(CLIENT_CORE):
                self.process = subprocess.Popen(
                    command(self.client),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment(self.client.group),
                )
        return self.process

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def checked(line: bytes, stop: Any = lambda: None) -> dict[str, Any]:
    """The answer in a line, if it is one."""
    if not line:
        stop()
        raise Failure("its process died")
    found: dict[str, Any] = json.loads(line)
    for kind in ("unsupported", "failed"):
        if kind in found:
            raise Failure(found[kind])
    return found


def children_cpu_s() -> float:
    """CPU time of the processes that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fresh(client: Client, timeout_s: float, *args: str) -> dict[str, Any]:
    """Run one task in a fresh process; its answer, with the CPU milliseconds of the whole process."""
    started = children_cpu_s()
    with pinned(CLIENT_CORE):
        process = subprocess.Popen(
            command(client, "fresh", *args),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(client.group),
        )
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Failure(f"more than {timeout_s:.0f} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()
    if process.returncode:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        raise Failure((last or [f"exit status {process.returncode}"])[0][:200])
    found = checked(out)
    return found | {"cpu_ms": (children_cpu_s() - started) * 1e3}
