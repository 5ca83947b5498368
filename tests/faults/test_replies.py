"""Replies with a status of success that are not what was asked for, or only nearly."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from typing import Any

import pytest

from llmsdk import errors
from support.colours import Colour, collect
from support.fault_client import ASK, CREATE, client_of
from support.fault_server import (
    COMPLETION,
    DONE,
    EVENTS,
    GOOD_STREAM,
    WHOLE,
    FaultServer,
    Fin,
    Rst,
    Stall,
    Wait,
    chunk,
    head,
    reply,
    stream,
)

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}

_NOT_A_REPLY: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "application/json"),
    "blank": (b" \r\n\t ", "application/json"),
    "cut": (WHOLE[:-20], "application/json"),
    "junk": (b"not json at all", "application/json"),
    "html": (b"<!doctype html><html><body>Sign in</body></html>", "text/html"),
    "html-said-json": (b"<html><body>Sign in</body></html>", "application/json"),
    "list": (b"[1, 2, 3]", "application/json"),
    "empty-list": (b"[]", "application/json"),
    "string": (b'"hello"', "application/json"),
    "number": (b"42", "application/json"),
    "null": (b"null", "application/json"),
    "true": (b"true", "application/json"),
    "two-documents": (WHOLE + WHOLE, "application/json"),
    "deep-lists": (b"[" * 100_000, "application/json"),
    "deep-closed": (b"[" * 50_000 + b"]" * 50_000, "application/json"),
    "deep-field": (b'{"choices": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}", "application/json"),
    "choices-a-string": (b'{"choices": "none"}', "application/json"),
    "choices-of-numbers": (b'{"choices": [1, 2]}', "application/json"),
    "not-utf-8": (b'{"choices": \xff\xfe\x00', "application/json"),
    "nul-bytes": (b"\0" * 1000, "application/json"),
    "binary": (bytes(range(256)) * 10, "application/octet-stream"),
    "xml": (b'<?xml version="1.0"?><reply/>', "application/xml"),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("body, content_type", _NOT_A_REPLY.values(), ids=_NOT_A_REPLY)
async def test_what_is_no_reply(
    colour: Colour, faults: FaultServer, body: bytes, content_type: str, streamed: bool
) -> None:
    faults.play(reply(body, content_type=content_type))
    async with client_of(colour, faults) as client:
        with pytest.raises((errors.ResponseValidationError, errors.StreamInterruptedError)) as caught:
            got = await client.call(CREATE, **ASK, stream=streamed, timeout_ms=5000)
            await collect(got)
        error = caught.value
        if isinstance(error, errors.StreamInterruptedError):
            assert error.reason == "truncated"
        else:
            assert error.status_code == 200
            assert len(error.body) <= 1 << 20
            if not streamed and body.strip() and body.isascii():
                assert error.body == body.decode()[: 1 << 20]
        assert error.headers["content-type"] == content_type
        assert "\n" not in str(error)
        assert len(str(error)) < 20_000
        assert error.__cause__ is None or isinstance(error.__cause__, Exception)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


_STILL_A_REPLY: dict[str, tuple[bytes, str]] = {
    "bom": (b"\xef\xbb\xbf" + WHOLE, "application/json"),
    "utf-16-le": (json.dumps(COMPLETION).encode("utf-16"), "application/json"),
    "utf-16-be": (json.dumps(COMPLETION).encode("utf-16-be"), "application/json"),
    "utf-32": (json.dumps(COMPLETION).encode("utf-32"), "application/json"),
    "padded": (b" \r\n\t" * 5000 + WHOLE + b"\r\n " * 5000, "application/json"),
    "text-plain": (WHOLE, "text/plain"),
    "said-html": (WHOLE, "text/html"),
    "upper-case-type": (WHOLE, "APPLICATION/JSON; CHARSET=UTF-8"),
    "unknown-charset": (WHOLE, "application/json; charset=klingon"),
    "nonsense-type": (WHOLE, ";;;=,"),
    "problem-type": (WHOLE, "application/vnd.api+json"),
    "unknown-fields": (json.dumps({**COMPLETION, "new": {"deep": [1]}, "": None}).encode(), "application/json"),
    "null-error": (json.dumps({**COMPLETION, "error": None}).encode(), "application/json"),
    "no-usage": (b'{"choices": [{"text": "Hello there"}]}', "application/json"),
    "duplicate-keys": (b'{"choices": [], ' + WHOLE[1:], "application/json"),
    "huge-created": (WHOLE.replace(b"1700000000", b"9" * 300), "application/json"),
    "endless-created": (WHOLE.replace(b"1700000000", b"9" * 5000), "application/json"),
    "float-created": (WHOLE.replace(b"1700000000", b"1700000000.0"), "application/json"),
    "a-lone-surrogate": (WHOLE.replace(b'"m"', b'"\\ud800"'), "application/json"),
    "new-finish-reason": (WHOLE.replace(b'"stop"', b'"bored"'), "application/json"),
}


@pytest.mark.parametrize("body, content_type", _STILL_A_REPLY.values(), ids=_STILL_A_REPLY)
async def test_what_is_a_reply_all_the_same(
    colour: Colour, faults: FaultServer, body: bytes, content_type: str
) -> None:
    faults.play(reply(body, content_type=content_type))
    async with client_of(colour, faults) as client:
        res = await client.call(CREATE, **ASK)
    assert res.text == "Hello there"
    assert res.meta.status_code == 200
    res.model_dump()


async def test_unknown_fields_are_kept(colour: Colour, faults: FaultServer) -> None:
    faults.play(reply(json.dumps({**COMPLETION, "new": {"deep": [10**40]}}).encode()))
    async with client_of(colour, faults) as client:
        res = await client.call(CREATE, **ASK)
    assert res.model_extra["new"] == {"deep": [10**40]}


_IN_BAND: dict[str, tuple[Any, type[errors.APIStatusError]]] = {
    "code-429": ({"error": {"message": "slow down", "code": 429}}, errors.RateLimitError),
    "type": ({"error": {"message": "no such model", "type": "not_found_error"}}, errors.NotFoundError),
    "text": ({"error": "the engine is on fire"}, errors.SDKDefaultError),
    "key": ({"error": {"message": "bad key", "code": "invalid_api_key"}}, errors.AuthenticationError),
    "status-503": ({"error": {"message": "busy", "status": 503}}, errors.ServiceUnavailableError),
    "bare": ({"error": {"message": "who knows"}}, errors.SDKDefaultError),
}


@pytest.mark.parametrize("form", ["json", "json-for-stream", "event"])
@pytest.mark.parametrize("document, kind", _IN_BAND.values(), ids=_IN_BAND)
async def test_an_error_inside_a_200(
    colour: Colour, faults: FaultServer, document: Any, kind: type[errors.APIStatusError], form: str
) -> None:
    body = json.dumps(document).encode()
    faults.play(stream(EVENTS[0], b"data: " + body + b"\n\n", DONE) if form == "event" else reply(body))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            got = await client.call(CREATE, **ASK, stream=form != "json")
            await collect(got)
        error = caught.value
        assert type(error) is kind
        found = document["error"]
        assert error.message == (found["message"] if isinstance(found, dict) else found)
        if form == "event":
            assert error.partial.text == "Hel"
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


# -------------------------------------------------------- the wrong one of two


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream", "text/plain", ""])
async def test_json_where_a_stream_was_asked(colour: Colour, faults: FaultServer, content_type: str) -> None:
    faults.play(reply(content_type=content_type))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        assert len(await collect(got)) == 1
        assert got.final.text == "Hello there"
        assert got.final.usage.total_tokens == 3


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", "text/plain"])
async def test_a_stream_where_json_was_asked(colour: Colour, faults: FaultServer, content_type: str) -> None:
    for start in (b"", b": hello\n\n", b"event: ping\n\n", b"\nid: 1\n", b"\xef\xbb\xbf"):
        faults.play(reply(start + b"".join(EVENTS) + DONE, content_type=content_type))
        async with client_of(colour, faults) as client:
            res = await client.call(CREATE, **ASK)
        assert res.text == "Hello there"
        assert res.choices[0].finish_reason == "stop"


async def test_a_cut_stream_where_json_was_asked(colour: Colour, faults: FaultServer) -> None:
    faults.play(reply(b"".join(EVENTS[:2]), content_type="text/event-stream"))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.StreamInterruptedError) as caught:
            await client.call(CREATE, **ASK)
    assert caught.value.reason == "truncated"
    assert caught.value.partial.text == "Hello "
    assert caught.value.partial.meta.status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/octet-stream", "junk"])
async def test_a_stream_that_says_it_is_something_else(colour: Colour, faults: FaultServer, content_type: str) -> None:
    faults.play(reply(b": hello\n\n" + b"".join(EVENTS) + DONE, content_type=content_type))
    async with client_of(colour, faults) as client:
        got = await client.call(CREATE, **ASK, stream=True)
        assert len(await collect(got)) == 3
        assert got.final.text == "Hello there"


# ----------------------------------------------------------------- statuses

_BODIES: dict[str, bytes] = {
    "openai": b'{"error": {"message": "the reason", "type": "t", "code": "c", "param": "p"}}',
    "foreign": b'{"detail": [{"loc": ["body", "prompt"], "msg": "the reason", "type": "missing"}]}',
    "text": b"the reason",
    "html": b"<html><h1>the reason</h1></html>",
    "empty": b"",
    "not-utf-8": b"the reason \xff\xfe",
    "a-list": b'["the reason"]',
    "broken-json": b'{"error": {"message": "the reason',
    "deep": b"[" * 100_000,
    "large": b'{"error": {"message": "the reason"}, "rest": "' + b"x" * 5_000_000 + b'"}',
}
_STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 418, 422, 429, 451, 499, 500, 501, 502, 503, 504, 520, 599)


@pytest.mark.parametrize("status", _STATUSES)
async def test_every_status_with_every_body(colour: Colour, faults: FaultServer, status: int) -> None:
    async with client_of(colour, faults) as client:
        for name, body in _BODIES.items():
            if name == "large" and status not in (400, 429, 500):
                continue
            for streamed in (False, True):
                faults.play(reply(body, status))
                with pytest.raises(errors.APIStatusError) as caught:
                    await client.call(CREATE, **ASK, stream=streamed)
                error = caught.value
                assert type(error) is errors.APIStatusError.statuses.get(status, errors.SDKDefaultError)
                assert error.status_code == status
                assert len(str(error)) < 20_000
                assert len(error.body) <= 1 << 20
                if name not in ("empty", "deep"):
                    assert "the reason" in error.message, name
                if name in ("openai", "foreign"):
                    assert error.message == "the reason"


@pytest.mark.parametrize("how", ["fin", "stall"])
@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_error_body_that_breaks_off(colour: Colour, faults: FaultServer, status: int, how: str) -> None:
    cut = b'{"error": {"message": "the rea'
    faults.play((head(status, "Content-Length: 500") + cut, Fin() if how == "fin" else Stall()))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call(CREATE, **ASK, timeout_ms=300)
        assert caught.value.status_code == status
        assert caught.value.body == cut.decode()
        if how == "stall":
            assert faults.saw_close(1)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 399])
async def test_redirects_to_another_origin_are_errors(colour: Colour, faults: FaultServer, status: int) -> None:
    with FaultServer() as other:
        faults.play(reply(b"", status, f"Location: {other.url}/v1/completions"))
        async with client_of(colour, faults) as client:
            with pytest.raises(errors.SDKDefaultError) as caught:
                await client.call(CREATE, **ASK)
            assert caught.value.status_code == status
        assert not other.requests
        assert other.connections == 0


@pytest.mark.parametrize("status", [307, 308])
async def test_redirects_within_the_origin_are_followed(colour: Colour, faults: FaultServer, status: int) -> None:
    faults.play(reply(b"", status, "Location: /elsewhere"), reply())
    async with client_of(colour, faults) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
    first, second = faults.requests
    assert second.target == "/elsewhere"
    assert (second.method, second.body) == (first.method, first.body)


async def test_a_redirect_to_itself_ends(colour: Colour, faults: FaultServer) -> None:
    faults.always(reply(b"", 307, "Location: /completions"))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.SDKDefaultError, match=f"more than 5 times, .* to {faults.url}/completions"):
            await client.call(CREATE, **ASK)
    assert len(faults.requests) < 20


_HALF = b'{"id": "cmpl-1", "secret": "\xe2\x82\xac sk-placeho'
_CUT_BODIES: dict[str, tuple[tuple[Any, ...], dict[str, Any], type[errors.APIConnectionError]]] = {
    "length": ((Fin(),), {}, errors.APIConnectionError),
    "reset": ((Wait(0.1), Rst()), {}, errors.APIConnectionError),
    "timeout": ((Stall(),), {"timeout_ms": 300}, errors.APITimeoutError),
    "deadline": ((Stall(),), {"deadline_ms": 300}, errors.DeadlineExceededError),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("steps, options, kind", _CUT_BODIES.values(), ids=_CUT_BODIES)
async def test_what_had_come_of_a_cut_reply_is_kept(
    colour: Colour,
    faults: FaultServer,
    steps: tuple[Any, ...],
    options: dict[str, Any],
    kind: type[errors.APIConnectionError],
    packed: bool,
) -> None:
    packer = zlib.compressobj(wbits=31)
    sent = packer.compress(_HALF) + packer.flush(zlib.Z_SYNC_FLUSH) if packed else _HALF
    coding = ["Content-Encoding: gzip"] if packed else []
    faults.play((head(200, f"Content-Length: {len(sent) + 100}", *coding) + sent, *steps))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call(CREATE, **ASK, **options)
    error = caught.value
    assert type(error) is kind
    assert error.body == '{"id": "cmpl-1", "secret": "\u20ac ***'
    assert f"{len(_HALF)} bytes" in str(error)
    assert "cmpl-1" not in str(error)
    assert pickle.loads(pickle.dumps(error)).body == error.body


async def test_no_more_than_a_mebibyte_of_a_cut_reply_is_kept(colour: Colour, faults: FaultServer) -> None:
    faults.play((head(200, "Content-Length: 3000000") + b"x" * 2_000_000, Fin()))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.APIConnectionError, match="after 2000000 bytes") as caught:
            await client.call(CREATE, **ASK)
    assert caught.value.body == "x" * (1 << 20)
    assert len(str(caught.value)) < 300


# ------------------------------------------------------------- content codings


def _deflate_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


_ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "deflate-raw": _deflate_raw,
    "gzip, deflate": lambda data: zlib.compress(gzip.compress(data)),
    "identity": lambda data: data,
}
try:
    import brotli  # type: ignore[import-not-found,unused-ignore] # tried where it is there

    _ENCODERS["br"] = brotli.compress
except ImportError:
    pass
try:
    import zstandard  # type: ignore[import-not-found,unused-ignore] # tried where it is there

    _ENCODERS["zstd"] = zstandard.compress
except ImportError:
    pass


@pytest.fixture(params=list(_ENCODERS))
def coding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _said(coding: str) -> str:
    return f"Content-Encoding: {coding.removesuffix('-raw')}"


@pytest.mark.parametrize("pieces", [1, 7, 1000])
async def test_coded_bodies(colour: Colour, faults: FaultServer, coding: str, pieces: int) -> None:
    events = b"".join(EVENTS) + DONE
    plays = []
    for body, kind in ((WHOLE, "application/json"), (events, "text/event-stream")):
        coded = _ENCODERS[coding](body)
        size = len(coded) // pieces + 1
        chunks = b"".join(chunk(coded[place : place + size]) for place in range(0, len(coded), size))
        plays.append(
            (head(200, f"Content-Type: {kind}", "Transfer-Encoding: chunked", _said(coding)) + chunks + chunk(b""),)
        )
    faults.play(*plays)
    async with client_of(colour, faults) as client:
        assert (await client.call(CREATE, **ASK)).text == "Hello there"
        got = await client.call(CREATE, **ASK, stream=True)
        assert len(await collect(got)) == 3
        assert got.final.text == "Hello there"


@pytest.mark.parametrize("harm", ["corrupt", "cut", "not-coded"])
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
async def test_harmed_codings(colour: Colour, faults: FaultServer, coding: str, harm: str, streamed: bool) -> None:
    if coding == "identity":
        pytest.skip("nothing is coded")
    plain = b"".join(EVENTS) if streamed else WHOLE
    body = plain
    if harm != "not-coded":
        body = _ENCODERS[coding](plain)
        half = len(body) // 2
        body = body[:half] if harm == "cut" else body[:half] + bytes(byte ^ 0x5A for byte in body[half:])
    faults.play(reply(body, 200, _said(coding), content_type="text/event-stream" if streamed else "application/json"))
    is_truncated = streamed and harm == "cut"  # as every stream that ends too early, coded or not
    kind = errors.StreamInterruptedError if is_truncated else errors.ResponseValidationError
    async with client_of(colour, faults) as client:
        with pytest.raises(kind) as caught:
            got = await client.call(CREATE, **ASK, stream=streamed)
            await collect(got)
        assert getattr(caught.value, "reason", None) == ("truncated" if is_truncated else None)
        assert "\n" not in str(caught.value)
        assert (await client.call(CREATE, **ASK)).text == "Hello there"


@pytest.mark.parametrize("coding_name", ["sdch", "gzip, gzip, gzip, gzip, gzip, gzip", "gzip;q=1"])
async def test_unknown_codings(colour: Colour, faults: FaultServer, coding_name: str) -> None:
    for streamed in (False, True):
        faults.play(reply(WHOLE, 200, f"Content-Encoding: {coding_name}"))
        async with client_of(colour, faults) as client:
            with pytest.raises(errors.ResponseValidationError):
                got = await client.call(CREATE, **ASK, stream=streamed)
                await collect(got)


@pytest.mark.parametrize("idle", [0, -1, "soon", True, float("nan")])
async def test_a_bad_idle_timeout_is_refused_before_sending(colour: Colour, faults: FaultServer, idle: Any) -> None:
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.ConfigurationError, match="idle_timeout_ms"):
            await client.call(CREATE, **ASK, stream=True, idle_timeout_ms=idle)
    assert not faults.requests


async def test_a_coded_error_body(colour: Colour, faults: FaultServer) -> None:
    body = gzip.compress(b'{"error": {"message": "the reason"}}')
    faults.play(reply(body, 429, "Content-Encoding: gzip"), reply(body[:10], 429, "Content-Encoding: gzip"))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.RateLimitError, match="the reason"):
            await client.call(CREATE, **ASK)
        with pytest.raises(errors.RateLimitError):
            await client.call(CREATE, **ASK)


@pytest.mark.parametrize("coding", ["gzip", "br", "sdch", "gzip, deflate"])
async def test_an_error_body_that_only_says_it_is_coded(colour: Colour, faults: FaultServer, coding: str) -> None:
    body = b'{"error": {"message": "the reason"}}'
    faults.play(reply(body, 429, f"Content-Encoding: {coding}"), reply(b"\xff\0" * 9, 429, "Content-Encoding: sdch"))
    async with client_of(colour, faults) as client:
        with pytest.raises(errors.RateLimitError, match="the reason") as caught:
            await client.call(CREATE, **ASK)
        assert caught.value.body == body.decode()
        with pytest.raises(errors.RateLimitError) as caught:
            await client.call(CREATE, **ASK)
        assert (caught.value.message, caught.value.body) == ("Made", "")


async def test_chat_speaks_the_same_language(colour: Colour, faults: FaultServer) -> None:
    """The rules live below the resources; a few samples show that chat goes the same way."""
    faults.play(
        reply(b"<html>"),
        reply(b"", 204),
        reply(b'{"error": {"message": "busy", "code": 503}}'),
        (GOOD_STREAM[0][:200], Fin()),
    )
    async with client_of(colour, faults) as client:
        for _ in range(2):
            with pytest.raises(errors.ResponseValidationError):
                await client.call("chat.create", **CHAT)
        with pytest.raises(errors.ServiceUnavailableError):
            await client.call("chat.create", **CHAT)
        with pytest.raises(errors.StreamInterruptedError):
            await client.events("chat.create", **CHAT)
