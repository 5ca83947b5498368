"""This SDK at llama.cpp's server, with any small model."""

from __future__ import annotations

import os

from llmsdk import SDK

from .checks import HELLO, KEY, Checks, CouldNotRun, free_port, program, serving
from .sdk_checks import STREAMS


def judge(checks: Checks) -> str:
    command, model, port = program("llama-server", "none; build llama.cpp"), os.environ.get("LLAMA_MODEL"), free_port()
    if not model:
        raise CouldNotRun("LLAMA_MODEL names no model file (GGUF)")
    url, options = f"http://127.0.0.1:{port}/v1", ["--host", "127.0.0.1", "--port", str(port)]
    with serving([command, "-m", model, *options], port, patience_s=120), SDK(server_url=url, api_key=KEY) as sdk:
        asked = {"model": "m", "messages": HELLO, "max_tokens": 8}
        checks.run("chat", lambda: sdk.chat.create(**asked).choices[0].finish_reason != "")

        def stream() -> bool:
            with sdk.chat.create(**asked, stream=True) as events:
                return len(list(events)) > 1

        checks.run(f"{STREAMS} streams", lambda: all(stream() for _ in range(STREAMS)))
        checks.run("models", lambda: len(sdk.models.list().data) >= 1)
    return ""
