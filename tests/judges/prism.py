"""Prism, between this SDK and the embedded provider: it compares requests and replies with a server's OpenAPI file.

The files are no part of the project; OPENAPI names a folder with `together.yaml`, `writer.yaml` and `r9s.yaml`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from llmsdk import SDK
from llmsdk.local import LocalServer

from .checks import FORM, HELLO, JS, KEY, TOOLS, WEATHER, Checks, CouldNotRun, free_port, program, serving

FILES = {"together": "together.yaml", "writer_v1": "writer.yaml", "r9s": "r9s.yaml"}


def judge(checks: Checks) -> str:
    program("node", "nodejs")
    prism, folder = JS / "node_modules" / ".bin" / "prism", os.environ.get("OPENAPI")
    if not prism.exists():
        raise CouldNotRun("its npm package could not be installed")
    if not folder:
        raise CouldNotRun("OPENAPI names no folder with together.yaml, writer.yaml and r9s.yaml")
    for dialect, name in FILES.items():
        described = Path(folder, name)
        if not described.is_file():
            checks.skip(dialect, f"there is no {described}")
            continue
        port = free_port()
        with LocalServer(dialect) as server:
            base = server.url.removeprefix(server.origin)
            upstream = server.origin + (base if _is_below(described, base) else "")
            command = [str(prism), "proxy", str(described), upstream, "--host", "127.0.0.1", "--port", str(port)]
            with serving(command, port, patience_s=60):
                url = f"http://127.0.0.1:{port}" + ("" if _is_below(described, base) else base)
                with SDK(server=dialect, server_url=url, api_key=KEY) as sdk:
                    _calls(checks, sdk, dialect)
    package = JS / "node_modules" / "@stoplight" / "prism-cli" / "package.json"
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def _is_below(described: Path, base: str) -> bool:
    """Say whether a file's paths leave out the path of the base URL."""
    return bool(base) and f"\n  {base}/" not in described.read_text(encoding="utf-8")


def _calls(checks: Checks, sdk: SDK, at: str) -> None:
    chat: dict[str, dict[str, Any]] = {
        "chat": {"messages": HELLO},
        "chat, sampled": {"messages": HELLO, "temperature": 0.5, "top_p": 0.9, "stop": ["x"], "n": 2},
        "tools": {"messages": WEATHER, "tools": TOOLS},
        "json_schema": {"messages": HELLO, "response_format": FORM},
    }
    for name, params in chat.items():
        checks.run(f"{at} {name}", lambda params=params: _agreed(sdk.chat.create(model="m", **params)))
    checks.run(f"{at} completion", lambda: _agreed(sdk.completions.create(model="m", prompt="Hello")))
    checks.run(f"{at} models", lambda: _agreed(sdk.models.list()))
    if at != "writer_v1":
        checks.run(f"{at} image", lambda: _agreed(sdk.images.create(model="m", prompt="Hello")))


def _agreed(reply: Any) -> bool:
    """Raise what Prism says against an exchange, in a header of the reply."""
    if said := reply.meta.headers.get("sl-violations"):
        raise ValueError(said)
    return True
