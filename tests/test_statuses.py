"""Every status of every provider with every kind of body: the class is chosen by the status alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import KEY, Client, Colour

STATUSES = {
    400: errors.BadRequestError,
    401: errors.AuthenticationError,
    402: errors.PaymentRequiredError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.RequestTimeoutError,
    409: errors.ConflictError,
    413: errors.PayloadTooLargeError,
    422: errors.UnprocessableEntityError,
    429: errors.RateLimitError,
    500: errors.InternalServerError,
    502: errors.BadGatewayError,
    503: errors.ServiceUnavailableError,
    504: errors.GatewayTimeoutError,
    418: errors.SDKDefaultError,
    529: errors.SDKDefaultError,
}

_OPENAI_LIKE = {"error": {"message": "No.", "type": "server_error", "param": None, "code": None}}
_WRITER = {"tpe": "Refused", "errors": [{"description": "No.", "key": "fail.no", "extras": {}}], "extras": {}}
DOCUMENTED: dict[str, Any] = {"writer": _WRITER, "writer_v1": _WRITER, "r9s": {**_OPENAI_LIKE, "status": 400}}

MIB = 1 << 20
FIVE_MB = b"x" * 5_000_000
OTHER_JSON = {"outcome": ["unlucky", {"why": None}], "error": False}

# Name -> content type, body, message; a None for the body stands for the documented one.
BODIES: dict[str, tuple[str, bytes | None, str]] = {
    "documented": ("application/json", None, "No."),
    "documented, mislabelled": ("text/html", None, "No."),
    "other JSON": ("application/json", json.dumps(OTHER_JSON).encode(), json.dumps(OTHER_JSON)),
    "JSON list": ("application/json", b"[1, 2]", "[1, 2]"),
    "JSON null": ("application/json", b"null", "null"),
    "text": ("text/plain", b"  upstream gave up\n", "upstream gave up"),
    "text that calls itself JSON": ("application/json", b"upstream gave up", "upstream gave up"),
    "HTML": ("text/html", b"<html><h1>Bad gateway</h1></html>", "<html><h1>Bad gateway</h1></html>"),
    "empty": ("text/plain", b"", "Canned"),
    "invalid UTF-8": ("text/plain; charset=utf-8", b"caf\xe9 \xff", "caf\ufffd \ufffd"),
    "event stream": ("text/event-stream", b"data: hello\n\n", "data: hello"),
}


@pytest.fixture(scope="module")
def refusing() -> Iterator[CannedServer]:
    with CannedServer() as server:
        yield server


def open_client(colour: Colour, provider: str, server: CannedServer) -> Client:
    return colour.open(server=provider, server_url=server.url, api_key=KEY, organization_id=1, retry_config=None)


async def ask(client: Client, provider: str) -> Any:
    """Call what the provider has."""
    if "createCompletion" in PROVIDERS[provider].routes:
        return await client.call("completions.create", model="m", prompt="p")
    if "createChatCompletion" not in PROVIDERS[provider].routes:
        return await client.call("rerank.create", model="m", query="q", documents=["d"])
    return await client.call("chat.create", model="m", max_tokens=9, messages=[{"role": "user", "content": "p"}])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_status_with_every_body(provider: str, colour: Colour, refusing: CannedServer) -> None:
    documented = json.dumps(DOCUMENTED.get(provider, _OPENAI_LIKE)).encode()
    sent = len(refusing.requests)
    async with open_client(colour, provider, refusing) as client:
        for status, kind in STATUSES.items():
            for content_type, body, message in BODIES.values():
                content = documented if body is None else body
                refusing.reply(status, content, {"content-type": content_type, "x-trace": "t-1"})
                with pytest.raises(errors.APIStatusError) as caught:
                    await ask(client, provider)
                check(caught.value, kind, status, message, content, provider)
    assert len(refusing.requests) - sent == len(STATUSES) * len(BODIES)


def check(
    error: errors.APIStatusError, kind: type[errors.APIStatusError], status: int, message: str, body: bytes, server: str
) -> None:
    assert type(error) is kind
    assert error.status_code == status
    assert error.message == message
    assert error.body == body.decode("utf-8", "replace")
    assert error.data == (json.loads(body) if body[:1] in b"{[n" and body else None)
    assert error.server == server
    assert error.headers["X-Trace"] == "t-1"
    assert error.meta is not None
    assert [attempt.status for attempt in error.meta.attempts] == [status]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_status_with_five_megabytes(provider: str, colour: Colour, refusing: CannedServer) -> None:
    async with open_client(colour, provider, refusing) as client:
        for status, kind in STATUSES.items():
            refusing.reply(status, FIVE_MB)
            with pytest.raises(errors.APIStatusError) as caught:
                await ask(client, provider)
            error = caught.value
            assert type(error) is kind
            assert len(error.body) == MIB
            assert len(str(error)) < 5_000
            assert error.data is None


@pytest.mark.parametrize("status", STATUSES)
async def test_a_refused_stream_raises_before_it_is_one(status: int, colour: Colour, refusing: CannedServer) -> None:
    refusing.reply(status, _OPENAI_LIKE)
    async with open_client(colour, "openai", refusing) as client:
        with pytest.raises(STATUSES[status]) as caught:
            await client.call(
                "chat.create", model="m", max_tokens=9, messages=[{"role": "user", "content": "p"}], stream=True
            )
    assert caught.value.message == "No."
    assert caught.value.partial is None


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305])
async def test_a_redirect_is_an_error(status: int, colour: Colour, refusing: CannedServer) -> None:
    sent = len(refusing.requests)
    refusing.reply(status, b"", {"location": refusing.url + "/elsewhere"})
    async with open_client(colour, "openai", refusing) as client:
        with pytest.raises(errors.SDKDefaultError) as caught:
            await client.call("completions.create", model="m", prompt="p")
    assert caught.value.status_code == status
    assert "redirect" in caught.value.message
    assert len(refusing.requests) == sent + 1


async def test_a_redirect_to_the_same_origin_is_followed_with_the_key(colour: Colour, canned: CannedServer) -> None:
    def script(connection: Any, request: Any) -> bool:
        if request.target == "/completions":
            connection.send(b"HTTP/1.1 307 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n")
        else:
            body = b'{"choices": [{"text": "ok"}]}'
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    canned.script = script
    async with open_client(colour, "openai", canned) as client:
        assert (await client.call("completions.create", model="m", prompt="p")).text == "ok"
    first, second = canned.requests
    assert (second.method, second.target, second.json) == ("POST", "/there", first.json)
    assert second.headers["authorization"] == f"Bearer {KEY}"


async def test_a_redirect_to_another_origin_takes_no_key_along(colour: Colour, canned: CannedServer) -> None:
    with CannedServer() as other:
        canned.reply(308, b"", {"location": other.url + "/steal"})
        async with open_client(colour, "openai", canned) as client:
            with pytest.raises(errors.SDKDefaultError):
                await client.call("completions.create", model="m", prompt="p")
        assert other.requests == []


async def test_an_error_object_in_a_200_raises_its_class(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"error": {"message": "Slow down.", "type": "rate_limit_error"}})
    async with open_client(colour, "openai", canned) as client:
        with pytest.raises(errors.RateLimitError, match=r"Slow down\."):
            await client.call("completions.create", model="m", prompt="p")


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b'{"choices": [', b"", b"\xfa\xfb\xfc", b'{"choices": 3}', b"[]"]
)
async def test_a_200_that_is_no_reply(body: bytes, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, body, {"content-type": "text/html", "x-trace": "t-2"})
    async with open_client(colour, "openai", canned) as client:
        with pytest.raises(errors.ResponseValidationError) as caught:
            await client.call("chat.create", model="m", max_tokens=9, messages=[{"role": "user", "content": "p"}])
    error = caught.value
    assert error.status_code == 200
    assert error.body == body.decode("utf-8", "replace")
    assert error.headers["x-trace"] == "t-2"
    assert "\n" not in error.message


async def test_a_key_that_the_server_echoes_is_masked(colour: Colour, canned: CannedServer) -> None:
    canned.reply(401, {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}})
    async with open_client(colour, "openai", canned) as client:
        with pytest.raises(errors.AuthenticationError) as caught:
            await client.call("completions.create", model="m", prompt="p")
    error = caught.value
    assert error.code == "invalid_api_key"
    for shown in (str(error), repr(error), error.message, error.body, json.dumps(error.data)):
        assert KEY not in shown
