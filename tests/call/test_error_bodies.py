"""The parts of an error body, wherever a server keeps them, and the status that it stands for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from llmsdk._call.reply.error_bodies import Fields, fields_of, is_error, is_error_instead, states_error, status_of
from llmsdk._call.reply.reasons import reason_in
from llmsdk.providers import OPENAI
from llmsdk.providers.spec import ErrorPaths, Provider
from llmsdk.resources.operations import all_operations
from llmsdk.utils.jsonpaths import MISSING

CHAT = all_operations()["createChatCompletion"]


def parts(document: Any, provider: Provider = OPENAI, secrets: tuple[str, ...] = ()) -> tuple[str | None, ...]:
    return tuple(fields_of(provider, document, secrets))


def nested(levels: int, inner: Any = "deep") -> Any:
    for _ in range(levels):
        inner = {"message": inner}
    return inner


@pytest.mark.parametrize(
    "document, message",
    [
        *[({name: "m"}, "m") for name in ("message", "error", "detail", "errors", "fault", "reason", "msg", "title")],
        *[({name: "m"}, "m") for name in ("error_description", "error_message", "Message", "description", "tpe")],
        *[({"error": {name: "m"}}, "m") for name in ("message", "msg", "error_description", "description", "detail")],
        *[({"error": {name: "m"}}, "m") for name in ("faultstring", "error", "errors", "reason", "title", "text")],
        *[({"error": {name: "m"}}, "m") for name in ("error_message", "Message")],
        ({"error": "kind", "message": "m"}, "m"),
        ({"error": "kind", "error_description": "m", "message": "other"}, "m"),
        ({"error": {"message": "", "detail": "d"}}, "d"),
        ({"error": {"message": "first", "msg": "second"}}, "first"),
        ({"errors": ["a", "b"]}, "a; b"),
        ({"errors": [{"message": "a", "loc": ["body", "x", 0]}, {"message": "b"}]}, "x.0: a; b"),
        ({"errors": [{"message": "a", "loc": ["body", "x"]}]}, "a"),
        ({"errors": [{"message": "a", "loc": ["body"]}, "b", 5, {"loc": 5}]}, "a; b"),
        ({"errors": {"name": ["is bad", "is long"], "n": ["is none"]}}, "name: is bad; is long; n: is none"),
        ({"errors": {"name": ["is bad"], "n": "odd"}}, '{"name": ["is bad"], "n": "odd"}'),
        ({"errors": {"name": []}}, '{"name": []}'),
        ({"errors": {"name": [5]}}, '{"name": [5]}'),
        ({"detail": [{"msg": "bad", "loc": ["body", "model"]}]}, "bad"),
        ({"message": 5}, "5"),
        ({"message": 0.5}, "0.5"),
        ({"message": {"a": "\u00fc"}}, '{"a": "\u00fc"}'),
        ({"message": True, "reason": "r"}, "r"),
        ({"message": True}, None),
        ({"message": []}, None),
        ({"message": ""}, None),
        ({"error": {"code": 5}}, None),
        ({"error": 5}, "5"),
        ({"other": "m"}, None),
        ({"base_resp": {"status_code": 1008, "status_msg": "m"}}, "m"),
        ({"result": [{"fault": {"code": 5, "message": "m"}}, {"message": "n"}]}, "m"),
        ({"detail": {"inner": {"message": "m"}}}, "m"),
        ({"result": {"message": ["no text"]}, "message": {"a": 1}}, '{"a": 1}'),
        ("text", "text"),
        (["a", {"message": "b"}], "a; b"),
        ([{"error": {"message": "m"}}], "m"),
        ([], None),
        ("", None),
        (5, None),
        (None, None),
        (MISSING, None),
        (nested(7), "deep"),
        ({"message": ["x"] * 30}, "; ".join(["x"] * 20)),
        ({"errors": {str(number): ["x"] for number in range(30)}}, "; ".join(f"{number}: x" for number in range(20))),
    ],
)
def test_what_is_meant_to_be_read(document: Any, message: str | None) -> None:
    assert parts(document)[0] == message


def test_a_text_is_found_however_deep_it_is() -> None:
    assert parts(nested(7))[0] == parts(nested(199))[0] == "deep"  # JSON that is deeper is not read at all
    assert parts({"message": [[[[[["deep"]]]]]]})[0] == "deep"
    assert parts({"message": [[[[[[["deep"]]]]]]]})[0] != "deep"


@pytest.mark.parametrize(
    "document, code, kind, param",
    [
        ({"error": {"code": "c", "type": "t", "param": "p"}}, "c", "t", "p"),
        ({"code": "c", "type": "t", "param": "p"}, "c", "t", "p"),
        ({"errors": [{"code": "c", "param": "p"}]}, "c", None, "p"),
        ({"errors": [{"key": "k"}], "tpe": "t"}, "k", "t", None),
        ({"error_code": 7, "error_type": "t"}, "7", "t", None),
        ({"error": {"error_type": "t", "code": None}}, None, "t", None),
        ({"fault": {"detail": {"errorcode": "c"}}}, "c", None, None),
        ({"detail": [{"type": "t", "loc": ["body", "messages", 0, "role"]}]}, None, "t", "messages.0.role"),
        ({"detail": [{"loc": ["body"]}]}, None, None, None),
        ({"detail": [{"loc": "body"}]}, None, None, None),
        ({"error": {"code": {"a": 1}, "type": [], "param": True}}, '{"a": 1}', None, None),
        ([{"error": {"code": "c"}}], "c", None, None),
        (MISSING, None, None, None),
        ("text", None, None, None),
    ],
)
def test_code_type_and_parameter(document: Any, code: str | None, kind: str | None, param: str | None) -> None:
    assert parts(document)[1:] == (code, kind, param)


def test_a_dialects_own_places_come_first() -> None:
    paths = ErrorPaths(message=("$.own.m",), code=("$.own.c",), type=("$.own.t",), param=("$.own.p",))
    own = Provider(name="own", routes={}, error=paths)
    document = {
        "own": {"m": "1", "c": "2", "t": "3", "p": "4"},
        "error": {"message": "m", "code": "c", "type": "t", "param": "p"},
    }
    assert parts(document, own) == ("1", "2", "3", "4")
    assert parts(document) == ("m", "c", "t", "p")


def test_secrets_are_masked_in_every_part() -> None:
    secret = "sk-placeholder"
    document = {"error": {"message": f"m {secret}", "code": secret, "type": secret, "param": secret}}
    assert parts(document, secrets=(secret,)) == ("m ***", "***", "***", "***")
    assert parts({"detail": [{"loc": ["body", secret]}]}, secrets=(secret,))[3] == "***"


NONE = Fields(None, None, None, None)


@pytest.mark.parametrize(
    "document, status",
    [
        *[({"error": {name: 418}}, 418) for name in ("http_status", "status_code", "statusCode", "status")],
        *[({name: "503"}, 503) for name in ("http_status", "status_code", "statusCode", "status")],
        *[({"errors": [{name: 400}]}, 400) for name in ("http_status", "status_code", "statusCode", "status")],
        *[({"detail": {name: 599}}, 599) for name in ("http_status", "status_code", "statusCode", "status")],
        ({"error": 503}, 503),
        ({"status": 503.0}, 503),
        ({"status": "503.5"}, None),
        ({"status": 200}, None),
        ({"status": 399}, None),
        ({"status": 600}, None),
        ({"status": 5030}, None),
        ({"status": True}, None),
        ({"error": {"status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"error": {"status": 418}, "status": 503}, 418),
        ([{"status": 503}], 503),
        ({}, None),
        ("text", None),
    ],
)
def test_the_status_that_a_document_names(document: Any, status: int | None) -> None:
    assert status_of(OPENAI, document, NONE) == status


def test_the_status_that_its_words_stand_for() -> None:
    own = Provider(name="own", routes={}, error_statuses={"ownkind": 451, "timeout": 408})
    for code, kind, status in (
        ("429", None, 429),
        ("rate_limit_exceeded", None, 429),
        ("Rate Limit-Exceeded!", "timeout", 429),
        ("unknown", "invalid_request_error", 400),
        (None, "own_kind", 451),
        ("timeout", None, 408),
        ("unknown", None, None),
    ):
        assert status_of(own, {}, Fields(None, code, kind, None)) == status
    assert status_of(OPENAI, {}, Fields(None, "timeout", None, None)) == 504
    assert status_of(OPENAI, {"status": 503}, Fields(None, "429", None, None)) == 429
    assert status_of(OPENAI, {"status": 503}, Fields(None, "timeout", None, None)) == 503


def test_what_is_an_error() -> None:
    own = Provider(name="own", routes={}, error=ErrorPaths(marks=("tpe", "fault")))
    for document, is_one in (
        ({"error": {"message": "m"}}, True),
        ({"error": "m"}, True),
        ({"error": None}, False),
        ({"error": {}}, False),
        ({"object": "error"}, True),
        ({"object": "list"}, False),
        ([{"error": "m"}], True),
        ([], False),
        (["error"], False),
        ("error", False),
        (None, False),
        (MISSING, False),
    ):
        assert is_error(OPENAI, document) is is_one, document
    assert [is_error(own, document) for document in ({"fault": 1}, {"tpe": "x"}, {"error": 1})] == [True, True, False]


def test_an_error_that_was_read_as_a_reply() -> None:
    for extra, kind, is_one in (
        ({"error": {"message": "m"}}, None, True),
        ({"message": "m"}, "error", True),
        ({}, "error", False),
        (None, "error", False),
        ({"more": 1}, "chat.completion", False),
        ({"error": None}, None, False),
    ):
        model = SimpleNamespace(model_extra=extra, object=kind)
        assert states_error(OPENAI, model) is is_one, extra
    assert states_error(OPENAI, SimpleNamespace(model_extra={"error": "m"}))


def test_an_error_that_nothing_marks() -> None:
    for document, is_one in (
        *[({name: "m"}, True) for name in ("errors", "fault", "detail", "message")],
        ({"detail": [{"msg": "m"}]}, True),
        ({"message": "m", "choices": None}, False),
        ({"message": ""}, False),
        ({"other": "m"}, False),
        ({}, False),
        ([{"message": "m"}], False),
        ("m", False),
        (MISSING, False),
    ):
        assert is_error_instead(CHAT, document) is is_one, document
    assert not is_error_instead(CHAT, {"message": "m"}, beside={"choices"})
    assert is_error_instead(CHAT, {"message": "m"}, beside={"other"})


@pytest.mark.parametrize("document", [MISSING, None, 5, "down", [], ["down"], {}, {"code": 0, "msg": "OK"}])
def test_what_gives_no_reason(document: Any) -> None:
    assert not reason_in(OPENAI, document)
    assert not reason_in(OPENAI, document, beside_answer=True)


def test_words_of_any_name_are_a_reason_where_no_answer_came() -> None:
    assert reason_in(OPENAI, {"info": "try again later"})
    assert not reason_in(OPENAI, {"info": "try again later"}, beside_answer=True)
