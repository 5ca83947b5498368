"""Groq's own client, strict about replies, against what the dialect `groq` has of audio."""

from __future__ import annotations

import groq

from llmsdk.local import LocalServer

from .checks import ANSWER, CLIP, HELLO, KEY, Checks

PACKAGE = "groq"


def judge(checks: Checks) -> None:
    with LocalServer("groq") as server:
        base = server.url.removesuffix("/openai/v1")  # its client writes that into every path
        with groq.Groq(api_key=KEY, base_url=base, max_retries=0, _strict_response_validation=True) as client:
            create = client.chat.completions.create
            checks.run("chat", lambda: ANSWER in create(model="m", messages=HELLO).choices[0].message.content)
            speech = {"model": "m", "input": "a b", "voice": "v", "response_format": "wav"}
            checks.run("speech", lambda: client.audio.speech.create(**speech).read()[:4] == b"RIFF")
            hear = client.audio.transcriptions.create
            checks.run("transcription", lambda: "12 bytes" in hear(model="m", file=CLIP).text)
            checks.run(
                "transcription of an address",
                lambda: "an address" in hear(model="m", url="https://example.org/a.mp3").text,
            )
            checks.run("translation", lambda: "12 bytes" in client.audio.translations.create(model="m", file=CLIP).text)
            server.script({"status": 429})
            checks.raises("429", 429, lambda: hear(model="m", file=CLIP), groq.RateLimitError)
