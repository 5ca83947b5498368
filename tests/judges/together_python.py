"""Together's own client, strict about replies, against the dialect `together`."""

from __future__ import annotations

import together

from llmsdk.local import LocalServer

from .checks import ANSWER, CLIP, FORM, HELLO, KEY, TOOLS, WEATHER, Checks, arguments_of, called, text_of

PACKAGE = "together"


def judge(checks: Checks) -> None:
    with LocalServer("together") as server:
        # Its client writes the version into every path.
        base = server.url.removesuffix("/v1")
        client = together.Together(api_key=KEY, base_url=base, max_retries=0, _strict_response_validation=True)
        # Not strict where its models leave out what recorded replies hold: null in later pieces of a call, lists of log
        # probabilities, events of text without `token`, pictures without `type`.
        easy = together.Together(api_key=KEY, base_url=base, max_retries=0)
        with client, easy:
            _chat(checks, client)
            _others(checks, client)
            _recorded(checks, easy)
            for status, kind in ((401, together.AuthenticationError), (429, together.RateLimitError)):
                server.script({"status": status})
                create = client.chat.completions.create
                checks.raises(f"{status}", status, lambda: create(model="m", messages=HELLO), kind)
            server.script({"in_band_error": (2, None)})
            checks.raises(
                "error in a stream",
                None,
                lambda: list(client.chat.completions.create(model="m", messages=HELLO, stream=True)),
                together.APIError,
            )


def _chat(checks: Checks, client: together.Together) -> None:
    create = client.chat.completions.create
    checks.run("chat", lambda: ANSWER in create(model="m", messages=HELLO).choices[0].message.content)
    checks.run("chat logprobs", lambda: create(model="m", messages=HELLO, logprobs=1).choices[0].logprobs is not None)
    checks.run("chat stream", lambda: ANSWER in text_of(create(model="m", messages=HELLO, stream=True)))
    checks.run("tools", lambda: called(create(model="m", messages=WEATHER, tools=TOOLS).choices[0].message))
    checks.run(
        "json_schema",
        lambda: "city" in create(model="m", messages=HELLO, response_format=FORM).choices[0].message.content,
    )


def _others(checks: Checks, client: together.Together) -> None:
    create = client.completions.create
    checks.run("completion", lambda: ANSWER in create(model="m", prompt="Hello").choices[0].text)
    checks.run("completion echo", lambda: create(model="m", prompt="Hello", echo=True).prompt[0].text == "Hello")
    checks.run("embeddings", lambda: len(client.embeddings.create(model="m", input=["a", "b"]).data) == 2)
    checks.run(
        "speech",
        lambda: (
            client.audio.speech.create(model="m", input="a b", voice="v", response_format="wav").read()[:4] == b"RIFF"
        ),
    )
    raw = {"model": "m", "input": "a b", "voice": "v", "response_format": "raw"}
    checks.run("speech stream", lambda: len(list(client.audio.speech.create(**raw, stream=True))) > 2)
    hear = client.audio.transcriptions.create
    checks.run(
        "transcription",
        lambda: (
            len(hear(model="m", file=CLIP, response_format="verbose_json", timestamp_granularities=["word"]).segments)
            == 1
        ),
    )
    checks.run("translation", lambda: "12 bytes" in client.audio.translations.create(model="m", file=CLIP).text)
    checks.run("rerank", lambda: client.rerank.create(model="m", query="a", documents=["b", "a"]).results[0].index == 1)
    checks.skip("models", "its client asks v2 of the API, which the dialect has not")


def _recorded(checks: Checks, client: together.Together) -> None:
    chat, text, image = client.chat.completions.create, client.completions.create, client.images.generate
    checks.run(
        "tools stream", lambda: "Lima" in arguments_of(chat(model="m", messages=WEATHER, tools=TOOLS, stream=True))
    )
    checks.run(
        "completion logprobs", lambda: len(text(model="m", prompt="a", logprobs=1).choices[0].logprobs.tokens) > 2
    )
    checks.run(
        "completion stream",
        lambda: ANSWER in "".join(one.choices[0].text for one in text(model="m", prompt="Hello", stream=True)),
    )
    checks.run("image", lambda: image(model="m", prompt="a").data[0].url.startswith("http"))
    checks.run(
        "image, base64", lambda: len(image(model="m", prompt="a", response_format="base64").data[0].b64_json) > 9
    )
