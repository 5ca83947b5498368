"""Edges of the core that no other test looks at: lengths, chains of causes, halves of a key, queries of both kinds."""

from __future__ import annotations

import builtins
import gzip
from datetime import UTC, datetime
from traceback import walk_tb
from types import FunctionType
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic_core import SchemaValidator

from call.flowkit import KEY, play, reply
from call.test_bad_input_lines import CHATTING, refused
from call.test_encode import BASE, CHAT, EDIT, made
from call.test_events import chunk, decoder_of
from call.test_events import play as stream
from llmsdk import errors
from llmsdk._call.adapters import reader
from llmsdk._call.effects import Invoke, TransportFailure
from llmsdk._call.keys import KeySource, check_key
from llmsdk._call.reply.body import BodyReader
from llmsdk._call.reply.decode import safe_cause, shown_text, without_secrets
from llmsdk._call.reply.error_bodies import fields_of
from llmsdk._call.request.encode import Extras
from llmsdk._call.state import Received
from llmsdk.providers import OPENAI, TOGETHER
from llmsdk.resources.operations import all_operations
from llmsdk.utils.headers import Headers
from llmsdk.utils.retries import parse_retry_after
from llmsdk.utils.secrets import Secret, Secrets

FILES = all_operations()["listFiles"]
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
    place, line = refused(MODELS, OPENAI, {}, extras=Extras(query={"a": "x" * (room + 1)}))
    assert place == "extra_query"
    assert line == (
        "extra_query: is too long, the URL of models.list would have 65537 characters; expected up to 65536"
    )


@pytest.mark.parametrize("length", [60_000, 70_000])
def test_the_longest_part_of_a_url_is_named(length: int) -> None:
    base = "https://api.together.xyz/" + "x" * 65_000
    given: dict[str, Any] = {"base_url": base, "extras": Extras(query={"a": "y" * length})}
    place, line = refused(MODELS, OPENAI, {}, **given)
    assert place == ("server_url" if length == 60_000 else "extra_query")
    assert line.startswith(f"{place}: is too long, ")
    assert refused(MODELS, OPENAI, {}, base_url=base + "x" * 600)[0] == "server_url"


def test_a_value_of_the_query_that_has_no_spelling_is_named() -> None:
    place, line = refused(FILES, OPENAI, {"purpose": "\ud800"})
    assert place == "purpose"
    accepted = "strings of valid Unicode, finite numbers, booleans and None"
    assert line == f"purpose: expected {accepted}, got str with a lone surrogate"


def test_a_file_without_a_name_is_refused() -> None:
    given = {"model": "m", "prompt": "p"}
    assert refused(EDIT, OPENAI, {**given, "image": ("", b"x")}) == (
        "image",
        "image: must have a name, but it is empty",
    )
    two = {**given, "image": [b"x", ("", b"x")]}
    assert refused(EDIT, OPENAI, two) == ("image[1]", "image[1]: must have a name, but it is empty")


def test_an_empty_list_of_files_is_no_file() -> None:
    given = {"model": "m", "prompt": "p", "image": b"png"}
    place, line = refused(EDIT, OPENAI, {**given, "mask": []})
    assert place == "mask"
    assert line.startswith("mask: ")


def test_what_follows_the_last_blank_of_a_key_is_secret_by_itself() -> None:
    key, secrets = Secret("Own Scheme sk-placeholder"), Secrets()
    assert KeySource(key).header.reveal() == "Own Scheme sk-placeholder"  # type: ignore[union-attr]  # it is a literal
    flow = KeySource(lambda: "", "{api_key}").ask(secrets)
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(key)
    assert stop.value.value.reveal() == "Own Scheme sk-placeholder"
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
    now = datetime(2026, 3, 4, tzinfo=UTC)
    assert parse_retry_after("Friday, 29-Feb-80 00:00:00 GMT", now=now) == 0  # there was none in 1979


def test_html_behind_blanks_is_html() -> None:
    _, error = stream(decoder_of(content_type="text/html"), [b" \n <html>"])
    assert isinstance(error, errors.ResponseValidationError)
    assert error.message == "not a chat reply: the body is HTML (content type text/html)"


def test_letters_before_a_brace_are_a_stream() -> None:
    came, error = stream(decoder_of(content_type=""), [b"X{\n\n" + chunk("a", "stop")])
    assert (len(came), error) == (1, None)


@pytest.mark.parametrize("key", ["a~b", "a\xa0b", "a\xffb", "a b", "~", "\xff"])
def test_the_first_and_last_characters_of_a_key(key: str) -> None:
    assert check_key(Secret(key), "api_key").reveal() == key


def test_a_function_that_gives_no_key_is_named() -> None:
    flow = KeySource(lambda: "").ask(Secrets())
    effect = next(flow)
    assert isinstance(effect, Invoke)
    with pytest.raises(errors.ConfigurationError) as caught:
        flow.send(Secret(""))
    assert str(caught.value) == "api_key (from the function): must not be empty or blank"


def test_a_body_whose_coding_breaks_in_a_later_piece_keeps_the_pieces_before() -> None:
    raw = gzip.compress(b"abc" * 1_000)
    broken = BodyReader("gzip", 10**6)
    broken.feed(raw[:-8])
    with pytest.raises(TransportFailure) as caught:
        broken.feed(bytes(8))
    assert caught.value.body == b"abc" * 1_000


def test_a_model_that_puts_off_its_validator_gets_one() -> None:
    class Late(BaseModel):
        model_config = ConfigDict(defer_build=True)
        number: int

    assert not Late.__pydantic_complete__
    validator = reader(Late)
    assert isinstance(validator, SchemaValidator)
    assert validator.validate_json(b'{"number": 5}').number == 5
    assert reader(Late) is validator


def test_the_id_of_a_request_stays_what_it_was_but_for_a_secret() -> None:
    for given, left in ((None, None), ("r-1", "r-1"), (f"r {KEY}", "r ***")):
        meta = errors.ReplyMeta("together", 200, Headers({"x-echo": KEY}), request_id=given)
        assert without_secrets(meta, [KEY]).request_id == left
        assert meta.headers["x-echo"] == "***"


def test_the_fields_of_an_error_are_not_told_to_any_depth() -> None:
    told: list[object] = ["x"]
    for _ in range(20):
        told = ["x", {"field": told}]
    message, *_ = fields_of(OPENAI, {"errors": {"field": told}}, ())
    assert message is not None
    assert 5 <= message.count("x") < 10


def _sends(request: str) -> None:
    raise OSError("broken")


def test_only_the_frames_that_sent_a_request_lose_their_locals() -> None:
    def application(own: str) -> None:
        raise LookupError(own)

    transport = FunctionType(_sends.__code__, {"__name__": "httpcore._sync.http11", "__builtins__": builtins})
    caught: BaseException | None = None
    try:
        application("kept")
    except LookupError:  # what the application handles while it calls is in the chain as well
        try:
            transport("forgotten")
        except OSError as exc:
            caught = exc
    assert caught is not None
    assert caught.__traceback__ is not None
    caught.__traceback__ = caught.__traceback__.tb_next  # it begins where a frame of the package catches it
    assert safe_cause(caught, []) is caught
    assert caught.__context__ is not None
    seen = {name: value for link in (caught, caught.__context__) for name, value in _locals_below(link).items()}
    assert seen == {"own": "kept"}


def _catches(check: Any) -> Any:
    try:
        raise OSError("broken")
    except OSError as exc:
        return check(exc)


@pytest.mark.parametrize("name", [{"__name__": "httpcore"}, {}], ids=["at-work", "nameless"])
def test_a_frame_that_is_still_at_work_or_has_no_name_is_left_alone(name: dict[str, str]) -> None:
    catches = FunctionType(_catches.__code__, {**name, "__builtins__": builtins})
    assert catches(lambda error: safe_cause(error, []) is error) is True


def _locals_below(error: BaseException) -> dict[str, Any]:
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return frames[-1].f_locals
