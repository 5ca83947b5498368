"""SSEDecoder follows the WHATWG rules at every cut of the bytes, in bounded memory, looking at each byte once."""

import random
import re
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk.utils import sse
from llmsdk.utils.sse import EventTooLarge, Frame, SSEDecoder

BOM = b"\xef\xbb\xbf"


def message(data, event="message", id=None, retry=None):
    return Frame(event, data, id, retry)


def decode(*chunks, limit=1 << 20):
    decoder = SSEDecoder(limit)
    return [frame for chunk in chunks for frame in decoder.feed(chunk)]


RULES = {
    "one event": (b"data: a\n\n", [message(b"a")]),
    "no space": (b"data:a\n\n", [message(b"a")]),
    "one space is removed": (b"data:  a \n\n", [message(b" a ")]),
    "mixed space in one read": (b"data:a\n\ndata: b\n\ndata:  c\n\n", [message(b"a"), message(b"b"), message(b" c")]),
    "no space follows space": (b"data: a\n\ndata:b\n\n", [message(b"a"), message(b"b")]),
    "a tab is data": (b"data:\ta\n\n", [message(b"\ta")]),
    "cr": (b"data: a\r\rdata: b\r\r", [message(b"a"), message(b"b")]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [message(b"a"), message(b"b")]),
    "crlf without space": (b"data:a\r\n\r\ndata:b\r\n\r\n", [message(b"a"), message(b"b")]),
    "lf then crlf": (b"data: a\n\r\ndata: b\r\n\n", [message(b"a"), message(b"b")]),
    "crlf with a lone lf": (b"data: a\ndata: b\r\n\r\n", [message(b"a\nb")]),
    "crlf with a lone cr": (b"data: a\rdata: b\r\n\r\n", [message(b"a\nb")]),
    "cr, crlf": (b"data: a\r\r\ndata: b\n\n", [message(b"a"), message(b"b")]),
    "crlf counts that add up": (b"data: a\n\r\n\r\n\r\ndata: b\n\n", [message(b"a"), message(b"b")]),
    "more blank lines": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [message(b"a"), message(b"b")]),
    "multi-line": (b"data: a\ndata: b\ndata: c\n\n", [message(b"a\nb\nc")]),
    "multi-line, crlf": (b"data: a\r\ndata: b\r\n\r\n", [message(b"a\nb")]),
    "multi-line in a run": (
        b"data: 0\n\ndata: a\ndata: b\n\ndata: c\n\n",
        [message(b"0"), message(b"a\nb"), message(b"c")],
    ),
    "empty lines of data": (b"data:\ndata\ndata: \n\n", [message(b"\n\n")]),
    "one empty line of data": (b"data:\n\n", [message(b"")]),
    "one empty line of data after a space": (b"data: \n\n", [message(b"")]),
    "data without a colon": (b"data\n\n", [message(b"")]),
    "comment": (b": hi\n\n:\n:data: x\ndata: a\n\n", [message(b"a")]),
    "comment in a run": (b"data: a\n\n: ping\n\ndata: b\n\n", [message(b"a"), message(b"b")]),
    "named": (b"event: add\ndata: a\n\ndata: b\n\n", [message(b"a", "add"), message(b"b")]),
    "the last name wins": (b"event: x\nevent: y\ndata: a\n\n", [message(b"a", "y")]),
    "an empty name is message": (b"event: x\nevent\ndata: a\n\n", [message(b"a")]),
    "a name without data is forgotten": (b"event: x\n\ndata: a\n\n", [message(b"a")]),
    "name after data": (b"data: a\nevent: x\n\n", [message(b"a", "x")]),
    "id": (b"id: 7\ndata: a\n\ndata: b\n\n", [message(b"a", id="7"), message(b"b")]),
    "empty id resets": (b"id: 7\nid\ndata: a\n\n", [message(b"a", id="")]),
    "id with NUL is ignored": (b"id: 7\nid: a\0b\ndata: a\n\n", [message(b"a", id="7")]),
    "id alone": (b"id: 7\n\n", []),
    "retry": (b"retry: 0150\ndata: a\n\n", [message(b"a", retry=150)]),
    "retry zero": (b"retry: 000\ndata: a\n\n", [message(b"a", retry=0)]),
    "retry behind many zeros": (b"retry: " + b"0" * 30 + b"150\ndata: a\n\n", [message(b"a", retry=150)]),
    "retry with a sign": (b"retry: -1\nretry: +1\nretry: 1.5\nretry:\nretry\nretry: 1 \ndata: a\n\n", [message(b"a")]),
    "retry, other digits": ("retry: ٣\ndata: a\n\n".encode(), [message(b"a")]),
    "retry of 5000 digits": (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [message(b"a", retry=10**18)]),
    "retry at the digit bound": (b"retry: " + b"9" * 18 + b"\ndata: a\n\n", [message(b"a", retry=10**18 - 1)]),
    "unknown field": (
        b"foo: 1\ndatax: 2\ndat: 3\nData: 4\n data: 5\nevents: x\nretryx: 1\nid : 9\ndata: a\n\n",
        [message(b"a")],
    ),
    "unknown field, no colon": (b"datadata\neventevent\nretryretry\nidid\ndata: a\n\n", [message(b"a")]),
    "colon far behind": (b"database: 1\nmuch longer than a name: 2\ndata: a\n\n", [message(b"a")]),
    "a colon in the value": (b"data: a:b\nevent: x:y\n\n", [message(b"a:b", "x:y")]),
    "no blank line at the end": (b"data: a\n\ndata: b\n", [message(b"a")]),
    "no line end at the end": (b"data: a\n\ndata: b", [message(b"a")]),
    "nothing": (b"", []),
    "only bom": (BOM, []),
    "bom": (BOM + b"data: a\n\n", [message(b"a")]),
    "two boms": (BOM + BOM + b"data: a\n\ndata: b\n\n", [message(b"b")]),
    "bom later": (b"data: a\n\n" + BOM + b"data: b\n\ndata: c\n\n", [message(b"a"), message(b"c")]),
    "half a bom": (b"\xef\xbbdata: a\n\ndata: b\n\n", [message(b"b")]),
    "other line ends are data": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei\n\n".encode(),
        [message("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\x1dh\x1ei".encode())],
    ),
    "raw 0x85": (b"data: a\x85b\n\n", [message(b"a\x85b")]),
    "invalid utf-8 stays": (b"data: \xff\xfe\xc3\n\n", [message(b"\xff\xfe\xc3")]),
    "invalid utf-8 in names": (b"event: \xff\nid: \xc3\ndata: a\n\n", [message(b"a", "\ufffd", "\ufffd")]),
    "NUL in data": (b"data: a\0b\n\n", [message(b"a\0b")]),
}


@pytest.mark.parametrize("wire, frames", RULES.values(), ids=RULES)
def test_rule(wire, frames):
    assert decode(wire) == frames
    # Also behind events that have opened the fast path.
    assert decode(BOM + b"data: 0\n\n", wire) == [
        message(b"0"),
        *(frames if not wire.startswith(BOM) else decode(b"\n" + wire)),
    ]


@pytest.mark.parametrize("wire, frames", RULES.values(), ids=RULES)
def test_rule_at_every_cut(wire, frames):
    assert decode(*(wire[at : at + 1] for at in range(len(wire)))) == frames
    if len(wire) > 100:
        rng = random.Random(len(wire))
        cuts = [sorted(rng.choices(range(len(wire) + 1), k=2)) for _ in range(200)]
    else:
        cuts = [(first, second) for first in range(len(wire) + 1) for second in range(first, len(wire) + 1)]
    for first, second in cuts:
        assert decode(wire[:first], wire[first:second], wire[second:]) == frames, (first, second)


def test_a_long_stream_at_random_cuts():
    wire = b"".join(
        wire if wire.endswith((b"\n\n", b"\r\r", b"\r\n")) else wire + b"\n\n" for wire, _ in RULES.values()
    )
    expected = decode(wire)
    assert len(expected) > 60
    rng = random.Random(1)
    for _ in range(300):
        cuts = sorted(rng.choices(range(len(wire)), k=rng.choice((1, 5, 60))))
        assert decode(*(wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True))) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("fields", [b"data: %b", b"event: x{}data: %b", b": c{}data: %b", b"data: %b{}id: 1"])
def test_an_event_is_out_with_its_blank_line(fields, end):
    decoder = SSEDecoder(1000)
    for number in range(4):
        block = fields.replace(b"{}", end) % str(number).encode() + end
        assert decoder.feed(block) == []
        last = end[:1] if end == b"\r\n" else end  # the CR ends the line already
        (frame,) = decoder.feed(last)
        assert frame.data == str(number).encode()
        assert decoder.feed(end[len(last) :]) == []


def test_ids_and_retry_are_remembered():
    decoder = SSEDecoder(1000)
    assert (decoder.last_event_id, decoder.retry_ms) == ("", None)
    decoder.feed(b"id: 1\nretry: 20\n")
    assert (decoder.last_event_id, decoder.retry_ms) == ("", 20)
    decoder.feed(b"\n")
    assert decoder.last_event_id == "1"
    decoder.feed(b"data: x\n\n: c\n\nretry: x\n\n")
    assert (decoder.last_event_id, decoder.retry_ms) == ("1", 20)
    decoder.feed(b"id\n\n")
    assert decoder.last_event_id == ""


@pytest.mark.parametrize(
    "wire, pending, frame",
    [
        (b"", b"", None),
        (b"data: a\n\n", b"", None),
        (b"data: a\n\ndata: [DONE]", b"data: [DONE]", message(b"[DONE]")),
        (b"data: a\n\ndata: [DONE]\n", b"[DONE]\n", message(b"[DONE]")),
        (b"event: x\nid: 2\nretry: 3\ndata: b\ndata: c", b"b\ndata: c", None),
        (b"event: x\nid: 2\nretry: 3\ndata: b\ndata:c\n", b"b\nc\n", message(b"b\nc", "x", "2", 3)),
        (b"event: x\n", b"", None),
        (b": ping", b": ping", None),
        (b"\xef\xbb", b"\xef\xbb", None),
        (b"retry: 5", b"retry: 5", None),
    ],
)
def test_flush_gives_the_unfinished_event(wire, pending, frame):
    decoder = SSEDecoder(1000)
    decoder.feed(wire)
    assert decoder.pending == pending
    retry_ms = decoder.retry_ms
    last = decoder.flush()
    if frame is None and b"data:" in pending:
        frame = message(b"b\nc", "x", "2", 3)
    assert last == frame
    assert decoder.last_event_id == ""
    assert decoder.retry_ms == retry_ms
    assert decoder.flush() is None
    assert decoder.pending == b""
    assert decoder.feed(BOM + b"data: again\n\n") == [message(b"again")]


# ------------------------------------------------------------------- bounds


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "wire, fits",
    [
        (b"data: 1234\n\n", 10),
        (b"data: 1234\r\n\r\n", 10),
        (b"data:1234\n\n", 9),
        (b": 3456789\n\n", 9),
        (b"foo: 6789\n\n", 9),
        (b"data: 1\ndata: 2\ndata: 3\n\n", 4 + 7),
        (b"event: 12\ndata: 1\nevent: 3\n\n", 2 + 2 + 8),
        (b"event: 1\nevent: 2345\n\n", 1 + 11),
        (b"event: 123456\nevent: 2\ndata: 1234567890\n\n", 17),
        (b"id: 123456\nid: 2\ndata: 1234567890\n\n", 17),
        (b"id: 1234\ndata: 123456\n\n", 4 + 12),
    ],
)
def test_bound_is_exact_at_every_cut(wire, fits, size):
    for lead in (b"", b"data: \n\n"):
        chunks = [lead] + [wire[at : at + size] for at in range(0, len(wire), size)]
        for body in (chunks, [lead + wire]):
            assert len(decode(*body, limit=fits)) == (b"data" in lead) + (b"data" in wire)
            with pytest.raises(EventTooLarge) as caught:
                decode(*body, b"", limit=fits - 1)
            assert caught.value.limit == fits - 1
            assert str(fits - 1) in str(caught.value)


def test_events_before_the_bound_are_not_lost():
    decoder = SSEDecoder(10)
    assert decoder.feed(b"data: a\n\ndata: b\n\ndata: " + b"x" * 70_000 + b"\n\ndata: c\n\n") == [
        message(b"a"),
        message(b"b"),
    ]
    assert decoder.pending == b""
    for _ in range(2):
        with pytest.raises(EventTooLarge):
            decoder.feed(b"data: d\n\n")
        with pytest.raises(EventTooLarge):
            decoder.flush()


def test_the_error_is_raised_also_where_the_chunk_goes_on():
    for more in (b"data: a\n\n", b"data: a\n\ndata: b\n\n"):
        decoder = SSEDecoder(10)
        decoder.feed(b"data: 1")
        with pytest.raises(EventTooLarge):
            decoder.feed(b"2345678\n\n" + more + b"data: ")


def test_the_bound_holds_from_the_first_byte_on():
    with pytest.raises(EventTooLarge):
        SSEDecoder(1).feed(b"xy")


def held_bytes(decoder):
    return sum(sys.getsizeof(getattr(decoder, name)) for name in decoder.__slots__)


@pytest.mark.parametrize(
    "line", [b": comment\n", b"unknown: field\n", b"\n", b"retry: 1\n", b"event: abc\n", b"id: abc\n", b"x\r\n"]
)
def test_endless_lines_hold_nothing(line):
    decoder = SSEDecoder(1000)
    for _ in range(300):
        assert decoder.feed(line * 100) == []
    assert held_bytes(decoder) < 2000


@pytest.mark.parametrize("piece", [b"data\n", b"data: x\n", b"data: xy\n", b"x", b"xy", b"data: " + b"z" * 500 + b"\n"])
def test_memory_stays_under_twice_the_bound(piece):
    decoder = SSEDecoder(100_000)
    most = 0
    with pytest.raises(EventTooLarge):
        for _ in range(110_000):
            decoder.feed(piece)
            most = max(most, held_bytes(decoder))
    assert 90_000 < most < 200_000
    assert held_bytes(decoder) < 2000


# ---------------------------------------------------------------- linearity


class CountingTail(bytearray):
    """The unfinished line, counting what is done to it beyond appending."""

    appended = 0
    passes = 0

    def __iadd__(self, other):
        CountingTail.appended += len(other)
        return super().__iadd__(other)

    def find(self, *args):
        CountingTail.passes += 1
        return super().find(*args)


@pytest.mark.parametrize("wire", [b"data: %b\n\n", b"event: x\r\ndata: %b\r\n\r\n", b": %b\n\n"])
def test_each_byte_is_looked_at_once(wire, monkeypatch):
    scanned = 0
    real = SSEDecoder._scan_window

    def counting(self, text, out):
        nonlocal scanned
        scanned += len(text)
        real(self, text, out)

    monkeypatch.setattr(SSEDecoder, "_scan_window", counting)
    body = wire % (b"x" * 8_000_000)
    decoder = SSEDecoder(1 << 25)
    decoder._tail = CountingTail()
    CountingTail.appended = CountingTail.passes = 0
    frames = [frame for at in range(0, len(body), 4096) for frame in decoder.feed(body[at : at + 4096])]
    assert [len(frame.data) for frame in frames] == ([] if wire.startswith(b":") else [8_000_000])
    assert scanned == len(body)
    assert CountingTail.appended <= len(body)
    assert CountingTail.passes <= 1


def test_plain_events_never_reach_the_line_scanner(monkeypatch):
    decoder = SSEDecoder(1 << 20)
    decoder.feed(b"data: 0\n\n")
    monkeypatch.setattr(SSEDecoder, "_scan_window", None)
    for wire in (b"data: %d\n\n", b"data:%d\n\n", b"data: %d\r\n\r\n", b"data:%d\r\n\r\n"):
        numbers = [b"%d" % number for number in range(500)]
        assert decoder.feed(b"".join(wire % number for number in range(500))) == [message(number) for number in numbers]
        assert decoder.feed(wire % 7) == [message(b"7")]


def test_a_chunk_of_many_lines_is_split_in_windows(monkeypatch):
    sizes = []
    real = SSEDecoder._scan_window
    monkeypatch.setattr(
        SSEDecoder, "_scan_window", lambda self, text, out: (sizes.append(len(text)), real(self, text, out))
    )
    wire = b": c\r\n" * 50_000 + b"data: x\r\n\r\n"
    assert decode(wire) == [message(b"x")]
    assert max(sizes) <= sse._WINDOW
    assert sum(sizes) == len(wire)


# --------------------------------------------------------------- properties


def model(wire):
    """The rules of the standard, word by word."""
    wire = wire.removeprefix(BOM)
    data, event, found, retry, out = b"", b"", None, None, []
    lines = re.split(rb"\r\n|\r|\n", wire)
    for line in lines[:-1]:
        if not line:
            if data:
                out.append(message(data[:-1], event.decode(errors="replace") or "message", found, retry))
            data, event, found, retry = b"", b"", None, None
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data += value + b"\n"
        elif name == b"event":
            event = value
        elif name == b"id" and b"\0" not in value:
            found = value.decode(errors="replace")
        elif name == b"retry" and re.fullmatch(rb"[0-9]+", value):
            retry = min(int(value), 10**18)
    return out


PIECES = [
    b"data",
    b"data:",
    b"data: ",
    b"event: ",
    b"id:",
    b"retry: ",
    b": ",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
]
PIECES += [
    b"\r\n\r\n",
    b"data: x\n\n",
    b"data: y\r\n\r\n",
    b"a",
    b"12",
    b"\0",
    b"\xff",
    BOM,
    b"\xef",
    b"\xc2\x85",
    b"foo:",
]
wires = st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


def cut(data, wire, most=12):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=most)))
    return [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(wires, st.data())
def test_any_bytes_at_any_cut_give_what_the_rules_give(wire, data):
    assert decode(*cut(data, wire)) == model(wire)


text = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
events = st.lists(
    st.tuples(
        st.lists(text, min_size=1, max_size=3),
        text,
        st.none() | text.filter(lambda found: "\0" not in found),
        st.none() | st.integers(0, 10**6),
    ),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(events, st.data())
def test_any_encoding_of_any_events_gives_them_back(wanted, data):
    def line(name, value):
        space = " " if value.startswith(" ") else data.draw(st.sampled_from(["", " "]))
        bare = not value and data.draw(st.booleans())
        return (name if bare else f"{name}:{space}{value}").encode()

    ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
    out = [BOM if data.draw(st.booleans()) else b""]
    frames = []
    for lines, event, found, retry in wanted:
        fields = [line("data", value) for value in lines]
        extra = [] if not event else [line("event", event)]
        extra += [] if found is None else [line("id", found)]
        extra += [] if retry is None else [line("retry", str(retry))]
        extra += data.draw(st.lists(st.sampled_from([b": c", b":", b"foo: bar", b"foo", b"DATA: x"]), max_size=2))
        for field in extra:
            fields.insert(data.draw(st.integers(0, len(fields))), field)
        # A CR before an empty line that ends in LF would be read as one CRLF: one kind of end per event avoids that.
        end = data.draw(ends)
        out += [field + end for field in fields] + [end]
        frames.append(message("\n".join(lines).encode(), event or "message", found, retry))
    assert decode(*cut(data, b"".join(out))) == frames


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=40) | wires, max_size=6), st.integers(1, 60))
def test_nothing_but_our_own_error_is_ever_raised(chunks, limit):
    decoder = SSEDecoder(limit)
    with suppress(EventTooLarge):
        for chunk in chunks:
            assert all(len(frame.data) <= limit for frame in decoder.feed(chunk))
            assert len(decoder.pending) <= limit + 3
        decoder.flush()
    assert decoder.pending == b""


def test_the_error_travels():
    import copy
    import pickle

    error = EventTooLarge(5)
    for twin in (copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.limit, str(twin)) == (5, str(error))


def test_split_makes_no_frame_of_an_event_that_is_nothing_but_data() -> None:
    raw = b"data: one\n\ndata: two\n\n"
    named = Frame("a", b"three", None, None)
    whole, framed, cut = SSEDecoder(1000), SSEDecoder(1000), SSEDecoder(1000)
    for decoder in (whole, framed, cut):
        assert decoder.feed(b": begun\n\n") == []
    assert whole.split(raw) == [b"one", b"two"]
    assert whole.split(b"data: one\n\n") == [b"one"]
    assert whole.split(b"event: a\ndata: three\n\n") == [named]
    assert framed.feed(raw) == [Frame("message", data, None, None) for data in (b"one", b"two")]
    assert cut.split(raw + b"event: a\nda") == [b"one", b"two"]
    assert cut.split(b"ta: three\n\n") == [named]
