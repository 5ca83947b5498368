"""A notebook that is executed: what its cells show, and that calls and streams can be awaited in them."""

from __future__ import annotations

import base64
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
CELLS = {
    "open": """
from llmsdk import SDK
sdk = SDK(server="local")
said = [{"role": "user", "content": "Hi"}]
""",
    "reply": 'sdk.chat.create(model="m", messages=said)',
    "awaited": '(await sdk.chat.create_async(model="m", messages=said)).text',
    "streamed": """
with sdk.chat.create(model="m", messages=said, stream=True) as stream:
    for event in stream:
        print(event.text, end="", flush=True)
""",
    "streamed and awaited": """
async with await sdk.chat.create_async(model="m", messages=said, stream=True) as stream:
    async for event in stream:
        print(event.text, end="", flush=True)
""",
    "image": 'sdk.images.create(model="m", prompt="a cat", response_format="b64_json").images[0]',
    "models": "sdk.models.list()",
    "usage": "sdk.usage",
    "close": "await sdk.aclose()",
}
ANSWER = "Embedded provider: you said 'Hi'."


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder with a short name: the paths of Unix sockets are."""
    with tempfile.TemporaryDirectory(prefix="nb") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def shown(home: Path) -> dict[str, list[Any]]:
    """Outputs of the cells."""
    nbclient: Any = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbformat: Any = pytest.importorskip("nbformat")
    traitlets: Any = pytest.importorskip("traitlets.config")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code.strip()) for code in CELLS.values()])
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name.lower()))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH", "")])))
        # Not over TCP: a port that is free when it is chosen may be taken when the kernel comes to it.
        sockets = {"transport": "ipc", "ip": str(home / "kernel")} if hasattr(socket, "AF_UNIX") else {}
        client = nbclient.NotebookClient(
            book,
            timeout=120,
            startup_timeout=120,
            kernel_name="python3",
            config=traitlets.Config(KernelManager=sockets),
        )
        client.execute(cwd=str(home))
    return {name: cell.outputs for name, cell in zip(CELLS, book.cells, strict=True)}


# What the packages of notebooks warn of is theirs.
pytestmark = pytest.mark.filterwarnings("default")


def data_of(outputs: list[Any]) -> dict[str, str]:
    (output,) = outputs
    return dict(output["data"])


def test_a_reply_is_its_text_and_a_line_of_facts(shown: dict[str, list[Any]]) -> None:
    data = data_of(shown["reply"])
    assert "you said &#x27;Hi&#x27;." in data["text/html"]
    assert "m · 1 tokens in, 5 out · stop · local" in data["text/html"]
    assert data["text/plain"].startswith("ChatCompletionResponse(id=")


def test_an_image_is_shown(shown: dict[str, list[Any]]) -> None:
    data = data_of(shown["image"])
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"].startswith("Image(b64_json=<image/png, ")


@pytest.mark.parametrize("cell, columns", [("models", ("id", "type")), ("usage", ("server", "model", "calls"))])
def test_lists_and_usage_are_tables(shown: dict[str, list[Any]], cell: str, columns: tuple[str, ...]) -> None:
    html = data_of(shown[cell])["text/html"]
    assert html.startswith("<table>")
    assert all(f"<th>{name}</th>" in html for name in columns)


def test_calls_are_awaited_in_a_cell(shown: dict[str, list[Any]]) -> None:
    assert data_of(shown["awaited"])["text/plain"] == repr(ANSWER)


@pytest.mark.parametrize("cell", ["streamed", "streamed and awaited"])
def test_streams_run_in_a_cell(shown: dict[str, list[Any]], cell: str) -> None:
    assert "".join(output["text"] for output in shown[cell]) == ANSWER


def test_nothing_is_said_of_what_is_closed(shown: dict[str, list[Any]]) -> None:
    assert shown["open"] == shown["close"] == []
