"""What is said of a reply that is none, and what an error keeps of its body: edges that no other test looks at."""

from __future__ import annotations

import json

import pytest

from call.flowkit import KEY
from call.test_decode import CHAT, COMPLETION, error_of, meta_of, reply_of
from llmsdk import errors
from llmsdk._call.reply.decode import json_fault, parse_json, without_secrets
from llmsdk.models import Reply
from llmsdk.providers import TOGETHER, WRITER
from llmsdk.utils.headers import Headers
from llmsdk.utils.jsonpaths import MISSING


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_a_body_without_anything_is_empty(body: bytes) -> None:
    with pytest.raises(errors.ResponseValidationError) as caught:
        reply_of(CHAT, body)
    assert caught.value.message == "not a chat reply: the body is empty"


def test_html_behind_blanks_is_html() -> None:
    with pytest.raises(errors.ResponseValidationError) as caught:
        reply_of(CHAT, b"\r\n  <html>", content_type="")
    assert caught.value.message == "not a chat reply: the body is HTML (content type not given)"


class Scored(Reply):
    """A reply with a field that no reply of ours has."""

    score: float


def test_what_is_wrong_in_a_rare_way_is_told_in_the_words_of_pydantic() -> None:
    operation = CHAT.__replace__(reply=Scored)
    with pytest.raises(errors.ResponseValidationError) as caught:
        reply_of(operation, b'{"choices": [], "score": "high"}')
    assert caught.value.message.startswith("not a chat reply: score: Input should be a valid number")


def test_a_place_has_the_names_of_the_reply_alone() -> None:
    for body, place in ((b'{"choices": 5}', "choices"), (b'{"choices": [5]}', "choices.0")):
        with pytest.raises(errors.ResponseValidationError) as caught:
            reply_of(COMPLETION, body)
        assert caught.value.message.startswith(f"not a completions reply: {place}: it isn't a")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_the_dialects_places_are_read_in_any_encoding(encoding: str) -> None:
    body = {"choices": [{"text": "a", "logprobs": {"tokens": ["a"], "tokenLogprobs": [-0.5]}}]}
    reply = reply_of(COMPLETION, json.dumps(body).encode(encoding), WRITER)
    assert reply.choices[0].logprobs.token_logprobs == [-0.5]


def test_a_byte_order_mark_may_stand_there_twice() -> None:
    assert parse_json("\ufeff\ufeff[1]".encode()) == [1]
    assert parse_json("\ufeff[1]".encode("utf-16")) == [1]
    assert parse_json(b"X[1]") is MISSING


def test_an_error_whose_body_is_no_json_has_no_data() -> None:
    error = error_of(TOGETHER, 400, b"went wrong")
    assert (error.message, error.body, error.data) == ("went wrong", "went wrong", None)


def test_a_nesting_is_told_behind_a_number_without_end_too() -> None:
    digits = b"1" * 5_000
    assert json_fault(b"[%s, %s" % (digits, b"[" * 100_000)) == "nested too deeply"
    assert json_fault(b"[%s, " % digits) == "not valid JSON"


def test_the_name_of_a_charset_parameter_has_no_case() -> None:
    error = error_of(TOGETHER, 400, b"caf\xe9", {"content-type": "text/plain; CharSet=latin-1"})
    assert (error.message, error.body) == ("caf\u00e9", "caf\u00e9")


def test_an_error_in_a_good_reply_is_told_whole() -> None:
    told = {"error": {"message": "no caf\u00e9", "type": "rate_limit_error", "code": "c", "param": "p"}}
    with pytest.raises(errors.RateLimitError) as caught:
        reply_of(CHAT, json.dumps(told).encode())
    error = caught.value
    assert (error.message, error.type, error.code, error.param) == ("no caf\u00e9", "rate_limit_error", "c", "p")
    assert (error.status_code, error.data) == (429, told)
    assert error.body == json.dumps(told, ensure_ascii=False)


def test_headers_that_come_twice_still_do_where_one_is_masked() -> None:
    meta = meta_of()
    meta.headers = Headers([("a", "1"), ("b", f"saw {KEY}"), ("a", "2")])
    masked = without_secrets(meta, [KEY]).headers
    assert isinstance(masked, Headers)
    assert masked.multi_items() == [("a", "1"), ("b", "saw ***"), ("a", "2")]
