"""Edges of the core that no other test looks at: lengths, chains of causes, halves of a key, queries of both kinds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.flowkit import KEY, play, reply
from core.test_bad_input_lines import CHATTING, refused
from core.test_encode import BASE, CHAT, EDIT, made
from core.test_events import chunk, decoder_of
from core.test_events import play as stream
from llmsdk import errors
from llmsdk._core.auth import KeySource, Secret, Secrets
from llmsdk._core.decode import safe_cause, shown_text
from llmsdk._core.encode import Extras
from llmsdk._core.flow import Received
from llmsdk.operations import all_operations
from llmsdk.providers import OPENAI, TOGETHER
from llmsdk.utils.retries import parse_retry_after

MODELS = all_operations()["listModels"]


def test_a_value_of_the_right_type_that_json_cannot_hold_is_named() -> None:
    place, line = refused(CHAT, OPENAI, {**CHATTING, "metadata": {"a": object()}})
    assert place == "metadata.a"
    assert line.endswith(", got object")


def test_a_query_has_the_callers_own_parts_too() -> None:
    encoded = made(MODELS, TOGETHER, {"dedicated": True}, extras=Extras(query={"own": 1}))
    assert encoded.url == f"{BASE}/models?dedicated=true&own=1"


def test_the_longest_url() -> None:
    room = 65_536 - len(made(MODELS, OPENAI, {}, extras=Extras(query={"a": ""})).url)
    assert len(made(MODELS, OPENAI, {}, extras=Extras(query={"a": "x" * room})).url) == 65_536
    _, line = refused(MODELS, OPENAI, {}, extras=Extras(query={"a": "x" * (room + 1)}))
    assert line == (
        "the URL of models.list would be 65537 characters long; accepted are up to 65536: shorten what goes into the "
        "path and extra_query"
    )


def test_an_empty_list_of_files_is_no_file() -> None:
    given = {"model": "m", "prompt": "p", "image": b"png"}
    place, line = refused(EDIT, OPENAI, {**given, "mask": []})
    assert place == "mask"
    assert line.startswith("mask: ")


def test_what_follows_the_last_blank_of_a_key_is_secret_by_itself() -> None:
    secrets = Secrets()
    header = KeySource(Secret("x"), "{api_key}").header(Secret("Own Scheme sk-placeholder"), secrets)
    assert header.reveal() == "Own Scheme sk-placeholder"
    assert {*secrets} == {"Own Scheme sk-placeholder", "sk-placeholder"}


def test_a_status_of_300_is_no_reply() -> None:
    assert type(play(reply(300))[1]) is errors.SDKDefaultError
    assert isinstance(play(reply(299))[1], Received)


def test_a_cause_anywhere_in_the_chain_that_quotes_a_key_drops_all() -> None:
    for link in ("__cause__", "__context__"):
        top, middle, bottom = OSError("top"), OSError("middle"), OSError(f"saw {KEY}")
        setattr(top, link, middle)
        assert safe_cause(top, [KEY]) is top
        setattr(middle, link, bottom)
        assert safe_cause(top, [KEY]) is None
        assert safe_cause(top, []) is top
    assert safe_cause(None, [KEY]) is None


@pytest.mark.parametrize("length, shown", [(5, KEY[:5]), (6, "***"), (len(KEY) - 1, "***"), (len(KEY), "***")])
def test_half_a_key_at_the_end_is_masked_where_it_is_no_chance(length: int, shown: str) -> None:
    assert shown_text(f"x {KEY[:length]}".encode(), [KEY]) == f"x {shown}"
    assert shown_text(f"x {KEY[:length]}\u00ff".encode("latin-1"), []) == f"x {KEY[:length]}\ufffd"


def test_a_year_of_the_past_century_is_a_hundred_years_back() -> None:
    now = datetime(2060, 3, 4, tzinfo=UTC)
    assert parse_retry_after("Wednesday, 29-Feb-12 00:00:00 GMT", now=now) == 0


def test_html_behind_blanks_is_html() -> None:
    _, error = stream(decoder_of(content_type="text/html"), [b" \n <html>"])
    assert isinstance(error, errors.ResponseValidationError)
    assert error.message == "not a chat reply: the body is HTML (content type text/html)"


def test_letters_before_a_brace_are_a_stream() -> None:
    came, error = stream(decoder_of(content_type=""), [b"X{\n\n" + chunk("a", "stop")])
    assert (len(came), error) == (1, None)
