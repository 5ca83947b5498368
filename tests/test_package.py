"""The wheel is what users get: small, pure Python, typed, licensed, with the requirements that the project names."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

from llmsdk.local import LocalServer

ROOT = Path(__file__).resolve().parent.parent
# They were 400 kB and 149 kB before native protocols, servers by name, one rule for what streams say, and a reason in
# every twentieth line of code. What grows from here on does so with a figure that is raised on purpose.
MAX_WHEEL_BYTES = 746_000
MAX_LOADED_BYTES = (
    277_000  # of it, what the calls of the resources load; 220,000 before fields and parameters had descriptions
)

pytestmark = pytest.mark.slow

_CALLS = """
import asyncio, pathlib, sys
from llmsdk import SDK
M = [{"role": "user", "content": "Hi"}]
async def twice(url):
    async with SDK(server_url=url) as sdk:
        await sdk.chat.create_async(model="m", messages=M)
url = sys.argv[1]
with SDK(server_url=url) as sdk:
    sdk.chat.create(model="m", messages=M)
    list(sdk.chat.create(model="m", messages=M, stream=True))
    sdk.completions.create(model="m", prompt="p")
    sdk.images.create(prompt="p")
    sdk.models.list()
asyncio.run(twice(url))
root = pathlib.Path(sys.modules["llmsdk"].__file__).parent.parent
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "llmsdk":
        print(pathlib.Path(module.__file__).relative_to(root).as_posix())
"""


def build(out: Path, *kinds: str) -> None:
    # Without isolation the build asks no registry: the backend is one of the development tools.
    done = subprocess.run(
        [sys.executable, "-m", "build", *kinds, "--no-isolation", "--outdir", str(out), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build(out, "--wheel")
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode("utf-8"))


def test_the_wheel_is_for_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_building_again_gives_the_same_bytes(tmp_path: Path) -> None:
    built = []
    for name in ("first", "second"):
        build(tmp_path / name, "--wheel", "--sdist")
        built.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert len(built[0]) == 2
    assert built[0] == built[1]


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_what_calls_load_is_small(wheel: Path) -> None:
    with LocalServer() as server:  # in this process, so that nothing of it counts
        command = [sys.executable, "-c", _CALLS, server.url]
        source = {**os.environ, "PYTHONPATH": str(ROOT / "src")}  # that of this checkout, whatever is installed
        done = subprocess.run(command, env=source, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    loaded = [sizes[name] for name in done.stdout.split()]
    assert len(loaded) > 50
    assert sum(loaded) < MAX_LOADED_BYTES


def test_the_wheel_holds_the_source_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {entry for entry in archive.namelist() if not entry.endswith("/")}
    info = {name.split("/", 1)[1] for name in names if ".dist-info/" in name}
    assert info == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    source = {name for name in names if ".dist-info/" not in name}
    in_tree = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "llmsdk").rglob("*.py*")}
    in_tree = {name for name in in_tree if name.endswith((".py", ".pyi"))}
    assert source == in_tree | {"llmsdk/py.typed"}


def test_the_wheel_requires_what_the_project_declares(metadata: Message) -> None:
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(required) == sorted(project["dependencies"])


def test_the_metadata_says_what_the_source_says(metadata: Message) -> None:
    version = re.search(r'__version__ = "(.+)"', (ROOT / "src/llmsdk/_version.py").read_text(encoding="utf-8"))
    assert version is not None
    assert metadata["Name"] == "llmsdk"
    assert metadata["Version"] == version[1]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_command_and_the_pytest_plugin_are_registered(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith("entry_points.txt")]
        text = archive.read(name).decode("utf-8")
    registered = text.split("\n")
    assert "llmsdk = llmsdk.cli:main" in registered
    assert "llmsdk = llmsdk.local.pytest_plugin" in registered
