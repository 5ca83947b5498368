"""This SDK at LiteLLM's proxy, whose models are mocks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from llmsdk import SDK
from llmsdk.errors import SDKError

from .checks import HELLO, KEY, PROXY, Checks, CouldNotRun, free_port, serving
from .sdk_checks import STREAMS, one_connection, plain, streamed

MOCK = "The mock answers."
CONFIG = f"""\
general_settings: {{master_key: {KEY}}}
model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_key: {KEY}, mock_response: "{MOCK}"}}
  - model_name: limited
    litellm_params: {{model: openai/mock, api_key: {KEY}, mock_response: litellm.RateLimitError}}
"""


def judge(checks: Checks) -> str:
    command = PROXY / "bin" / "litellm"
    if not command.exists():
        raise CouldNotRun("litellm[proxy] could not be installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG, encoding="utf-8")
        options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
        # Its table of prices comes with the package: nothing is fetched.
        env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        with serving([str(command), *options], port, patience_s=120, env=env):
            url = f"http://127.0.0.1:{port}/v1"
            with SDK(server_url=url, api_key=KEY, timeout_ms=30_000) as sdk:
                _proxy(checks, sdk)
            one_connection(checks, url, KEY, "mock")
            wrong = SDK(server_url=url, api_key="sk-other", timeout_ms=30_000)
            # Without a database it has no other keys, and says so as 400.
            checks.raises("wrong key", 400, lambda: wrong.chat.create(model="mock", messages=HELLO), SDKError)
            wrong.close()
    found = sorted(PROXY.glob("lib/python*/site-packages/litellm-*.dist-info"))
    return found[0].name.removeprefix("litellm-").removesuffix(".dist-info") if found else ""


def _proxy(checks: Checks, sdk: SDK) -> None:
    checks.run("models", lambda: {one.id for one in sdk.models.list().data} == {"mock", "limited"})
    checks.run("streams", lambda: all(streamed(sdk, "mock") == MOCK for _ in range(STREAMS)))
    checks.run("completion", lambda: sdk.completions.create(model="mock", prompt="a").choices[0].text != "")
    limited = {"model": "limited", "messages": HELLO, "retries": None}
    checks.raises("429", 429, lambda: sdk.chat.create(**limited), SDKError)
    checks.raises("no such model", 400, lambda: sdk.chat.create(model="none", messages=HELLO), SDKError)
    plain(checks, sdk, "mock", MOCK)
