"""Writer's own client, strict about replies, against the dialect `writer_v1`."""

from __future__ import annotations

import writerai

from llmsdk.local import LocalServer

from .checks import ANSWER, FORM, HELLO, KEY, TOOLS, WEATHER, Checks, arguments_of, called, text_of

PACKAGE = "writer-sdk"


def judge(checks: Checks) -> None:
    with LocalServer("writer_v1") as server:
        client = writerai.Writer(api_key=KEY, base_url=server.url, max_retries=0, _strict_response_validation=True)
        with client:
            _chat(checks, client)
            create = client.completions.create
            checks.run("completion", lambda: ANSWER in create(model="m", prompt="Hello").choices[0].text)
            checks.run(
                "completion stream",
                lambda: ANSWER in "".join(c.value for c in create(model="m", prompt="Hello", stream=True)),
            )
            checks.run("models", lambda: len(client.models.list().models) == 3)
            for status, kind in ((401, writerai.AuthenticationError), (429, writerai.RateLimitError)):
                server.script({"status": status})
                checks.raises(f"{status}", status, lambda: client.chat.chat(model="m", messages=HELLO), kind)


def _chat(checks: Checks, client: writerai.Writer) -> None:
    chat = client.chat.chat
    checks.run("chat", lambda: ANSWER in chat(model="m", messages=HELLO).choices[0].message.content)
    checks.run("chat n=2", lambda: len(chat(model="m", messages=HELLO, n=2).choices) == 2)
    checks.run("chat logprobs", lambda: chat(model="m", messages=HELLO, logprobs=True).choices[0].logprobs is not None)
    checks.run("chat stream", lambda: ANSWER in text_of(chat(model="m", messages=HELLO, stream=True)))
    checks.run("tools", lambda: called(chat(model="m", messages=WEATHER, tools=TOOLS).choices[0].message))
    checks.run(
        "tools stream",
        lambda: "Lima" in arguments_of(chat(model="m", messages=WEATHER, tools=TOOLS, stream=True)),
    )
    checks.run(
        "json_schema",
        lambda: (
            "city"
            in chat(
                model="m", messages=HELLO, response_format={"type": "json_schema", "json_schema": FORM["json_schema"]}
            )
            .choices[0]
            .message.content
        ),
    )
