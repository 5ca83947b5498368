"""Anthropic's own client, strict about replies, against the dialect `anthropic`."""

from __future__ import annotations

import anthropic

from llmsdk.local import LocalServer

from .checks import ANSWER, HELLO, KEY, SCHEMA, WEATHER, Checks

PACKAGE = "anthropic"
TOOL = {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA}


def judge(checks: Checks) -> None:
    with LocalServer("anthropic") as server:
        base = server.url.removesuffix("/v1")  # its client adds that itself
        client = anthropic.Anthropic(api_key=KEY, base_url=base, max_retries=0, _strict_response_validation=True)
        with client:
            _messages(checks, client)
            checks.run("models", lambda: len(list(client.models.list())) == 3)
            checks.run("model", lambda: client.models.retrieve("embedded-chat").id == "embedded-chat")
            checks.run("batch", lambda: _batch(client) == {"a": "succeeded", "b": "errored"})
            create = client.messages.create
            for status, kind in ((401, anthropic.AuthenticationError), (429, anthropic.RateLimitError)):
                server.script({"status": status})
                checks.raises(f"{status}", status, lambda: create(model="m", messages=HELLO, max_tokens=99), kind)
            server.script({"in_band_error": (3, None)})
            checks.run("error in a stream", lambda: _interrupted(client))


def _messages(checks: Checks, client: anthropic.Anthropic) -> None:
    create = client.messages.create
    checks.run("message", lambda: ANSWER in create(model="m", messages=HELLO, max_tokens=99).content[0].text)
    checks.run("tokens", lambda: client.messages.count_tokens(model="m", messages=HELLO).input_tokens > 0)
    checks.run("cut", lambda: create(model="m", messages=HELLO, max_tokens=2).stop_reason == "max_tokens")
    checks.run(
        "tools",
        lambda: create(model="m", messages=WEATHER, max_tokens=99, tools=[TOOL]).content[-1].input["city"] == "Lima",
    )
    checks.run(
        "stream events",
        lambda: list(create(model="m", messages=HELLO, max_tokens=99, stream=True))[-1].type == "message_stop",
    )

    def final(**more: object) -> anthropic.types.Message:
        with client.messages.stream(model="m", max_tokens=99, **more) as stream:
            return stream.get_final_message()

    checks.run("stream", lambda: ANSWER in final(messages=HELLO).content[0].text)
    checks.run("stream tools", lambda: final(messages=WEATHER, tools=[TOOL]).content[-1].input["city"] == "Lima")
    turns = [
        *WEATHER,
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Lima"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "rain"}]},
    ]
    checks.run("result of a tool", lambda: "rain" in create(model="m", messages=turns, max_tokens=99).content[0].text)


def _batch(client: anthropic.Anthropic) -> dict[str, str]:
    batches = client.messages.batches
    rows = [
        {"custom_id": name, "params": {"model": model, "max_tokens": 9, "messages": HELLO}}
        for name, model in (("a", "m"), ("b", "missing"))
    ]
    batch = batches.create(requests=rows)
    while batch.processing_status != "ended":  # each look takes it one step on
        batch = batches.retrieve(batch.id)
    assert batch.id in [one.id for one in batches.list()]
    return {one.custom_id: one.result.type for one in batches.results(batch.id)}


def _interrupted(client: anthropic.Anthropic) -> bool:
    try:
        list(client.messages.create(model="m", messages=HELLO, max_tokens=99, stream=True))
    except anthropic.APIStatusError as exc:
        return "Scripted" in str(exc)
    return False
