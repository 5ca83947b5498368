"""Compare what a person meets in the first ten minutes with openai-python, point by point, as a table.

    python scripts/first_contact.py [FOLDER]

FOLDER holds openai-python (`pip install --target FOLDER openai`); by default `build/first_contact`, where it is
installed once, which needs the network. Everything else stays on this machine: both call the embedded provider.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
sys.path.insert(0, str(ROOT / "tests"))

from support.language_server import LanguageServer  # type: ignore[import-not-found] # noqa: E402 - the path is its

_IMPORTS = 5  # runs of which the median counts
_CALL = 'model="m", messages=[{"role": "user", "content": "Hi"}]'
_BLOCK = re.compile(r"^```(?:python|py)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Client:
    """How one of the two is written."""

    name: str
    package: str
    kind: str
    opened: str
    create: str
    image: str
    folder: Path

    @property
    def head(self) -> str:
        """The lines before a call."""
        return f"from {self.package} import {self.kind}\n\nclient = {self.opened}\n"


def clients(folder: Path) -> tuple[Client, Client]:
    """The two that are compared."""
    return (
        Client(
            "llmsdk",
            "llmsdk",
            "SDK",
            'SDK(api_key="sk-placeholder", server_url="URL")',
            "client.chat.create",
            "client.images.create",
            SRC,
        ),
        Client(
            "openai-python",
            "openai",
            "OpenAI",
            'OpenAI(api_key="sk-placeholder", base_url="URL")',
            "client.chat.completions.create",
            "client.images.generate",
            folder,
        ),
    )


# ------------------------------------------------------------------ what runs

# Run in a process of its own, with the one package that is measured.
_RUN = """
import inspect, json, pydoc, sys, time, traceback
began = time.perf_counter()
HEAD
found = {}
create = CREATE
text = pydoc.render_doc(create, renderer=pydoc.plaintext)
signature = inspect.signature(create)
found["help: characters"] = len(text)
described = [name for name in signature.parameters if f" {name}: " in (create.__doc__ or "")]
found["help: parameters with a description"] = len(described)
found["signature: parameters"] = len(signature.parameters)
reply = create(CALL)
found["a reply printed: characters"] = len(repr(reply))
found["a reply printed: times None"] = repr(reply).count("None")
image = IMAGE(model="m", prompt="a cat", response_format="b64_json")
found["an image printed: characters"] = len(repr(image))
shown = lambda value: any(hasattr(value, name) for name in ("_repr_html_", "_repr_mimebundle_", "_repr_markdown_"))
found["notebook: a reply, an image, a list, usage"] = ", ".join(
    "shown" if shown(one) else "printed" for one in (reply, image.data[0], client.models.list(), reply.usage)
)
def frames(call):
    try:
        call()
    except Exception as exc:
        return len(traceback.extract_tb(exc.__traceback__)), f"{type(exc).__name__}: {exc}"
found["a misspelt parameter: frames"], found["a misspelt parameter: text"] = frames(lambda: create(CALL, temprature=1))
found["timeout=5 and max_retries=1 on a call: text"] = frames(lambda: create(CALL, max_retries=1))[1]
client = LOST
found["a 404: frames"], found["a 404: text"] = frames(lambda: CREATE(CALL))
print(json.dumps(found))
"""

_FAILING_TEST = """
HEAD
def test_it():
    CREATE(CALL, temprature=1)
def test_missing():
    client = LOST
    CREATE(CALL)
"""


def filled(template: str, client: Client, url: str) -> str:
    """Write a program for a client."""
    lost = client.opened.replace("URL", "URL/nope")
    parts = {"LOST": lost, "HEAD": client.head, "CREATE": client.create, "CALL": _CALL, "IMAGE": client.image}
    for name, text in parts.items():
        template = template.replace(name, text)
    return template.replace("URL", url)


def python(client: Client, *arguments: str, cwd: Path | None = None) -> str:
    """Run Python with one client, and give what it prints."""
    paths = [str(client.folder), os.environ.get("PYTHONPATH", "")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], env=environ, cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    if not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout


def running(client: Client, url: str) -> dict[str, Any]:
    """Measure what is seen when something runs."""
    found: dict[str, Any] = json.loads(python(client, "-c", filled(_RUN, client, url)))
    code = f"import time; began = time.perf_counter(); from {client.package} import {client.kind}; "
    code += "print(time.perf_counter() - began)"
    found["import: ms"] = round(1000 * median(float(python(client, "-c", code)) for _ in range(_IMPORTS)))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(filled(_FAILING_TEST, client, url), "utf-8")
        for name, label in (("test_it", "a misspelt parameter"), ("test_missing", "a 404")):
            told = python(client, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", name, cwd=Path(folder))
            found[f"{label}: lines of pytest"] = told.partition("= FAILURES =")[2].count("\n")
    return found


# ------------------------------------------------------------------ what is typed


def typing(client: Client) -> dict[str, Any]:
    """Measure what editors offer and show."""
    import jedi  # type: ignore[import-untyped] # it has no types

    found: dict[str, Any] = {}
    head = client.head.replace("URL", "http://127.0.0.1")
    for label, call in (("the class", f"{client.kind}("), ("a chat call", f"{client.create}(")):
        script = jedi.Script(head + call, project=jedi.Project(str(client.folder)))
        names = [one.name for one in script.complete() if one.name.endswith("=")]
        found[f"Jedi: names offered in {label}"] = len(names)
    with tempfile.TemporaryDirectory() as folder, LanguageServer(Path(folder), [client.folder]) as server:
        offered = server.completions(f'{head}{client.create}(model="m", |)\n')
        found["pyright: names offered in a chat call"] = sum(name.endswith("=") for name in offered)
        shown = server.hover(f'{head}{client.create}(model="m", messages=[], temp|erature=1)\n')
        found["hover over temperature=: words of description"] = len(shown.rpartition("```")[2].split())
        _, told = server.signatures(f"{head}{client.create}(|)\n")[0]
        found["signature help: words of description"] = len(told.split())
        shown = server.hover(f"{head}client.models.list().data[0].i|d\n")
        found["hover over a field of a reply: words of description"] = len(shown.rpartition("```")[2].split())
    return found


# ------------------------------------------------------------------ what is documented


def blocks_of(client: Client) -> list[str]:
    """Python blocks of the first page: its README, as the package has it."""
    if client.package == "llmsdk":
        # One shows what a slip of the pen gets.
        return [block for block in _BLOCK.findall((ROOT / "README.md").read_text("utf-8")) if "promt" not in block]
    (found,) = importlib.metadata.distributions(name=client.package, path=[str(client.folder)])
    return _BLOCK.findall(str(found.metadata.get_payload()))  # type: ignore[attr-defined] # an email.message.Message


def documenting(client: Client) -> dict[str, Any]:
    """Check the blocks of the README and misspelt names with mypy."""
    with tempfile.TemporaryDirectory() as folder:
        for number, block in enumerate(blocks_of(client)):
            Path(folder, f"block_{number}.py").write_text(block, "utf-8")
        Path(folder, "misspelt.py").write_text(
            f"import {client.package}\nprint({client.package}.Whatever, {client.package}.RateLimitErr)\n", "utf-8"
        )
        # The package alone: mypy refuses a folder with modules that it has of its own.
        Path(folder, "path").mkdir()
        Path(folder, "path", client.package).symlink_to(client.folder / client.package)
        flags = ("--no-error-summary", "--no-color-output", "--ignore-missing-imports")
        cache = str(ROOT / "build" / "first_contact_mypy")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *flags, *sorted(path.name for path in Path(folder).glob("*.py"))],
            cwd=folder,
            env={**os.environ, "MYPYPATH": "path", "MYPY_CACHE_DIR": cache},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
    if done.returncode > 1:
        raise SystemExit(done.stdout + done.stderr)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    files = {line.partition(":")[0] for line in errors if line.startswith("block_")}
    return {
        "README: Python blocks": len(blocks_of(client)),
        "README: blocks that fail mypy": len(files),
        "README: mypy errors": sum(line.startswith("block_") for line in errors),
        "two misspelt names of the package: mypy errors": sum(line.startswith("misspelt") for line in errors),
    }


# ------------------------------------------------------------------ the table


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    folder = Path(arguments[0]).resolve() if arguments else ROOT / "build" / "first_contact"
    if not (folder / "openai").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "openai"]
        subprocess.run(command, check=True)
    from llmsdk.local import LocalServer

    with LocalServer() as server:
        ours, theirs = (
            {**running(client, server.url), **typing(client), **documenting(client)} for client in clients(folder)
        )
    print("| point | llmsdk | openai-python |\n| --- | --- | --- |")
    for name in ours:
        print(f"| {name} | {_cell(ours[name])} | {_cell(theirs[name])} |")
    return 0


def _cell(value: Any) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|")
    return f"{value:,}" if isinstance(value, int) else text if len(text) <= 160 else f"{text[:157]}..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
