"""Lists and objects in forms, as each kind of server reads them."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest

from llmsdk import errors
from llmsdk._call.request.form_fields import form_fields
from llmsdk._call.request.multipart import Form, checked_form, write_form
from llmsdk.providers import Route

ROUTES = {
    "brackets": Route(),
    "bare": Route(form_lists="bare", form_objects="json"),
    "comma": Route(form_lists="comma"),
}


@pytest.mark.parametrize(
    "way, given, made",
    [
        ("brackets", {"a": ["x", 1]}, {"a[]": ["x", 1]}),
        ("bare", {"a": ["x", 1]}, {"a": ["x", 1]}),
        ("comma", {"a": [0.0, 0.2, True]}, {"a": "0.0,0.2,true"}),
        (
            "brackets",
            {"a": {"type": "vad", "deep": {"n": 1}, "l": [2]}},
            {"a[type]": "vad", "a[deep][n]": 1, "a[l][]": [2]},
        ),
        ("bare", {"a": {"type": "vad"}}, {"a": {"type": "vad"}}),
        ("bare", {"a": {}, "b": None}, {"b": None}),
        ("brackets", {"a": [], "b": {"c": None}}, {"a[]": [], "b[c]": None}),
        # What is named twice, once by the parameter and once by the form's own name, is sent twice.
        ("brackets", {"a": ["x"], "a[]": ["y"]}, {"a[]": ["x"], "a[][]": ["y"]}),
        ("brackets", {"a": {"b": [1]}, "a[b]": [2]}, {"a[b][]": [1, 2]}),
        ("brackets", {"a[]": 1, "a": [2]}, {"a[]": [2]}),
    ],
)
def test_fields(way: str, given: dict[str, Any], made: dict[str, Any]) -> None:
    assert form_fields(given, ROUTES[way], {}) == made


@pytest.mark.parametrize(
    "given, place",
    [
        ({"a": [[1]]}, "a[0]"),
        ({"a": ["x", {}]}, "a[1]"),
        ({"a": {"b": ["\ud800"]}}, "a.b[0]"),
        ({"a": {"\ud800": 1}}, "a"),
    ],
)
def test_what_a_form_cannot_hold(given: dict[str, Any], place: str) -> None:
    with pytest.raises(errors.RequestValidationError) as caught:
        form_fields(given, Route(), {})
    assert caught.value.param is not None
    assert caught.value.param.startswith(place)


def parts_of(form: Form) -> list[str]:
    body, kind = write_form(form)
    boundary = kind.partition("boundary=")[2].encode()
    return [part.decode().strip("\r\n") for part in body.split(b"--" + boundary)[1:-1]]


def test_lists_are_repeated_and_objects_a_part_of_json() -> None:
    form = checked_form({"a": ["x", True, None], "b": {"k": "é"}}, {"file": ("a.wav", b"RIFF")}, {}, ROUTES["bare"])
    assert [part.split("\r\n") for part in parts_of(form)] == [
        ['Content-Disposition: form-data; name="a"', "", "x"],
        ['Content-Disposition: form-data; name="a"', "", "true"],
        ['Content-Disposition: form-data; name="file"; filename="a.wav"', "Content-Type: audio/wav", "", "RIFF"],
        ['Content-Disposition: form-data; name="b"', "Content-Type: application/json", "", '{"k":"é"}'],
    ]


def test_a_form_without_a_file() -> None:
    fields = {"url": "https://example.org/a b.mp3", "l": ["x", "y"], "none": None}
    alone = checked_form(fields, {}, {}, Route())
    assert [part.split("\r\n") for part in parts_of(alone)] == [
        ['Content-Disposition: form-data; name="url"', "", "https://example.org/a b.mp3"],
        ['Content-Disposition: form-data; name="l[]"', "", "x"],
        ['Content-Disposition: form-data; name="l[]"', "", "y"],
    ]
    body, kind = write_form(checked_form(fields, {}, {}, Route(form_alone="urlencoded", form_lists="bare")))
    assert kind == "application/x-www-form-urlencoded"
    assert urllib.parse.parse_qsl(body.decode()) == [("url", "https://example.org/a b.mp3"), ("l", "x"), ("l", "y")]
    with_file = checked_form({}, {"file": b"fLaC"}, {}, Route(form_alone="urlencoded"), "upload")
    assert 'filename="upload.flac"\r\nContent-Type: audio/flac' in parts_of(with_file)[0]
