"""Forms of replies, streams and errors that servers share: each is read alike wherever OpenAI's chat is spoken.

Relays hand on what the servers behind them send, so that none of these forms is one server's alone.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import KEY, Client, Colour, collect

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
SERVERS = [
    name
    for name, one in PROVIDERS.items()
    if (route := one.routes.get("createChatCompletion")) is not None and route.codec is None and not one.embedded
]
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
STREAM, JSON = "text/event-stream", "application/json"


def opened(server: str, colour: Colour, canned: CannedServer) -> Client:
    base = canned.url + urlsplit(PROVIDERS[server].servers[0]).path
    params = {"url_params": {"resource": "mine"}} if "{resource}" in PROVIDERS[server].servers[0] else {}
    return colour.open(server=server, server_url=base, api_key=KEY, retry_config=None, **params)


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def data(*events: Any, end: str = "data: [DONE]\n\n") -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + end


HEL, LO, LAST = chunk(role="assistant", content="Hel"), chunk(content="lo."), chunk("stop")
COUNTS = {"id": "c", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
BESIDE = {**LAST, "choices": [{**LAST["choices"][0], "message": {"content": "Hello."}}]}
WHOLE = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
STREAMS: dict[str, str] = {
    "plain": data(HEL, LO, LAST, COUNTS),
    "carriage returns": data(HEL, LO, LAST, COUNTS).replace("\n", "\r\n"),
    "comments and pings": ": ping\n\nevent: ping\ndata: {}\n\n" + data(HEL, end=": BUSY\n\n") + data(LO, LAST, COUNTS),
    "blank lines in front": "\n\n\n" + data(HEL, LO, LAST, COUNTS),
    "nulls between": data(HEL, None, LO, LAST, COUNTS),
    "no end mark": data(HEL, LO, LAST, COUNTS, end=""),
    "no finish reason": data(HEL, LO, COUNTS),
    "the finish reason twice": data(HEL, LO, LAST, {**LAST, "usage": USAGE}),
    "an empty chunk behind the finish reason": data(HEL, LO, LAST, chunk(content=""), COUNTS),
    "counts on the last chunk": data(HEL, LO, {**LAST, "usage": USAGE}),
    "counts on every chunk": data(*({**one, "usage": USAGE} for one in (HEL, LO, LAST))),
    "counts that are null": data({**HEL, "usage": None}, {**LO, "usage": None}, LAST, COUNTS),
    "no choices in front": data({"id": "", "choices": [], "prompt_filter_results": []}, HEL, LO, LAST, COUNTS),
    "counts without choices": data(HEL, LO, LAST, {"id": "c", "usage": USAGE}),
    "an id for each chunk": data({**HEL, "id": "1"}, {**LO, "id": "2", "model": "n"}, {**LAST, "id": ""}, COUNTS),
    "the message beside the delta": data(HEL, LO, BESIDE, COUNTS),
    "padding": data(*({**one, "obfuscation": "xyz", "p": "abc"} for one in (HEL, LO, LAST, COUNTS))),
    "a name of events": "event: message\n" + data(HEL, LO, LAST, COUNTS),
    "JSON in place of events": json.dumps({"id": "c", "choices": [WHOLE], "usage": USAGE}),
}


@pytest.mark.parametrize("form", STREAMS)
@pytest.mark.parametrize("server", SERVERS)
async def test_streams(server: str, form: str, colour: Colour, canned: CannedServer) -> None:
    body = STREAMS[form]
    canned.reply(200, body.encode(), {"content-type": JSON if body.startswith("{") else STREAM})
    async with opened(server, colour, canned) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        texts = [event.text for event in await collect(stream)]
    assert stream.final.text == "".join(texts) == "Hello."
    assert stream.final.usage.model_dump(exclude_unset=True) == USAGE
    assert stream.final.choices[0].finish_reason == (None if form == "no finish reason" else "stop")


def pieces(*calls: Any) -> str:
    parts = [chunk(tool_calls=[call]) for call in calls]
    return data(chunk(role="assistant", content=None), *parts, chunk("tool_calls"))


def cut(**more: Any) -> str:
    """A call whose arguments come in two pieces, with these fields."""
    rest = [{"index": 0, **more, "function": {"arguments": part}} for part in ('{"a"', ": 1}")]
    return pieces({"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}, *rest)


FUNCTION = {"name": "f", "arguments": '{"a": 1}'}
CALLS: dict[str, str] = {
    "ids that are null": cut(id=None, type=None),
    "empty ids": cut(id="", type="function"),
    "no ids": cut(),
    "the id with every piece": cut(id="c1"),
    "in one piece": pieces({"index": 0, "id": "c1", "type": "function", "function": FUNCTION}),
    "in one piece, without an index": pieces({"id": "c1", "type": "function", "function": FUNCTION}),
    "no type": pieces({"index": 0, "id": "c1", "function": FUNCTION}),
}


@pytest.mark.parametrize("form", CALLS)
@pytest.mark.parametrize("server", SERVERS)
async def test_calls_in_pieces(server: str, form: str, colour: Colour, canned: CannedServer) -> None:
    canned.stream(CALLS[form].encode())
    async with opened(server, colour, canned) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        await collect(stream)
    (call,) = stream.final.tool_calls
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("c1", "f", {"a": 1})


TOLD = "Something went wrong here."
BROKEN: dict[str, tuple[type[errors.SDKError], str]] = {
    "cut": (errors.StreamInterruptedError, data(HEL, end="")),
    "cut within an event": (errors.StreamInterruptedError, data(HEL, end='data: {"id": "c", "cho')),
    "an error": (errors.ServiceUnavailableError, data(HEL, {"error": {"message": TOLD, "code": 503}})),
    "an error, and more": (
        errors.InternalServerError,
        data(HEL, {"error": {"message": TOLD, "type": "server_error"}}, LO, LAST),
    ),
    "an error in a list": (errors.RateLimitError, data(HEL, [{"error": {"message": TOLD, "code": 429}}])),
    "an error as a text": (errors.SDKDefaultError, data(HEL, {"error": TOLD})),
    "an error beside no choices": (
        errors.BadGatewayError,
        data(HEL, {"choices": [], "error": {"message": TOLD, "code": 502}}, end=""),
    ),
    "an error of a choice": (
        errors.BadGatewayError,
        data(HEL, {"choices": [{"index": 0, "delta": {}, "error": {"message": TOLD, "code": 502}}]}),
    ),
    "an event named error": (
        errors.InternalServerError,
        data(HEL, end="event: error\n") + data({"error": {"message": TOLD, "code": 500}}),
    ),
    "no JSON": (errors.ResponseValidationError, data(HEL, end="data: oops\n\n")),
}


@pytest.mark.parametrize("form", BROKEN)
@pytest.mark.parametrize("server", SERVERS)
async def test_streams_that_fail(server: str, form: str, colour: Colour, canned: CannedServer) -> None:
    kind, body = BROKEN[form]
    canned.stream(body.encode())
    async with opened(server, colour, canned) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        with pytest.raises(errors.SDKError) as caught:
            await collect(stream)
    assert type(caught.value) is kind
    assert caught.value.partial.text == "Hel"  # type: ignore[attr-defined]
    if isinstance(caught.value, errors.APIStatusError):
        assert caught.value.message == TOLD


BODIES: dict[str, Any] = {
    "an object": {"error": {"message": TOLD, "type": "t", "param": None, "code": None}},
    "a text": {"error": TOLD},
    "an object in the message": {"error": {"message": {"message": TOLD}}},
    "flat": {"message": TOLD, "type": "t", "param": "p", "code": "c"},
    "flat, and called so": {"object": "error", "message": TOLD, "type": "t", "code": 400},
    "a detail": {"detail": TOLD},
    "details": {"detail": [{"type": "t", "loc": ["body", "n"], "msg": TOLD, "input": 1}]},
    "a detail of a problem": {"status": 400, "title": "Bad Request", "detail": TOLD},
    "a reason": {"code": 400, "reason": "INVALID", "message": TOLD, "metadata": {}},
    "a code and a text": {"code": "Invalid argument", "error": TOLD},
    "a list": [{"error": {"code": 400, "message": TOLD, "status": "INVALID_ARGUMENT"}}],
    "plain text": TOLD,
    "white space in front": f"\n\n\n  {json.dumps({'error': {'message': TOLD}})}",
}


@pytest.mark.parametrize("form", BODIES)
@pytest.mark.parametrize("server", SERVERS)
async def test_errors(server: str, form: str, colour: Colour, canned: CannedServer) -> None:
    body = BODIES[form]
    kind = (JSON, "application/octet-stream", "text/html")[(len(server) + len(form)) % 3]  # none says anything
    canned.reply(400, (body if isinstance(body, str) else json.dumps(body)).encode(), {"content-type": kind})
    async with opened(server, colour, canned) as client:
        with pytest.raises(errors.BadRequestError) as caught:
            await client.call("chat.create", **CHAT)
    assert caught.value.message == TOLD
    assert (caught.value.status_code, caught.value.server) == (400, server)


@pytest.mark.parametrize("kind", [JSON, "application/octet-stream", "text/plain"])
@pytest.mark.parametrize("pad", ["", "\n \n\n"])
@pytest.mark.parametrize("server", SERVERS)
async def test_replies(server: str, pad: str, kind: str, colour: Colour, canned: CannedServer) -> None:
    message = {"role": "assistant", "content": "Hello.", "tool_calls": [], "refusal": None, "anything": {"at": "all"}}
    reply = {
        "id": "c",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "more": 1}],
        "usage": USAGE,
    }
    canned.reply(200, (pad + json.dumps(reply)).encode(), {"content-type": kind})
    async with opened(server, colour, canned) as client:
        res = await client.call("chat.create", **CHAT)
    assert (res.text, res.meta.server) == ("Hello.", server)
    assert res.model_dump(mode="json", exclude_unset=True) == reply
