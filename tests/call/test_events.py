"""Streams as bytes: the wire samples at every cut, the one way in which each stream ends, errors inside, odd bodies."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from call.flowkit import KEY
from llmsdk import errors
from llmsdk._call.effects import TransportFailure
from llmsdk._call.operation import Operation
from llmsdk._call.stream.events import EventDecoder, fold_whole
from llmsdk.providers import OPENAI, PROVIDERS, R9S, TOGETHER, WRITER, WRITER_V1
from llmsdk.providers.spec import Provider, Route
from llmsdk.resources.operations import all_operations
from llmsdk.utils.headers import Headers
from llmsdk.utils.secrets import Secret, Secrets

SAMPLES = Path(__file__).parent.parent / "data" / "fixtures"
INDEX = json.loads((SAMPLES / "index.json").read_text())
STREAMS = [entry for entry in INDEX if entry["kind"] == "stream"]
CHAT = all_operations()["createChatCompletion"]
COMPLETION = all_operations()["createCompletion"]
SSE = "text/event-stream"
OPERATIONS = {
    "completions": "createCompletion",
    "completions-stream": "createCompletion",
    "v1-completions": "createCompletion",
    "chat": "createChatCompletion",
    "v1-chat": "createChatCompletion",
    "images": "createImage",
}


def decoder_of(
    provider: Provider = OPENAI, operation: Operation = CHAT, content_type: str = SSE, **more: Any
) -> EventDecoder:
    secrets = Secrets()
    secrets.add(Secret(KEY))
    given = {"coding": None, "max_event_bytes": 1 << 20, "max_response_bytes": 1 << 22, **more}
    meta = errors.ReplyMeta(provider.name, 200, Headers({"content-type": content_type} if content_type else {}))
    return EventDecoder(operation, provider, meta, secrets, **given)


def play(decoder: EventDecoder, pieces: list[bytes]) -> tuple[list[Any], BaseException | None]:
    """Feed pieces to the end, as a stream does; the answer is the events and what was raised."""
    events: list[Any] = []
    try:
        for piece in pieces:
            if decoder.done:
                break
            events.extend(decoder.feed(piece))
        if not decoder.done:
            events.extend(decoder.end())
    except Exception as exc:
        return events, exc
    return events, None


def told(outcome: tuple[list[Any], BaseException | None]) -> tuple[Any, ...]:
    """Put an outcome in a form that can be compared."""
    events, error = outcome
    shown = [event.model_dump(mode="json", exclude_unset=True) for event in events]
    if error is None:
        return shown, None
    return shown, type(error), str(error), getattr(error, "body", None)


def provider_of(entry: dict[str, Any]) -> Provider:
    is_v1 = entry["provider"] == "writer" and entry["operation"].startswith("v1-")
    return PROVIDERS["writer_v1" if is_v1 else entry["provider"]]


def chunk(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"id": "a", "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


# ------------------------------------------------------------- wire samples


def test_no_sample_is_skipped() -> None:
    assert len(STREAMS) == len(list(SAMPLES.glob("*/*.sse")))
    assert all(entry["operation"] in OPERATIONS for entry in STREAMS)


@pytest.mark.parametrize("entry", STREAMS, ids=lambda entry: entry["file"])
def test_a_sample_gives_the_same_events_at_every_cut(entry: dict[str, Any]) -> None:
    raw = (SAMPLES / entry["file"]).read_bytes()
    provider, operation = provider_of(entry), all_operations()[OPERATIONS[entry["operation"]]]

    def outcome(pieces: list[bytes]) -> tuple[Any, ...]:
        return told(play(decoder_of(provider, operation), pieces))

    whole = outcome([raw])
    assert whole[0] or whole[1] is not None
    step = max(1, len(raw) // 250)
    for cut in range(0, len(raw) + 1, step):
        assert outcome([raw[:cut], raw[cut:]]) == whole
    assert outcome([raw[at : at + 1] for at in range(len(raw))]) == whole
    assert outcome([raw[at : at + 7] for at in range(0, len(raw), 7)]) == whole


@pytest.mark.parametrize("entry", STREAMS, ids=lambda entry: entry["file"])
def test_a_sample_gives_the_recorded_events(entry: dict[str, Any]) -> None:
    raw = (SAMPLES / entry["file"]).read_bytes()
    provider, operation = provider_of(entry), all_operations()[OPERATIONS[entry["operation"]]]
    blocks = raw.replace(b"\r\n", b"\n").split(b"\n\n")
    data = [
        line.removeprefix(b"data:").strip() for block in blocks for line in block.split(b"\n") if line[:5] == b"data:"
    ]
    recorded = [json.loads(text) for text in data if text != b"[DONE]"]
    events, error = play(decoder_of(provider, operation), [raw])
    shown = [event.model_dump(mode="json", exclude_unset=True) for event in events]
    if error is None:
        assert shown == recorded
    else:
        assert isinstance(error, errors.APIStatusError)
        assert shown == recorded[: len(shown)]
        assert "error" in entry["file"]


@pytest.mark.parametrize("entry", [one for one in STREAMS if one.get("sentinel")], ids=lambda entry: entry["file"])
def test_a_sample_cut_before_its_finish_reason_is_truncated(entry: dict[str, Any]) -> None:
    raw = (SAMPLES / entry["file"]).read_bytes()
    provider, operation = provider_of(entry), all_operations()[OPERATIONS[entry["operation"]]]
    if provider.routes[operation.id].ends_with_connection:
        assert play(decoder_of(provider, operation), [raw.partition(b"\n\n")[0] + b"\n\n"])[1] is None
        return
    first = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n"
    decoder = decoder_of(provider, operation)
    _events, error = play(decoder, [first])
    if decoder.accumulator.finished:
        assert error is None
        return
    assert isinstance(error, errors.StreamInterruptedError), error
    assert error.reason == "truncated"
    assert error.server == provider.name


# --------------------------------------------------------------- how it ends


def test_the_end_mark_ends_it_and_nothing_behind_it_is_read() -> None:
    decoder = decoder_of()
    events, error = play(decoder, [chunk("a") + DONE + chunk("b") + b"data: {bad\n\n"])
    assert error is None
    assert decoder.done
    assert [event.text for event in events] == ["a"]


@pytest.mark.parametrize(
    "mark",
    [
        b"data: [DONE]\n\n",
        b"data:[DONE]\r\n\r\n",
        b"data: [DONE]  \r\r",
        b"event: done\ndata: [DONE]\n\n",
        b"data: [DONE]\n",
        b"data: [DONE]",
        b"data:[DONE]\r",
    ],
)
def test_forms_of_the_end_mark(mark: bytes) -> None:
    decoder = decoder_of()
    events, error = play(decoder, [chunk("a"), mark])
    assert error is None
    assert decoder.done
    assert len(events) == 1


def test_only_an_end_mark_is_a_finished_stream_of_nothing() -> None:
    events, error = play(decoder_of(), [DONE])
    assert (events, error) == ([], None)


@pytest.mark.parametrize("pieces", [[], [b""], [b": hello\n\n"], [chunk("a")], [chunk("a"), chunk("b", "stop")[:-2]]])
def test_an_end_without_finish_reason_and_mark_is_truncated(pieces: list[bytes]) -> None:
    _, error = play(decoder_of(), pieces)
    assert type(error) is errors.StreamInterruptedError
    assert error.reason == "truncated"


def test_a_finish_reason_of_every_choice_is_enough() -> None:
    assert play(decoder_of(), [chunk("a"), chunk("", "stop")])[1] is None
    both = chunk("a", "stop") + chunk("b", index=1)
    assert isinstance(play(decoder_of(), [both])[1], errors.StreamInterruptedError)
    assert play(decoder_of(), [both + chunk("", "length", index=1)])[1] is None


def test_an_unfinished_last_event_is_discarded() -> None:
    events, error = play(decoder_of(), [chunk("a", "stop"), b'data: {"id": "b"'])
    assert error is None
    assert len(events) == 1


def test_what_says_nothing_is_skipped() -> None:
    noise = b'\xef\xbb\xbf: comment\n\nevent: ping\ndata: {"type": "ping"}\n\ndata:\n\ndata:   \n\nid: 5\nretry: 10\n\n'
    events, error = play(decoder_of(), [noise + chunk("a", "stop") + DONE])
    assert error is None
    assert len(events) == 1


def test_the_writers_events() -> None:
    long = " a time" * 20
    raw = b'data: {"value": ""}\n\ndata: {"value": "Once"}\n\ndata: {"value": "%s"}\n\n' % long.encode()
    for provider in (WRITER, WRITER_V1):
        decoder = decoder_of(provider, COMPLETION)
        events, error = play(decoder, [raw])
        assert error is None
        assert [event.text for event in events] == ["", "Once", long]
        assert decoder.accumulator.build().text == f"Once{long}"
        assert events[1].model_dump(exclude_unset=True) == {"value": "Once"}


def test_text_beyond_ascii_survives_every_cut() -> None:
    raw = chunk("gr\u00fc\u00df \u2028 \U0001f600").replace(b"\\u2028", "\u2028".encode())
    raw = b"data: " + json.dumps(json.loads(raw[6:]), ensure_ascii=False).encode() + b"\n\n" + DONE
    for cut in range(len(raw)):
        events, error = play(decoder_of(), [raw[:cut], raw[cut:]])
        assert error is None
        assert events[0].text == "gr\u00fc\u00df \u2028 \U0001f600"


def test_invalid_utf8_in_an_event_becomes_replacement_characters() -> None:
    events, error = play(decoder_of(), [chunk("a#b", "stop").replace(b"#", b"\xff")])
    assert error is None
    assert events[0].text == "a\ufffdb"


# ------------------------------------------------------------- errors inside


@pytest.mark.parametrize(
    "body, kind",
    [
        ({"error": {"message": "m", "code": 429}}, errors.RateLimitError),
        ({"error": {"message": "m", "code": "503"}}, errors.ServiceUnavailableError),
        ({"error": {"message": "m", "type": "server_error", "code": None}}, errors.InternalServerError),
        ({"error": {"message": "m", "code": "rate_limit_exceeded"}}, errors.RateLimitError),
        ({"error": {"message": "m", "code": "insufficient_quota"}}, errors.RateLimitError),
        ({"error": {"message": "m", "type": "invalid_request_error"}}, errors.BadRequestError),
        ({"error": {"message": "m", "status": 401}}, errors.AuthenticationError),
        ({"error": "m"}, errors.SDKDefaultError),
        ({"id": "x", "choices": [], "error": {"message": "m", "code": 502}}, errors.BadGatewayError),
        ({"id": "x", "choices": "bad", "error": {"message": "m", "code": 502}}, errors.BadGatewayError),
    ],
)
def test_an_error_object_raises_the_class_of_its_code(body: Any, kind: Any) -> None:
    raw = b"data: " + json.dumps(body).encode() + b"\n\n"
    events, error = play(decoder_of(), [chunk("a"), raw, chunk("never", "stop")])
    assert type(error) is kind
    assert error.message == "m"
    assert error.data == body
    assert error.meta is not None
    assert len(events) == 1


@pytest.mark.parametrize(
    "data, message, kind",
    [
        (b'{"error": {"message": "m", "code": 429}}', "m", errors.RateLimitError),
        (b'{"message": "m", "code": 404}', "m", errors.NotFoundError),
        (
            b'{"tpe": "TooManyRequests", "errors": [{"description": "m", "key": "k", "extras": null}], "extras": null}',
            "m",
            errors.RateLimitError,
        ),
        (b"plain words", "plain words", errors.SDKDefaultError),
        (b"[1]", "[1]", errors.SDKDefaultError),
        (b'"words"', "words", errors.SDKDefaultError),
        (b"bad \xff bytes", "bad \ufffd bytes", errors.SDKDefaultError),
    ],
)
def test_an_event_named_error(data: bytes, message: str, kind: Any) -> None:
    events, error = play(
        decoder_of(WRITER_V1, COMPLETION), [b'data: {"value": "a"}\n\n', b"event: error\ndata: " + data + b"\n\n"]
    )
    assert type(error) is kind
    assert error.message == message
    assert len(events) == 1


def test_an_error_event_shows_no_key() -> None:
    for raw in (b"event: error\ndata: %s\n\n", b'data: {"error": {"message": "%s"}}\n\n', b"data: {%s\n\n"):
        _, error = play(decoder_of(), [raw % KEY.encode()])
        assert isinstance(error, errors.RemoteError)
        assert KEY not in str(error) + repr(error) + str(getattr(error, "body", "")) + repr(getattr(error, "data", ""))


def test_a_choice_that_failed_and_never_finished_is_an_error() -> None:
    broken = chunk("a", error={"message": "m", "code": 502})
    for ending in ([DONE], [], [b"data: [DONE]"]):
        _, error = play(decoder_of(), [broken, *ending])
        assert type(error) is errors.BadGatewayError
        assert error.message == "m"
    assert play(decoder_of(), [broken, chunk("b", "stop"), DONE])[1] is None


@pytest.mark.parametrize(
    "data, words",
    [
        (b"{bad", "not valid JSON"),
        (b"words", "not valid JSON"),
        (b"[DONE", "not valid JSON"),
        (b"5", "not what was asked for"),
        (b"[]", "not what was asked for"),
        (b"true", "not what was asked for"),
        (b'{"choices": 5}', "at choices"),
        (b'{"choices": [5]}', "at choices"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, None),
    ],
)
def test_an_event_that_is_none(data: bytes, words: str | None) -> None:
    _, error = play(decoder_of(), [chunk("a"), b"data: " + data + b"\n\n"])
    if words is None:
        assert isinstance(error, errors.StreamInterruptedError)
        return
    assert type(error) is errors.ResponseValidationError
    assert words in error.message
    assert error.body == data.decode()
    assert error.status_code == 200


@pytest.mark.parametrize("provider, operation", [(OPENAI, CHAT), (TOGETHER, COMPLETION), (WRITER_V1, COMPLETION)])
@pytest.mark.parametrize("null", [b"null", b" null ", b"null" + b" " * 100])
def test_a_null_between_events_carries_nothing(provider: Provider, operation: Operation, null: bytes) -> None:
    nothing = b"data: " + null + b"\n\n"
    events, error = play(decoder_of(provider, operation), [nothing, DONE])
    assert (events, error) == ([], None)
    events, error = play(decoder_of(provider, operation), [nothing + chunk("a") + nothing, nothing, DONE])
    assert ([one.text for one in events], error) == (["a"], None)
    assert isinstance(play(decoder_of(provider, operation), [b"event: error\n" + nothing])[1], errors.APIStatusError)


def test_a_stream_of_nulls_alone_is_cut_short() -> None:
    assert isinstance(play(decoder_of(), [b"data: null\n\n"])[1], errors.StreamInterruptedError)


def test_an_event_that_is_none_in_a_mapped_dialect() -> None:
    for data in (b"5", b"[]", b'"x"', b'{"choices": [5], "value": "a"}', b'{"choices": {}, "value": 1}'):
        _, error = play(decoder_of(WRITER_V1, COMPLETION), [b"data: " + data + b"\n\n"])
        assert isinstance(error, errors.ResponseValidationError)


# ------------------------------------------------------------- other bodies

REPLY = {
    "id": "a",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "h\u00fc"}, "finish_reason": "stop"}],
    "usage": {"total_tokens": 3},
}
TEXT = json.dumps(REPLY, ensure_ascii=False)


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_where_a_stream_was_asked_is_one_chunk(content_type: str, encoding: str) -> None:
    raw = (" \n" * 3 + TEXT if encoding == "utf-8" else TEXT).encode(encoding)
    for cut in (0, 1, 2, 3, 4, len(raw) // 2, len(raw)):
        decoder = decoder_of(content_type=content_type)
        events, error = play(decoder, [raw[:cut], raw[cut:]])
        assert error is None, (cut, error)
        assert [event.text for event in events] == ["h\u00fc"]
        assert decoder.done
        built = decoder.accumulator.build()
        assert built.model_dump(mode="json", exclude_unset=True) == REPLY


@pytest.mark.parametrize(
    "body, kind",
    [
        (b'{"error": {"message": "m", "code": 429}}', errors.RateLimitError),
        (b"<html>Welcome</html>", errors.ResponseValidationError),
        (b'{"choices": [', errors.ResponseValidationError),
        (b"[]", errors.ResponseValidationError),
        (b"  \r\n ", errors.ResponseValidationError),
        (b"\xff", errors.ResponseValidationError),
        (b"", errors.StreamInterruptedError),
        (b"just words", errors.StreamInterruptedError),
    ],
)
def test_other_bodies_where_a_stream_was_asked(body: bytes, kind: Any) -> None:
    for cut in range(min(len(body), 4) + 1):
        events, error = play(decoder_of(content_type="text/html"), [body[:cut], body[cut:]])
        assert (events, type(error)) == ([], kind)


def test_a_stream_without_content_type_is_a_stream() -> None:
    raw = b"\r\n \n" + chunk("a", "stop") + DONE
    for cut in range(8):
        events, error = play(decoder_of(content_type=""), [raw[:cut], raw[cut:]])
        assert error is None
        assert len(events) == 1
    padded = b"\n" * 70_000 + chunk("a", "stop")
    assert len(play(decoder_of(content_type=""), [padded])[0]) == 1


def test_a_stream_that_came_where_one_reply_was_asked_is_folded() -> None:
    reply = fold_whole(decoder_of(), chunk("a") + chunk("b", "stop") + DONE)
    assert reply.text == "ab"
    assert fold_whole(decoder_of(), chunk("a") + chunk("b", "stop")).text == "ab"
    assert fold_whole(decoder_of(content_type=""), TEXT.encode()).text == "h\u00fc"
    for bad in (b"", b"data: {bad\n\n", b'data: {"error": {"code": 429}}\n\n'):
        with pytest.raises(errors.RemoteError) as info:
            fold_whole(decoder_of(), chunk("a") + bad)
        assert info.value.partial.text == "a"


def test_a_coded_stream_is_decoded_piece_by_piece() -> None:
    raw = gzip.compress(chunk("a") + chunk("b", "stop") + DONE)
    for cut in range(len(raw)):
        events, error = play(decoder_of(coding="gzip"), [raw[:cut], raw[cut:]])
        assert error is None
        assert [event.text for event in events] == ["a", "b"]
    _, error = play(decoder_of(coding="gzip"), [b"no gzip at all"])
    assert isinstance(error, TransportFailure)
    assert error.kind == "coding"
    _, error = play(decoder_of(content_type="application/json", coding="gzip"), [gzip.compress(TEXT.encode())[:-9]])
    assert isinstance(error, TransportFailure)


def test_half_a_character_becomes_a_replacement_character() -> None:
    (event,), error = play(decoder_of(), [chunk("a\ud83d", "stop"), DONE])
    assert (event.text, error) == ("a\ufffd", None)
    assert event.model_dump_json()


def test_a_coded_stream_that_is_cut_is_truncated() -> None:
    for size in (-1, -9, 12):
        _, error = play(decoder_of(coding="gzip"), [gzip.compress(chunk("a", "stop"))[:size]])
        assert isinstance(error, errors.StreamInterruptedError)
        assert (error.reason, error.message) == ("truncated", "the stream was cut: the gzip body is cut off")


# ------------------------------------------------------------------- bounds


@pytest.mark.parametrize("lines", [1, 5])
def test_an_event_beyond_its_bound_is_stopped(lines: int) -> None:
    big = b"data: " + b"x" * 2_000 + b"\n"
    for raw in (big * lines + b"\n", b"data: " + b"x" * 20_000):
        decoder = decoder_of(max_event_bytes=1_000)
        _, error = play(decoder, [chunk("a"), raw, chunk("b")])
        assert type(error) is errors.ResponseValidationError
        assert "1000 bytes" in error.message


def test_an_event_beyond_its_bound_behind_whole_ones_is_told_at_the_end_too() -> None:
    events, error = play(decoder_of(max_event_bytes=1_000), [chunk("a") + b"data: " + b"x" * 20_000])
    assert type(error) is errors.ResponseValidationError
    assert len(events) == 1


def test_a_stream_beyond_its_bound_is_stopped() -> None:
    _, error = play(decoder_of(max_response_bytes=500), [chunk("a")] * 50)
    assert type(error) is errors.ResponseValidationError
    assert "500 bytes" in error.message
    bomb = gzip.compress(b": " + b"x" * 3_000_000 + b"\n\n")
    _, error = play(decoder_of(max_response_bytes=5_000, coding="gzip", max_event_bytes=10**8), [bomb])
    assert isinstance(error, errors.ResponseValidationError)
    _, error = play(decoder_of(content_type="", max_response_bytes=500), [b"{" + b" " * 300, b" " * 300])
    assert isinstance(error, errors.ResponseValidationError | TransportFailure)


def test_a_large_event_in_small_reads_is_one_event() -> None:
    raw = chunk("y" * 500_000, "stop")
    events, error = play(decoder_of(), [raw[at : at + 4096] for at in range(0, len(raw), 4096)])
    assert error is None
    assert len(events[0].text) == 500_000


def test_events_are_handed_out_as_soon_as_their_blank_line_has_come() -> None:
    decoder = decoder_of()
    raw = chunk("a")
    assert list(decoder.feed(raw[:-1])) == []
    assert len(list(decoder.feed(raw[-1:]))) == 1


def test_an_operation_that_does_not_stream_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        decoder_of(operation=all_operations()["listModels"])
    no_maker = CHAT.__replace__(as_chunk=None)
    with pytest.raises(AssertionError):
        list(_fed(decoder_of(operation=no_maker, content_type=""), TEXT.encode()).end())


def _fed(decoder: EventDecoder, raw: bytes) -> EventDecoder:
    list(decoder.feed(raw))
    return decoder


# --------------------------------------------------------------- properties

PIECES = st.sampled_from(
    [b"data: ", b"data:", b"\n", b"\r", b"\r\n", b"\n\n", b"event: error", b"event: ping", b"[DONE]", b"{", b"}", b"[",
     b'{"error": 5}', b'{"error": {"code": 429}}', b"\xff\xfe", b"\x00", b"\xef\xbb\xbf", b":", b"id: 5", b"retry: 9",
     chunk("a"), chunk("b", "stop"), b'{"value": "x"}', b"null", b"1e999", b"<html>"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    raw=st.lists(PIECES | st.binary(max_size=6), max_size=12).map(b"".join),
    cuts=st.lists(st.integers(0, 200), max_size=5),
    content_type=st.sampled_from([SSE, "", "application/json"]),
    which=st.sampled_from([(OPENAI, CHAT), (TOGETHER, COMPLETION), (WRITER, COMPLETION), (R9S, CHAT)]),
)
def test_any_bytes_at_any_cut_end_alike_and_raise_nothing_foreign(
    raw: bytes, cuts: list[int], content_type: str, which: tuple[Provider, Operation]
) -> None:
    whole = play(decoder_of(*which, content_type), [raw])
    assert whole[1] is None or isinstance(whole[1], errors.SDKError), repr(whole[1])
    places = sorted({0, *(cut % (len(raw) + 1) for cut in cuts), len(raw)})
    pieces = [raw[start:end] for start, end in itertools.pairwise(places)] or [raw]
    assert told(play(decoder_of(*which, content_type), pieces)) == told(whole)


def test_a_route_of_ones_own_maps_events() -> None:
    own = Provider(name="own", routes={"createCompletion": Route(event={"$.choices[0].text": "$.out.text"})})
    events, error = play(decoder_of(own, COMPLETION), [b'data: {"out": {"text": "a"}}\n\n', DONE])
    assert error is None
    assert events[0].text == "a"


def test_json_that_calls_itself_a_stream_is_read_as_what_it_is() -> None:
    body = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Lima"},"finish_reason":"stop"}]}'
    decoder = decoder_of()
    events = [*decoder.feed(body), *decoder.end()]
    assert [event.text for event in events] == ["Lima"]
    assert decoder.done


def test_an_error_that_calls_itself_a_stream_keeps_its_message() -> None:
    decoder = decoder_of()
    with pytest.raises(errors.RateLimitError, match="slow down"):
        [*decoder.feed(b'{"error":{"message":"slow down","code":429}}'), *decoder.end()]


# ------------------------------------------------------- beside our own fields


def test_usage_beside_our_fields_is_mapped_where_the_dialect_says_so() -> None:
    counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    last = {
        "id": "a",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "x_groq": {"id": "req_1", "usage": counts},
    }
    first = {"id": "a", "choices": [], "x_groq": {"id": "req_1"}}
    wire = [b"data: " + json.dumps(first).encode() + b"\n\n", chunk("hi")]
    wire += [b"data: " + json.dumps(last).encode() + b"\n\n", DONE]
    decoder = decoder_of(OPENAI)
    events, error = play(decoder, wire)
    assert error is None
    assert [event.usage is not None for event in events] == [False, False, True]
    assert events[-1].usage.total_tokens == 7
    assert events[-1].model_dump(mode="json", exclude_unset=True) == last
    assert decoder.accumulator.usage.completion_tokens == 4
    assert decoder.accumulator.build().usage.prompt_tokens == 3
    decoder = decoder_of(R9S)
    assert play(decoder, wire)[1] is None
    assert decoder.accumulator.build().usage is None


def test_usage_of_its_own_is_not_replaced() -> None:
    body = {"choices": [{"index": 0, "finish_reason": "stop"}], "usage": {"total_tokens": 1}, "x_groq": {"usage": {}}}
    decoder = decoder_of(OPENAI)
    assert play(decoder, [b"data: " + json.dumps(body).encode() + b"\n\n", DONE])[1] is None
    assert decoder.accumulator.build().usage.total_tokens == 1


@pytest.mark.parametrize("operation", [CHAT, COMPLETION], ids=lambda one: one.id)
def test_an_event_that_calls_itself_an_error_is_one(operation: Operation) -> None:
    body = {"object": "error", "message": "m", "type": "BadRequestError", "param": None, "code": 400}
    events, error = play(decoder_of(OPENAI, operation), [b"data: " + json.dumps(body).encode() + b"\n\n", DONE])
    assert not events
    assert isinstance(error, errors.BadRequestError)
    assert error.data == body


@pytest.mark.parametrize(
    "start", [b'[{"error": {"code": 429, "message": "m"}}]', b'{"error": {"code": 429, "message": "m"}}']
)
@pytest.mark.parametrize("form", [b"data: %b\n\n", b"event: error\ndata: %b\n\n", b"%b"])
def test_an_error_in_a_list_of_its_own(start: bytes, form: bytes) -> None:
    content_type = SSE if form.endswith(b"\n\n") else "application/json"
    _, error = play(decoder_of(OPENAI, content_type=content_type), [form % start])
    assert isinstance(error, errors.RateLimitError)
    assert error.message == "m"


@pytest.mark.parametrize(
    "content_type, wire, unread",
    [
        (SSE, [chunk("a"), b'data: {"id": "a", "cho'], b'data: {"id": "a", "cho'),
        (SSE, [b'data: {"id":\ndata: "a",\nda'], b'data: {"id":\ndata: "a",\nda'),
        (SSE, [chunk("a")], b""),
        (SSE, [b"<html>", b"x"], b"<html>x"),
        ("application/json", [b' {"id": "a", "cho', b"ices"], b' {"id": "a", "choices'),
        ("", [b"\n\n"], b"\n\n"),
    ],
)
def test_what_makes_no_event_can_be_asked_for(content_type: str, wire: list[bytes], unread: bytes) -> None:
    decoder = decoder_of(OPENAI, content_type=content_type)
    for piece in wire:
        list(decoder.feed(piece))
    assert decoder.unread == unread


@pytest.mark.parametrize("provider", [WRITER, WRITER_V1], ids=lambda one: one.name)
@pytest.mark.parametrize(
    "wire",
    [b"", b"junk", b"<html>Sign in</html>", b'{"choices": [{"text": "a"', b'data: {"value": "a"}\n\ndata: {"val'],
)
def test_a_dialect_without_end_mark_does_not_make_a_stream_of_what_is_none(provider: Provider, wire: bytes) -> None:
    _, error = play(decoder_of(provider, COMPLETION), [wire])
    assert isinstance(error, errors.StreamInterruptedError)
    assert error.reason == "truncated"
    assert error.body in (wire.decode(), 'data: {"val')
    events, error = play(decoder_of(provider, COMPLETION), [b'data: {"value": "a"}\n\n'])
    assert (len(events), error) == (1, None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_json_that_calls_itself_a_stream_is_read_in_any_encoding(encoding: str) -> None:
    body = {"id": "a", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
    events, error = play(decoder_of(OPENAI), [json.dumps(body).encode(encoding)])
    assert error is None
    assert [event.text for event in events] == ["hi"]


@pytest.mark.parametrize("end", [DONE, b""], ids=["done", "cut"])
@pytest.mark.parametrize("body", [{"detail": "m"}, {"message": "m"}, {"errors": ["m"]}])
@pytest.mark.parametrize("operation", [CHAT, COMPLETION], ids=lambda one: one.id)
def test_a_stream_of_nothing_but_a_complaint_is_an_error(operation: Operation, body: Any, end: bytes) -> None:
    wire = b"data: " + json.dumps(body).encode() + b"\n\n"
    _, error = play(decoder_of(OPENAI, operation), [wire, end])
    assert isinstance(error, errors.SDKDefaultError)
    assert (error.message, error.data) == ("m", body)


def test_a_remark_beside_results_is_no_error() -> None:
    remark = b'data: {"message": "queued"}\n\n'
    events, error = play(decoder_of(OPENAI), [remark, chunk("a", "stop"), DONE])
    assert error is None
    assert [event.text for event in events] == ["", "a"]


def test_an_error_event_that_is_no_json_is_kept_as_it_came() -> None:
    _, error = play(decoder_of(OPENAI), [b"event: error\ndata: out of memory\n\n"])
    assert isinstance(error, errors.SDKDefaultError)
    assert (error.message, error.body, error.data) == ("out of memory", "out of memory", None)


def test_an_event_that_is_nested_too_deeply_says_so() -> None:
    _, error = play(decoder_of(OPENAI), [b'data: {"choices": [], "x": ' + b"[" * 300 + b"]" * 300 + b"}\n\n"])
    assert isinstance(error, errors.ResponseValidationError)
    assert error.message == "an event is nested too deeply"


@pytest.mark.parametrize("given", [{}, {"is_single": False}, {"is_single": True}], ids=repr)
def test_the_one_choice_may_have_the_number_1(given: dict[str, Any]) -> None:
    chunk = {"id": "a", "model": "m", "created": 1, "choices": [{"index": 1, "delta": {"content": "Hi"}}]}
    event = f"data: {json.dumps(chunk)}\n\n".encode()
    events, _ = play(decoder_of(**given), [event * 2, b"data: [DONE]\n\n"])
    assert [event.text for event in events] == (["Hi", "Hi"] if given.get("is_single") else ["", ""])
