"""Headers ignore case and keep secrets out of sight."""

import base64
import copy
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsdk.utils.headers import Headers, check_header
from llmsdk.utils.secrets import masked

PAIRS = [(b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Name", b"caf\xe9")]


def test_lookup_ignores_case():
    headers = Headers(PAIRS)
    assert headers["content-type"] == headers["CONTENT-TYPE"] == headers.get("Content-Type") == "text/html"
    assert headers["set-cookie"] == "a=1, b=2"
    assert headers["x-name"] == "café"
    assert "X-NAME" in headers
    assert "x-other" not in headers
    assert 5 not in headers
    assert headers.get("x-other") is None
    with pytest.raises(KeyError):
        headers["x-other"]
    assert list(headers) == ["content-type", "set-cookie", "x-name"]
    assert len(headers) == 3
    assert headers.multi_items() == [
        ("Content-Type", "text/html"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("X-Name", "café"),
    ]


def test_nothing_is_read_before_it_is_asked_for():
    class Untouched(list):
        def __iter__(self):
            raise AssertionError("read too early")

    Headers(Untouched([(b"a", b"b")]))


@pytest.mark.parametrize(
    "make", [lambda: {"A": "1"}, lambda: iter([("A", "1")]), lambda: {"A": "1"}.items(), lambda: (("A", "1"),)]
)
def test_any_source_of_pairs(make):
    headers = Headers(make())
    assert headers == {"a": "1"}
    assert headers.multi_items() == headers.multi_items() == [("A", "1")]
    assert Headers(headers) == headers
    assert Headers() == {}


def test_a_mapping_that_changes_later_changes_nothing():
    source = {"A": "1"}
    headers = Headers(source)
    source["B"] = "2"
    assert headers == {"A": "1"}


def test_equality_and_hash():
    assert Headers([("A", "1")]) == Headers([(b"a", b"1")])
    assert hash(Headers([("A", "1")])) == hash(Headers([(b"a", b"1")]))
    assert Headers([("A", "1")]) == {"A": "1"}
    assert Headers([("A", "1")]) != {"a": "2"}
    assert Headers([("A", "1")]) != Headers([("A", "2")])
    assert Headers([("A", "1")]) != [("A", "1")]


def test_headers_are_immutable():
    with pytest.raises(TypeError):
        Headers(PAIRS)["a"] = "1"
    with pytest.raises(AttributeError):
        Headers(PAIRS).extra = 1


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda headers: pickle.loads(pickle.dumps(headers))])
@pytest.mark.parametrize("read", [True, False])
def test_headers_travel(travel, read):
    headers = Headers(PAIRS)
    if read:
        assert len(headers) == 3
    assert travel(headers).multi_items() == headers.multi_items()


def test_repr_masks_secrets():
    names = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-API-Key", "api-key"]
    headers = Headers([*((name, "hunter2") for name in names), ("X-Id", "7")])
    assert "hunter2" not in repr(headers)
    assert repr(headers) == "Headers({" + "".join(f"'{name.lower()}': '***', " for name in names) + "'x-id': '7'})"


@pytest.mark.parametrize(
    "name, value", [("X-A", ""), ("x", "a b\tc"), ("!#$%&'*+-.^_`|~09", "~"), ("x", "caf\xe9\xff"), ("x", " ~ ")]
)
def test_good_header(name, value):
    check_header(name, value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "a\r\nb", "é", "a(b", 'a"', "a\0", "a/b", "a@b", "a,b", "ａ"])
def test_bad_header_name(name):
    with pytest.raises(ValueError, match=r"^header name: got .*; expected letters") as caught:
        check_header(name, "hunter2")
    assert "\n" not in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "value",
    [
        "hunter2\n",
        "hunter2\r",
        "hun\r\nter2: x",
        "hunter2\0",
        "hunter2\x7f",
        "hunter2\x1b",
        "hunter2\x85",
        "hunter2\u20ac",
        "hunter2\ud800",
    ],
)
def test_bad_header_value_is_not_shown(value):
    with pytest.raises(ValueError, match=r"^header x-key: got str with a newline, ") as caught:
        check_header("x-key", value)
    assert "hun" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 5, b"hunter2", ["hunter2"]])
def test_header_types(value):
    with pytest.raises(ValueError, match=f"^header x: got {type(value).__name__}; expected a str$"):
        check_header("x", value)
    with pytest.raises(ValueError, match=f"^header name: got {type(value).__name__}; expected a str$"):
        check_header(value, "x")


SECRET = 'sk-place/"höl\\der"+ 1'
SPELLINGS = {
    "plain": SECRET,
    "percent": quote(SECRET, safe=""),
    "percent, slash kept": quote(SECRET),
    "percent, small": "sk-place%2f%22h%c3%b6l%5cder%22%2b%201",
    "form": quote(SECRET, safe="").replace("%20", "+"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64, no padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "json": json.dumps(SECRET)[1:-1],
    "json, unicode": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "json, slash escaped": json.dumps(SECRET)[1:-1].replace("/", "\\/"),
}


@pytest.mark.parametrize("form", SPELLINGS.values(), ids=SPELLINGS)
def test_masked(form):
    assert masked(f"<{form}> {form}|", [SECRET]) == "<***> ***|"


def test_masked_edges():
    assert masked("abc abcd", ["abc"]) == "abc abcd"
    assert masked("abc abcd", ["abcd"]) == "abc ***"
    assert masked("abcdef abcd", ["abcd", "abcdef"]) == "*** ***"
    assert masked("text", []) == "text"
    assert masked("", ["abcd"]) == ""
    assert masked("x\ud800yyy", ["\ud800yyy"]) == "x***"


@given(
    st.text(st.characters(exclude_characters="*"), min_size=4, max_size=12), st.text(max_size=20), st.text(max_size=20)
)
def test_no_secret_survives(secret, before, after):
    for form in (secret, quote(secret.encode("utf-8", "surrogatepass")), json.dumps(secret)):
        assert secret not in masked(before + form + after, [secret])
