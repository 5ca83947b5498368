"""Cohere's own client against the dialect `cohere`."""

from __future__ import annotations

import cohere

from llmsdk.local import LocalServer

from .checks import CLIP, KEY, Checks

PACKAGE = "cohere"


def judge(checks: Checks) -> None:
    with LocalServer("cohere") as server:
        client = cohere.ClientV2(api_key=KEY, base_url=server.url.removesuffix("/v2"))
        checks.run("rerank", lambda: client.rerank(model="m", query="a", documents=["b", "a"]).results[0].index == 1)
        hear = client.audio.transcriptions.create
        checks.run("transcription", lambda: "12 bytes" in hear(model="m", language="en", file=CLIP).text)
        server.script({"status": 422})
        checks.raises("422", 422, lambda: hear(model="m", language="en", file=CLIP), cohere.UnprocessableEntityError)
