"""What must not leak, must not be sent, and must not be followed."""

from __future__ import annotations

import base64
import copy
import gc
import json
import logging
import pickle
import socket
import ssl
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from llmsdk import SDK, errors
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.colours import Colour, collect
from support.fault_client import ASK, CREATE, client_of, skip_supplied
from support.fault_server import (
    COMPLETION,
    DONE,
    EVENTS,
    STREAM_HEAD,
    Bye,
    FaultServer,
    Fin,
    Flood,
    Play,
    Rst,
    Stall,
    Wait,
    chunk,
    head,
    reply,
    stream,
)

SECRET = "sk-placeholder-0123456789-very-secret/with+signs"
OURS = str(Path(__file__).parents[2] / "src" / "llmsdk")
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")


def _spellings(secret: str) -> set[str]:
    return {secret, base64.b64encode(secret.encode()).decode(), secret.replace("/", "\\/")}


def _assert_clean(text: str) -> None:
    for form in _spellings(SECRET):
        assert form not in text


def _assert_error_is_clean(error: BaseException) -> None:
    seen: BaseException | None = error
    while seen is not None:
        _assert_clean(str(seen))
        _assert_clean(repr(seen))
        _assert_clean(repr(vars(seen)))
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename.startswith(OURS):
                for name, value in frame.f_locals.items():
                    shown = repr(value)
                    assert not any(form in shown for form in _spellings(SECRET)), (frame.f_code, name)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    if isinstance(error, errors.SDKError):
        _assert_clean(pickle.dumps(error).decode("latin-1"))
        assert type(pickle.loads(pickle.dumps(error))) is type(error)
        assert str(copy.deepcopy(error)) == str(error)
    if isinstance(error, errors.RemoteError) and error.meta is not None:
        _assert_clean(repr(error.meta))
        _assert_clean(repr(dict(error.headers)))


_ECHO = f"you sent Bearer {SECRET}"
_ERROR_PATHS: dict[str, Play] = {
    "fin": (Fin(),),
    "stall": (Stall(),),
    "cut-body": (head(200, "Content-Length: 100") + b"{", Fin()),
    "junk": (b"\x00\x01\x02\r\n\r\n", Fin()),
    "html": reply(b"<html>"),
    "echo-json": reply(json.dumps({"error": {"message": _ECHO, "code": SECRET, "param": SECRET}}).encode(), 401),
    "echo-text": reply(_ECHO.encode(), 403),
    "echo-escaped": reply(json.dumps({"error": {"message": _ECHO}}).replace("/", "\\/").encode(), 400),
    "echo-base64": reply(base64.b64encode(SECRET.encode()), 500),
    "echo-key-of-object": reply(json.dumps({SECRET: 1, "error": {"message": "m"}}).encode(), 400),
    "echo-in-200": reply(json.dumps({"error": {"message": _ECHO}}).encode()),
    "echo-in-bad-200": reply(json.dumps({"choices": 1, "key": SECRET}).encode()),
    "echo-in-header": reply(b"{}", 429, f"X-Echo: {SECRET}", f"X-Request-Id: {SECRET}"),
    "echo-in-reason": (head(f"HTTP/1.1 400 {_ECHO}", "Content-Length: 0"),),
    "echo-in-redirect": reply(b"", 302, f"Location: http://127.0.0.1:1/?key={SECRET}"),
    "echo-in-status-line": (f"HTTP/1.1 {SECRET}\r\n\r\n".encode(), Fin()),
    "echo-in-coding": reply(b"{}", 200, f"Content-Encoding: {SECRET}"),
    "echo-in-event": stream(EVENTS[0], b"data: " + json.dumps({"error": {"message": _ECHO}}).encode() + b"\n\n"),
    "echo-in-bad-event": stream(EVENTS[0], b"data: {" + SECRET.encode() + b"\n\n"),
    "echo-in-error-event": stream(EVENTS[0], b"event: error\ndata: " + SECRET.encode() + b"\n\n"),
    "cut-stream": (STREAM_HEAD + chunk(EVENTS[0]), Fin()),
    "truncated-stream": stream(EVENTS[0]),
    "silent-stream": (STREAM_HEAD + chunk(EVENTS[0]), Stall()),
}


def _key(kind: str) -> Any:
    return {"text": SECRET, "function": lambda: SECRET, "mapping": {"openai": SECRET}}[kind]


_KINDS = [(path, "text") for path in _ERROR_PATHS]
_KINDS += [(path, kind) for path in ("fin", "echo-json", "echo-in-event") for kind in ("function", "mapping")]


@pytest.mark.every_backend
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("path, kind", _KINDS)
async def test_no_error_shows_the_key(
    colour: Colour,
    faults: FaultServer,
    path: str,
    streamed: bool,
    kind: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    faults.play(_ERROR_PATHS[path])
    options = {"api_key": _key(kind), "debug_logger": logging.getLogger("debug"), "timeout_ms": 500}
    async with client_of(colour, faults, **options) as client:
        with pytest.raises(errors.SDKError) as caught:
            got = await client.call(CREATE, **ASK, stream=streamed)
            await collect(got)
            _assert_clean(repr(got))
        _assert_clean(repr(client.sdk) + repr(vars(client.sdk)) + repr(client.sdk._config) + repr(client.sdk._drivers))
    assert faults.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    _assert_error_is_clean(caught.value)
    _assert_clean(
        "\n".join(
            record.getMessage() + repr(vars(record)) for record in caplog.records if record.name in ("debug", "llmsdk")
        )
    )
    assert ASK["prompt"] not in "\n".join(
        record.getMessage() for record in caplog.records if record.name in ("debug", "llmsdk")
    )
    assert capsys.readouterr() == ("", "")


async def test_refused_connections_show_nothing(colour: Colour, faults: FaultServer) -> None:
    faults.refuse()
    async with client_of(colour, faults, api_key=SECRET) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK)
    _assert_error_is_clean(caught.value)


async def test_mistakes_of_the_caller_show_nothing(colour: Colour, faults: FaultServer) -> None:
    async with client_of(colour, faults, api_key=SECRET) as client:
        for wrong in (
            {"prompt": 5},
            {"modle": "m"},
            {"timeout_ms": -1},
            {"http_headers": {"a b": "c"}},
            {"server": "x"},
        ):
            with pytest.raises(errors.SDKError) as caught:
                await client.call(CREATE, **{**ASK, **wrong})
            _assert_error_is_clean(caught.value)
            assert ASK["prompt"] not in str(caught.value)
    assert not faults.requests


def test_an_environment_key_shows_nowhere(monkeypatch: pytest.MonkeyPatch, faults: FaultServer) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", SECRET)
    with SDK() as sdk:
        _assert_clean(repr(sdk) + repr(vars(sdk)) + repr(sdk._config))
        _assert_clean(pickle.dumps(sdk).decode("latin-1"))
        shown = sdk.completions.preview(**ASK)
        _assert_clean(repr(shown) + shown.as_curl() + str(shown.headers))
        assert shown.headers["authorization"] == "Bearer ***"
        # The key belongs to another host than the one that is called.
        with pytest.raises(errors.ConfigurationError):
            sdk.completions.create(**ASK, server_url=faults.url)
    assert not faults.requests


def test_a_literal_key_is_not_pickled() -> None:
    with SDK(api_key=SECRET) as sdk, pytest.raises(errors.ConfigurationError) as caught:
        pickle.dumps(sdk)
    _assert_error_is_clean(caught.value)


def test_a_forgotten_sdk_complains_without_the_key(faults: FaultServer) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sdk = SDK(server_url=faults.url, api_key=SECRET)
        sdk.completions.create(**ASK)
        del sdk
        gc.collect()
        assert any("SDK" in str(one.message) for one in caught)
        while caught:
            _assert_clean(str(caught.pop()))  # which holds the SDK, and the sockets complain after it
            gc.collect()


@pytest.mark.parametrize(
    "key", ["sk\nx", "sk\rx", "sk\0x", "sk\x7fx", "sk\x1bx", "", "  ", "sk-\u20ac", "sk-\u2028", " sk "]
)
def test_keys_that_cannot_be(key: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(api_key=key, server_url="http://127.0.0.1:1")
    assert "\n" not in str(caught.value)
    if key.strip():
        assert key not in str(caught.value)


@pytest.mark.parametrize("answer", ["sk\nx", "", None, 5, b"sk"])
async def test_a_function_that_answers_nonsense(colour: Colour, faults: FaultServer, answer: Any) -> None:
    async with client_of(colour, faults, api_key=lambda: answer) as client:
        with pytest.raises(errors.ConfigurationError):
            await client.call(CREATE, **ASK)
    assert not faults.requests


# ----------------------------------------------------------------------- whom the key is for


async def test_the_key_stays_with_its_server(
    colour: Colour, faults: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A key that was given for a provider is not sent to a URL that a single call names."""
    async with colour.open(server="together", api_key=SECRET, retry_config=None) as client:
        await client.call(CREATE, **ASK, server_url=faults.url)
    assert "authorization" not in faults.requests[0].headers
    assert SECRET not in str(faults.requests[0])
    assert any("not sent" in record.getMessage() for record in caplog.records)
    _assert_clean(caplog.text)


async def test_the_key_goes_to_the_url_it_was_given_with(colour: Colour, faults: FaultServer) -> None:
    with FaultServer() as other:
        async with client_of(colour, faults, api_key=SECRET) as client:
            await client.call(CREATE, **ASK)
            await client.call(CREATE, **ASK, server_url=other.url)
        assert "authorization" in faults.requests[0].headers
        assert "authorization" not in other.requests[0].headers


@pytest.mark.parametrize("supplied", [False, True], ids=["own", "supplied"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_takes_the_key_away(colour: Colour, faults: FaultServer, status: int, supplied: bool) -> None:
    with FaultServer() as other:
        targets = [other.url, f"//127.0.0.1:{other.port}/x", f"http://localhost:{other.port}", "https://127.0.0.1/"]
        async with client_of(colour, faults, api_key=SECRET, supplied=supplied) as client:
            for target in (*targets, "file:///etc/passwd", "http://[bad", "javascript:alert(1)", ""):
                faults.play(reply(b"", status, f"Location: {target}"))
                # httpx itself refuses some of them.
                with pytest.raises((errors.SDKDefaultError, errors.APIConnectionError)) as caught:
                    await client.call(CREATE, **ASK)
                assert supplied or type(caught.value) is errors.SDKDefaultError
                _assert_error_is_clean(caught.value)
        assert other.connections == 0


def test_plain_http_is_warned_of_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        SDK(server_url="http://plain-warning.example/v1", api_key=SECRET).close()
    found = [record for record in caplog.records if "plain http" in record.getMessage()]
    assert len(found) == 1
    _assert_clean(caplog.text)
    caplog.clear()
    SDK(server_url="http://127.0.0.1:9", api_key=SECRET).close()
    assert not caplog.records


# --------------------------------------------------------------------------------- injection

_BAD_HEADERS: list[dict[str, Any]] = [
    {"x-a": "b\r\nX-Evil: 1"},
    {"x-a": "b\nX-Evil: 1"},
    {"x-a": "b\0"},
    {"x-a": "b\x0b"},
    {"x-a": "\u20ac"},
    {"x-a\r\nx-evil": "1"},
    {"x a": "1"},
    {"": "1"},
    {"x-\u00e9": "1"},
    {"x-a": 5},
    {"x-a": None},
    {"x-a": b"1"},
    {"Content-Length": "0"},
    {"content-length": "5"},
    {"Transfer-Encoding": "chunked"},
    {"Host": "evil.example"},
    {"Connection": "upgrade"},
    {"Upgrade": "h2c"},
    {"Expect": "100-continue"},
    {"TE": "trailers"},
]


@pytest.mark.parametrize("headers", _BAD_HEADERS, ids=repr)
async def test_headers_cannot_smuggle(colour: Colour, faults: FaultServer, headers: dict[str, Any]) -> None:
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.ConfigurationError) as caught:
            await client.call(CREATE, **ASK, http_headers=headers)
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)
    with pytest.raises(errors.ConfigurationError):
        colour.open(server_url=faults.url, http_headers=headers)
    assert faults.connections == 0


_BAD_MODELS = [
    "../../admin",
    "a/b",
    "a?b=c",
    "a#b",
    "a%2f..%2fb",
    "..",
    ".",
    "a\r\nX: y",
    "a\0b",
    "\u2028",
    "a b",
    "@host",
    "//evil.example/",
]


@pytest.mark.every_backend
@pytest.mark.parametrize("model", _BAD_MODELS)
async def test_paths_cannot_be_injected(colour: Colour, faults: FaultServer, model: str) -> None:
    """Writer has the model in the path: whatever it holds stays one segment of it."""
    async with colour.open(server="writer", server_url=faults.url, api_key=SECRET, organization_id=7) as client:
        await client.call(CREATE, **{**ASK, "model": model})
    (seen,) = faults.requests
    assert seen.headers["host"] == f"127.0.0.1:{faults.port}"
    parts = seen.target.split("/")
    assert parts[:5] == ["", "llm", "organization", "7", "model"]
    assert parts[6:] == ["completions"]
    assert parts[5] not in (".", "..", "")
    assert "?" not in seen.target
    assert "x" not in seen.headers


_BAD_URLS = [
    "http://user:pass@127.0.0.1/",
    "http://127.0.0.1\r\nX: y",
    "http://127.0.0.1/ x",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "127.0.0.1",
    "http://",
    "http://127.0.0.1:0",
    "http://127.0.0.1:99999",
    "http://[::1",
    "http://127.0.0.1/#x",
    "http://a\\@b/",
    "//127.0.0.1/",
    "http://xn--/v1",
    "http://xn--a/v1",
    "http://[::1]x/v1",
    "http://999.1.1.1/v1",
    "",
    5,
]


@pytest.mark.parametrize("url", _BAD_URLS, ids=repr)
def test_urls_that_cannot_be(url: Any) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        SDK(server_url=url, api_key=SECRET)
    _assert_error_is_clean(caught.value)
    assert "pass@" not in str(caught.value)
    assert "\n" not in str(caught.value)


# --------------------------------------------------------------------------------------- TLS


@pytest.fixture
def tls_faults(certificate: Path) -> Iterator[FaultServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FaultServer(tls=context) as server:
        yield server


async def test_an_untrusted_certificate_is_refused(colour: Colour, tls_faults: FaultServer) -> None:
    retries = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)
    async with client_of(colour, tls_faults, api_key=SECRET, retry_config=retries) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK)
    assert "certificate" in str(caught.value).lower()
    _assert_error_is_clean(caught.value)
    assert not tls_faults.requests
    assert tls_faults.connections == 1, "no retry cures it"


async def test_a_trusted_certificate_is_taken(
    colour: Colour, tls_faults: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with client_of(colour, tls_faults, api_key=SECRET) as client:
        for _ in range(3):
            assert (await client.call(CREATE, **ASK)).text == "Hello there"
        with pytest.raises(errors.APIConnectionError):
            # The certificate is of the address, not of the name.
            await client.call(CREATE, **ASK, server_url=f"https://localhost:{tls_faults.port}")
    assert len(tls_faults.requests) == 3


async def test_streams_over_tls(
    colour: Colour, tls_faults: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with client_of(colour, tls_faults) as client:
        tls_faults.play(stream(*EVENTS, DONE), (*stream(EVENTS[0], end=False), Stall()), (Stall(),))
        assert len(await client.events(CREATE, **ASK)) == 3
        with pytest.raises(errors.StreamTimeoutError):
            await client.events(CREATE, **ASK, timeout_ms=250)
        with pytest.raises(errors.APITimeoutError):
            await client.call(CREATE, **ASK, timeout_ms=250)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


@pytest.mark.parametrize(
    "greeting", [(Stall(),), (b"HTTP/1.1 400 Bad\r\n\r\n", Fin()), (Fin(),)], ids=["silent", "plain", "fin"]
)
async def test_a_handshake_that_fails(colour: Colour, faults: FaultServer, greeting: Play) -> None:
    if colour.is_async and greeting == (Stall(),):
        skip_supplied(colour, "it leaves the socket of a handshake that is cut short to the garbage collector")
    faults.greet(*greeting)
    async with colour.open(server_url=f"https://127.0.0.1:{faults.port}", api_key=SECRET, retry_config=None) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK, timeout_ms=300)
    _assert_error_is_clean(caught.value)


# ------------------------------------------------------------------------------------ images

DRAW = "images.create"
PAINT = {"model": "m", "prompt": "a cat"}


def _image(url: str) -> Play:
    return reply(json.dumps({"created": 1, "data": [{"url": url}]}).encode())


async def _fetched(colour: Colour, image: Any, path: Path, **options: Any) -> Path:
    if colour.is_async:
        return await image.save_async(path, **options)
    return image.save(path, **options)


async def test_an_image_is_fetched_without_the_key(colour: Colour, faults: FaultServer, tmp_path: Path) -> None:
    faults.play(_image(f"{faults.url}/files/../../../evil.png?sig=1"), reply(PNG, content_type="image/png"))
    async with client_of(colour, faults, api_key=SECRET, http_headers={"x-tenant": "t"}) as client:
        res = await client.call(DRAW, **PAINT)
        saved = await _fetched(colour, res.data[0], tmp_path / "cat")
    assert saved == tmp_path / "cat.png"
    assert saved.read_bytes() == PNG
    assert list(tmp_path.iterdir()) == [saved], "written only where told"
    assert "authorization" not in faults.requests[1].headers
    assert "x-tenant" not in faults.requests[1].headers
    assert SECRET not in str(faults.requests[1])


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "javascript:1",
        "/relative.png",
        "",
        "http://",
        "gopher://x",
        "http://u:p@127.0.0.1/",
        "http://xn--a/",
        "http://[::1]x/",
        "http://999.1.1.1/",
        "http://\u0378/",
    ],
)
async def test_only_http_is_fetched(colour: Colour, faults: FaultServer, tmp_path: Path, url: str) -> None:
    faults.play(_image(url))
    async with client_of(colour, faults) as client:
        res = await client.call(DRAW, **PAINT)
        with pytest.raises(errors.SDKError):
            await _fetched(colour, res.data[0], tmp_path / "cat.png", allow_private=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.1", "2130706433", "[::ffff:127.0.0.1]"]
)
async def test_private_networks_are_not_fetched_from(
    colour: Colour, faults: FaultServer, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLMSDK_OFFLINE")
    with FaultServer() as inner:
        faults.play(_image(f"http://{host}:{inner.port}/latest/meta-data"))
        async with client_of(colour, faults) as client:
            res = await client.call(DRAW, **PAINT)
            with pytest.raises(errors.SDKError):
                await _fetched(colour, res.data[0], tmp_path / "cat.png")
        assert inner.connections == 0
    assert not list(tmp_path.iterdir())


async def test_private_networks_are_fetched_from_where_allowed(
    colour: Colour, faults: FaultServer, tmp_path: Path
) -> None:
    with FaultServer() as inner:
        inner.play(reply(PNG))
        faults.play(_image(f"{inner.url}/cat"))
        async with client_of(colour, faults, api_key=SECRET) as client:
            res = await client.call(DRAW, **PAINT)
            saved = await _fetched(colour, res.data[0], tmp_path / "cat.png", allow_private=True)
        assert saved.read_bytes() == PNG
        assert "authorization" not in inner.requests[0].headers


async def test_a_redirect_into_a_private_network_is_not_followed(
    colour: Colour, faults: FaultServer, tmp_path: Path
) -> None:
    with FaultServer() as inner:
        faults.play(_image(f"{faults.url}/cat"), reply(b"", 302, f"Location: {inner.url}/secret"))
        async with client_of(colour, faults) as client:
            res = await client.call(DRAW, **PAINT)
            with pytest.raises(errors.ResponseValidationError):
                await _fetched(colour, res.data[0], tmp_path / "cat.png")
        assert inner.connections == 0


async def test_an_endless_image_is_bounded(colour: Colour, faults: FaultServer, tmp_path: Path) -> None:
    faults.play(_image(f"{faults.url}/cat"), (head(200, "Content-Type: image/png"), Flood(b"x" * 65536)))
    async with client_of(colour, faults, max_response_bytes=1 << 20) as client:
        res = await client.call(DRAW, **PAINT)
        with pytest.raises(errors.ResponseValidationError):
            await _fetched(colour, res.data[0], tmp_path / "cat.png")
        assert faults.saw_close(faults.connections)
    assert not list(tmp_path.iterdir())


@pytest.mark.every_backend
@pytest.mark.parametrize("play", [(Fin(),), (head(200, "Content-Length: 100") + PNG[:20], Fin()), reply(b"no", 404)])
async def test_a_fetch_that_fails_leaves_nothing(
    colour: Colour, faults: FaultServer, tmp_path: Path, play: Play
) -> None:
    target = tmp_path / "cat.png"
    target.write_bytes(b"old")
    faults.play(_image(f"{faults.url}/cat"), play, play)
    async with client_of(colour, faults) as client:
        res = await client.call(DRAW, **PAINT)
        with pytest.raises(errors.SDKError):
            await _fetched(colour, res.data[0], target)
    assert [(path, path.read_bytes()) for path in tmp_path.iterdir()] == [(target, b"old")]


async def test_replies_keep_no_way_to_the_key(colour: Colour, faults: FaultServer) -> None:
    faults.play(reply(json.dumps({**COMPLETION, "echo": "fine"}).encode()))
    async with client_of(colour, faults, api_key=SECRET) as client:
        res = await client.call(CREATE, **ASK)
    _assert_clean(repr(res) + repr(res.meta) + res.model_dump_json())
    _assert_clean(pickle.dumps(res).decode("latin-1"))


async def test_offline_is_offline(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSDK_OFFLINE", "1")
    async with colour.open(server="together", api_key=SECRET) as client:
        with pytest.raises(errors.ConfigurationError) as caught:
            await client.call(CREATE, **ASK)
    _assert_error_is_clean(caught.value)


async def test_offline_no_host_of_an_image_is_looked_up(
    colour: Colour, faults: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.play(_image("http://images.invalid/cat.png"))
    async with client_of(colour, faults) as client:
        res = await client.call(DRAW, **PAINT)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: pytest.fail(f"looked up: {args}"))
        with pytest.raises(errors.ConfigurationError, match=r"LLMSDK_OFFLINE=1 .* images\.invalid"):
            await _fetched(colour, res.data[0], tmp_path / "cat.png")


# ------------------------------------------------------------------- where a file ends

_UNENDING: Play = (b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG[:40],)


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("kind", ["file", "memory", "image"])
async def test_tls_that_ends_without_a_word_is_a_cut(
    colour: Colour,
    tls_faults: FaultServer,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """RFC 9112, 8 and 9.8: without length and chunks, a body over TLS is whole only where close_notify has come."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    target = tmp_path / "kept.bin"
    target.write_bytes(b"before")
    async with client_of(colour, tls_faults) as client:
        if kind == "image":
            tls_faults.play(_image(f"{tls_faults.url}/cat"))
            image = (await client.call(DRAW, **PAINT)).data[0]

        async def load() -> bytes:
            if kind == "image":
                return (await _fetched(colour, image, target)).read_bytes()
            if kind == "memory":
                got: bytes = await client.call("files.content", "f")
                return got
            return Path(await client.call("files.content", "f", target)).read_bytes()

        tls_faults.play((head(200, "Content-Length: 40") + PNG[:40], Fin()))  # whole by its length, whatever follows
        assert await load() == PNG[:40]
        target.write_bytes(b"before")
        for end in (Fin(), Rst()):
            tls_faults.play((*_UNENDING, end))
            with pytest.raises(errors.APIConnectionError) as caught:
                await load()
            assert type(caught.value) is errors.APIConnectionError
            assert target.read_bytes() == b"before"
        tls_faults.play((*_UNENDING, Bye()))
        assert await load() == PNG[:40]
    assert [path.name for path in tmp_path.iterdir()] == ["kept.bin"]


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("way", ["whole", "to", "stream"])
async def test_a_sound_that_tls_cuts_is_no_sound(
    colour: Colour,
    tls_faults: FaultServer,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    speech = {"model": "m", "input": "x", "voice": "v"}
    target = tmp_path / "kept.wav"
    async with client_of(colour, tls_faults) as client:

        async def load() -> bytes:
            if way == "stream":
                return b"".join([event.audio for event in await client.events("audio.speech", **speech)])
            if way == "to":
                return Path(await client.call("audio.speech", **speech, to=target)).read_bytes()
            got: bytes = (await client.call("audio.speech", **speech)).audio
            return got

        tls_faults.play((head(200, "Content-Length: 40") + PNG[:40], Fin()))
        assert await load() == PNG[:40]
        target.write_bytes(b"before")
        for end in (Fin(), Rst()):
            tls_faults.play((*_UNENDING, end))
            with pytest.raises(errors.APIConnectionError):
                await load()
            assert target.read_bytes() == b"before"
        tls_faults.play((*_UNENDING, Bye()))
        assert await load() == PNG[:40]
    assert [path.name for path in tmp_path.iterdir()] == ["kept.wav"]


@pytest.mark.every_backend
async def test_plain_http_that_is_closed_in_order_is_whole(colour: Colour, faults: FaultServer) -> None:
    async with client_of(colour, faults) as client:
        faults.play((*_UNENDING, Fin()), (*_UNENDING, Wait(0.1), Rst()))
        assert await client.call("files.content", "f") == PNG[:40]
        with pytest.raises(errors.APIConnectionError):
            await client.call("files.content", "f")


# ------------------------------------------------------------------- secrets beside the key

_BESIDE: dict[str, dict[str, Any]] = {
    "cookie": {"http_headers": {"Cookie": f"theme=dark; session={SECRET}"}},
    "token": {"http_headers": {"X-My-Token": f"Token {SECRET}"}},
    "path": {"server_url": "{url}/{access_token}", "url_params": {"access_token": SECRET}},
    "query": {"server_url": "{url}?api_key=" + quote(SECRET, safe="")},
}


@pytest.mark.parametrize("path", [path for path in _ERROR_PATHS if path.startswith("echo-")])
@pytest.mark.parametrize("kind", _BESIDE)
async def test_what_is_as_secret_as_the_key_is_masked_too(
    colour: Colour, faults: FaultServer, kind: str, path: str
) -> None:
    options = {"server_url": "{url}", "server": "openai", "retry_config": None, **_BESIDE[kind]}
    options["server_url"] = options["server_url"].replace("{url}", faults.url)
    async with colour.open(**options) as client:
        _assert_clean(repr(client.preview("completions", **ASK)))
        _assert_clean(client.preview("completions", **ASK).as_curl())
        for streamed in (False, True):
            faults.play(_ERROR_PATHS[path])
            with pytest.raises(errors.SDKError) as caught:
                await collect_if(await client.call(CREATE, **ASK, stream=streamed), streamed)
            _assert_error_is_clean(caught.value)


async def collect_if(got: Any, streamed: bool) -> None:
    if streamed:
        await collect(got)


@pytest.mark.parametrize(
    "play",
    [
        (head(200, "Transfer-Encoding: chunked") + SECRET.encode() + b"\r\n", Fin()),
        (head(200, "Content-Length: 999") + SECRET.encode(), Fin()),
        reply(b"", 302, f"Location: http://10.0.0.1/?signature={SECRET}"),
    ],
    ids=["chunk", "cut", "redirect"],
)
async def test_a_download_that_fails_shows_no_key(colour: Colour, faults: FaultServer, play: Play) -> None:
    async with colour.open(server="openai", server_url=faults.url, api_key=SECRET, retry_config=None) as client:
        faults.play(play)
        with pytest.raises(errors.SDKError) as caught:
            await client.call("files.content", "some-file")
        _assert_error_is_clean(caught.value)


async def test_a_cut_reply_shows_nothing_in_the_frames_of_its_cause(colour: Colour, faults: FaultServer) -> None:
    async with colour.open(server="openai", server_url=faults.url, api_key=SECRET, retry_config=None) as client:
        faults.play((head(200, "Content-Length: 999") + SECRET.encode(), Fin()))
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK)
        assert caught.value.__cause__ is not None
        _assert_error_is_clean(caught.value)
