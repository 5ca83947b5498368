"""LiteLLM's client, which speaks each vendor's protocol, against the dialects."""

from __future__ import annotations

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its prices from the net when it is imported

import litellm

from llmsdk.local import LocalServer

from .checks import ANSWER, HELLO, KEY, TOOLS, WEATHER, Checks, arguments_of, called, text_of

PACKAGE = "litellm"
# The dialect, and under which name and path LiteLLM speaks it.
VENDORS = (("openai", "openai", ""), ("together", "together_ai", ""), ("anthropic", "anthropic", "/messages"))


def judge(checks: Checks) -> None:
    litellm.telemetry = False
    for dialect, vendor, path in VENDORS:
        with LocalServer(dialect) as server:
            _vendor(checks, server, f"{vendor}/m", server.url + path)
    with LocalServer("openai") as server:
        embed = {"model": "openai/m", "api_base": server.url, "api_key": KEY}
        checks.run("embeddings", lambda: len(litellm.embedding(input=["a", "b"], **embed).data) == 2)
        text = {"model": "text-completion-openai/m", "api_base": server.url, "api_key": KEY}
        checks.run("completion", lambda: ANSWER in litellm.text_completion(prompt="Hello", **text).choices[0].text)


def _vendor(checks: Checks, server: LocalServer, model: str, url: str) -> None:
    def ask(messages: list[dict[str, str]] = HELLO, **more: object) -> object:
        return litellm.completion(
            model=model, messages=messages, api_base=url, api_key=KEY, num_retries=0, max_retries=0, timeout=20, **more
        )

    vendor = model.removesuffix("/m")
    checks.run(f"{vendor} chat", lambda: ANSWER in ask().choices[0].message.content)
    checks.run(f"{vendor} stream", lambda: ANSWER in text_of(ask(stream=True)))
    checks.run(f"{vendor} tools", lambda: called(ask(WEATHER, tools=TOOLS).choices[0].message))
    checks.run(f"{vendor} tools stream", lambda: "Lima" in arguments_of(ask(WEATHER, tools=TOOLS, stream=True)))
    for status, kind in ((401, litellm.AuthenticationError), (429, litellm.RateLimitError)):
        if (vendor, status) == ("together_ai", 401):
            # Together's 401 has the type `invalid_request_error`; LiteLLM before 1.110 goes by that, not by the status.
            checks.skip(
                f"{vendor} {status}", "some versions go by the type in the body, which Together has as of a 400"
            )
            continue
        server.script({"status": status})
        checks.raises(f"{vendor} {status}", status, ask, kind)
