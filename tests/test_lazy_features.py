"""Features that a plain chat call does not use are not imported by it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src"
FEATURES = (
    "llmsdk.many.runs",
    "llmsdk.many.map",
    "llmsdk.cassette",
    "llmsdk.cli",
    "typer",
    "rich",
    "llmsdk.otel.tracing",
    "llmsdk.observers",
    "llmsdk.otel",
    "llmsdk.structured",
    "opentelemetry",
    "llmsdk.tools",
    "llmsdk.structured.schemas",
    "llmsdk.structured.steps",
    "llmsdk._call.transfers",
    "llmsdk.resources.batches",
    "llmsdk.resources.files",
)
PLAIN = """
import json, sys
import httpx  # which imports rich for a command of its own, where click is installed too
others = {name for name in sys.modules if name.partition(".")[0] != "llmsdk"}
from llmsdk.local import LocalServer
server = LocalServer().start()  # what serves in this process is loaded before the call is looked at
import llmsdk.local.app, llmsdk.local.replies
from llmsdk import SDK
said = [{"role": "user", "content": "Hi"}]
with SDK(server_url=server.url) as sdk:
    if sys.argv[1] == "sync":
        sdk.chat.create(model="m", messages=said)
        with sdk.chat.create(model="m", messages=said, stream=True) as stream:
            list(stream)
    else:
        import anyio
        async def main():
            await sdk.chat.create_async(model="m", messages=said)
        anyio.run(main)
server.close()
print(json.dumps(sorted(sys.modules.keys() - others)))
"""
PARSED = PLAIN.replace(
    'sdk.chat.create(model="m", messages=said)', 'sdk.chat.parse(model="m", messages=said, response_format=int)', 1
)


def modules_after(code: str, kind: str) -> list[str]:
    path = os.pathsep.join(filter(None, [str(SRC), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, kind],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return list(json.loads(done.stdout))


def of_features(loaded: list[str]) -> list[str]:
    return [name for name in loaded if any(name == top or name.startswith(f"{top}.") for top in FEATURES)]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_plain_chat_call_loads_none_of_them(kind: str) -> None:
    loaded = modules_after(PLAIN, kind)
    assert "llmsdk.resources.chat" in loaded
    assert of_features(loaded) == []


def test_the_check_sees_what_is_loaded() -> None:
    assert "llmsdk.structured" in of_features(modules_after(PARSED, "sync"))
