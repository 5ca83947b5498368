"""What a stream's decoder says when it refuses, whole; and the exact places of its bounds."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from call.flowkit import KEY
from call.test_events import CHAT, COMPLETION, DONE, TEXT, chunk, decoder_of, play
from llmsdk import errors
from llmsdk._call.reply.decode import MAX_ERROR_BODY
from llmsdk._call.stream.events import EventDecoder
from llmsdk.providers import OPENAI, WRITER_V1
from llmsdk.providers.spec import Provider, Route
from llmsdk.resources.operations import all_operations
from llmsdk.utils.headers import Headers


def refused(decoder: EventDecoder, *pieces: bytes, events: int = 0) -> Any:
    came, error = play(decoder, list(pieces))
    assert len(came) == events
    assert isinstance(error, errors.RemoteError), repr(error)
    return error


def invalid(decoder: EventDecoder, *pieces: bytes, line: str, body: str | None, events: int = 0) -> Any:
    error = refused(decoder, *pieces, events=events)
    assert type(error) is errors.ResponseValidationError
    assert error.message == line
    if body is not None:
        assert error.body == body
    assert error.status_code == 200
    assert error.meta is not None
    assert error.meta.server == "openai"
    assert error.__cause__ is None
    return error


def event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


# --------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    "data, steps",
    [
        (b"5", []),
        (b"[]", []),
        (b'{"choices": 5}', ["choices"]),
        (b'{"choices": [5]}', ["choices", "0"]),
        (b'{"choices": [{"index": 0, "delta": 5}]}', ["choices", "0", "delta"]),
    ],
)
def test_an_event_of_another_shape(data: bytes, steps: list[str]) -> None:
    for padded in (data, data + b" " * 80):  # a long one is read by a shorter way
        came, error = play(decoder_of(), [event(padded)])
        assert (came, type(error)) == ([], errors.ResponseValidationError)
        line, _, place = str(error).partition(", at ")
        assert line == "an event is not what was asked for"
        assert [step for step in place.split(".") if step] == steps
        assert ", at" not in str(error) or steps
        assert error.body == padded.decode()  # type: ignore[union-attr]  # its type is checked above


def test_an_event_that_is_not_json() -> None:
    words = b"\xff no JSON " + KEY.encode()
    text = "\ufffd no JSON ***"
    invalid(decoder_of(), chunk("a"), event(words), line="an event is not valid JSON", body=text, events=1)
    huge = b"x" * (MAX_ERROR_BODY + 9)
    decoder = decoder_of(max_event_bytes=1 << 22, max_response_bytes=1 << 23)
    invalid(decoder, event(huge), line="an event is not valid JSON", body="x" * MAX_ERROR_BODY)


def test_a_key_in_the_headers_of_a_stream_is_masked() -> None:
    decoder = decoder_of()
    decoder._meta.headers = type(decoder._meta.headers)({"content-type": "text/event-stream", "x-echo": KEY})
    error = refused(decoder, event(b"words"))
    assert error.headers["x-echo"] == "***"
    decoder = decoder_of()
    decoder._meta.headers = type(decoder._meta.headers)({"content-type": "text/event-stream", "x-echo": KEY})
    error = refused(decoder, chunk("a"), events=1)
    assert type(error) is errors.StreamInterruptedError
    assert error.headers["x-echo"] == "***"


def test_a_stream_that_was_cut() -> None:
    error = refused(decoder_of(), chunk("a"), events=1)
    assert type(error) is errors.StreamInterruptedError
    assert error.message == "the stream ended without finish reason and without end mark"
    assert error.reason == "truncated"
    assert error.meta is not None
    assert error.meta.server == "openai"


def test_a_route_whose_streams_may_just_end() -> None:
    route = Route(ends_with_connection=True)
    provider = Provider(name="own", routes={"createChatCompletion": route})
    events, error = play(decoder_of(provider), [chunk("a")])
    assert (len(events), error) == (1, None)


def test_a_body_that_is_no_event_stream() -> None:
    decoder = decoder_of(content_type="")
    invalid(decoder, b"\xff", line="the body is not an event stream", body="\ufffd")
    decoder = decoder_of(content_type="")
    invalid(decoder, b" \r\n", line="the body is not an event stream", body=" \r\n")
    assert play(decoder_of(), [b" \r\n", chunk("a", "stop")])[1] is None


def test_an_operation_that_does_not_stream() -> None:
    with pytest.raises(AssertionError, match=r"^listModels does not stream$"):
        decoder_of(operation=all_operations()["listModels"])
    for missing in ("chunk", "accumulator"):
        half = CHAT.__replace__(**{missing: None})
        with pytest.raises(AssertionError, match=r"^createChatCompletion does not stream$"):
            decoder_of(operation=half)
    no_maker = CHAT.__replace__(as_chunk=None)
    decoder = decoder_of(operation=no_maker, content_type="")
    list(decoder.feed(TEXT.encode()))
    with pytest.raises(AssertionError, match=r"^createChatCompletion has no chunk to make$"):
        list(decoder.end())


@pytest.mark.parametrize(
    "data, message",
    [(b"words \xff", "words \ufffd"), (b'{"message": "m"}', "m"), (b'{"error": {"message": "m"}}', "m")],
)
def test_an_event_named_error(data: bytes, message: str) -> None:
    for name in (b"error", b"  error"):
        raw = b"event:" + name + b"\n" + event(data)
        came, error = play(decoder_of(), [raw, DONE])
        if name == b"error":
            assert isinstance(error, errors.APIStatusError)
            assert error.message == message
            assert came == []


def test_an_error_in_a_long_event_and_in_a_short_one() -> None:
    for padding in ("", " " * 80):
        data = b'{"error": {"message": "m", "code": 503}}' + padding.encode()
        error = refused(decoder_of(), event(data))
        assert type(error) is errors.ServiceUnavailableError
        assert (error.message, error.meta.server) == ("m", "openai")
        odd = b'{"error": {"message": "m", "code": 503}, "choices": 5}' + padding.encode()
        assert type(refused(decoder_of(), event(odd))) is errors.ServiceUnavailableError


def test_a_choice_that_failed() -> None:
    broken = chunk("a", error={"message": "m", "code": 502})
    error = refused(decoder_of(), broken, DONE, events=1)
    assert (type(error), error.message, error.meta.server) == (errors.BadGatewayError, "m", "openai")


# -------------------------------------------------------------------- bounds


def test_the_bound_of_a_stream() -> None:
    whole = chunk("a", "stop")
    assert play(decoder_of(max_response_bytes=len(whole)), [whole])[1] is None
    line = f"the stream is larger than {len(whole) - 1} bytes"
    invalid(decoder_of(max_response_bytes=len(whole) - 1), whole, line=line, body="")
    twice = len(whole) * 2
    assert play(decoder_of(max_response_bytes=twice), [whole, whole])[1] is None
    line = f"the stream is larger than {twice - 1} bytes"
    invalid(decoder_of(max_response_bytes=twice - 1), whole, whole, line=line, body="", events=1)


def test_the_bound_of_an_event() -> None:
    line = "an event is larger than 100 bytes"
    invalid(decoder_of(max_event_bytes=100), event(b"x" * 200), line=line, body=None)
    first = b"data: " + b"y" * 60 + b"\n"
    invalid(decoder_of(max_event_bytes=100), first, b"data: " + b"x" * 60, line=line, body=None)
    # The bound passed behind a whole event is told at the end.
    raw = chunk("a") + b"data: " + b"x" * 200
    invalid(
        decoder_of(max_event_bytes=len(chunk("a"))),
        raw,
        line=f"an event is larger than {len(chunk('a'))} bytes",
        body=None,
        events=1,
    )


@pytest.mark.parametrize("size, is_mark", [(6, True), (64, True), (65, False)])
def test_how_long_an_end_mark_may_be(size: int, is_mark: bool) -> None:
    mark = b"[DONE]" + b" " * (size - 6)
    decoder = decoder_of()
    came, error = play(decoder, [chunk("a", "stop"), event(mark), event(b"never read")])
    if is_mark:
        assert (len(came), error, decoder.done) == (1, None, True)
    else:
        assert isinstance(error, errors.ResponseValidationError)
        assert not decoder.done
    # The same without the blank line that would have ended it.
    decoder = decoder_of()
    _, error = play(decoder, [chunk("a"), b"data: " + mark])
    assert (error is None) is is_mark
    assert decoder.done is is_mark


def test_what_says_nothing_does_not_end_the_reading() -> None:
    quiet = (b"event: ping\ndata: {}\n\n", event(b""), event(b"  "), b"data\n\n", b": comment\n\n")
    for one in quiet:
        came, error = play(decoder_of(), [chunk("a"), one, chunk("b", "stop")])
        assert (len(came), error) == (2, None)


def test_an_event_of_another_name_is_an_event() -> None:
    raw = b"event: completion.chunk\n" + chunk("a", "stop")
    came, error = play(decoder_of(), [raw])
    assert ([one.text for one in came], error) == (["a"], None)


def test_feeding_says_whether_there_were_events() -> None:
    decoder = decoder_of()

    def fed(raw: bytes) -> Any:
        feeding = decoder.feed(raw)
        while True:
            try:
                next(feeding)
            except StopIteration as stop:
                return stop.value

    assert [fed(raw) for raw in (chunk("a"), b": nothing\n\n", chunk("a") + DONE, b"")] == [True, False, True, False]


# ------------------------------------------------------------- other bodies


@pytest.mark.parametrize("start", [b"{", b"[", b"<", b"\0x", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf{"])
def test_starts_of_bodies_that_are_no_stream(start: bytes) -> None:
    for pieces in ([start + b" not JSON"], [start[:1], start[1:] + b" not JSON"]):
        _, error = play(decoder_of(content_type=""), pieces)
        assert type(error) is errors.ResponseValidationError
        assert error.message.startswith("not a chat reply: ")


@pytest.mark.parametrize("start", [b"data", b":", b"\n", b"x", b"\xef\xbb\xbf", b"\xff\xff"])
def test_starts_of_bodies_that_are_streams(start: bytes) -> None:
    raw = start + b"\n\n" + chunk("a", "stop")
    came, error = play(decoder_of(content_type=""), [raw])
    assert (len(came), error) == (1, None)
    came, error = play(decoder_of(content_type=""), [raw[at : at + 1] for at in range(len(raw))])
    assert (len(came), error) == (1, None)


def test_the_content_type_that_is_a_stream_is_not_looked_at_again() -> None:
    for content_type in ("text/event-stream", "TEXT/Event-Stream; charset=utf-8"):
        decoder = decoder_of(content_type=content_type)
        _, error = play(decoder, [b"<html>\n\n", chunk("a", "stop")])
        assert error is None
    decoder = decoder_of(content_type="text/html")
    invalid(
        decoder,
        b"<html>",
        line="not a chat reply: the body is HTML (content type text/html)",
        body="<html>",
    )
    decoder = decoder_of(content_type="")
    invalid(
        decoder,
        b"{x",
        line="not a chat reply: the body is not valid JSON (content type not given)",
        body="{x",
    )


def test_blanks_before_a_stream_are_kept_up_to_a_bound() -> None:
    blanks = b" " * ((1 << 16) - 1)
    decoder = decoder_of(content_type="")
    assert list(decoder.feed(blanks)) == []
    assert decoder._head == blanks
    list(decoder.feed(b" "))
    assert decoder._head == b""
    assert play(decoder_of(content_type=""), [blanks, b"\n\n" + chunk("a", "stop")])[1] is None
    decoder = decoder_of(content_type="", max_event_bytes=1 << 20)
    came, error = play(decoder, [blanks, TEXT.encode()])
    assert (len(came), error) == (1, None)


def test_json_that_calls_itself_a_stream() -> None:
    decoder = decoder_of()
    came, error = play(decoder, [TEXT[:5].encode(), TEXT[5:].encode()])
    assert ([one.text for one in came], error, decoder.done) == (["h\u00fc"], None, True)
    error = refused(decoder_of(), b'{"error": {"message": "m", "code": 429}}')
    assert (type(error), error.message) == (errors.RateLimitError, "m")
    assert error.meta.server == "openai"
    # Once an event has come, nothing else is taken for a reply.
    error = refused(decoder_of(), chunk("a"), TEXT.encode(), events=1)
    assert type(error) is errors.StreamInterruptedError
    error = refused(decoder_of(), b'[{"error": {"message": "m", "code": 429}}]')
    assert (type(error), error.message) == (errors.RateLimitError, "m")
    for words in (b"[1]", b"words", b"{x"):
        assert type(refused(decoder_of(), words)) is errors.StreamInterruptedError


def test_json_that_calls_itself_a_stream_is_kept_up_to_a_bound() -> None:
    padded = TEXT.encode() + b" " * (1 << 16)
    came, error = play(decoder_of(), [padded])
    assert (len(came), error) == (1, None)
    decoder = decoder_of()
    came, error = play(decoder, [padded, b" ", b" "])
    assert type(error) is errors.StreamInterruptedError
    full = TEXT.encode().ljust(1 << 16)
    assert play(decoder_of(), [full, b" "])[1] is None
    assert type(play(decoder_of(), [full + b" ", b" "])[1]) is errors.StreamInterruptedError


def test_a_whole_reply_behind_a_coding() -> None:
    decoder = decoder_of(content_type="application/json", coding="gzip", max_response_bytes=10_000)
    came, error = play(decoder, [gzip.compress(TEXT.encode())])
    assert ([one.text for one in came], error) == (["h\u00fc"], None)
    assert list(decoder.secrets) == [KEY]
    long = json.dumps({"id": "a", "choices": [{"index": 0, "message": {"content": "x" * 500_000}}]}).encode()
    came, error = play(decoder_of(content_type="application/json", coding="gzip"), [gzip.compress(long)])
    assert ([len(one.text) for one in came], error) == ([500_000], None)


def test_a_mapped_dialect_reads_what_is_short_and_what_is_long() -> None:
    for text in ("a", "a" * 100):
        raw = event(b'{"value": "' + text.encode() + b'"}')
        came, _ = play(decoder_of(WRITER_V1, COMPLETION), [raw])
        assert [one.text for one in came] == [text]
    broken = event(b'{"value": "\xff' + b"a" * 100 + b'"}')
    came, _ = play(decoder_of(WRITER_V1, COMPLETION), [broken])
    assert came[0].text == "\ufffd" + "a" * 100
    came, _ = play(decoder_of(OPENAI), [event(b'{"choices": [{"index": 0, "delta": {"content": "\xff"}}]}')])
    assert came[0].text == "\ufffd"


def test_a_mapped_dialect_whose_events_read_like_ours() -> None:
    own = Provider(name="own", routes={"createChatCompletion": Route(event={"$.model": "$.engine"})})
    for text in ("a", "a" * 100):
        raw = event(b'{"engine": "e1", "choices": [{"index": 0, "delta": {"content": "%b"}}]}' % text.encode())
        came, _ = play(decoder_of(own), [raw, raw])  # the second goes the shorter way
        assert [(one.model, one.text) for one in came] == [("e1", text)] * 2


@pytest.mark.parametrize("path", ["counts", "meter.counts", "meter.chat.counts"])
def test_what_few_events_hold_is_found_at_any_depth(path: str) -> None:
    document: Any = {"total_tokens": 7}
    for step in reversed(path.split(".")):
        document = {step: document}
    own = Provider(name="own", routes={"createChatCompletion": Route(rare_event={"$.usage": f"$.{path}"})})
    came, _ = play(decoder_of(own), [event(json.dumps({"choices": [], **document}).encode()), chunk("a", "stop")])
    assert [one.usage and one.usage.total_tokens for one in came] == [7, None]


@pytest.mark.parametrize("data", [b'{"id": "a", "colour": "red"}', b'{"id": "a", "choices": []}'])
def test_an_event_without_result_is_not_taken_for_a_complaint(data: bytes) -> None:
    came, error = play(decoder_of(), [event(data), DONE])
    assert (len(came), error) == (1, None)


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"retry-after": "7"}, 7.0),
        ({"Retry-After-Ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "soon"}, None),
    ],
)
@pytest.mark.parametrize("data", [b'{"error": {"message": "busy", "code": 429}}', b'{"error": {"type": "no_kind"}}'])
def test_an_error_inside_says_what_the_headers_know_of_the_wait(headers: Any, seconds: Any, data: bytes) -> None:
    for raw in (chunk("Hel") + event(data), event(data), data):
        decoder = decoder_of()
        decoder._meta.headers = Headers(headers)
        error = play(decoder, [raw])[1]
        assert isinstance(error, errors.APIStatusError)
        assert error.retry_after_s == seconds


def test_a_date_to_wait_for_is_measured_from_now() -> None:
    decoder = decoder_of()
    decoder._meta.headers = Headers(
        {"retry-after": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
    )
    error: Any = play(decoder, [event(b'{"error": {"code": 503}}')])[1]
    assert error.retry_after_s == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("body", [b"null", b'"hi"', b" 3", b"true", b"false", b"-1.5"])
def test_json_that_is_no_object_is_no_stream_cut_short(body: bytes) -> None:
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        decoder = decoder_of(content_type="application/json; charset=utf-8")
        assert type(refused(decoder, *pieces)) is errors.ResponseValidationError


@pytest.mark.parametrize(
    "first", [b"", b": hi\n", b"event: message\n", b"id: 1\n", b"retry: 1\n", b"\n\n", b"\xef\xbb\xbf"]
)
def test_a_stream_that_calls_itself_json(first: bytes) -> None:
    came, error = play(decoder_of(content_type="application/json"), [first + chunk("Hel"), DONE])
    assert ([one.text for one in came], error) == (["Hel"], None)
