"""What comes back: errors of every status and body shape, errors inside a 200, odd JSON, masks, rate limits."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from call.flowkit import KEY, NOW, play, reply
from llmsdk import errors
from llmsdk._call.adapters import adapter
from llmsdk._call.reply.decode import (
    decode_error,
    parse_json,
    shown_text,
    stated_error,
    without_secrets,
)
from llmsdk._call.reply.error_bodies import is_error
from llmsdk._call.reply.limits import rate_limit
from llmsdk._call.reply.reading import decode_reply
from llmsdk.providers import OPENAI, PROVIDERS, R9S, TOGETHER, WRITER, WRITER_V1
from llmsdk.providers.spec import ErrorPaths, LimitHeaders, Provider, Route
from llmsdk.resources.operations import all_operations
from llmsdk.utils.headers import Headers
from llmsdk.utils.jsonpaths import MISSING

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 418, 529)
CHAT = all_operations()["createChatCompletion"]
COMPLETION = all_operations()["createCompletion"]
MODELS = all_operations()["listModels"]
IMAGES = all_operations()["createImage"]
JSON = "application/json"


def meta_of(status: int = 200, headers: dict[str, str] | None = None) -> errors.ReplyMeta:
    return errors.ReplyMeta("together", status, Headers(headers or {}))


def error_of(
    provider: Provider,
    status: int,
    body: bytes,
    headers: dict[str, str] | None = None,
    reason: str = "The Reason",
    secrets: tuple[str, ...] = (KEY,),
) -> errors.APIStatusError:
    return decode_error(
        provider, status, body, reason=lambda: reason, meta=meta_of(status, headers), secrets=secrets, now=NOW
    )


def reply_of(operation: Any, body: bytes, provider: Provider = TOGETHER, content_type: str = JSON) -> Any:
    meta = meta_of(200, {"content-type": content_type})
    return decode_reply(operation, provider, body, content_type=content_type, meta=meta, secrets=[KEY])


# ------------------------------------------------------- statuses and shapes

OPENAI_SHAPE = b'{"error": {"message": "went wrong", "type": "t", "param": "p", "code": "c"}}'
WRITER_SHAPE = b'{"tpe": "t", "errors": [{"description": "went wrong", "key": "c", "extras": {}}], "extras": {}}'
R9S_SHAPE = b'{"error": {"message": "went wrong", "type": "t", "code": "c", "param": "p"}, "status": 418}'
DOCUMENTED = {"writer": WRITER_SHAPE, "writer_v1": WRITER_SHAPE, "r9s": R9S_SHAPE}

SHAPES = {
    "foreign": (b'{"fault": {"faultstring": "went wrong"}}', "went wrong"),
    "text": (b"  went wrong\n", "went wrong"),
    "html": (b"<html><h1>Bad</h1></html>", "<html><h1>Bad</h1></html>"),
    "empty": (b"", "The Reason"),
    "blank": (b" \r\n ", "The Reason"),
    "not UTF-8": (b"went \xff\xfe wrong", "went \ufffd\ufffd wrong"),
    "cut JSON": (b'{"error": {"mess', '{"error": {"mess'),
    "null": (b"null", "null"),
    "number": (b"17", "17"),
    "list": (b'["went wrong"]', "went wrong"),
    "list of nothing": (b"[1, null]", "[1, null]"),
    "string": (b'"went wrong"', "went wrong"),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda one: one.name)
def test_every_status_and_shape(provider: Provider, status: int) -> None:
    kind = errors.APIStatusError.statuses.get(status, errors.SDKDefaultError)
    documented = DOCUMENTED.get(provider.name, OPENAI_SHAPE)
    error = error_of(provider, status, documented)
    assert (type(error), error.message, error.type, error.code) == (kind, "went wrong", "t", "c")
    assert error.data == json.loads(documented)
    assert error.body == documented.decode()
    for body, message in SHAPES.values():
        error = error_of(provider, status, body)
        assert (type(error), error.message, error.status_code) == (kind, message, status)
        assert error.body == body.decode("utf-8", "replace")
        assert error.server == "together"
    big = b"x" * 5_000_000
    error = error_of(provider, status, big)
    assert type(error) is kind
    assert len(error.body) == 1 << 20
    assert len(str(error)) < 20_000


@pytest.mark.parametrize(
    "body, message, code, kind, param",
    [
        (OPENAI_SHAPE, "went wrong", "c", "t", "p"),
        (b'{"error": "went wrong"}', "went wrong", None, None, None),
        (b'{"error": "went wrong", "code": 7, "type": "t"}', "went wrong", "7", "t", None),
        (b'{"error": {"message": {"why": "deep"}, "code": 422}}', '{"why": "deep"}', "422", None, None),
        (b'{"message": "went wrong", "type": "t", "param": "p", "code": "c"}', "went wrong", "c", "t", "p"),
        (
            b'{"object": "error", "message": "went wrong", "type": "t", "param": null, "code": 40303}',
            "went wrong",
            "40303",
            "t",
            None,
        ),
        (b'{"detail": "went wrong"}', "went wrong", None, None, None),
        (
            b'{"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "went wrong", "type": "missing"}]}',
            "went wrong",
            None,
            "missing",
            "messages.0.role",
        ),
        (b'{"detail": [{"loc": ["body"], "msg": "went wrong"}]}', "went wrong", None, None, None),
        (b'{"detail": [{"loc": "body", "msg": "went wrong"}]}', "went wrong", None, None, None),
        (b'{"detail": ["first", "second"]}', "first; second", None, None, None),
        (
            b'{"detail": [{"loc": ["body", "n"], "msg": "too many"}, {"loc": ["body"], "msg": "odd"}, {"x": 1}]}',
            "n: too many; odd",
            None,
            None,
            "n",
        ),
        (b'{"detail": {"error": {"msg": "went wrong"}}}', "went wrong", None, None, None),
        (b'{"error": {"message": {"detail": "went wrong"}, "code": "c"}}', "went wrong", "c", None, None),
        (b'{"error": {"message": [{"text": "went wrong"}]}}', "went wrong", None, None, None),
        (b'[{"error": {"code": 429, "message": "went wrong", "status": "X"}}]', "went wrong", "429", None, None),
        (b'[{"message": "went wrong", "code": "c"}]', "went wrong", "c", None, None),
        (b'{"errors": ["first", "second"]}', "first; second", None, None, None),
        (b'{"errors": {"n": ["first", "second"], "m": ["third"]}}', "n: first; second; m: third", None, None, None),
        (b'{"errors": [{"odd": 1}]}', '[{"odd": 1}]', None, None, None),
        (b'{"fault": {"faultstring": "went wrong", "detail": {"errorcode": "c"}}}', "went wrong", "c", None, None),
        (b'{"statusCode": 400, "error": "Bad Request", "message": "went wrong"}', "went wrong", None, None, None),
        (b'{"message": ["first", "second"], "error": "Bad Request"}', "first; second", None, None, None),
        (b'{"error": "invalid_grant", "error_description": "went wrong"}', "went wrong", None, None, None),
        (b'{"error": 42}', "42", None, None, None),
        (b'"went wrong"', "went wrong", None, None, None),
        (b'{"detail": {"message": "went wrong"}}', "went wrong", None, None, None),
        (b'{"code": 400, "reason": "went wrong", "message": "", "metadata": {}}', "went wrong", "400", None, None),
        (b'{"errors": [{"message": "went wrong", "code": "c", "param": "p"}]}', "went wrong", "c", None, "p"),
        (b'{"errors": ["went wrong"]}', "went wrong", None, None, None),
        (b'{"error": true, "message": "went wrong"}', "went wrong", None, None, None),
        (b'{"error": {"code": "c", "type": "t"}, "message": "went wrong"}', "went wrong", "c", "t", None),
        (b'{"error": {"detail": "went wrong"}}', "went wrong", None, None, None),
        (b'{"error": {"message": null, "code": "c"}, "error_type": "t"}', None, "c", "t", None),
        (b'{"error": {"message": "  ", "code": 0}}', "  ", "0", None, None),
        (b'{"error": [], "msg": "went wrong"}', "went wrong", None, None, None),
        (b'{"title": "went wrong", "status": 400}', "went wrong", None, None, None),
        (
            b'{"error": {"error_type": "dynamic_request_limited", "message": "m"}}',
            "m",
            None,
            "dynamic_request_limited",
            None,
        ),
        (
            '{"error": {"message": "schief gelaufen: \u00fc\u2028\U0001f600"}}'.encode(),
            "schief gelaufen: \u00fc\u2028\U0001f600",
            None,
            None,
            None,
        ),
    ],
)
@pytest.mark.parametrize("provider", [TOGETHER, OPENAI, R9S, WRITER], ids=lambda one: one.name)
def test_the_parts_are_found_in_every_shape(
    provider: Provider, body: bytes, message: str | None, code: str | None, kind: str | None, param: str | None
) -> None:
    error = error_of(provider, 400, body)
    if message is not None:
        assert error.message == message
    assert error.message
    assert (error.code, error.type, error.param) == (code, kind, param)


def test_a_dialects_own_paths_come_first() -> None:
    paths = ErrorPaths(message=("$.why",), code=("$.number",), type=("$.sort",), param=("$.at",))
    own = Provider(name="own", routes={}, error=paths)
    body = b'{"why": "w", "number": 5, "sort": "s", "at": "a", "error": {"message": "m", "code": "c", "type": "t"}}'
    error = error_of(own, 400, body)
    assert (error.message, error.code, error.type, error.param) == ("w", "5", "s", "a")


def test_the_reason_is_the_last_resort_but_one() -> None:
    assert error_of(TOGETHER, 418, b"", reason="").message == "HTTP status 418"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_error_bodies_in_other_encodings(encoding: str) -> None:
    text = json.dumps({"error": {"message": "schief \u00fc", "code": "c"}}, ensure_ascii=False)
    error = error_of(OPENAI, 400, text.encode(encoding))
    assert (error.message, error.code, error.body) == ("schief \u00fc", "c", text)
    assert shown_text(text.encode(encoding), ()) == text
    if encoding in ("utf-16", "utf-32", "utf-8-sig"):  # what is no JSON needs its byte order mark
        assert error_of(OPENAI, 502, "schief \u00fc".encode(encoding)).message == "schief \u00fc"


def test_zeros_alone_are_no_coding() -> None:
    assert shown_text(b"\0\0\0\0abcd", ()) == "\0\0\0\0abcd"


@pytest.mark.parametrize(
    "content_type, body, text",
    [
        ("text/plain; charset=latin-1", b"sch\xf6n", "sch\u00f6n"),
        ('text/plain; charset="ISO-8859-1"', b"sch\xf6n", "sch\u00f6n"),
        ("text/plain; charset=utf-16", "sch\u00f6n".encode("utf-16"), "sch\u00f6n"),
        ("text/plain; charset=nonsense", b"plain", "plain"),
        ("text/plain; charset=nonsense", b"sch\xf6n", "sch\ufffdn"),
        ("text/plain; charset=base64", b"plain", "plain"),
        ("text/plain; charset=base64", b"sch\xf6n", "sch\ufffdn"),
        ("text/plain; charset=rot13", b"plain", "plain"),
        ("text/plain; charset=idna", b"a..b", "a..b"),
        ("text/plain; charset=undefined", b"plain", "plain"),
        ("text/plain; charset=unicode_escape", b"\\x", "\ufffd"),
        ("text/plain; charset=zlib", b"plain", "plain"),
        ("text/plain; charset=..", b"plain", "plain"),
    ],
)
def test_the_declared_charset_counts_where_it_is_one(content_type: str, body: bytes, text: str) -> None:
    assert error_of(OPENAI, 500, body, {"content-type": content_type}).body == text


def test_an_error_body_is_kept_to_its_first_mebibyte() -> None:
    body = json.dumps({"error": {"message": "m"}, "more": "y" * 2_000_000}).encode()
    assert len(error_of(OPENAI, 500, body).body) == 1 << 20


def test_waits_that_the_server_asks_for() -> None:
    assert error_of(OPENAI, 429, b"", {"retry-after": "3"}).retry_after_s == 3.0
    assert error_of(OPENAI, 429, b"", {"Retry-After": "Mon, 04 May 2026 12:00:09 GMT"}).retry_after_s == 9.0
    assert error_of(OPENAI, 429, b"", {"retry-after": "never"}).retry_after_s is None
    assert error_of(OPENAI, 429, b"").retry_after_s is None


# ------------------------------------------------------------------- masks


def test_a_key_is_masked_wherever_it_is_echoed() -> None:
    body = json.dumps({"error": {"message": f"bad {KEY}", "code": KEY, "type": f"t-{KEY}", "param": KEY}, KEY: [KEY]})
    error = error_of(OPENAI, 401, body.encode(), {"x-echo": KEY, "x-request-id": KEY})
    assert error.message == "bad ***"
    assert error.data == {
        "error": {"message": "bad ***", "code": "***", "type": "t-***", "param": "***"},
        "***": ["***"],
    }
    for shown in (error.body, error.code, error.type, error.param, repr(error.data), str(error), repr(error)):
        assert KEY not in str(shown)
    assert KEY not in repr(dict(error.headers))
    assert KEY not in str(error.request_id)


def test_a_key_with_characters_of_json_is_masked_too() -> None:
    key = 'sk-"quoted"\\placeholder'
    body = json.dumps({"error": {"message": f"bad {key}"}}).encode()
    error = error_of(OPENAI, 401, body, secrets=(key,))
    assert key not in error.message
    assert "quoted" not in error.body
    assert "quoted" not in repr(error.data)
    _ = error_of(OPENAI, 401, b'{"message": "nothing"}', secrets=("",))


def test_masks_inside_a_reply_that_is_not_one() -> None:
    for body in (f"<html>{KEY}".encode(), json.dumps({"choices": KEY}).encode()):
        with pytest.raises(errors.ResponseValidationError) as info:
            reply_of(CHAT, body)
        assert KEY not in info.value.body
        assert KEY not in str(info.value)
        assert "***" in info.value.body
    with pytest.raises(errors.APIStatusError) as stated:
        reply_of(CHAT, json.dumps({"error": {"message": KEY}}).encode())
    assert KEY not in stated.value.message + stated.value.body + repr(stated.value.data)


def test_meta_without_secrets_in_it_is_left_alone() -> None:
    meta = meta_of(200, {"x-a": "1"})
    headers = meta.headers
    assert without_secrets(meta, [KEY]).headers is headers
    assert without_secrets(errors.ReplyMeta("s"), [KEY]).headers == {}
    plain = errors.ReplyMeta("s", headers={"x-a": f"1{KEY}"})
    assert without_secrets(plain, [KEY]).headers["x-a"] == "1***"


# ------------------------------------------------------------ errors in a 200


@pytest.mark.parametrize(
    "body, kind, status",
    [
        ({"error": {"message": "m", "code": 429}}, errors.RateLimitError, 429),
        ({"error": {"message": "m", "code": "503"}}, errors.ServiceUnavailableError, 503),
        ({"error": {"message": "m", "status": 404}}, errors.NotFoundError, 404),
        ({"error": {"message": "m", "status_code": 422}}, errors.UnprocessableEntityError, 422),
        ({"error": {"message": "m"}, "status": 402}, errors.PaymentRequiredError, 402),
        ({"error": {"message": "m"}, "status_code": 529}, errors.SDKDefaultError, 529),
        ({"error": {"message": "m", "type": "rate_limit_error"}}, errors.RateLimitError, 429),
        ({"error": {"message": "m", "type": "invalid_request_error"}}, errors.BadRequestError, 400),
        (
            {"error": {"message": "m", "code": "invalid_api_key", "type": "invalid_request_error"}},
            errors.AuthenticationError,
            401,
        ),
        ({"error": {"message": "m", "type": "model_rate_limit"}}, errors.RateLimitError, 429),
        ({"error": {"message": "m", "type": "RateLimitError"}}, errors.RateLimitError, 429),
        ({"error": {"message": "m", "type": "overloaded_error"}}, errors.SDKDefaultError, 529),
        ({"error": {"message": "m", "type": "server_error"}}, errors.InternalServerError, 500),
        ({"error": {"message": "m", "code": "unheard of"}}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m", "code": 1234}}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m", "code": True}}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m", "code": 200}}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m", "http_status": 503}}, errors.ServiceUnavailableError, 503),
        ({"error": {"message": "m", "statusCode": 529.0}}, errors.SDKDefaultError, 529),
        ({"error": {"message": "m", "status_code": 200}}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m", "status": "RESOURCE_EXHAUSTED"}}, errors.RateLimitError, 429),
        ({"error": 529, "message": "m"}, errors.SDKDefaultError, 529),
        ({"error": "m", "statusCode": 404}, errors.NotFoundError, 404),
        ([{"error": {"message": "m", "code": 403, "status": "PERMISSION_DENIED"}}], errors.PermissionDeniedError, 403),
        ({"object": "error", "message": "m", "code": 400}, errors.BadRequestError, 400),
        ({"error": "m"}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m"}, "choices": []}, errors.SDKDefaultError, 200),
        ({"error": {"message": "m"}, "choices": None}, errors.SDKDefaultError, 200),
    ],
)
@pytest.mark.parametrize("operation", [CHAT, COMPLETION], ids=lambda one: one.id)
def test_an_error_object_in_a_200_is_raised(operation: Any, body: Any, kind: Any, status: int) -> None:
    with pytest.raises(errors.APIStatusError) as info:
        reply_of(operation, json.dumps(body).encode(), OPENAI)
    error = info.value
    assert (type(error), error.status_code, error.message, error.data) == (kind, status, "m", body)
    assert json.loads(error.body) == body
    assert error.meta is not None
    assert error.meta.status_code == 200


@pytest.mark.parametrize("operation", [CHAT, COMPLETION, MODELS, IMAGES], ids=lambda one: one.id)
@pytest.mark.parametrize(
    "body",
    [
        {"detail": "m"},
        {"message": "m"},
        {"errors": [{"message": "m"}]},
        {"fault": {"faultstring": "m"}},
        {"success": False, "message": "m"},
        {"detail": [{"loc": ["body"], "msg": "m"}]},
    ],
)
def test_the_text_of_an_error_where_the_result_should_be(operation: Any, body: Any) -> None:
    with pytest.raises(errors.SDKDefaultError) as info:
        reply_of(operation, json.dumps(body).encode(), OPENAI)
    assert (info.value.message, info.value.status_code, info.value.data) == ("m", 200, body)
    assert str(info.value) == "an error object inside a 200 reply: m"


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [], "message": "m"},
        {"choices": [{"text": "hi"}], "detail": "m", "errors": ["m"]},
        {"message": {"role": "assistant", "content": "hi"}},
        {"message": "", "errors": [], "detail": None, "fault": {}},
    ],
)
def test_what_is_beside_a_result_or_says_nothing_is_no_error(body: Any) -> None:
    reply = reply_of(COMPLETION, json.dumps(body).encode(), WRITER)  # whose replies need no result
    assert reply.model_dump(mode="json", exclude_unset=True) == body


@pytest.mark.parametrize("provider", [WRITER, WRITER_V1], ids=lambda one: one.name)
def test_writers_error_object_in_a_200(provider: Provider) -> None:
    body = {"tpe": "TooManyRequests", "errors": [{"description": "m", "key": "fail.x", "extras": None}], "extras": None}
    with pytest.raises(errors.RateLimitError) as info:
        reply_of(COMPLETION, json.dumps(body).encode(), provider)
    assert (info.value.message, info.value.code, info.value.type) == ("m", "fail.x", "TooManyRequests")
    body["tpe"] = "CompletionModelQuotaError"
    with pytest.raises(errors.RateLimitError):
        reply_of(COMPLETION, json.dumps(body).encode(), provider)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "error": {"code": 502}}]},
        {"choices": [{"index": 0, "message": {"content": "hi"}}], "error": None},
        {"choices": [{"index": 0, "message": {"content": "hi"}}], "error": {}},
        {"choices": [{"index": 0, "message": {"content": "hi"}}], "error": {"message": "a mere remark"}},
    ],
)
def test_a_reply_with_choices_is_no_error(body: Any) -> None:
    reply = reply_of(CHAT, json.dumps(body).encode(), OPENAI)
    assert reply.text == "hi"
    assert reply.model_dump(mode="json", exclude_unset=True) == body


def test_an_error_that_states_nothing_is_shown_whole() -> None:
    error = stated_error(OPENAI, {"error": {"odd": 1}}, meta=meta_of(), secrets=[])
    assert (error.message, error.status_code) == ('{"error": {"odd": 1}}', 200)
    assert stated_error(OPENAI, {"error": 1}, meta=errors.ReplyMeta("s"), secrets=[]).status_code == 200
    for odd in (None, 17, [], "text"):
        assert stated_error(OPENAI, odd, meta=meta_of(), secrets=[]).message
    assert is_error(OPENAI, [{"error": 1}])
    assert not is_error(OPENAI, [[{"error": 1}]])
    assert not is_error(OPENAI, [])


def test_no_part_of_an_error_shows_the_key_that_the_server_echoes() -> None:
    error = error_of(OPENAI, 401, json.dumps({"detail": [{"loc": ["header", KEY], "msg": f"bad {KEY}"}]}).encode())
    assert (error.param, error.message) == ("header.***", "bad ***")
    assert KEY.encode() not in pickle.dumps(error)
    with pytest.raises(errors.ResponseValidationError) as info:
        reply_of(CHAT, b"junk", content_type=f"text/{KEY}")
    assert KEY not in str(info.value)
    assert error_of(OPENAI, 401, b"bad " + KEY.encode()[:-2]).body == "bad ***"


# ------------------------------------------------------------------ odd JSON

GOOD = {"id": "a", "choices": [{"index": 0, "message": {"role": "assistant", "content": "h\u00e9"}}]}
TEXT = json.dumps(GOOD, ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        b" \r\n\t" * 5_000 + TEXT.encode() + b"\n\n",
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
    ],
)
@pytest.mark.parametrize("content_type", [JSON, "application/octet-stream", "text/html", ""])
def test_json_is_json_whatever_the_encoding_blanks_or_content_type(body: bytes, content_type: str) -> None:
    reply = reply_of(CHAT, body, content_type=content_type)
    assert reply.model_dump(mode="json", exclude_unset=True) == GOOD


def test_invalid_utf8_becomes_replacement_characters() -> None:
    reply = reply_of(CHAT, TEXT.encode().replace("\u00e9".encode(), b"\xe9"))
    assert reply.text == "h\ufffd"


def test_lone_surrogates_are_no_reason_to_lose_a_reply() -> None:
    reply = reply_of(CHAT, json.dumps({"choices": [{"index": 0, "message": {"content": "a\ud83d"}}]}).encode())
    assert reply.text == "a\ufffd"
    reply = reply_of(COMPLETION, json.dumps({"choices": [{"text": "a\ud83d", "\udc00": {}}]}).encode(), WRITER)
    assert (reply.choices[0].text, reply.choices[0].model_extra) == ("a\ufffd", {"\ufffd": {}})


@pytest.mark.parametrize("digits", [19, 40, 4_000])
def test_huge_integers_stay_exact(digits: int) -> None:
    number = 10**digits + 7
    reply = reply_of(CHAT, b'{"choices": [], "seed": %s, "error": null}' % str(number).encode())
    assert reply.seed == number


@pytest.mark.parametrize("operation, provider", [(CHAT, TOGETHER), (COMPLETION, WRITER)])
def test_an_integer_that_python_does_not_read_is_kept_as_its_text(operation: Any, provider: Provider) -> None:
    digits = "1" + "0" * 5_000
    body = f'{{"created": {digits}, "choices": [], "other": [-{digits}, 1]}}'.encode()
    reply = reply_of(operation, body, provider)
    assert (reply.created, reply.other) == (digits, [f"-{digits}", 1])
    assert json.loads(reply.model_dump_json())["created"] == digits
    error = error_of(provider, 429, f'{{"error": {{"message": "m", "code": {digits}}}}}'.encode())
    assert (error.message, error.code) == ("m", digits)


@pytest.mark.parametrize("provider", [TOGETHER, WRITER], ids=lambda one: one.name)
@pytest.mark.parametrize("digits", [4_300, 5_000, 100_000])
def test_integers_beyond_all_measure_raise_nothing_foreign(provider: Provider, digits: int) -> None:
    operation = CHAT if provider is TOGETHER else COMPLETION
    for body in (
        b'{"choices": [], "seed": 1' + b"0" * digits + b"}",
        b'{"error": {"message": "m", "code": 1' + b"0" * digits + b"}}",
        b'{"error": {"message": "m", "status": 1' + b"0" * digits + b"}}",
    ):
        try:
            reply_of(operation, body, provider)
        except errors.SDKError:
            pass
        assert error_of(provider, 400, body).status_code == 400


@pytest.mark.parametrize("provider", [TOGETHER, WRITER], ids=lambda one: one.name)
@pytest.mark.parametrize("pair", [(b"[", b"]"), (b'{"a":', b"1}")], ids=["lists", "objects"])
def test_nesting_of_any_depth_raises_nothing_foreign(provider: Provider, pair: tuple[bytes, bytes]) -> None:
    operation = CHAT if provider is TOGETHER else COMPLETION
    for depth in (*range(100, 1_100, 9), *range(900, 1_000), 5_000, 200_000):
        deep = pair[0] * depth + (b"" if pair[0] == b"{" else b"1") + pair[1] * depth
        for body in (
            deep,
            b'{"choices": [], "x": ' + deep + b"}",
            b'{"error": {"message": "m", "x": ' + deep + b"}}",
            b'{"error": {"message": ' + deep + b"}}",
            b'{"message": ' + deep + b"}",
            b'{"error":' * depth + b'"m"' + b"}" * depth,
            b"[" * depth,
        ):
            try:
                reply_of(operation, body, provider)
            except errors.SDKError:
                pass
            assert error_of(provider, 400, body).status_code == 400


@pytest.mark.parametrize(
    "body, words",
    [
        (b"", "the body is empty"),
        (b" \n", "the body is empty"),
        (b"<html><body>Welcome</body></html>", "the body is HTML (content type text/html)"),
        (b'{"choices": [', "not valid JSON"),
        (b"data", "not valid JSON"),
        (b"[]", "the body:"),
        (b'"text"', "the body:"),
        (b"null", "the body:"),
        (b'{"choices": 5}', "choices: "),
        (b'{"choices": [5]}', "choices.0: "),
        (b"{}", "choices: it is missing"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"choices": [], "x": ' + b"[" * 250 + b"]" * 250 + b"}", "nested too deeply"),
        (b'{"choices": {}}', "choices: it isn't a list"),
        (b'{"choices": [[]]}', "choices.0: it isn't an object"),
    ],
)
def test_what_is_no_reply_says_why_in_our_words(body: bytes, words: str) -> None:
    with pytest.raises(errors.ResponseValidationError) as info:
        reply_of(CHAT, body, content_type="text/html")
    error = info.value
    assert words in error.message
    assert "\n" not in error.message
    assert (error.status_code, error.body) == (200, body[: 1 << 20].decode("utf-8", "replace"))
    assert error.__cause__ is None


@pytest.mark.parametrize("operation, name", [(COMPLETION, "choices"), (IMAGES, "data"), (MODELS, "data")])
@pytest.mark.parametrize("body", [b"{}", b'{"hello": "world"}'])
def test_a_reply_without_its_result_is_none(operation: Any, name: str, body: bytes) -> None:
    with pytest.raises(errors.ResponseValidationError, match=f"{name}: it is missing"):
        reply_of(operation, body, OPENAI)
    assert reply_of(operation, f'{{"{name}": null}}'.encode(), OPENAI).model_dump()[name] == []
    assert reply_of(COMPLETION, body, WRITER).choices == []  # its published schema has them as optional


def test_the_words_quote_nothing_of_the_reply() -> None:
    with pytest.raises(errors.ResponseValidationError) as info:
        reply_of(CHAT, b'{"choices": "a secret plan"}')
    assert "secret" not in str(info.value)


def test_a_body_that_is_kept_is_bounded() -> None:
    with pytest.raises(errors.ResponseValidationError) as info:
        reply_of(CHAT, b"x" * 3_000_000)
    assert len(info.value.body) == 1 << 20


def test_json_of_every_kind_is_parsed_and_nothing_else() -> None:
    assert parse_json(b"null") is None
    assert parse_json(b"[1]") == [1]
    for bad in (b"", b"  ", b"{", b"\xff\xfe\x00", b"nope", b"\x00"):
        assert parse_json(bad) is MISSING


# ------------------------------------------------------------ dialect's places


def test_the_dialects_places_are_read_and_do_not_count_as_set() -> None:
    body = {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "tokenLogprobs": [-0.5]}}, {"text": "b"}]}
    reply = reply_of(COMPLETION, json.dumps(body).encode(), WRITER)
    assert reply.choices[0].logprobs.token_logprobs == [-0.5]
    assert reply.model_dump(mode="json", exclude_unset=True) == body
    body = {"choices": [{"text": "a", "log_probs": {"tokens": ["a"]}}]}
    reply = reply_of(COMPLETION, json.dumps(body).encode(), WRITER_V1)
    assert reply.choices[0].logprobs.tokens == ["a"]
    assert reply.model_dump(mode="json", exclude_unset=True) == body


def test_what_stands_in_our_place_is_not_replaced() -> None:
    body = {"choices": [{"text": "a", "logprobs": None, "log_probs": {"tokens": ["a"]}}]}
    assert reply_of(COMPLETION, json.dumps(body).encode(), WRITER_V1).choices[0].logprobs is None


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"logprobs": {"tokenLogprobs": 1}}]},
        {"choices": {}},
        {"choices": [[]]},
        {"choices": [{"logprobs": [1]}]},
        {"choices": [{"logprobs": "x"}]},
        [],
        5,
        "x",
        None,
    ],
)
def test_other_shapes_in_the_dialects_places_raise_nothing_foreign(body: Any) -> None:
    for provider in (WRITER, WRITER_V1):
        for operation in (COMPLETION, MODELS):
            try:
                reply_of(operation, json.dumps(body).encode(), provider)
            except errors.SDKError:
                pass


def test_a_place_below_a_value_that_became_no_model_is_left() -> None:
    route = Route(reply={"$.a.b[0].c": "$.x"})
    own = Provider(name="own", routes={"createCompletion": route})
    reply = reply_of(COMPLETION, b'{"x": 5, "choices": []}', own)
    assert reply.a == {"b": [{"c": 5}]}
    reply = reply_of(COMPLETION, b'{"x": 5, "choices": [], "a": {"b": [{}]}}', own)
    assert reply.a == {"b": [{"c": 5}]}
    own = Provider(name="own", routes={"createCompletion": Route(reply={"$.a.c": "$.x"})})
    assert reply_of(COMPLETION, b'{"x": 5, "choices": [], "a": {}}', own).a == {"c": 5}


def test_a_bare_list_of_models() -> None:
    reply = reply_of(MODELS, b'[{"id": "a"}, {"id": "b"}]', TOGETHER)
    assert [model.id for model in reply.data] == ["a", "b"]
    with pytest.raises(errors.APIStatusError):
        reply_of(MODELS, b'{"error": {"message": "m"}}', TOGETHER)


# ------------------------------------------------------------------- headers


def test_the_request_id_is_in_the_first_header_that_has_one() -> None:
    def found(provider: Provider, headers: dict[str, str]) -> Any:
        return play(reply(200, headers=headers), provider=provider)[1].meta.request_id

    assert found(TOGETHER, {"CF-Ray": "b", "x-request-id": "a"}) == "a"
    assert found(TOGETHER, {"cf-ray": "b", "x-request-id": ""}) == "b"
    assert found(WRITER, {"Action-Id": "w"}) == "w"
    assert found(WRITER, {"x-request-id": "a"}) is None


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("6m0s", 360.0),
        ("2026-05-04T12:00:00Z", 10.0),
        ("1777896000", 10.0),  # the same moment
        ("", None),
        ("soon", None),
    ],
)
def test_when_a_limit_resets(text: str, seconds: float | None) -> None:
    date = {"date": "Mon, 04 May 2026 11:59:50 GMT"}  # by the clock of the server that names the moment
    names = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
    limits = rate_limit(OPENAI.limits, Headers({**date, **dict.fromkeys(names, text)}))
    assert limits.requests.reset_s == seconds
    assert limits.tokens == limits.requests


def test_a_moment_without_a_date_is_measured_by_our_clock() -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    limits = rate_limit(OPENAI.limits, Headers({"x-ratelimit-reset-requests": soon}))
    assert limits.requests.reset_s == pytest.approx(60, abs=5)


@pytest.mark.parametrize(
    "text, number",
    [
        ("10", 10.0),
        ("0.1666666667", 0.1666666667),
        ("0", 0.0),
        ("", None),
        ("-1", None),
        ("many", None),
        ("1,000", None),
        ("9" * 400, None),
        ("inf", None),
        ("\u0663", None),
    ],
)
def test_limits_may_be_fractions_and_are_never_garbage(text: str, number: float | None) -> None:
    limits = rate_limit(TOGETHER.limits, Headers([("x-ratelimit-limit", text), ("x-ratelimit-remaining-tokens", text)]))
    assert limits.requests.limit == number
    assert limits.tokens.remaining == number
    assert rate_limit(LimitHeaders(), Headers()) == errors.RateLimit()


def test_together_documents_other_names_than_it_sends() -> None:
    limits = rate_limit(TOGETHER.limits, Headers({"x-tokenlimit-limit": "5", "x-tokenlimit-remaining": "4"}))
    assert (limits.tokens.limit, limits.tokens.remaining) == (5.0, 4.0)


def test_adapters_are_built_once() -> None:
    assert adapter(int) is adapter(int)
