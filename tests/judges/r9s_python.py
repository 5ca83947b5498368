"""r9s's own client, whose models refuse what they do not know, against the dialect `r9s`."""

from __future__ import annotations

import r9s
from r9s import errors

from llmsdk.local import LocalServer

from .checks import ANSWER, CLIP, FORM, HELLO, KEY, TOOLS, WEATHER, Checks, called, text_of

PACKAGE = "r9s"


def judge(checks: Checks) -> None:
    with LocalServer("r9s") as server, r9s.R9S(api_key=KEY, server_url=server.url) as client:
        _chat(checks, client)
        create = client.completions.create
        checks.run("completion", lambda: ANSWER in create(model="m", prompt="Hello").choices[0].text)
        checks.run("completion stream", lambda: len(list(create(model="m", prompt="Hello", stream=True))) > 2)
        checks.run("models", lambda: len(client.models.list().data) == 3)
        checks.run("image", lambda: client.images.create(model="m", prompt="a").data[0].url.startswith("http"))
        clip = {"file_name": CLIP[0], "content": CLIP[1]}
        speech = {"model": "m", "input": "a b", "voice": "nova", "response_format": "wav"}
        checks.run("speech", lambda: client.audio.speech(**speech).read()[:4] == b"RIFF")
        checks.run("transcription", lambda: "12 bytes" in client.audio.transcribe(file=clip, model="whisper-1").text)
        checks.run(
            "subtitles",
            lambda: "-->" in client.audio.transcribe(file=clip, model="whisper-1", response_format="srt"),
        )
        checks.run("translation", lambda: "12 bytes" in client.audio.translate(file=clip, model="whisper-1").text)
        checks.run("moderation", lambda: client.moderations.create(input=["a", "flag this"]).results[1].flagged is True)
        # Its description has the status in error bodies as a number, its client's models want text there.
        for status in (400, 401, 404, 429, 500):
            server.script({"status": status})
            checks.raises(f"{status}", status, lambda: client.chat.create(model="m", messages=HELLO), errors.R9SError)
        checks.skip("class of an error", "its client cannot read errors as r9s itself describes them")


def _chat(checks: Checks, client: r9s.R9S) -> None:
    create = client.chat.create
    checks.run("chat", lambda: ANSWER in create(model="m", messages=HELLO).choices[0].message.content)
    checks.run("chat n=2", lambda: len(create(model="m", messages=HELLO, n=2).choices) == 2)
    checks.run("chat logprobs", lambda: create(model="m", messages=HELLO, logprobs=True).choices[0] is not None)
    checks.run("chat stream", lambda: ANSWER in text_of(create(model="m", messages=HELLO, stream=True)))
    checks.run("tools", lambda: called(create(model="m", messages=WEATHER, tools=TOOLS).choices[0].message))
    checks.skip(
        "tools stream", "its client wants an id in every piece of a call, which servers send with the first only"
    )
    checks.run(
        "json_schema",
        lambda: "city" in create(model="m", messages=HELLO, response_format=FORM).choices[0].message.content,
    )
