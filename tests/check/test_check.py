"""`sdk.check` against the embedded provider in every dialect, and against one that does things otherwise."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmsdk import SDK, Budget, Price, errors
from llmsdk._call.usage import UsageTotals
from llmsdk.check import CheckReport
from llmsdk.check.calls import MOST_REQUESTS, NO_MODEL, announcement
from llmsdk.check.look import has_counts, limit_fields, raw_stream, text_path
from llmsdk.local import LocalServer
from llmsdk.providers import PROVIDERS, Provider
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour

CHATS = [name for name, provider in PROVIDERS.items() if "createChatCompletion" in provider.routes]
MODEL = "embedded-chat"

Change = Callable[[Request, int, dict[str, str], Any], tuple[int, dict[str, str], Any]]
"""What becomes of a reply: its status, its headers, and its document, or the bytes of a stream."""


def rows(report: CheckReport) -> dict[str, Any]:
    return {one.what: one for one in report.findings}


@pytest.mark.parametrize("name", CHATS)
def test_the_embedded_provider_fits_every_dialect(name: str) -> None:
    if name == "local":
        with SDK(server="local") as sdk:
            report = sdk.check(MODEL)
    else:
        with LocalServer(dialect=name) as local:
            with SDK(server=PROVIDERS[name], server_url=local.url, api_key=KEY) as sdk:
                report = sdk.check(MODEL)
            assert report.requests == len(local.requests)
            assert sdk.usage.calls == 0  # the calls are no part of the application's
    assert report.deviations == (), str(report)
    assert 8 <= report.requests <= MOST_REQUESTS
    assert {"answer", "usage", "stream", "tools", "parallel calls", "tool result", "bad value"} <= rows(report).keys()
    assert report.total_tokens > 0


@pytest.mark.also_trio
async def test_both_colours_see_the_same(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        report = await client.call("check", MODEL)
    assert report.fits
    assert [one.what for one in report.findings][:3] == ["models", "answer", "finish reason"]
    lines = str(report).splitlines()
    assert lines[0].split() == ["what", "expected", "seen"]
    assert lines[-1].endswith("the server fits its dialect")
    assert all(len(line) < 160 for line in lines)


# -------------------------------------------------------------------- faults


@contextmanager
def otherwise(canned: CannedServer, change: Change, dialect: str = "openai") -> Iterator[None]:
    """Put a server between that changes what the embedded provider answers."""
    with LocalServer(dialect=dialect) as local:

        def script(connection: Connection, request: Request) -> bool:
            inner = http.client.HTTPConnection("127.0.0.1", int(local.url.split(":")[2].split("/")[0]), timeout=30)
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            inner.request(request.method, request.target, request.body, {**headers, "accept-encoding": "identity"})
            reply = inner.getresponse()
            body: Any = reply.read()
            kept = {name.lower(): value for name, value in reply.getheaders()}
            inner.close()
            if "json" in kept.get("content-type", ""):
                body = json.loads(body)
            status, kept, body = change(request, reply.status, kept, body)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            for name in ("content-length", "transfer-encoding", "connection"):
                kept.pop(name, None)
            lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in kept.items())]
            lines += [f"content-length: {len(content)}", "", ""]
            connection.send("\r\n".join(lines).encode() + content)
            return True

        canned.script = script
        yield


def asked(request: Request) -> Any:
    return request.json if request.body else {}


def in_streams(edit: Callable[[bytes], bytes]) -> Change:
    return lambda request, status, headers, body: (status, headers, edit(body) if isinstance(body, bytes) else body)


def in_replies(edit: Callable[[Any], Any]) -> Change:
    def change(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
        is_reply = status == 200 and isinstance(body, dict) and "choices" in body
        return status, headers, edit(body) if is_reply else body

    return change


def refused(when: Callable[[Any], Any], text: str = "This is not supported here.") -> Change:
    def change(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
        if when(asked(request)):
            return 400, {"content-type": "application/json"}, {"error": {"message": text}}
        return status, headers, body

    return change


def renamed(before: str, after: str) -> Change:
    def change(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
        return status, {re.sub(before, after, name): value for name, value in headers.items()}, body

    return change


def in_calls(edit: Callable[[Any], None]) -> Change:
    def change(reply: Any) -> Any:
        for call in reply["choices"][0]["message"].get("tool_calls") or ():
            edit(call)
        return reply

    return in_replies(change)


def thinking(reply: Any) -> Any:
    message = reply["choices"][0]["message"]
    if message.get("content"):
        message["content"] = f"<think>Hm.</think>{message['content']}"
    return reply


def without(*names: str) -> Callable[[bytes], bytes]:
    def edit(body: bytes) -> bytes:
        kept = [event for event in body.split(b"\n\n") if not any(name.encode() in event for name in names)]
        return b"\n\n".join(kept)

    return edit


def no_models(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
    if request.target.endswith("/models"):
        return 404, {"content-type": "application/json"}, {"error": {"message": "Nothing is here."}}
    return status, headers, body


def errors_as(status: int, body: Any) -> Change:
    def change(request: Request, was: int, headers: dict[str, str], came: Any) -> Any:
        return (status, {"content-type": "text/html"}, body) if was >= 400 else (was, headers, came)

    return change


FAULTS: dict[str, tuple[Change, str, str, bool]] = {
    # What is done otherwise: the row that must say so, what it says, whether a provider can be written that fits.
    "no end mark": (in_streams(without("[DONE]")), "end mark", "none", True),
    "another end mark": (in_streams(lambda body: body.replace(b"[DONE]", b"[END]")), "end mark", "[END]", True),
    "no usage in streams": (in_streams(without('"choices":[],')), "usage in streams", "never", True),
    "no finish reason": (
        in_streams(lambda body: body.replace(b'"finish_reason":"stop"', b'"finish_reason":null')),
        "finish in streams",
        "none",
        False,
    ),
    "no streams": (refused(lambda body: body.get("stream")), "stream", "400: This is not supported here.", True),
    "no events": (in_streams(lambda body: b""), "stream", "no event, 0 bytes", True),
    "no usage": (in_replies(lambda reply: {**reply, "usage": None}), "usage", "none", False),
    "no id": (in_replies(lambda reply: {**reply, "id": None}), "id", "None", False),
    "odd finish reason": (
        in_replies(lambda reply: {**reply, "choices": [{**reply["choices"][0], "finish_reason": "because"}]}),
        "finish reason",
        "because",
        False,
    ),
    "request id elsewhere": (renamed("^x-request-id$", "x-acme-trace-id"), "request id", "in x-acme-trace-id", True),
    "limits elsewhere": (renamed("^x-ratelimit", "acme-ratelimit"), "limit headers", "acme-ratelimit-", True),
    "no models": (no_models, "models", "404: Nothing is here.", True),
    "no tools": (refused(lambda body: body.get("tools")), "tools", "400: This is not supported here.", True),
    "calls without id": (in_calls(lambda call: call.pop("id")), "tools", "a call without id", False),
    "calls without JSON": (
        in_calls(lambda call: call["function"].update(arguments="{city")),
        "tools",
        "arguments that are no JSON",
        False,
    ),
    "no schema": (
        refused(lambda body: (body.get("response_format") or {}).get("type") == "json_schema"),
        "json schema",
        "400: This is not supported here.",
        True,
    ),
    "reasoning in tags": (in_replies(thinking), "reasoning", "<think> tags in the text", True),
    "another name of the bound": (
        refused(lambda body: "max_tokens" in body, "Use max_completion_tokens instead of max_tokens."),
        "max_tokens",
        "refused; max_completion_tokens is what it takes",
        True,
    ),
    "errors as pages": (errors_as(400, b"<html>Bad"), "bad value", "400, and no JSON", False),
    "errors of the server": (errors_as(500, {"error": "It broke down."}), "bad value", "500: It broke down.", False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_otherwise_is_noticed_and_can_be_written_down(name: str, canned: CannedServer, tmp_path: Path) -> None:
    change, what, told, is_mended = FAULTS[name]
    path = tmp_path / "acme.toml"
    with otherwise(canned, change):
        with SDK(server="openai", server_url=f"{canned.url}/v1", api_key=KEY) as sdk:
            report = sdk.check(MODEL)
        assert what in {one.what for one in report.deviations}, str(report)
        assert told in rows(report)[what].seen
        assert not report.fits
        assert f"NO  {what} " in str(report)
        report.write(path)
        provider = Provider.from_toml(path)
        assert (provider.name, provider.servers) == ("acme", (f"{canned.url}/v1",))
        assert (provider.env_var, provider.key_hosts, provider.key_required) == ("ACME_API_KEY", (), True)
        with SDK(server=provider, api_key=KEY) as sdk:
            again = sdk.check(MODEL)
        assert (what not in {one.what for one in again.deviations}) is is_mended, str(again)
        if is_mended:
            assert again.fits, str(again)


def without_mark(mark: bytes) -> Change:
    return in_streams(lambda body: b"\n\n".join(one for one in body.split(b"\n\n") if mark not in one))


EVERYWHERE: dict[str, Callable[[Provider], Change]] = {
    "tools": lambda provider: refused(lambda body: body.get("tools")),
    "bad value": lambda provider: errors_as(400, b"<html>Bad"),
    "end mark": lambda provider: without_mark(provider.sentinel),
    "usage": lambda provider: in_replies(lambda reply: {name: one for name, one in reply.items() if name != "usage"}),
}


@pytest.mark.parametrize("what", EVERYWHERE)
@pytest.mark.parametrize("name", [name for name in CHATS if name != "local"])
def test_faults_are_noticed_in_every_dialect(name: str, what: str, canned: CannedServer) -> None:
    provider = PROVIDERS[name]
    is_native = provider.routes["createChatCompletion"].codec is not None
    if is_native and (what in ("end mark", "usage") or (name, what) == ("gemini", "bad value")):
        pytest.skip("the protocol has another form for it")
    with otherwise(canned, EVERYWHERE[what](provider), name), LocalServer(dialect=name) as plain:
        path = urlsplit(plain.url).path
        with SDK(server=provider, server_url=f"{canned.url}{path}", api_key=KEY) as sdk:
            report = sdk.check(MODEL)
    assert what in {one.what for one in report.deviations}, str(report)


def test_a_mistyped_argument_is_noticed(canned: CannedServer) -> None:
    change = in_calls(lambda call: call["function"].update(arguments={"city": "Paris"}))
    with otherwise(canned, change), SDK(server_url=f"{canned.url}/v1", api_key=KEY) as sdk:
        seen = rows(sdk.check(MODEL))["tools"]
    assert (seen.fits, seen.seen) == (False, "arguments that are dict")


def test_calls_that_share_an_id_are_noticed(canned: CannedServer) -> None:
    change = in_streams(lambda body: re.sub(rb'"id":"call-[^"]*"', b'"id":"call-1"', body))
    with otherwise(canned, change), SDK(server_url=f"{canned.url}/v1", api_key=KEY) as sdk:
        seen = rows(sdk.check(MODEL))["parallel calls"]
    assert (seen.fits, seen.seen) == (False, "calls with one id")


@pytest.mark.parametrize(
    "change, what, seen",
    [
        (in_calls(lambda call: None), "tools", "get_weather"),
        (
            in_replies(lambda reply: {**reply, "choices": [{**reply["choices"][0], "message": {"content": "Sunny."}}]}),
            "tool result",
            "no call to answer",
        ),
        (
            in_streams(lambda body: re.sub(rb'"tool_calls":\[.*?\]', b'"content":"no"', body)),
            "parallel calls",
            "0 of them",
        ),
        (
            refused(lambda body: any(one.get("role") == "tool" for one in body.get("messages", ()))),
            "tool result",
            "400: This is not",
        ),
        (refused(lambda body: body.get("tools") and body.get("stream")), "parallel calls", "400: This is not"),
        (refused(lambda body: body.get("stream_options")), "usage in streams", "never; asking is refused"),
        (refused(lambda body: body.get("model") == NO_MODEL, "No such model here."), "unknown model", "No such model"),
    ],
)
def test_what_else_is_seen(change: Change, what: str, seen: str, canned: CannedServer) -> None:
    with otherwise(canned, change), SDK(server_url=f"{canned.url}/v1", api_key=KEY) as sdk:
        assert seen in rows(sdk.check(MODEL))[what].seen


@pytest.mark.parametrize("text, fits", [("Paris, France", False), ('{"city": "Paris"}', False)])
def test_a_schema_that_is_ignored(text: str, fits: bool, canned: CannedServer) -> None:
    def change(request: Request, status: int, headers: dict[str, str], body: Any) -> Any:
        if asked(request).get("response_format"):
            body["choices"][0]["message"]["content"] = text
        return status, headers, body

    with otherwise(canned, change), SDK(server_url=f"{canned.url}/v1", api_key=KEY) as sdk:
        assert rows(sdk.check(MODEL))["json schema"].fits is fits


# ------------------------------------------------------------------- around


async def test_what_no_call_could_have_an_answer_to_is_raised(colour: Colour, canned: CannedServer) -> None:
    async with colour.open(server_url="http://127.0.0.1:9", retry_config=None) as client:
        with pytest.raises(errors.APIConnectionError):
            await client.call("check", "m")
    for status, kind in ((401, errors.AuthenticationError), (403, errors.PermissionDeniedError)):
        canned.reply(status, {"error": {"message": "No."}})
        async with colour.open(server_url=canned.url, api_key=KEY) as client:
            with pytest.raises(kind):
                await client.call("check", "m")
    canned.reply(404, {"error": {"message": "No such model."}})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.NotFoundError):
            await client.call("check", "m")
    async with colour.open(server="writer", api_key=KEY, organization_id=1) as client:
        with pytest.raises(errors.UnsupportedOperationError, match="has no chat"):
            await client.call("check", "m")
    async with colour.open(server="local") as client:
        for wrong in ("", None, 3):
            with pytest.raises(errors.ConfigurationError, match="model: must be the name"):
                await client.call("check", wrong)


async def test_the_budget_of_the_sdk_holds(colour: Colour) -> None:
    budget = Budget(requests=4)
    async with colour.open(server="local", budget=budget) as client:
        with pytest.raises(errors.BudgetExceededError):
            await client.call("check", MODEL)
    assert budget.spent.requests == 4


def test_what_it_may_cost_is_announced_before() -> None:
    prices = {MODEL: Price(input_per_million=1, output_per_million=2)}
    with SDK(server="local", prices=prices) as sdk:
        text = announcement(sdk, MODEL)
        assert re.search(r"asks embedded-chat at http://127.*'local' speaks, with at most 12 requests", text)
        assert "which cost 0.0360 at the most" in text
        with SDK(server="local") as other:
            assert "cost" not in announcement(other, MODEL)
        assert isinstance(sdk.usage, UsageTotals)


@pytest.mark.parametrize("name", ["anthropic", "gemini", "openai_responses"])
def test_a_protocol_of_its_own_is_written_by_its_name(name: str, tmp_path: Path) -> None:
    with LocalServer(dialect=name) as local:
        with SDK(server=PROVIDERS[name], server_url=local.url, api_key=KEY) as sdk:
            sdk.check(MODEL).write(tmp_path / "acme.toml")
        with SDK(server=Provider.from_toml(tmp_path / "acme.toml"), api_key=KEY) as sdk:
            again = sdk.check(MODEL)
    assert (again.server, again.fits) == ("acme", True)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with SDK(server="local") as sdk:
        report = sdk.check(MODEL)
    with pytest.raises(errors.ConfigurationError, match="cannot be written"):
        report.write(tmp_path / "none" / "a.toml")
    report.write(tmp_path / "a.toml", name="mine")
    at_home = replace(report, checked=PROVIDERS["groq"], base_url=PROVIDERS["groq"].servers[0])
    assert at_home.provider.env_var == "GROQ_API_KEY"
    assert Provider.from_toml(tmp_path / "a.toml").name == "mine"


def test_what_is_read_from_the_wire() -> None:
    stream = raw_stream(b'data: {"a": 1}\r\n\r\ndata: [END]')
    assert (stream.events, stream.mark, stream.usage) == (({"a": 1},), b"[END]", False)
    assert raw_stream(b"").mark == b""
    assert raw_stream(b'data: {"usage": {"total_tokens": 3}}\n\n').usage
    assert has_counts([{"x": [{"tokens": 1}]}])
    assert not has_counts({"tokens": 0, "x": "token"})
    assert text_path({"a": [{"b-c": "two words"}], "d": "longer than two words", "e": "word"}) == "$.d"
    assert text_path({"a": [{"b-c": "two words"}]}) == "$.a[0]['b-c']"
    assert text_path([1]) is None
    names = ("a-ratelimit-limit", "a-ratelimit-remaining", "a-ratelimit-token-reset", "a-ratelimit-token-reset-2")
    assert limit_fields(names) == {
        "requests_limit": ("a-ratelimit-limit",),
        "requests_remaining": ("a-ratelimit-remaining",),
        "tokens_reset": ("a-ratelimit-token-reset",),
    }
