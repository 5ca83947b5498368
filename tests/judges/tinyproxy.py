"""This SDK through tinyproxy, a forward proxy that ends every connection after one reply."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import httpx

from llmsdk import SDK
from llmsdk.local import LocalServer

from .checks import ANSWER, HELLO, KEY, Checks, free_port, program, serving
from .sdk_checks import STREAMS, streamed

CONFIG = """\
Port {port}
Listen 127.0.0.1
Timeout 30
Allow 127.0.0.1
LogFile "{folder}/log"
LogLevel Info
"""


def judge(checks: Checks) -> str:
    command, port = program("tinyproxy", "tinyproxy-bin"), free_port()
    with tempfile.TemporaryDirectory() as folder, LocalServer("openai") as server:
        config = Path(folder, "tinyproxy.conf")
        config.write_text(CONFIG.format(folder=folder, port=port), encoding="utf-8")
        with serving([command, "-d", "-c", str(config)], port):
            with (
                httpx.Client(proxy=f"http://127.0.0.1:{port}") as client,
                SDK(server_url=server.url, api_key=KEY, client=client) as sdk,
            ):
                checks.run(f"{STREAMS} streams", lambda: all(ANSWER in streamed(sdk, "m") for _ in range(STREAMS)))
                ask = sdk.chat.create
                checks.run("chat", lambda: ANSWER in ask(model="m", messages=HELLO).choices[0].message.content)
                server.script({"status": 429})
                checks.raises("429", 429, lambda: ask(model="m", messages=HELLO, retries=None))
            # The embedded provider sees no proxy but for this: tinyproxy names itself.
            passed = [request.headers.get("via", "") for request in server.requests]
            checks.that("all went through it", all("tinyproxy" in via for via in passed), passed)
    said = subprocess.run([command, "-v"], capture_output=True, text=True, check=False, timeout=10).stdout
    return "".join(re.findall(r"tinyproxy (\S+)", said))
