"""Mistral's own client, whose models refuse what they do not know, against the dialect `mistral`."""

from __future__ import annotations

from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from llmsdk.local import LocalServer

from .checks import ANSWER, CLIP, HELLO, KEY, Checks

PACKAGE = "mistralai"


def judge(checks: Checks) -> None:
    with LocalServer("mistral") as server, Mistral(api_key=KEY, server_url=server.url.removesuffix("/v1")) as client:
        checks.run("chat", lambda: ANSWER in client.chat.complete(model="m", messages=HELLO).choices[0].message.content)
        clip = {"file_name": CLIP[0], "content": CLIP[1]}
        hear = client.audio.transcriptions
        checks.run("transcription", lambda: "12 bytes" in hear.complete(model="m", file=clip).text)
        checks.run(
            "transcription of an address",
            lambda: "an address" in hear.complete(model="m", file_url="https://example.org/a.mp3").text,
        )
        checks.run(
            "transcription stream",
            lambda: [one.event for one in hear.stream(model="m", file=clip)][-1] == "transcription.done",
        )
        speech = {"model": "m", "input": "a b", "voice_id": "v"}
        speak = client.audio.speech.complete
        checks.run("speech", lambda: len(speak(**speech, stream=False).audio_data) > 100)
        checks.run(
            "speech stream",
            lambda: [one.event for one in speak(**speech, stream=True)][-1] == "speech.audio.done",
        )
        moderate = client.classifiers.moderate
        checks.run(
            "moderation",
            lambda: (
                [one.categories["violence"] for one in moderate(model="m", inputs=["a", "flag this"]).results]
                == [False, True]
            ),
        )
        server.script({"status": 429})
        checks.raises("429", 429, lambda: moderate(model="m", inputs=["a"]), SDKError)
