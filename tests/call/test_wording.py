"""The whole text of what the core says when it refuses: a caller reads it, and a search finds it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from call.flowkit import Clock
from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._call.effects import Invoke, Pull, Read, Send, Sleep, TransportFailure
from llmsdk._call.keys import check_key
from llmsdk._call.reply.body import BodyReader
from llmsdk._call.request.encode import Extras, encode
from llmsdk._call.request.multipart import Form
from llmsdk.providers import PROVIDERS, TOGETHER
from llmsdk.resources.operations import all_operations
from llmsdk.utils.plain import NotJson, check_name, check_scalar, misfit, plain
from llmsdk.utils.secrets import Secret, Secrets

OPERATIONS = all_operations()
HELLO = [{"role": "user", "content": "Hi"}]
HALF = "\ud83d"
SCALARS = "strings of valid Unicode, finite numbers, booleans and None"


def said(kind: type[BaseException], call: Callable[[], Any]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


def place_and_text(call: Callable[[], Any]) -> tuple[str | None, str]:
    with pytest.raises(errors.RequestValidationError) as caught:
        call()
    return caught.value.param, str(caught.value)


# --------------------------------------------------------------------- keys


def test_a_secret_says_what_it_is_and_no_more() -> None:
    assert repr(Secret("sk-placeholder")) == "Secret('***')"
    assert said(errors.ConfigurationError, lambda: pickle.dumps(Secret("sk-placeholder"))) == (
        "api_key: a literal key cannot be pickled; leave api_key out and set the environment variable, or pass a "
        "function that can be pickled by its name"
    )
    secrets = Secrets()
    secrets.add(Secret("sk-placeholder"))
    assert repr(secrets) == "<1 secrets>"


@pytest.mark.parametrize(
    "key, text",
    [
        (5, "name: must be a string, got int"),
        (None, "name: must be a string, got NoneType"),
        ("  ", "name: must not be empty or blank"),
        ("a ", "name: has blanks around it; remove them"),
        (
            "a\nb",
            (
                "name: has a newline, a control character or a character outside Latin-1; expected one line of "
                "Latin-1 text"
            ),
        ),
    ],
)
def test_keys_that_are_none(key: Any, text: str) -> None:
    assert said(errors.ConfigurationError, lambda: check_key(Secret(key), "name")) == text


# ------------------------------------------------------------------ effects


def test_effects_are_compared_by_what_they_ask_and_say_it() -> None:
    assert Sleep(1.5) == Sleep(1.5)
    assert Sleep(1.5) != Sleep(2.5)
    assert Send("a", Countdown(1, Clock())) != Send("b", Countdown(1, Clock()))
    assert repr(Sleep(1.5)) == "Sleep(seconds=1.5)"
    shown = "Invoke(function=<built-in function len>, args=('ab',), wrap=None, countdown=None)"
    assert repr(Invoke(len, ("ab",))) == shown
    assert Read("r", 5, Countdown(1, Clock())).truncate is False


def test_what_is_asked_of_a_driver_holds_what_was_given() -> None:
    chunks = iter([b"a"])
    assert Pull(chunks).chunks is chunks
    asked = Invoke(len, ("ab",), wrap=str)
    assert (asked.function, asked.args, asked.wrap) == (len, ("ab",), str)


def test_a_failure_of_transport_has_not_begun_unless_said() -> None:
    failure = TransportFailure("network", "reset")
    assert (failure.kind, str(failure), failure.began, failure.stale, failure.body) == (
        "network",
        "reset",
        False,
        False,
        b"",
    )


def test_the_end_of_a_countdown() -> None:
    assert said(TimeoutError, Countdown(0, Clock()).check) == "the time for this attempt is over"


# ------------------------------------------------------------------- bodies


def test_a_body_that_is_too_large() -> None:
    reader = BodyReader(None, 3)
    with pytest.raises(TransportFailure) as caught:
        reader.feed(b"abcdef")
    failure = caught.value
    assert str(failure) == "the reply is larger than 3 bytes"
    assert (failure.kind, failure.began, failure.stale, failure.body) == ("too large", True, False, b"abc")


@pytest.mark.parametrize(
    "take",
    [
        lambda reader: reader.feed(b"no gzip"),
        lambda reader: list(reader.decoded(b"no gzip")),
        lambda reader: (reader.feed(b"\x1f\x8b\x08\0"), reader.finish()),
    ],
)
def test_a_coding_that_is_broken(take: Callable[[BodyReader], Any]) -> None:
    with pytest.raises(TransportFailure) as caught:
        take(BodyReader("gzip", 100))
    failure = caught.value
    assert (failure.kind, failure.began) == ("coding", True)
    assert failure.body in (b"", b"no gzip")  # a text that was never coded is kept
    assert failure.__cause__ is not None
    assert failure.__cause__.__traceback__ is None
    assert str(failure) == str(failure.__cause__)


# ------------------------------------------------------- what JSON can hold


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 7


class Ratio(float):
    """A float of one's own."""


class Text(str):
    """A string of one's own, whose own text is none of the server's business."""

    __slots__ = ()

    def __str__(self) -> str:
        return "other"


class Moment(BaseModel):
    when: datetime
    note: str = "unset"


class Opaque(BaseModel):
    what: Any


@pytest.mark.parametrize(
    "given, made",
    [
        (Colour.RED, "red"),
        (Size.BIG, 7),
        (Ratio(1.5), 1.5),
        (Text("own"), "own"),
        (MappingProxyType({Text("a"): (1, Size.BIG)}), {"a": [1, 7]}),
        (type("Pair", (tuple,), {})((1, Colour.RED)), [1, "red"]),
        (Moment(when=datetime(2026, 1, 2, tzinfo=UTC)), {"when": "2026-01-02T00:00:00Z", "note": "unset"}),
    ],
)
def test_subclasses_become_what_they_stand_for(given: Any, made: Any) -> None:
    result = plain(given)
    assert result == made
    assert type(result) in (str, int, float, dict, list)
    if isinstance(result, dict):
        assert all(type(name) is str for name in result)


@pytest.mark.parametrize(
    "bad",
    [object(), {1: 2}, {1}, b"x", float("nan"), Ratio("inf"), 1 << 1024, Opaque(what=object()), Opaque(what=b"\xff")],
)
def test_what_json_cannot_hold(bad: Any) -> None:
    with pytest.raises(NotJson):
        plain(bad)


def test_the_largest_numbers_that_json_can_hold() -> None:
    assert plain((1 << 1024) - 1) == (1 << 1024) - 1
    assert misfit(-(1 << 1024), "n").param == "n"


ACCEPTED = (
    "expected strings of valid Unicode, finite numbers, booleans, None, and lists and dicts (with strings as keys) "
    "of these"
)


@pytest.mark.parametrize(
    "value, place, what",
    [
        ({"a": [0, {"b": HALF}]}, "x.a[1].b", "str with a lone surrogate"),
        ({"a": (0, float("nan"))}, "x.a[1]", "float nan"),
        ({"a": {5: 1}}, "x.a", "a key that is int 5"),
        ({"a": {HALF: 1}}, "x.a", "a key with a lone surrogate"),
        ({"a": object()}, "x.a", "object"),
        ({"a": 1 << 1024}, "x.a", "int of 1025 bits"),
        (Opaque(what=object()), "x", "Opaque"),
        (Opaque(what=HALF), "x.what", "str with a lone surrogate"),
        ("fine after all", "x", "str"),
    ],
)
def test_a_misfit_is_named_with_its_place(value: Any, place: str, what: str) -> None:
    error = misfit(value, "x")
    assert str(error) == f"{place}: cannot be written as JSON; {ACCEPTED}, got {what}"
    assert error.param == place


def test_a_circle_is_a_misfit() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert str(misfit(circle, "x")) == (
        f"x: cannot be written as JSON; {ACCEPTED}, got list that is nested too deeply, or holds itself"
    )


@pytest.mark.parametrize("name, shown", [(5, "int 5"), (None, "NoneType"), (HALF, "str")])
def test_names_that_are_none(name: Any, shown: str) -> None:
    place, text = place_and_text(lambda: check_name(name, "extra_query"))
    assert place is not None
    assert place.startswith("extra_query[")
    assert text == f"{place}: names must be strings of valid Unicode, got {shown}"
    check_name("fine", "extra_query")


@pytest.mark.parametrize(
    "value, shown",
    [
        ([1], "list"),
        ({}, "dict"),
        (object(), "object"),
        (float("inf"), "float inf"),
        (HALF, "str with a lone surrogate"),
    ],
)
def test_scalars_that_are_none(value: Any, shown: str) -> None:
    assert place_and_text(lambda: check_scalar(value, "a", "b", 0, accepted="some")) == (
        "a.b[0]",
        f"a.b[0]: expected some, got {shown}",
    )
    for fine in (None, True, 5, 0.5, "text"):
        check_scalar(fine, "a", accepted="some")


# ----------------------------------------------------------------- requests


def made(operation: str, params: dict[str, Any], **extras: Any) -> Any:
    return encode(
        OPERATIONS[operation],
        TOGETHER if operation != "editImage" else PROVIDERS["openai"],
        params,
        base_url="https://host.example/v1",
        url_params={},
        providers=PROVIDERS,
        extras=Extras(**extras),
    )


@pytest.mark.parametrize(
    "query, place, text",
    [
        ({5: 1}, "extra_query[5]", "names must be strings of valid Unicode, got int 5"),
        ({"a": {}}, "extra_query.a", f"expected {SCALARS}, or lists of these, got dict"),
        ({"a": [1, {}]}, "extra_query.a[1]", f"expected {SCALARS}, got dict"),
        ({"a": HALF}, "extra_query.a", f"expected {SCALARS}, or lists of these, got str with a lone surrogate"),
    ],
)
def test_queries_that_are_none(query: Any, place: str, text: str) -> None:
    assert place_and_text(lambda: made("listModels", {}, query=query)) == (place, f"{place}: {text}")


def test_queries() -> None:
    encoded = made("listModels", {}, query={Text("a"): [1, Colour.RED], "b": Size.BIG})
    assert encoded.url == "https://host.example/v1/models?a=1&a=red&b=7"


def test_an_extra_field_of_a_form_that_is_none() -> None:
    given = {"model": "m", "prompt": "p", "image": b"png"}
    assert place_and_text(lambda: made("editImage", given, body={"a": [1, [2]]})) == (
        "extra_body.a[1]",
        f"extra_body.a[1]: expected {SCALARS} in a form, and lists and dicts of these, got list",
    )
    assert place_and_text(lambda: made("editImage", given, body={5: 1})) == (
        "extra_body",
        f"extra_body: cannot be written as JSON; {ACCEPTED}, got a key that is int 5",
    )


def test_a_bodiless_request_has_no_extra_body() -> None:
    assert place_and_text(lambda: made("listModels", {}, body={"a": 1})) == (
        "extra_body",
        "extra_body: models.list sends no body; extra_query goes into the URL",
    )


@pytest.mark.parametrize(
    "image, place, line",
    [
        (b"", "image", "required by images.edit on server 'openai', but it is empty"),
        ([], "image", "required by images.edit on server 'openai', but it is empty"),
        ([b"a", b""], "image[1]", "must be a file, but it is empty"),
        (("a.png", b""), "image", "must be a file, but it is empty"),
        ([("a.png", b"a"), ("b.png", b"")], "image[1]", "must be a file, but it is empty"),
        ((HALF, b"a"), "image[str]", "names must be strings of valid Unicode, got str"),
        ([b"a", (HALF, b"a")], "image[1][str]", "names must be strings of valid Unicode, got str"),
    ],
)
def test_files_that_are_none(image: Any, place: str, line: str) -> None:
    where, said = place_and_text(lambda: made("editImage", {"model": "m", "prompt": "p", "image": image}))
    assert where is not None
    assert where.partition("[")[0] == place.partition("[")[0]
    if "str" not in place:
        assert where == place
    else:
        assert where.startswith(place.removesuffix("[str]"))
    assert said == f"{where}: {line}"


@pytest.mark.parametrize("image", [b"a", [b"a"], ("a.png", b"a"), [("a.png", b"a"), b"b"]])
def test_files(image: Any) -> None:
    encoded = made("editImage", {"model": "m", "prompt": "p", "image": image, "n": 2}, body={"own": "x"})
    assert isinstance(encoded.body, Form)
    assert encoded.body.files == {"image": image}
    assert encoded.body.fields == {"model": "m", "prompt": "p", "n": 2, "own": "x"}


def test_half_a_character_is_named_where_it_is() -> None:
    given = {"model": HALF, "messages": HELLO}
    assert place_and_text(lambda: made("createChatCompletion", given)) == (
        "model",
        f"model: cannot be written as JSON; {ACCEPTED}, got str with a lone surrogate",
    )
    body = {"own": {"a": [HALF]}}
    assert place_and_text(lambda: made("createChatCompletion", {**given, "model": "m"}, body=body)) == (
        "extra_body.own.a[0]",
        f"extra_body.own.a[0]: cannot be written as JSON; {ACCEPTED}, got str with a lone surrogate",
    )
    place, _ = place_and_text(lambda: made("createChatCompletion", {**given, "model": "m"}, body={HALF: 1}))
    assert place == "extra_body"


def test_a_form_names_its_own_fields_and_those_of_the_caller() -> None:
    given = {"model": "m", "prompt": HALF, "image": b"png"}
    assert place_and_text(lambda: made("editImage", given)) == (
        "prompt",
        f"prompt: expected {SCALARS} in a form, and lists and dicts of these, got str with a lone surrogate",
    )
    place, _ = place_and_text(lambda: made("editImage", {**given, "prompt": "p"}, body={HALF: 1}))
    assert place is not None
    assert place.startswith("extra_body[")


def test_numbers_that_json_has_no_word_for_stay_what_they_are() -> None:
    with pytest.raises(NotJson):
        plain(float("inf"))
    assert misfit({"a": [1, {"b": (1 << 1024) - 1}]}, "x").param == "x"


def test_a_model_that_has_odd_values_is_written_without_a_warning() -> None:
    odd = Moment.model_construct(when="yesterday", note=5)
    assert plain(odd) == {"when": "yesterday", "note": 5}
